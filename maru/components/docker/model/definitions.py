"""The kinds Container, Volume and Network of engine.maru.dev, as custom resources.

Their specs hold objects of the Engine API, which has its own rules and grows by itself; so the schema
keeps what it does not name. Source: apiextensions.k8s.io/v1, CustomResourceDefinition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Resource, Value
from maru.kinds.custom import Column, definition

GROUP = "engine.maru.dev"
CONTAINERS = Resource(GROUP, "v1", "containers", "Container", namespaced=False)
VOLUMES = Resource(GROUP, "v1", "volumes", "Volume", namespaced=False)
NETWORKS = Resource(GROUP, "v1", "networks", "Network", namespaced=False)


_COLUMNS: Mapping[Resource, Sequence[Column]] = {
    CONTAINERS: (
        ("Called", ".spec.name"),
        ("Image", ".spec.image"),
        ("Status", ".status.state"),
        ("Ports", ".status.ports"),
        ("Node", ".spec.node", 1),
    ),
    VOLUMES: (("Called", ".spec.name"), ("Driver", ".spec.driver")),
    NETWORKS: (
        ("Called", ".spec.name"),
        ("Driver", ".spec.driver"),
        ("Subnet", ".status.subnets[0]"),
        ("Message", ".status.message", 1),
    ),
}


def definitions() -> Mapping[Resource, Value]:
    """The CustomResourceDefinitions by kind."""
    return {resource: definition(resource, None, columns) for resource, columns in _COLUMNS.items()}
