"""A pipeline's filters, compiled once to a line of steps over batches.

Branches divide a batch, keep the order within each part, and put the parts together again in the
order of the events; a filter sees only the events that reach it. At a tick, filters that remember
give events of their own, which go on from there. Each plugin counts what it took, gave and spent.
Source: Logstash reference, "Structure of a pipeline", "Execution model".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from maru.components.pipelines.model.conditions import Test, compile_condition
from maru.components.pipelines.model.filters.catalog import REFUSED
from maru.components.pipelines.model.filters.shape import Batch, Filter, Remembering, Tools, living
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Branch, Plugin, Step

T = TypeVar("T", bound=Tools)


@dataclass(frozen=True)
class Named:
    """A plugin with the id it has in metrics and letters."""

    id: str
    plugin: Plugin


def named(plugin: Plugin) -> Named:
    """By its option `id`, or by its place."""
    written = next((value for name, value in plugin.attributes if name == "id"), None)
    if isinstance(written, str):
        return Named(written, plugin)
    return Named(f"{plugin.name}_{plugin.place.line}_{plugin.place.column}", plugin)


class Running(Protocol):
    """One step: a filter, or a branch."""

    async def run(self, batch: Batch, *, is_tick: bool = False) -> Batch: ...


class Counted:
    """One filter of the configuration, with the events it took and gave and the seconds it spent."""

    def __init__(self, of: Named, made: Filter | Remembering, tools: Tools) -> None:
        self.named = of
        self.events_in = 0
        self.events_out = 0
        self.took_s = 0.0
        self._run: Filter = made.run if isinstance(made, Remembering) else made
        self._flush = made.flush if isinstance(made, Remembering) else None
        self._tools = tools

    @property
    def remembers(self) -> bool:
        """Whether it may give events at a tick."""
        return self._flush is not None

    async def run(self, batch: Batch, *, is_tick: bool = False) -> Batch:
        """Those that are left, and those it made."""
        began_s = self._tools.monotonic_s()
        self.events_in += len(batch)
        if batch:
            done = self._run(batch)
            batch = done if isinstance(done, list) else await done
            if any(event.is_cancelled for event in batch):
                batch = living(batch)
        if is_tick and self._flush is not None:
            batch = [*batch, *self._flush()]
        self.events_out += len(batch)
        self.took_s += self._tools.monotonic_s() - began_s
        return batch


class Line:
    """Steps one after another. plugins: all filters in it, those within branches included."""

    def __init__(self, steps: Sequence[Running], plugins: Sequence[Counted]) -> None:
        self._steps = steps
        self.plugins = plugins
        self.remembers = any(plugin.remembers for plugin in plugins)

    async def run(self, batch: Batch, *, is_tick: bool = False) -> Batch:
        """is_tick: filters that remember give what is due."""
        for step in self._steps:
            if not batch and not is_tick:
                break
            batch = await step.run(batch, is_tick=is_tick)
        return batch


def compile_filters(
    steps: Sequence[Step], builds: Mapping[str, Callable[[Plugin, T], Filter | Remembering]], tools: T
) -> Line:
    """All of `steps`. Raises Invalid: no such plugin, or what it says of its options."""
    line: list[Running] = []
    plugins: list[Counted] = []
    for step in steps:
        if isinstance(step, Plugin):
            counted = Counted(named(step), _built(step, builds, tools), tools)
            line.append(counted)
            plugins.append(counted)
        else:
            branching = _branching(step, builds, tools)
            line.append(branching)
            plugins += [plugin for _, arm in branching.arms for plugin in arm.plugins]
    return Line(line, plugins)


@dataclass(frozen=True)
class _Branching:
    arms: Sequence[tuple[Test | None, Line]]

    async def run(self, batch: Batch, *, is_tick: bool = False) -> Batch:
        parts, untouched = self._divided(batch)
        if len(untouched) == len(batch) and not is_tick:
            return batch
        order = {id(event): place for place, event in enumerate(batch)}
        done = [*untouched]
        for part, (_, arm) in zip(parts, self.arms, strict=True):
            if part or (is_tick and arm.remembers):
                done += await arm.run(part, is_tick=is_tick)
        done.sort(key=lambda event: order.get(id(event), len(order)))
        return done

    def _divided(self, batch: Batch) -> tuple[Sequence[Batch], Batch]:
        """The events of each arm, and those of none."""
        parts: list[Batch] = [[] for _ in self.arms]
        untouched: Batch = []
        for event in batch:
            for part, (test, _) in zip(parts, self.arms, strict=True):
                if test is None or test(event):
                    part.append(event)
                    break
            else:
                untouched.append(event)
        return parts, untouched


def _branching(
    branch: Branch, builds: Mapping[str, Callable[[Plugin, T], Filter | Remembering]], tools: T
) -> _Branching:
    return _Branching(
        [
            (None if condition is None else compile_condition(condition), compile_filters(steps, builds, tools))
            for condition, steps in branch.arms
        ]
    )


def _built(
    step: Plugin, builds: Mapping[str, Callable[[Plugin, T], Filter | Remembering]], tools: T
) -> Filter | Remembering:
    build = builds.get(step.name)
    if step.name in REFUSED:
        raise Invalid(
            what=f"filter plugin {step.name!r} at line {step.place.line}",
            why=f"it is not supported: {REFUSED[step.name]}",
            fix="do it with other filters, or in what the output sends to",
        )
    if build is None:
        raise Invalid(
            what=f"filter plugin {step.name!r} at line {step.place.line}",
            why=f"Couldn't find any filter plugin named '{step.name}'",
            fix=f"choose among {', '.join(sorted(builds))}",
        )
    return build(step, tools)
