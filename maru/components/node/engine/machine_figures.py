"""What the machine has and how much of it is left. Source: proc(5), os-release(5), machine-id(5)."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from maru.components.node.model.eviction import Headroom, Thresholds, shortages
from maru.components.node.model.machine import Figures

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def read_figures_blocking(folder: Path) -> Figures:
    """Of this machine; the disk is the one `folder` stands on."""
    names = {}
    release = Path("/etc/os-release")
    for line in release.read_text().splitlines() if release.exists() else ():
        name, _, value = line.partition("=")
        names[name] = value.strip('"')
    machine = platform.machine()
    return Figures(
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=_memory("MemTotal"),
        disk_bytes=shutil.disk_usage(folder).total,
        architecture=_ARCHITECTURES.get(machine, machine),
        kernel=platform.release(),
        os_image=names.get("PRETTY_NAME", "Linux"),
        machine_id=_line("/etc/machine-id"),
        boot_id=_line("/proc/sys/kernel/random/boot_id"),
        has_apparmor=_line("/sys/module/apparmor/parameters/enabled") == "Y",
        has_selinux=Path("/sys/fs/selinux/enforce").exists(),
    )


def read_headroom_blocking(folder: Path) -> Headroom:
    """What is left of memory, processes, and the disk that `folder` stands on."""
    disk = os.statvfs(folder)
    pids = int(_line("/proc/loadavg").split()[3].partition("/")[2])
    return Headroom(
        memory_bytes=_memory("MemAvailable"),
        disk_bytes=disk.f_bavail * disk.f_frsize,
        disk_total_bytes=disk.f_blocks * disk.f_frsize,
        inodes=disk.f_favail,
        inodes_total=disk.f_files,
        pids=int(_line("/proc/sys/kernel/pid_max") or "32768") - pids,
    )


def read_pressure_blocking(folder: Path, thresholds: Thresholds) -> dict[str, bool]:
    """Which node conditions hold now: MemoryPressure, DiskPressure, PIDPressure."""
    short = {shortage.condition for shortage in shortages(read_headroom_blocking(folder), thresholds)}
    return {condition: condition in short for condition in ("MemoryPressure", "DiskPressure", "PIDPressure")}


def loaded_profiles_blocking() -> frozenset[str]:
    """The names of the AppArmor profiles in the kernel; none without AppArmor."""
    lines = _line("/sys/kernel/security/apparmor/profiles").splitlines()
    return frozenset(line.rpartition(" (")[0] for line in lines)


def _memory(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _line(path: str) -> str:
    file = Path(path)
    return file.read_text().strip() if file.exists() else ""


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """cpu_ns: since boot, over all processors; bytes; pids: processes and threads."""

    cpu_ns: int
    memory_bytes: int
    memory_working_set_bytes: int
    pids: int


def read_usage_blocking() -> NodeUsage:
    """What the whole machine uses now."""
    ticks = [int(field) for field in _line("/proc/stat").splitlines()[0].split()[1:9]]
    busy = sum(ticks) - ticks[3] - ticks[4]
    total = _memory("MemTotal")
    return NodeUsage(
        cpu_ns=busy * 10**9 // os.sysconf("SC_CLK_TCK"),
        memory_bytes=total - _memory("MemFree"),
        memory_working_set_bytes=total - _memory("MemAvailable"),
        pids=int(_line("/proc/loadavg").split()[3].partition("/")[2]),
    )
