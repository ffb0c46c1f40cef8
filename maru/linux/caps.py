"""What this process may hand on: capabilities by name, and resource limits.

A container can get no capability outside our bounding set, and without CAP_SYS_RESOURCE no hard
limit above our own. Source: capabilities(7), linux/capability.h, getrlimit(2).
"""

from __future__ import annotations

import resource
from pathlib import Path

NAMES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)
"""In the order of their numbers, from 0."""


def bounding_set() -> frozenset[str]:
    """The capabilities (CAP_NAME) a child of ours can have at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            bits = int(line.split()[1], 16)
            return frozenset(f"CAP_{name}" for number, name in enumerate(NAMES) if bits >> number & 1)
    return frozenset()


def hard_limit(name: str) -> int | None:
    """Our hard limit for RLIMIT_NAME: a number, -1 for unlimited, None for an unknown name."""
    number = getattr(resource, name, None)
    if number is None or not name.startswith("RLIMIT_"):
        return None
    return resource.getrlimit(number)[1]


def out_of_memory_score() -> int:
    """Our own oom_score_adj (-1000..1000): without CAP_SYS_RESOURCE no child gets a lower one."""
    return int(Path("/proc/self/oom_score_adj").read_text())
