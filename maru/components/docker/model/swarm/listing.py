"""Which services, tasks, nodes, secrets and configs a list shows.

Names and ids match by their beginning, as in swarm, but for those of secrets and configs, which match by what
they contain. Source: Docker Engine API v1.50, `filters` of the lists; moby daemon/cluster/filters.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.docker.model.swarm.entries import Entry
from maru.components.docker.model.swarm.specs import mode_of
from maru.core.document import Value
from maru.wire.docker.filters import Filters, has_labels

SERVICES = ("id", "label", "mode", "name", "runtime")
TASKS = ("_up-to-date", "desired-state", "id", "label", "name", "node", "runtime", "service")
NODES = ("id", "label", "membership", "name", "node.label", "role")
SECRETS = ("id", "label", "name", "names")

_MODES = {
    "replicated": "Replicated",
    "global": "Global",
    "replicated-job": "ReplicatedJob",
    "global-job": "GlobalJob",
}


def accepts_service(entry: Entry, filters: Filters) -> bool:
    """Raises ValueError for a mode there is not."""
    for mode in filters.get("mode", ()):
        if mode not in _MODES:
            raise ValueError(f"Invalid filter: 'mode' = '{mode}'")
    return (
        _begins(entry.id, filters.get("id"))
        and _begins(entry.name, filters.get("name"))
        and has_labels(entry.labels, filters.get("label", ()))
        and _one_of(mode_of(entry.spec), [_MODES[mode] for mode in filters.get("mode", ())])
        and _one_of("container", filters.get("runtime"))
    )


def accepts_task(task: Value, name: str, owners: Mapping[str, Sequence[str]], filters: Filters) -> bool:
    """owners: the ids that service and node filters mean."""
    for state in filters.get("desired-state", ()):
        if state not in ("running", "shutdown", "accepted"):
            raise ValueError(f"Invalid filter: 'desired-state' = '{state}'")
    desired = task.get("DesiredState") or ""
    labels = (task["Spec"].get("ContainerSpec") or {}).get("Labels") or {}
    return (
        _begins(task["ID"], filters.get("id"))
        and _begins(name, filters.get("name"))
        and _one_of(desired, filters.get("desired-state"))
        and has_labels(labels, filters.get("label", ()))
        and _is_among(task.get("ServiceID") or "", owners.get("service"))
        and _is_among(task.get("NodeID") or "", owners.get("node"))
        and _one_of("container", filters.get("runtime"))
    )


def accepts_node(entry: Entry, filters: Filters) -> bool:
    """Raises ValueError for a role or a membership there is not."""
    for name, known in (("role", ("manager", "worker")), ("membership", ("accepted", "pending"))):
        for value in filters.get(name, ()):
            if value not in known:
                raise ValueError(f"Invalid {name} filter: '{value}'")
    hostname = str((entry.status.get("Description") or {}).get("Hostname") or "")
    engine = (entry.status.get("Description") or {}).get("Engine") or {}
    return (
        _begins(entry.id, filters.get("id"))
        and (_begins(hostname, filters.get("name")) or _begins(entry.name, filters.get("name")))
        and has_labels(engine.get("Labels") or {}, filters.get("label", ()))
        and has_labels(entry.labels, filters.get("node.label", ()))
        and _one_of(str(entry.spec.get("Role") or ""), filters.get("role"))
        and _one_of("accepted", filters.get("membership"))
    )


def accepts_secret(entry: Entry, filters: Filters) -> bool:
    """A config, too."""
    names = filters.get("name")
    return (
        _begins(entry.id, filters.get("id"))
        and (not names or any(name in entry.name for name in names))
        and _one_of(entry.name, filters.get("names"))
        and has_labels(entry.labels, filters.get("label", ()))
    )


def _begins(value: str, wanted: Sequence[str] | None) -> bool:
    return not wanted or any(value.startswith(each) for each in wanted)


def _one_of(value: str, wanted: Sequence[str] | None) -> bool:
    return not wanted or value in wanted


def _is_among(value: str, wanted: Sequence[str] | None) -> bool:
    return wanted is None or value in wanted
