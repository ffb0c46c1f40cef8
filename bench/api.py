"""The API over TLS: durable creates, reads, lists, watchers, and the memory of 10,000 Pods.

The load comes from this process and shares the processors with the platform; processor time of the
control process is what such a machine can compare.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from bench.channel import Channel, Endpoint, encode
from bench.load import Load, Pace, config_maps, drive, drive_paced, pods
from bench.platform import CONTROL, Platform, cpu_s, platform_running
from bench.report import Say, Table, quantile, spread_ms
from bench.start import add_memory

CREATES = 6_000
GETS = 6_000
PODS = 10_000
LISTS = 7
WATCHERS = 100
EVENTS_A_SECOND = 1_000
EVENTS_S = 6
SETTLE_S = 8.0


def measure(say: Say) -> Sequence[Table]:
    table = Table("API over TLS, client certificate")
    with platform_running() as platform:
        control = platform.pids()[CONTROL]
        endpoint = platform.endpoint()
        platform.namespace("bench")
        say("creates")
        _creates(table, endpoint, control)
        say("reads")
        _gets(table, endpoint, control)
        say(f"{EVENTS_A_SECOND} events a second to {WATCHERS} watchers")
        _fan_out(table, endpoint, control)
        say(f"{PODS:,} Pods")
        _pods(table, platform, endpoint)
    return [table]


def _creates(table: Table, endpoint: Endpoint, control: int) -> None:
    drive(endpoint, config_maps("bench", 500, "warm"), 16)
    before = cpu_s(control)
    load = drive(endpoint, config_maps("bench", CREATES, "one"), 32)
    used = cpu_s(control) - before
    table.add("durable creates (ConfigMap), 32 at a time", f"{_rate(load)}", "1,500 /s")
    table.add("  processor time of control for each", f"{used / CREATES * 1e6:.0f} us")
    table.add("  each took", spread_ms(load.took_s))
    load = drive(endpoint, config_maps("bench", 500, "lone"), 1)
    table.add("durable creates, one after another", f"{_rate(load)}")


def _gets(table: Table, endpoint: Endpoint, control: int) -> None:
    request = encode("GET", "/api/v1/namespaces/bench/configmaps/one-000007")
    load = drive(endpoint, [request] * 1_000, 1)
    table.add("GET, one after another", spread_ms(load.took_s), "p99 5 ms")
    before = cpu_s(control)
    load = drive(endpoint, [request] * GETS, 8)
    used = cpu_s(control) - before
    table.add("GET, 8 at a time", f"{spread_ms(load.took_s)}, {_rate(load)}", "p99 5 ms")
    table.add("  processor time of control for each", f"{used / GETS * 1e6:.0f} us")


def _fan_out(table: Table, endpoint: Endpoint, control: int) -> None:
    """The same writes without and with watchers: the difference is what the watchers cost."""
    channel = Channel(endpoint)
    used: list[float] = []
    for watchers in (0, WATCHERS):
        path = f"/api/v1/namespaces/bench/configmaps?limit=1&labelSelector=none%3D{watchers}"
        version = channel.ask(encode("GET", path)).value()["metadata"]["resourceVersion"]
        watch = encode("GET", f"/api/v1/namespaces/bench/configmaps?watch=1&resourceVersion={version}")
        writes = config_maps("bench", EVENTS_A_SECOND * EVENTS_S, f"fan-{watchers}")
        before = cpu_s(control)
        load = drive_paced(endpoint, writes, Pace(EVENTS_A_SECOND, watch, watchers))
        used.append((cpu_s(control) - before) / EVENTS_S)
        if watchers:
            seen = load.events / (len(writes) * watchers)
            rate = len(writes) / load.seconds
            table.add(f"{EVENTS_A_SECOND:,} events/s to {WATCHERS} watchers", f"{rate:,.0f} /s, {seen:.1%} delivered")
    channel.close()
    table.add("  processor time of control for the watchers", f"{used[1] - used[0]:.2f} cores", "0.5 cores")
    table.add("  and for the writes themselves", f"{used[0]:.2f} cores")


def _pods(table: Table, platform: Platform, endpoint: Endpoint) -> None:
    before = cpu_s(platform.pids()[CONTROL])
    load = drive(endpoint, pods("bench", PODS), 32)
    used = cpu_s(platform.pids()[CONTROL]) - before
    table.add("durable creates (Pod of 2 KiB), 32 at a time", _rate(load))
    table.add("  processor time of control for each", f"{used / PODS * 1e6:.0f} us")
    channel, took = Channel(endpoint), []
    for _ in range(LISTS):
        begun = time.perf_counter()
        body = channel.ask(encode("GET", "/api/v1/namespaces/bench/pods")).body
        took.append(time.perf_counter() - begun)
    channel.close()
    measured = f"{statistics.median(took) * 1000:.0f} ms, worst {quantile(took, 1) * 1000:.0f} ms"
    table.add(f"list of {PODS:,} Pods, {len(body) / 1e6:.0f} MB", measured, "150 ms")
    time.sleep(SETTLE_S)
    add_memory(table, platform, f"memory of all processes with {PODS:,} Pods", "300 MB")
    platform.maru("down")
    table.add(f"start to ready with {PODS:,} Pods", f"{platform.up():.2f} s")
    time.sleep(SETTLE_S)
    add_memory(table, platform, "memory of all processes after that", "300 MB")


def _rate(load: Load) -> str:
    failed = f", {load.failures} FAILED" if load.failures else ""
    return f"{load.rate:,.0f} /s{failed}"
