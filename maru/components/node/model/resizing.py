"""Changing what a running Pod has: what is wanted, what was allotted, and whether the node can give it.

The specification says what is wanted; allotted is what the node last agreed to, actual what the kernel was
told. Source: Kubernetes documentation, "Resize CPU and Memory Resources assigned to Containers" (KEP-1287).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from maru.components.node.model.machine import Machine
from maru.components.node.model.resources import pod_request
from maru.components.node.model.view import Kind, containers_of
from maru.core.document import Value
from maru.kinds.quantity import parse

PENDING = "PodResizePending"
IN_PROGRESS = "PodResizeInProgress"
Allotment = Mapping[str, Value]
"""Container name to its resources: limits and requests."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Why a change waits. reason: Infeasible (this node never can) or Deferred (it may later)."""

    reason: str
    message: str


def wanted_by(pod: Value) -> dict[str, Value]:
    """What the specification asks for, by container that can be resized."""
    return {
        container.name: plain(container.spec.get("resources"))
        for container in containers_of(pod)
        if container.kind in (Kind.REGULAR, Kind.SIDECAR)
    }


def allotted_before(pod: Value) -> dict[str, Value]:
    """What the node had agreed to by the Pod's status; what it asks for where the status says nothing."""
    allotted = wanted_by(pod)
    status = pod.get("status") or {}
    for entry in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        if entry["name"] in allotted and entry.get("containerID") and entry.get("resources"):
            allotted[entry["name"]] = plain(entry["resources"])
    return allotted


def plain(resources: Value | None) -> Value:
    """Limits and requests alone, without what is empty."""
    held = resources or {}
    return {name: held[name] for name in ("limits", "requests") if held.get(name)}


def with_allotment(pod: Value, allotment: Allotment) -> Value:
    """The Pod as if it asked for what was allotted."""
    spec = dict(pod["spec"])
    for field in ("containers", "initContainers"):
        if spec.get(field):
            spec[field] = [_changed(entry, allotment.get(entry["name"])) for entry in spec[field]]
    return {**pod, "spec": spec}


def obstacle(pod: Value, allotment: Allotment, others: Sequence[Value], machine: Machine) -> Pending | None:
    """Why the node cannot give the Pod what it asks for now; None when it can."""
    for name in ("memory", "cpu"):
        wanted, bound = pod_request(pod, name), _bound(machine, name)
        if wanted > bound:
            words = f"{name}, requested: {wanted}, capacity: {bound}"
            return Pending("Infeasible", f"Node didn't have enough capacity: {words}")
    before = with_allotment(pod, allotment)
    for name in ("cpu", "memory"):
        wanted, bound = pod_request(pod, name), _bound(machine, name)
        used = sum(pod_request(other, name) for other in others)
        if wanted > pod_request(before, name) and used + wanted > bound:
            words = f"{name}, requested: {wanted}, used: {used}, capacity: {bound}"
            return Pending("Deferred", f"Node didn't have enough resource: {words}")
    return None


def needs_restart(container: Value, old: Value, new: Value) -> bool:
    """True when the container's resizePolicy has it restarted for a change from `old` to `new`."""
    strict = {
        policy["resourceName"]
        for policy in container.get("resizePolicy") or ()
        if policy.get("restartPolicy") == "RestartContainer"
    }
    return any(
        (old.get(side) or {}).get(name) != (new.get(side) or {}).get(name) for side in old | new for name in strict
    )


def told(words: str, pod: Value, allotment: Allotment, error: str = "") -> str:
    """The Event's message: words, then what it is about as JSON."""
    about: Value = {}
    for field, kind in (("initContainers", Kind.SIDECAR), ("containers", Kind.REGULAR)):
        entries = [
            {"name": container.name, "resources": allotment[container.name]}
            for container in containers_of(pod)
            if container.kind is kind and allotment.get(container.name)
        ]
        if entries:
            about[field] = entries
    about["generation"] = pod["metadata"].get("generation", 0)
    if error:
        about["error"] = error
    return f"{words}: {msgspec.json.encode(about).decode()}"


def _bound(machine: Machine, name: str) -> int:
    capacity = parse(machine.allocatable[name])
    return capacity.milli if name == "cpu" else capacity.whole


def _changed(entry: Value, resources: Value | None) -> Value:
    if resources is None:
        return entry
    kept = {name: value for name, value in (entry.get("resources") or {}).items() if name == "claims"}
    return {**entry, "resources": {**kept, **resources}}
