"""Inputs that make events of their own: generator, heartbeat, exec.

Source: Logstash reference, "Generator", "Heartbeat", "Exec" input plugins.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import ClassVar

from maru.components.pipelines.engine.commands import ended, started
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, codec_of
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.kinds.cron import Schedule, parse
from maru.wire.logstash.syntax import Plugin

BATCH = 125
OUTPUT_BYTES_MAX = 64 << 20


class GeneratorOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """count: 0 for without end."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility", "threads"])

    count: int = 0
    lines: Sequence[str] = ()
    message: str = "Hello world!"
    threads: int = 1
    ecs_compatibility: str = "v8"


class HeartbeatOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """interval: s."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility", "threads"])

    count: int = -1
    interval: float = 60
    message: str = "ok"
    sequence: str = "none"
    threads: int = 1
    ecs_compatibility: str = "v8"


class ExecOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """interval: s between two starts; or schedule: five fields of cron, in UTC."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    command: str
    interval: float = 0
    schedule: str = ""
    ecs_compatibility: str = "v8"


class Generator:
    """The same lines again and again, each with a sequence number."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, GeneratorOptions, "input")
        self._ground = ground
        self._dress = Dress(self._options)
        self._codec = codec_of(self._options, "plain")
        self._host = socket.gethostname()

    async def run(self, emit: Emit) -> None:
        lines = list(self._options.lines) or [self._options.message]
        read = [self._codec().feed(line.encode()) for line in lines]
        sequence, batch = 0, list[Event]()
        while self._options.count == 0 or sequence < self._options.count:
            for values in read:
                for value in values:
                    batch.append(self._event(value, sequence))
            sequence += 1
            if len(batch) >= BATCH:
                await emit(batch)
                batch = []
                await self._ground.clock.sleep(0)
        if batch:
            await emit(batch)

    def _event(self, value: Value, sequence: int) -> Event:
        fields = {**value, "host": {"name": self._host}, "event": {"sequence": sequence}}
        return self._dress.event(fields, self._ground.now())


class Heartbeat:
    """One event each interval."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, HeartbeatOptions, "input")
        self._ground = ground
        self._dress = Dress(self._options)

    async def run(self, emit: Emit) -> None:
        sent = 0
        while self._options.count < 0 or sent < self._options.count:
            await emit([self._event(sent)])
            sent += 1
            await self._ground.clock.sleep(self._options.interval)

    def _event(self, sequence: int) -> Event:
        now = self._ground.now()
        fields: Value = {"host": {"name": socket.gethostname()}}
        kind = "epoch" if self._options.message == "epoch" else self._options.message
        if kind == "epoch" or self._options.sequence == "epoch":
            fields["event"] = {"sequence": int(now.timestamp())}
        elif kind == "sequence" or self._options.sequence == "counter":
            fields["event"] = {"sequence": sequence}
        else:
            fields["message"] = self._options.message
        return self._dress.event(fields, now)


class Exec:
    """What a command prints is one event."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, ExecOptions, "input")
        if bool(self._options.schedule) == (self._options.interval > 0):
            raise Invalid(
                what=f"input plugin 'exec' at line {plugin.place.line}",
                why="jointly `interval` and `schedule` options can not be used, and one of them must be",
                fix="interval => seconds",
            )
        self._schedule = parse(self._options.schedule) if self._options.schedule else None
        self._ground = ground
        self._dress = Dress(self._options)
        self._codec = codec_of(self._options, "plain")

    async def run(self, emit: Emit) -> None:
        while True:
            if self._schedule is not None and not await self._due(self._schedule):
                return
            started_s = self._ground.clock.monotonic_s()
            output, code = await self._output()
            took_ns = int((self._ground.clock.monotonic_s() - started_s) * 1e9)
            about = {
                "command_line": self._options.command,
                "exit_code": code,
            }
            events = []
            for value in self._codec().feed(output):
                fields = {**value, "host": {"name": socket.gethostname()}, "process": about}
                event = self._dress.event(fields, self._ground.now())
                event.metadata["input"] = {"exec": {"process": {"elapsed_time": took_ns, "exit_code": code}}}
                events.append(event)
            await emit(events)
            if self._schedule is None:
                took_s = self._ground.clock.monotonic_s() - started_s
                await self._ground.clock.sleep(max(self._options.interval - took_s, 0))

    async def _due(self, schedule: Schedule) -> bool:
        """Return when the next time has come; False: there is none."""
        now = self._ground.now()
        at = schedule.next(now)
        if at is not None:
            await self._ground.clock.sleep((at - now).total_seconds())
        return at is not None

    async def _output(self) -> tuple[bytes, int]:
        process = await started(self._options.command, gives=True)
        try:
            assert process.stdout is not None
            output = await process.stdout.read(OUTPUT_BYTES_MAX)
            return output, await process.wait()
        finally:
            await ended(process)
