"""Pipelines: events through grok for each second of CPU, lines from a container's log to the index, memory.

The generator, the filter and the output run as a Pipeline document does: nothing is left out.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from bench.channel import Channel, encode
from bench.platform import PORT_OFFSET, cpu_s, memory_mb, platform_running
from bench.report import Say, Table

EVENTS = 200_000
LINES = 50_000
DEADLINE_S = 180.0
LINE = (
    '192.168.1.20 - frank [10/Oct/2025:13:55:36 -0700] "GET /apache_pb.gif?x=1 HTTP/1.0" 200 2326 '
    '"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
)
CONFIG = """
input { generator { count => %d lines => ['%s'] } }
filter { grok { match => { "message" => "%%{COMBINEDAPACHELOG}" } ecs_compatibility => disabled } }
output { null { } }
"""


def measure(say: Say) -> Sequence[Table]:
    table = Table("Pipelines")
    with platform_running() as platform:
        pid, channel = platform.pids()["telemetry"], Channel(platform.endpoint())
        platform.namespace("bench")
        say(f"{EVENTS} events through grok")
        spent_s = _cpu_of(pid, lambda: _grok(channel))
        table.add("COMBINEDAPACHELOG, generator to null", f"{EVENTS / spent_s:,.0f} events/CPU s", "50,000")
        say(f"{LINES} lines of one container")
        begun_s = time.perf_counter()
        spent_s = _cpu_of(pid, lambda: _lines(channel))
        took_s = time.perf_counter() - begun_s
        figure = f"{LINES / took_s:,.0f} lines/s, {LINES / spent_s:,.0f} lines/CPU s"
        table.add("a container's log to the index, Pod's start included", figure)
        table.add("memory of the telemetry process then", f"{memory_mb(pid):.0f} MB", "400 MB")
    return [table]


def _grok(channel: Channel) -> None:
    value = {
        "apiVersion": "pipelines.maru.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": "bench"},
        "spec": {"config": CONFIG % (EVENTS, LINE)},
    }
    channel.ask(encode("POST", "/apis/pipelines.maru.dev/v1/pipelines", value))
    url = f"http://127.0.0.1:{9600 + PORT_OFFSET}/_node/stats/pipelines"

    def done() -> bool:
        events = _asked(url).get("pipelines", {}).get("bench", {}).get("events", {})
        return bool(events.get("out") == EVENTS)

    _wait(done, "events")


def _lines(channel: Channel) -> None:
    container = {
        "name": "main",
        "image": "busybox:latest",
        "imagePullPolicy": "IfNotPresent",
        "command": ["seq", "1", str(LINES)],
    }
    value = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "loud"},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    channel.ask(encode("POST", "/api/v1/namespaces/bench/pods", value))
    url = f"http://127.0.0.1:{9200 + PORT_OFFSET}/logs-containers-default/_count?q=kubernetes.namespace:bench"
    _wait(lambda: _asked(url).get("count") == LINES, "lines")


def _asked(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return msgspec.json.decode(answer.read())
    except urllib.error.HTTPError:
        return {}


def _wait(claim: Callable[[], bool], what: str) -> None:
    give_up_at_s = time.perf_counter() + DEADLINE_S
    while not claim():
        if time.perf_counter() > give_up_at_s:
            raise TimeoutError(f"not all {what} came within {DEADLINE_S} s")
        time.sleep(0.1)


def _cpu_of(pid: int, work: Callable[[], None]) -> float:
    """CPU seconds that the process spends meanwhile."""
    before_s = cpu_s(pid)
    work()
    return cpu_s(pid) - before_s
