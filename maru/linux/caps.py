"""What this process may hand on: capabilities by number, and resource limits.

A container can get no capability outside our bounding set, and without CAP_SYS_RESOURCE no hard
limit above our own. Source: capabilities(7), getrlimit(2).
"""

from __future__ import annotations

import resource
from pathlib import Path


def bounding_set() -> frozenset[int]:
    """The numbers of the capabilities that a child of ours can have at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            bits = int(line.split()[1], 16)
            return frozenset(number for number in range(bits.bit_length()) if bits >> number & 1)
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
