"""One pipeline, running: inputs fill its queue, workers filter batches and give them to the outputs.

A batch is done when every output it goes to has it; only then do inputs hear that its events are safe
(those of a persistent queue have heard before). An input or output that cannot work just now is tried
again, slower and slower; meanwhile the queue fills and the inputs wait.
Source: Logstash reference, "Execution model".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from maru.components.pipelines.engine.filters.catalog import FILTERS
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import BuildInput, Input
from maru.components.pipelines.engine.letters import Letter
from maru.components.pipelines.engine.outputs.shape import BuildOutput, Output, Refused, Ticking
from maru.components.pipelines.engine.queues.shape import Heard, Queue
from maru.components.pipelines.engine.refusals import REFUSED
from maru.components.pipelines.model.conditions import compile_condition
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import TICK_S
from maru.components.pipelines.model.plan import Named, compile_filters, named
from maru.core.errors import Invalid, Unavailable
from maru.core.lifecycle import background
from maru.core.limits import RECONCILE_BACKOFF_BASE_S, RECONCILE_BACKOFF_MAX_S
from maru.wire.logstash.syntax import Branch, Pipeline, Plugin, Step


@dataclass(frozen=True, slots=True)
class Pace:
    """batch: events a worker takes at once; delay_s: how long it waits for a batch to fill."""

    workers: int = 2
    batch: int = 125
    delay_s: float = 0.05
    keeps_letters: bool = False


@dataclass
class Counts:
    """Since the pipeline began. By plugin: events it gave or took."""

    events_in: int = 0
    events_out: int = 0
    filtered: int = 0
    took_s: float = 0.0
    refused: int = 0
    by_plugin: dict[str, int] = field(default_factory=dict)
    took_s_by_plugin: dict[str, float] = field(default_factory=dict)  # of inputs, how long the queue let them wait

    def count(self, plugin: str, events: int, took_s: float) -> None:
        """Count for one plugin."""
        self.by_plugin[plugin] = self.by_plugin.get(plugin, 0) + events
        self.took_s_by_plugin[plugin] = self.took_s_by_plugin.get(plugin, 0.0) + took_s


B = TypeVar("B")


class Built:
    """A configuration, compiled: nothing is opened. Raises Invalid as its plugins do."""

    def __init__(
        self,
        pipeline: Pipeline,
        ground: Ground,
        inputs: Mapping[str, BuildInput],
        outputs: Mapping[str, BuildOutput],
    ) -> None:
        ground = replace(ground, closers=[])
        self.closers = ground.closers
        self.inputs: list[tuple[Named, Input]] = []
        self.outputs: list[tuple[Named, Output]] = []
        for step in pipeline.inputs:
            if isinstance(step, Branch):
                raise Invalid(
                    what="input section", why="it has a condition", fix="conditions go into filter and output"
                )
            self.inputs.append((named(step), _built("input", step, inputs)(step, ground)))
        self.filters = compile_filters(pipeline.filters, FILTERS, ground)
        self._ground = ground
        self._builders = outputs
        self._routes = self._route(pipeline.outputs)

    def divided(self, events: Sequence[Event]) -> Sequence[list[Event]]:
        """For each output, in order, the events it gets."""
        parts: list[list[Event]] = [[] for _ in self.outputs]
        for event in events:
            _send(event, self._routes, parts)
        return parts

    def _route(self, steps: Sequence[Step]) -> list[object]:
        route: list[object] = []
        for step in steps:
            if isinstance(step, Plugin):
                build = _built("output", step, self._builders)
                self.outputs.append((named(step), build(step, self._ground)))
                route.append(len(self.outputs) - 1)
            else:
                route.append(
                    [
                        (None if condition is None else compile_condition(condition), self._route(body))
                        for condition, body in step.arms
                    ]
                )
        return route


class Running:
    """name: the pipeline's id. `run` works until cancelled, or until the inputs have ended and all is done."""

    def __init__(self, name: str, built: Built, queue: Queue, pace: Pace, ground: Ground) -> None:
        self.name = name
        self.counts = Counts()
        self.pace = pace
        self.built = built
        self.queue = queue
        self._ground = ground
        self._log = ground.log
        self._inputs: list[asyncio.Task[None]] = []
        self._is_stopping = False
        self._is_over = asyncio.Event()

    async def run(self) -> None:
        """Give and take. At the end the queue is closed and what was taken is delivered."""
        try:
            async with background(f"pipeline {self.name}") as tasks:
                self._inputs = [tasks.start(self._feed(of, each), of.id) for of, each in self.built.inputs]
                workers = [tasks.start(self._work(), f"worker {number}") for number in range(self.pace.workers)]
                ticking = tasks.start(self._tick(), "ticks")
                if self._is_stopping:  # asked to before it had begun
                    self._end_inputs()
                try:
                    await asyncio.wait(self._inputs)
                    await self.queue.close()
                    await asyncio.wait(workers)
                    await self._send(await self.built.filters.run([], is_tick=True))
                finally:
                    for task in (*self._inputs, *workers, ticking):
                        task.cancel()
        finally:
            self._is_over.set()
            for _, output in self.built.outputs:
                await output.close()
            for close in self.built.closers:
                await close()

    async def stop(self, grace_s: float) -> None:
        """End the inputs and wait until what they gave is delivered, `grace_s` at most."""
        self._is_stopping = True
        self._end_inputs()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._is_over.wait()

    def _end_inputs(self) -> None:
        for task in self._inputs:
            task.cancel()

    async def _feed(self, of: Named, each: Input) -> None:
        async def emit(events: Sequence[Event]) -> None:
            if not events:
                return
            began_s = self._ground.monotonic_s()
            await self.queue.put(events)
            self.counts.events_in += len(events)
            self.counts.count(of.id, len(events), self._ground.monotonic_s() - began_s)

        delay_s = RECONCILE_BACKOFF_BASE_S
        while True:
            began_s = self._ground.clock.monotonic_s()
            try:
                await each.run(emit)
                return
            except Unavailable as error:
                self._log.warning("an input is tried again", pipeline=self.name, input=of.id, error=str(error))
            if self._ground.clock.monotonic_s() - began_s > RECONCILE_BACKOFF_MAX_S:
                delay_s = RECONCILE_BACKOFF_BASE_S
            await self._ground.clock.sleep(delay_s)
            delay_s = min(delay_s * 2, RECONCILE_BACKOFF_MAX_S)

    async def _work(self) -> None:
        clock = self._ground.clock
        while (taken := await self.queue.take(self.pace.batch, self.pace.delay_s)) is not None:
            began_s = clock.monotonic_s()
            origins = [event.origin for event in taken.events if event.origin is not None]
            events = await self.built.filters.run(taken.events)
            self.counts.filtered += len(taken.events)
            await self._send(events)
            self.queue.done(taken)
            for origin in origins:
                heard: Heard = origin  # type: ignore[assignment] # what inputs leave there
                heard.safe()
            self.counts.took_s += clock.monotonic_s() - began_s
            await clock.sleep(0)

    async def _tick(self) -> None:
        """Filters that remember give their events, and outputs do what is due, for as long as the pipeline runs."""
        ticking = [output for _, output in self.built.outputs if isinstance(output, Ticking)]
        while self.built.filters.remembers or ticking:
            await self._ground.clock.sleep(TICK_S)
            await self._send(await self.built.filters.run([], is_tick=True))
            for output in ticking:
                await output.tick()

    async def _send(self, events: Sequence[Event]) -> None:
        """To the outputs that each goes to."""
        for (of, output), part in zip(self.built.outputs, self.built.divided(events), strict=True):
            if part:
                await self._deliver(of, output, part)
        self.counts.events_out += len(events)

    async def _deliver(self, of: Named, output: Output, events: Sequence[Event]) -> None:
        delay_s, began_s = RECONCILE_BACKOFF_BASE_S, self._ground.monotonic_s()
        while True:
            try:
                refused = await output.deliver(events)
                break
            except Unavailable as error:
                self._log.warning("an output is tried again", pipeline=self.name, output=of.id, error=str(error))
            await self._ground.clock.sleep(delay_s)
            delay_s = min(delay_s * 2, RECONCILE_BACKOFF_MAX_S)
        self.counts.count(of.id, len(events) - len(refused), self._ground.monotonic_s() - began_s)
        if refused:
            await self._lay_by(of, refused)

    async def _lay_by(self, of: Named, refused: Sequence[Refused]) -> None:
        self.counts.refused += len(refused)
        if not self.pace.keeps_letters:
            self._log.warning(
                "events were refused for good", pipeline=self.name, output=of.id, events=len(refused),
                why=refused[0].reason,
            )  # fmt: skip
            return
        letters = [Letter(each.event, each.reason, of.plugin.name, of.id) for each in refused]
        await self._ground.letters.put(self.name, letters, self._ground.now())


def _send(event: Event, route: Sequence[object], parts: Sequence[list[Event]]) -> None:
    for step in route:
        if isinstance(step, int):
            parts[step].append(event)
            continue
        assert isinstance(step, list)
        for test, body in step:
            if test is None or test(event):
                _send(event, body, parts)
                break


def _built(section: str, plugin: Plugin, builders: Mapping[str, B]) -> B:
    build = builders.get(plugin.name)
    if plugin.name in REFUSED[section]:
        raise Invalid(
            what=f"{section} plugin {plugin.name!r} at line {plugin.place.line}",
            why=f"it is not supported: {REFUSED[section][plugin.name]}",
            fix=f"choose among {', '.join(sorted(builders))}",
        )
    if build is None:
        raise Invalid(
            what=f"{section} plugin {plugin.name!r} at line {plugin.place.line}",
            why=f"Couldn't find any {section} plugin named '{plugin.name}'",
            fix=f"choose among {', '.join(sorted(builders))}",
        )
    return build
