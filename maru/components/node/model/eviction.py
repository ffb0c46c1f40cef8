"""When the node is short of something, which Pod has to go, and what it is told.

Source: Kubernetes documentation, "Node-pressure Eviction" (signals, thresholds, order: over its request
first, then priority, then by how much); pkg/kubelet/eviction, helpers.go and eviction_manager.go (the words).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.node.model.resources import pod_amount, pod_request
from maru.core.document import Value
from maru.kinds.quantity import parse

REASON = "Evicted"
PRIORITY_CRITICAL = 2_000_000_000  # from here on Pods are the system's own
DISK = "ephemeral-storage"


@dataclass(frozen=True, slots=True)
class Headroom:
    """What the machine has left, and in all."""

    memory_bytes: int
    disk_bytes: int
    disk_total_bytes: int
    inodes: int
    inodes_total: int
    pids: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Less than this left is a shortage; 0 never is. Fractions are of the disk that the node's folder stands on."""

    memory_bytes: int
    disk_fraction: float
    inodes_fraction: float
    pids: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """resource: memory, ephemeral-storage, inodes or pids. threshold, available: as people read them."""

    resource: str
    condition: str
    threshold: str
    available: str


@dataclass(frozen=True, slots=True)
class PodUse:
    """What a Pod uses now. containers: disk bytes by name, logs and written layer; volumes: emptyDirs on disk."""

    pod: Value
    memory: Mapping[str, int] = field(default_factory=dict)
    containers: Mapping[str, int] = field(default_factory=dict)
    volumes: Mapping[str, int] = field(default_factory=dict)
    pids: int = 0

    @property
    def disk_bytes(self) -> int:
        return sum(self.containers.values()) + sum(self.volumes.values())


def shortages(headroom: Headroom, thresholds: Thresholds) -> Sequence[Shortage]:
    """What the node is short of, memory first."""
    disk_min = int(headroom.disk_total_bytes * thresholds.disk_fraction)
    inodes_min = int(headroom.inodes_total * thresholds.inodes_fraction)
    figures = (
        ("memory", "MemoryPressure", thresholds.memory_bytes, headroom.memory_bytes),
        (DISK, "DiskPressure", disk_min, headroom.disk_bytes),
        ("inodes", "DiskPressure", inodes_min, headroom.inodes),
        ("pids", "PIDPressure", thresholds.pids, headroom.pids),
    )
    return [
        Shortage(name, condition, _told(name, least), _told(name, left))
        for name, condition, least, left in figures
        if left < least
    ]


def victim(shortage: Shortage, uses: Sequence[PodUse]) -> PodUse | None:
    """The Pod that goes first; None when nobody may be asked to."""
    candidates = [use for use in uses if int(use.pod["spec"].get("priority") or 0) < PRIORITY_CRITICAL]

    def rank(use: PodUse) -> tuple[bool, int, int]:
        excess = _used(shortage.resource, use) - _requested(shortage.resource, use.pod)
        return excess <= 0, int(use.pod["spec"].get("priority") or 0), -excess

    return min(candidates, key=rank, default=None)


def eviction_message(shortage: Shortage, use: PodUse) -> str:
    """What the Pod's status says of a shortage."""
    words = f"The node was low on resource: {shortage.resource}. "
    words += f"Threshold quantity: {shortage.threshold}, available: {shortage.available}. "
    by_container = {"memory": use.memory, DISK: use.containers}.get(shortage.resource, {})
    for container in use.pod["spec"].get("containers") or ():
        used = by_container.get(container["name"], 0)
        request = ((container.get("resources") or {}).get("requests") or {}).get(shortage.resource, "0")
        if used > parse(request).whole:
            words += f"Container {container['name']} was using {_kibibytes(used)}, request is {request}, "
            words += f"has larger consumption of {shortage.resource}. "
    return words


def local_excess(use: PodUse) -> str:
    """Why the Pod goes for what it keeps on disk, "" while it keeps to its limits."""
    for volume in use.pod["spec"].get("volumes") or ():
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit is not None and parse(limit).whole and use.volumes.get(volume["name"], 0) > parse(limit).whole:
            return f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
    total = pod_amount(use.pod, DISK, "limits")
    if total and use.disk_bytes > total:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {_binary(total)}. "
    for container in use.pod["spec"].get("containers") or ():
        limit = ((container.get("resources") or {}).get("limits") or {}).get(DISK)
        if limit is not None and use.containers.get(container["name"], 0) > parse(limit).whole:
            return f'Container {container["name"]} exceeded its local ephemeral storage limit "{limit}". '
    return ""


def has_local_limits(pod: Value) -> bool:
    """True when what the Pod keeps on disk has to be measured."""
    volumes = pod["spec"].get("volumes") or ()
    return bool(pod_amount(pod, DISK, "limits")) or any(
        (volume.get("emptyDir") or {}).get("sizeLimit") for volume in volumes
    )


def _used(resource: str, use: PodUse) -> int:
    return {"memory": sum(use.memory.values()), "pids": use.pids}.get(resource, use.disk_bytes)


def _requested(resource: str, pod: Value) -> int:
    return 0 if resource in ("pids", "inodes") else pod_request(pod, resource)


def _told(resource: str, figure: int) -> str:
    return str(figure) if resource in ("inodes", "pids") else _binary(figure)


def _kibibytes(figure: int) -> str:
    return f"{-(-figure // 1024)}Ki"


def _binary(figure: int) -> str:
    for suffix, unit in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if figure and figure % unit == 0:
            return f"{figure // unit}{suffix}"
    return str(figure)
