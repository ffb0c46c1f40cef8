"""What the node has to give. Source: Kubernetes documentation, "Reserve Compute Resources"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maru.components.node.config import NodeConfig
from maru.kinds.quantity import Quantity, parse


@dataclass(frozen=True, slots=True)
class Machine:
    """cpus, bytes: as the kernel tells. allocatable and capacity: quantities by resource name."""

    cpus: int
    memory_bytes: int
    capacity: Mapping[str, str]
    allocatable: Mapping[str, str]
    architecture: str = "amd64"
    kernel: str = ""
    os_image: str = "Linux"
    machine_id: str = ""
    boot_id: str = ""
    has_apparmor: bool = False
    has_selinux: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What was read from the machine."""

    cpus: int
    memory_bytes: int
    disk_bytes: int
    architecture: str
    kernel: str
    os_image: str
    machine_id: str
    boot_id: str
    has_apparmor: bool = False
    has_selinux: bool = False


def machine_of(figures: Figures, config: NodeConfig) -> Machine:
    """Capacity, and what of it Pods may use."""
    capacity = {
        "cpu": str(figures.cpus),
        "memory": f"{figures.memory_bytes // 1024}Ki",
        "pods": str(config.pods_max),
        "ephemeral-storage": f"{figures.disk_bytes // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
    }
    allocatable = dict(capacity)
    left = Quantity(max(0, parse(capacity["cpu"]).nano - parse(config.reserved_cpu).nano))
    allocatable["cpu"] = str(left)
    memory_bytes = max(0, figures.memory_bytes - parse(config.reserved_memory).whole)
    allocatable["memory"] = f"{memory_bytes // 1024}Ki"
    allocatable["ephemeral-storage"] = str(figures.disk_bytes * 9 // 10)
    return Machine(
        figures.cpus,
        figures.memory_bytes,
        capacity,
        allocatable,
        figures.architecture,
        figures.kernel,
        figures.os_image,
        figures.machine_id,
        figures.boot_id,
        figures.has_apparmor,
        figures.has_selinux,
    )
