"""From a container's specification to that of the same container inside a virtual machine.

Inside there is another kernel: namespaces are fresh ones, resources of the processor and devices stay with
the machine outside, and every bind mount becomes a file or folder that the machine is given. What cannot be
had in there is refused in plain words. Source: OCI runtime specification 1.2, config.md and config-linux.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the program in a container's holder starts without third-party modules
    from maru.core.document import Value

SHARE = "/stage"
MEMORY_DEFAULT_BYTES = 512 << 20
MEMORY_KERNEL_BYTES = 96 << 20  # on top of what the container may use
MEMORY_MIN_BYTES = 128 << 20
_NAMESPACES = ("pid", "mount", "ipc", "uts", "cgroup")
_READ_ONLY = ("ro", "rro")


@dataclass(frozen=True, slots=True)
class Share:
    """source: a file or folder of the machine outside; it stands at mounts/<number> of what the guest is given."""

    source: str
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class Guest:
    """A virtual machine. spec: the container in it; netns: path of its network namespace, "" for no network.

    processors: how many it has; quota_us: of every 100 ms, 0 without a limit; shares: as cgroup v1 counts them.
    """

    spec: Value
    shares: Sequence[Share]
    netns: str
    memory_bytes: int
    processors: int
    quota_us: int
    cpu_shares: int
    sysctls: Sequence[tuple[str, str]]


def guest_of(spec: Value, processors_max: int) -> Guest:
    """Raises ValueError with what a virtual machine cannot give."""
    linux = spec.get("linux") or {}
    resources = linux.get("resources") or {}
    _check(spec, linux)
    mounts, shares = _mounts(spec.get("mounts") or ())
    sysctls = sorted((linux.get("sysctl") or {}).items())
    kept = {key: linux[key] for key in ("maskedPaths", "readonlyPaths", "seccomp", "rootfsPropagation") if key in linux}
    inner: Value = {
        **{key: spec[key] for key in ("ociVersion", "hostname", "domainname") if key in spec},
        "root": {"path": f"{SHARE}/root", "readonly": bool((spec.get("root") or {}).get("readonly"))},
        "process": process_in_guest(spec["process"]),
        "mounts": mounts,
        "linux": {
            **kept,
            "sysctl": {name: value for name, value in sysctls if not name.startswith("net.")},
            "namespaces": [{"type": kind} for kind in _NAMESPACES],
            "cgroupsPath": "/container",
            "resources": _inner_resources(resources),
        },
    }
    cpu = resources.get("cpu") or {}
    quota_us = _quota_us(cpu)
    limit = int((resources.get("memory") or {}).get("limit") or 0)
    return Guest(
        spec=inner,
        shares=shares,
        netns=next((one.get("path") or "" for one in linux["namespaces"] if one["type"] == "network"), ""),
        memory_bytes=max(MEMORY_MIN_BYTES, limit + MEMORY_KERNEL_BYTES) if limit > 0 else MEMORY_DEFAULT_BYTES,
        processors=max(1, min(processors_max, math.ceil(quota_us / 100_000))) if quota_us else min(2, processors_max),
        quota_us=quota_us,
        cpu_shares=int(cpu.get("shares") or 1024),
        sysctls=[(name, value) for name, value in sysctls if name.startswith("net.")],
    )


def process_in_guest(process: Value) -> Value:
    """A process as it is started inside: profiles and scores of the kernel outside mean nothing there."""
    return {
        key: value for key, value in process.items() if key not in ("apparmorProfile", "selinuxLabel", "oomScoreAdj")
    }


def _check(spec: Value, linux: Value) -> None:
    kinds = {one["type"]: one.get("path") or "" for one in linux.get("namespaces") or ()}
    if "network" not in kinds:
        raise ValueError("a virtual machine cannot share the machine's network")
    for kind, word in (("pid", "processes"), ("ipc", "shared memory")):
        if kind not in kinds or kinds[kind].startswith("/proc/") or (kind == "pid" and kinds[kind]):
            raise ValueError(f"a virtual machine cannot share the {word} of another container or of the machine")
    if spec.get("hooks"):
        raise ValueError("a virtual machine runs no hooks")
    has_all = any(
        rule.get("allow") and not rule.get("type") for rule in (linux.get("resources") or {}).get("devices") or ()
    )
    if linux.get("devices") and not has_all:
        raise ValueError("a virtual machine cannot have the machine's devices")


def _mounts(mounts: Sequence[Value]) -> tuple[list[Value], list[Share]]:
    inner: list[Value] = []
    shares: list[Share] = []
    for mount in mounts:
        options = list(mount.get("options") or ())
        if mount["destination"] == "/dev/shm" and mount.get("type") == "bind":  # noqa: S108
            options = ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]
            inner.append({"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": options})  # noqa: S108
        elif mount.get("type") == "bind" or "bind" in options or "rbind" in options:
            is_read_only = any(word in options for word in _READ_ONLY)
            source = f"{SHARE}/mounts/{len(shares)}"
            shares.append(Share(mount["source"], is_read_only))
            access = "ro" if is_read_only else "rw"
            inner.append({"destination": mount["destination"], "type": "bind", "source": source})
            inner[-1]["options"] = ["rbind", "rprivate", access]
        else:
            inner.append(mount)
    return inner, shares


def _inner_resources(resources: Value) -> Value:
    """What is counted inside: memory and processes. Processors are limited outside."""
    found: Value = {}
    memory = {key: value for key, value in (resources.get("memory") or {}).items() if key in ("limit", "reservation")}
    if memory:
        found["memory"] = memory
    if resources.get("pids"):
        found["pids"] = resources["pids"]
    return found


def _quota_us(cpu: Value) -> int:
    quota, period = int(cpu.get("quota") or 0), int(cpu.get("period") or 100_000)
    return quota * 100_000 // period if quota > 0 else 0
