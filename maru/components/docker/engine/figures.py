"""Figures of processes from /proc: what `docker stats` and `docker top` are made from. Source: proc(5)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_NETWORK = (
    "rx_bytes rx_packets rx_errors rx_dropped _fifo _frame _compressed _multicast "
    "tx_bytes tx_packets tx_errors tx_dropped"
)


def system_ns_blocking() -> int:
    """Time of all processors since boot, nanoseconds."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def networks_blocking(pid: int) -> Mapping[str, Mapping[str, int]]:
    """Counters of each device in a process's network namespace, without loopback."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    except OSError:
        return {}
    found = {}
    for line in lines:
        device, _, numbers = line.partition(":")
        if device.strip() != "lo":
            values = [int(word) for word in numbers.split()]
            named = zip(_NETWORK.split(), values, strict=False)
            found[device.strip()] = {name: value for name, value in named if not name.startswith("_")}
    return found


def namespace_pids_blocking(pid: int) -> list[int]:
    """The processes in a container: those of its first process's PID namespace or below it, ascending."""
    try:
        wanted = Path(f"/proc/{pid}/ns/pid").stat().st_ino
    except OSError:
        return []
    if wanted == Path("/proc/self/ns/pid").stat().st_ino:
        return _descendants(pid)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "ns" / "pid").stat().st_ino == wanted:
                    found.append(int(entry.name))
            except OSError:
                continue
    return sorted(found)


def _descendants(pid: int) -> list[int]:
    found, line = [], [pid]
    while line:
        each = line.pop()
        found.append(each)
        try:
            line += [int(word) for word in Path(f"/proc/{each}/task/{each}/children").read_text().split()]
        except OSError:
            continue
    return sorted(found)
