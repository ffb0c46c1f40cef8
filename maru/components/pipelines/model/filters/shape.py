"""What every filter is: a function over a batch, made once from its options.

Most filters look at one event and say whether they were successful on it (`per_event`); those get the
options that all filters share (add_field, add_tag, remove_field, remove_tag) applied after success.
Others (split, clone) make events out of events and do that themselves with `Decoration`. A filter that
asks elsewhere (dns, http) answers with an awaitable; one that remembers (metrics) gives events at ticks.
Source: Logstash reference, "Filter plugins" (common options).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import FilterOptions
from maru.wire.logstash.references import BadReference, Reference, parse_reference
from maru.wire.logstash.syntax import Plugin
from maru.wire.logstash.templates import Template, compile_template

Batch = list[Event]
Filter = Callable[[Batch], Batch | Awaitable[Batch]]
"""Takes a batch, answers what goes on: the same events changed, fewer, or more."""

TICK_S = 5.0  # between two ticks, as in Logstash


@dataclass(frozen=True, slots=True)
class Remembering:
    """A filter with a memory. flush: the events that are due, asked for every TICK_S."""

    run: Callable[[Batch], Batch]
    flush: Callable[[], Batch]


class Tools(Protocol):
    """What a filter may use of the world, given by the engine; all of it is local and quick."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that configurations may name."""
        ...

    def now(self) -> datetime:
        """An aware moment."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some moment."""
        ...

    def unique_id(self) -> str:
        """A random UUID."""
        ...

    def fraction(self) -> float:
        """Random, 0 <= x < 1."""
        ...

    def limited(self, limit_s: float) -> AbstractContextManager[None]:
        """Raise TimeIsUp in the body once `limit_s` (0: never) of real time have gone by."""
        ...

    def read_file(self, path: Path) -> bytes:
        """A dictionary, a pattern file. Raises Invalid naming the path."""
        ...


class TimeIsUp(Exception):
    """Raised in the middle of what took longer than its limit."""


Build = Callable[[Plugin, Tools], Filter | Remembering]
"""Makes a filter of what was written. Raises Invalid."""


@dataclass(frozen=True, slots=True)
class Decoration:
    """The shared options of one filter, compiled; `apply` after success."""

    add_field: Sequence[tuple[Template, object]]
    remove_field: Sequence[Template]
    add_tag: Sequence[Template]
    remove_tag: Sequence[Template]

    @property
    def is_empty(self) -> bool:
        """Nothing is to be done."""
        return not (self.add_field or self.remove_field or self.add_tag or self.remove_tag)

    def apply(self, event: Event) -> None:
        """Fields first, then tags, in the order of Logstash; what an event makes of a name may be none."""
        try:
            self._apply_fields(event)
        except BadReference:
            event.tag("_fieldreferencefailure")
        for tag in self.add_tag:
            event.tag(event.formatted(tag))
        for tag in self.remove_tag:
            event.untag(event.formatted(tag))

    def _apply_fields(self, event: Event) -> None:
        for name, value in self.add_field:
            add_value(event, parse_reference(event.formatted(name)), value)
        for name in self.remove_field:
            event.remove(parse_reference(event.formatted(name)))


def decoration_of(options: FilterOptions) -> Decoration:
    """Compiled once."""
    return Decoration(
        add_field=_pairs(options.add_field),
        remove_field=[compile_template(name) for name in options.remove_field],
        add_tag=[compile_template(tag) for tag in options.add_tag],
        remove_tag=[compile_template(tag) for tag in options.remove_tag],
    )


def per_event(options: FilterOptions, is_successful: Callable[[Event], bool]) -> Filter:
    """A filter of one that changes an event in place and says whether it was successful."""
    decoration = decoration_of(options)
    if decoration.is_empty:

        def plain(batch: Batch) -> Batch:
            for event in batch:
                is_successful(event)
            return batch

        return plain

    def decorated(batch: Batch) -> Batch:
        for event in batch:
            if is_successful(event) and not event.is_cancelled:
                decoration.apply(event)
        return batch

    return decorated


def within(tools: Tools, limit_s: float, work: Callable[[Event], None], timeout_tag: str) -> Filter:
    """A filter of work that may run wild: the limit is watched over a batch, and what was under way gets the tag."""

    def run(batch: Batch) -> Batch:
        left = batch
        while left:
            count = 0
            try:
                with tools.limited(limit_s):
                    for event in left:
                        work(event)
                        count += 1
            except TimeIsUp:
                left[count].tag(timeout_tag)
                count += 1
            left = left[count:]
        return batch

    return run


def add_value(event: Event, reference: Reference, value: object) -> None:
    """add_field: strings are formatted; where there is a value already, both become a list."""
    added = formatted_value(event, value)
    have = event.get(reference)
    if have is None:
        event.put(reference, added)
    elif isinstance(have, list):
        event.put(reference, [*have, *(added if isinstance(added, list) else [added])])
    else:
        event.put(reference, [have, *(added if isinstance(added, list) else [added])])


def formatted_value(event: Event, value: object) -> object:
    """A value of the configuration with the event's fields in its strings."""
    if isinstance(value, str):
        return event.sprintf(value)
    if isinstance(value, Template):
        return event.formatted(value)
    if isinstance(value, Mapping):
        return {event.sprintf(str(name)): formatted_value(event, inner) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [formatted_value(event, inner) for inner in value]
    return value


def _pairs(entries: Mapping[str, object]) -> Sequence[tuple[Template, object]]:
    return [
        (compile_template(name), compile_template(value) if isinstance(value, str) else value)
        for name, value in entries.items()
    ]


def living(batch: Iterable[Event]) -> Batch:
    """Those that were not dropped."""
    return [event for event in batch if not event.is_cancelled]
