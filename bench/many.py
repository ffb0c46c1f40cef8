"""10,000 Pods of 2 KiB: making them, listing them, the memory that they take, and a start with them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from bench.api import rate_of
from bench.channel import Channel, Endpoint, encode
from bench.load import drive, pods
from bench.platform import CONTROL, cpu_s, platform_running
from bench.report import Say, Table
from bench.start import add_memory

PODS = 10_000
LISTS = 7
SETTLE_S = 8.0
_LIST = "/api/v1/namespaces/bench/pods"


def measure(say: Say) -> Sequence[Table]:
    table = Table(f"{PODS:,} Pods that are not scheduled")
    with platform_running() as platform:
        control = platform.pids()[CONTROL]
        endpoint = platform.endpoint()
        platform.namespace("bench")
        say("creates")
        before = cpu_s(control)
        load = drive(endpoint, pods("bench", PODS), 32)
        used = cpu_s(control) - before
        table.add("durable creates, 32 at a time", rate_of(load))
        table.add("  processor time of control for each", f"{used / PODS * 1e6:.0f} us")
        say("lists")
        _lists(table, endpoint)
        time.sleep(SETTLE_S)
        add_memory(table, platform, "memory of all processes", "300 MB")
        say("start with them")
        platform.maru("down")
        table.add("start to ready with them", f"{platform.up():.2f} s")
        time.sleep(SETTLE_S)
        add_memory(table, platform, "memory of all processes after that", "300 MB")
    return [table]


def _lists(table: Table, endpoint: Endpoint) -> None:
    channel = Channel(endpoint)
    for words, query, aim in (("list", "", "150 ms"), ("list by a label that none has", "?labelSelector=app%3Dno", "")):
        took = []
        for _ in range(LISTS):
            begun = time.perf_counter()
            body = channel.ask(encode("GET", _LIST + query)).body
            took.append(time.perf_counter() - begun)
        size = f" ({len(body) / 1e6:.0f} MB)" if not query else ""
        measured = f"{statistics.median(took) * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms"
        table.add(f"{words}{size}", measured, aim)
    channel.close()
