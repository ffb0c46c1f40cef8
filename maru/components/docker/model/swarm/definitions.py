"""The kinds of swarm.maru.dev: Cluster, Node, Service, Task, Secret and Config, as custom resources.

A document's `spec` is the Spec of the Engine API's object, its `status` everything else; both are written
together, so that the specification and what follows from it never disagree.
Source: Docker Engine API v1.50, "Swarm", "Node", "Service", "Task", "Secret", "Config".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Resource, Value
from maru.kinds import custom

GROUP = "swarm.maru.dev"
CLUSTERS = Resource(GROUP, "v1", "clusters", "Cluster", namespaced=False)
NODES = Resource(GROUP, "v1", "nodes", "Node", namespaced=False)
SERVICES = Resource(GROUP, "v1", "services", "Service", namespaced=False)
TASKS = Resource(GROUP, "v1", "tasks", "Task", namespaced=False)
SECRETS = Resource(GROUP, "v1", "secrets", "Secret", namespaced=False)
CONFIGS = Resource(GROUP, "v1", "configs", "Config", namespaced=False)

KINDS = (CLUSTERS, NODES, SERVICES, TASKS, SECRETS, CONFIGS)

_CALLED = ("Called", ".spec.Name")
_COLUMNS: Mapping[Resource, Sequence[custom.Column]] = {
    CLUSTERS: (_CALLED,),
    NODES: (("Hostname", ".status.Description.Hostname"), ("Availability", ".spec.Availability")),
    SERVICES: (_CALLED, ("Image", ".spec.TaskTemplate.ContainerSpec.Image")),
    TASKS: (
        ("Called", ".status.name"),
        ("Desired", ".status.DesiredState"),
        ("State", ".status.Status.State"),
        ("Error", ".status.Status.Err"),
    ),
    SECRETS: (_CALLED,),
    CONFIGS: (_CALLED,),
}


def definition(resource: Resource) -> Value:
    """The CustomResourceDefinition of one of them."""
    return custom.definition(resource, None, _COLUMNS[resource], is_status_apart=False)
