"""A pipeline's filters, compiled once to one function over batches.

Branches divide a batch, keep the order within each part, and put the parts together again in the
order of the events; a filter sees only the events that reach it.
Source: Logstash reference, "Structure of a pipeline", "Execution model".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.pipelines.model.conditions import Test, compile_condition
from maru.components.pipelines.model.filters.catalog import REFUSED
from maru.components.pipelines.model.filters.shape import Batch, Build, Filter, Tools, living
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Branch, Plugin, Step


def compile_filters(steps: Sequence[Step], builds: Mapping[str, Build], tools: Tools) -> Filter:
    """One function for all of `steps`. Raises Invalid: no such plugin, or what it says of its options."""
    line = [_step(step, builds, tools) for step in steps]

    def run(batch: Batch) -> Batch:
        for step in line:
            if not batch:
                break
            batch = step(batch)
            if any(event.is_cancelled for event in batch):
                batch = living(batch)
        return batch

    return run


def _step(step: Step, builds: Mapping[str, Build], tools: Tools) -> Filter:
    if isinstance(step, Plugin):
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
    return _branch(step, builds, tools)


def _branch(branch: Branch, builds: Mapping[str, Build], tools: Tools) -> Filter:
    arms: list[tuple[Test | None, Filter]] = [
        (None if condition is None else compile_condition(condition), compile_filters(steps, builds, tools))
        for condition, steps in branch.arms
    ]

    def run(batch: Batch) -> Batch:
        parts: list[Batch] = [[] for _ in arms]
        untouched: Batch = []
        for event in batch:
            for number, (test, _) in enumerate(arms):
                if test is None or test(event):
                    parts[number].append(event)
                    break
            else:
                untouched.append(event)
        if len(untouched) == len(batch):
            return batch
        order = {id(event): place for place, event in enumerate(batch)}
        done = [*untouched]
        for part, (_, arm) in zip(parts, arms, strict=True):
            if part:
                done += arm(part)
        done.sort(key=lambda event: order.get(id(event), len(order)))
        return done

    return run
