"""Load on the API from this process: as fast as it goes, or at a pace, with watchers beside it."""

from __future__ import annotations

import select
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from bench.channel import Channel, Endpoint, encode

_EVENT = b'{"type":"'
_PATIENCE_S = 10.0  # for what was sent to reach the watchers


@dataclass(slots=True)
class Load:
    """What a load came to. took_s: of each request, from send to the whole answer."""

    seconds: float = 0.0
    took_s: list[float] = field(default_factory=list)
    failures: int = 0
    events: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.took_s) / self.seconds


@dataclass(frozen=True, slots=True)
class Pace:
    """rate: requests a second. watch: the request that each of `watchers` connections sends."""

    rate: float
    watch: bytes = b""
    watchers: int = 0


def drive(endpoint: Endpoint, requests: Iterable[bytes], connections: int) -> Load:
    """Send all `requests`, each connection its next one as soon as it has its answer."""
    load, line = Load(), iter(requests)
    with ExitStack() as stack:
        channels = _open(stack, endpoint, connections)
        poll = stack.enter_context(closing(select.epoll()))
        sent_s: dict[int, float] = {}
        begun = time.perf_counter()
        for number, channel in channels.items():
            _send_next(channel, line, sent_s)
            poll.register(number, select.EPOLLIN)
        while sent_s:
            for number, _ in poll.poll():
                _take(channels[number], load, sent_s)
                if number not in sent_s:
                    _send_next(channels[number], line, sent_s)
        load.seconds = time.perf_counter() - begun
    return load


def drive_paced(endpoint: Endpoint, requests: Sequence[bytes], pace: Pace) -> Load:
    """Send `requests` at a pace over connections of which there are enough, and read what the watchers are sent."""
    load, line = Load(), iter(requests)
    with ExitStack() as stack:
        writers = _open(stack, endpoint, 32)
        watchers = _open(stack, endpoint, pace.watchers)
        poll = stack.enter_context(closing(select.epoll()))
        for channel in watchers.values():
            channel.send(pace.watch)
        for number in (*writers, *watchers):
            poll.register(number, select.EPOLLIN)
        sent_s: dict[int, float] = {}
        begun = time.perf_counter()
        due = 0
        while due < len(requests) or sent_s or _lags(load, begun, len(requests) * pace.watchers):
            want = min(len(requests), int((time.perf_counter() - begun) * pace.rate) + 1)
            for number in [one for one in writers if one not in sent_s][: want - due]:
                _send_next(writers[number], line, sent_s)
                due += 1
            for number, _ in poll.poll(0.001 if due < len(requests) else 0.1):
                if number in writers:
                    _take(writers[number], load, sent_s)
                else:
                    load.events += watchers[number].read().count(_EVENT)
            if due == len(requests) and not sent_s and not load.seconds:
                load.seconds = time.perf_counter() - begun
    return load


def _lags(load: Load, begun: float, events: int) -> bool:
    return load.events < events and time.perf_counter() - begun < load.seconds + _PATIENCE_S


def _open(stack: ExitStack, endpoint: Endpoint, count: int) -> dict[int, Channel]:
    channels: dict[int, Channel] = {}
    for _ in range(count):
        channel = stack.enter_context(closing(Channel(endpoint)))
        channel.poll()
        channels[channel.fileno()] = channel
    return channels


def _send_next(channel: Channel, line: Iterator[bytes], sent_s: dict[int, float]) -> None:
    request = next(line, None)
    if request is not None:
        sent_s[channel.fileno()] = time.perf_counter()
        channel.send(request)


def _take(channel: Channel, load: Load, sent_s: dict[int, float]) -> None:
    reply = channel.receive()
    if reply is not None:
        load.took_s.append(time.perf_counter() - sent_s.pop(channel.fileno()))
        load.failures += reply.status >= 300


def config_maps(namespace: str, count: int, prefix: str) -> Sequence[bytes]:
    """Creates of small ConfigMaps."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    return [
        encode(
            "POST",
            path,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"{prefix}-{number:06}", "labels": {"app": "bench"}},
                "data": {"key": "value", "number": str(number)},
            },
        )
        for number in range(count)
    ]


def pods(namespace: str, count: int) -> Sequence[bytes]:
    """Creates of Pods that are kept with about 2 KiB and that a scheduling gate keeps from running."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    env = [{"name": f"VARIABLE_{index}", "value": "x" * 36} for index in range(2)]
    return [
        encode(
            "POST",
            path,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"pod-{number:06}", "labels": {"app": "bench"}},
                "spec": {
                    "schedulingGates": [{"name": "bench.maru.dev/waits"}],
                    "containers": [{"name": "main", "image": "busybox:latest", "env": env}],
                },
            },
        )
        for number in range(count)
    ]
