"""The API over TLS: durable creates, reads and watchers.

The load comes from this process and shares the processors with the platform; processor time of the
control process is what such a machine can compare.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.channel import Channel, Endpoint, encode
from bench.load import Load, Pace, config_maps, drive, drive_paced
from bench.platform import CONTROL, cpu_s, platform_running
from bench.report import Say, Table, spread_ms

CREATES = 6_000
GETS = 6_000
WATCHERS = 100
EVENTS_A_SECOND = 1_000
EVENTS_S = 6


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
    return [table]


def _creates(table: Table, endpoint: Endpoint, control: int) -> None:
    drive(endpoint, config_maps("bench", 500, "warm"), 16)
    before = cpu_s(control)
    load = drive(endpoint, config_maps("bench", CREATES, "one"), 32)
    used = cpu_s(control) - before
    table.add("durable creates (ConfigMap), 32 at a time", f"{rate_of(load)}", "1,500 /s")
    table.add("  processor time of control for each", f"{used / CREATES * 1e6:.0f} us")
    table.add("  each took", spread_ms(load.took_s))
    load = drive(endpoint, config_maps("bench", 500, "lone"), 1)
    table.add("durable creates, one after another", f"{rate_of(load)}")


def _gets(table: Table, endpoint: Endpoint, control: int) -> None:
    request = encode("GET", "/api/v1/namespaces/bench/configmaps/one-000007")
    load = drive(endpoint, [request] * 1_000, 1)
    table.add("GET, one after another", spread_ms(load.took_s), "p99 5 ms")
    before = cpu_s(control)
    load = drive(endpoint, [request] * GETS, 8)
    used = cpu_s(control) - before
    table.add("GET, 8 at a time", f"{spread_ms(load.took_s)}, {rate_of(load)}", "p99 5 ms")
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


def rate_of(load: Load) -> str:
    """Answers a second, and how many were failures if any was."""
    failed = f", {load.failures} FAILED" if load.failures else ""
    return f"{load.rate:,.0f} /s{failed}"
