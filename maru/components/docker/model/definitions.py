"""The kinds Container, Volume and Network of engine.maru.dev, as custom resources.

Their specs hold objects of the Engine API, which has its own rules and grows by itself; so the schema
keeps what it does not name. Source: apiextensions.k8s.io/v1, CustomResourceDefinition.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Resource, Value

GROUP = "engine.maru.dev"
CONTAINERS = Resource(GROUP, "v1", "containers", "Container", namespaced=False)
VOLUMES = Resource(GROUP, "v1", "volumes", "Volume", namespaced=False)
NETWORKS = Resource(GROUP, "v1", "networks", "Network", namespaced=False)


def definitions() -> Sequence[Value]:
    """To be created where they are not there."""
    container_columns = [
        _column("Called", ".spec.name"),
        _column("Image", ".spec.image"),
        _column("Status", ".status.state"),
        _column("Ports", ".status.ports"),
        _column("Node", ".spec.node", priority=1),
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    volume_columns = [
        _column("Called", ".spec.name"),
        _column("Driver", ".spec.driver"),
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    network_columns = [
        _column("Called", ".spec.name"),
        _column("Driver", ".spec.driver"),
        _column("Subnet", ".status.subnets[0]"),
        _column("Message", ".status.message", priority=1),
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    return [
        _definition(CONTAINERS, container_columns),
        _definition(VOLUMES, volume_columns),
        _definition(NETWORKS, network_columns),
    ]


def _column(name: str, path: str, priority: int = 0) -> Value:
    return {"name": name, "type": "string", "jsonPath": path, "priority": priority}


def _definition(resource: Resource, columns: list[Value]) -> Value:
    open_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": open_object, "status": open_object}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Cluster",
            "names": {
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
            },
            "versions": [
                {
                    "name": resource.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }
