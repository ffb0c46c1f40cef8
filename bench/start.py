"""Start to ready, and what an idle platform holds in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.platform import Platform, memory_mb, platform_running
from bench.report import Say, Table

SETTLE_S = 3.0


def measure(say: Say) -> Sequence[Table]:
    table = Table("Start and memory")
    say("first start")
    begun = time.perf_counter()
    with platform_running() as platform:
        table.add("start to ready, with certificates and a first image", f"{time.perf_counter() - begun:.2f} s", "2 s")
        platform.maru("down")
        say("second start")
        table.add("start to ready, again", f"{platform.up():.2f} s", "2 s")
        time.sleep(SETTLE_S)
        add_memory(table, platform, "memory of all processes, idle", "150 MB")
    return [table]


def add_memory(table: Table, platform: Platform, what: str, aim: str) -> None:
    """A row with the sum, and what each process has."""
    held = {name: memory_mb(pid) for name, pid in platform.pids().items()}
    parts = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in held.items())
    table.add(what, f"{sum(held.values()):.0f} MB ({parts})", aim)
