"""Filters run from a configuration's text, over events given as plain fields."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.catalog import FILTERS
from maru.components.pipelines.model.filters.shape import Batch
from maru.components.pipelines.model.plan import Line, compile_filters
from maru.wire.logstash.parser import parse

NOW = datetime(2026, 1, 3, 12, tzinfo=UTC)


class FixedTools:
    """A world that stands still, but for what a test sets forward."""

    environment: Mapping[str, str] = {"HOME_OF": "maru"}
    at_s = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic_s(self) -> float:
        return self.at_s

    def unique_id(self) -> str:
        return "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

    def fraction(self) -> float:
        return 0.5

    def limited(self, limit_s: float) -> AbstractContextManager[None]:
        return nullcontext()

    def read_file(self, path: Path) -> bytes:
        return path.read_bytes()


def filtered(text: str, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """What comes out of `filter { text }`, fields only."""
    line = compile_filters(parse(f"filter {{ {text} }}").filters, FILTERS, FixedTools())
    return [event.fields for event in at_once(line.run([Event(dict(fields)) for fields in events]))]


def ticking(text: str) -> tuple[Line, FixedTools]:
    """`filter { text }`, to be run and ticked by the test, and its world."""
    tools = FixedTools()
    return compile_filters(parse(f"filter {{ {text} }}").filters, FILTERS, tools), tools


def at_once(work: Coroutine[Any, Any, Batch]) -> Batch:
    """What comes of filters that wait for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        batch: Batch = end.value
        return batch
    raise AssertionError("a filter waits")


def one(text: str, **fields: Any) -> dict[str, Any]:
    """The one event that comes out for one with `fields`."""
    (event,) = filtered(text, fields)
    return event
