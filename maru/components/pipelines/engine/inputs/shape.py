"""What every input is: it is opened, gives events until it is closed, and can be told how far they came.

Source: Logstash reference, "Input plugins" (common options).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.queues.shape import Heard
from maru.components.pipelines.model.codecs.catalog import reading_of
from maru.components.pipelines.model.codecs.shape import MakeReading
from maru.components.pipelines.model.event import TAGS, TIMESTAMP, VERSION, Event, text_of
from maru.components.pipelines.model.filters.date import iso8601
from maru.components.pipelines.model.options import NOWHERE, InputOptions
from maru.core.document import Value
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

Emit = Callable[[Sequence[Event]], Awaitable[None]]
"""Hands events to the pipeline; returns when its queue has them."""


class Input(Protocol):
    """run: gives events until cancelled, or until there are no more (a generator's end).

    Raises Unavailable when it cannot do its work just now (a port is taken): it is run again later.
    """

    async def run(self, emit: Emit) -> None: ...


BuildInput = Callable[[Plugin, Ground], Input]
"""Makes an input of what was written; opens nothing. Raises Invalid."""


@dataclass(frozen=True, slots=True)
class Dress:
    """The shared options of one input, as they are put on its events."""

    options: InputOptions

    def event(self, fields: Value, now: datetime, origin: Heard | None = None) -> Event:
        """An event with time, version, type, tags and added fields."""
        written = fields.get(TIMESTAMP)
        moment = now
        if isinstance(written, datetime):
            moment = written
        elif written is not None:
            try:
                moment = iso8601(text_of(written), UTC)
            except ValueError:
                fields["_@timestamp"] = written
                fields.setdefault(TAGS, []).append("_timestampparsefailure")
        metadata = fields.pop("@metadata", None)
        fields[TIMESTAMP] = moment
        fields.setdefault(VERSION, "1")
        event = Event(fields, metadata if isinstance(metadata, dict) else None, origin)
        options = self.options
        if options.type and "type" not in fields:
            fields["type"] = options.type
        for tag in options.tags:
            event.tag(tag)
        for name, value in options.add_field.items():
            event.put(parse_reference(name), event.sprintf(value) if isinstance(value, str) else value)
        return event


@dataclass
class Pending:
    """Events that were handed on together: how many of them are not safe."""

    left: int
    all_safe: asyncio.Event = field(default_factory=asyncio.Event)

    def safe(self) -> None:
        """One more is."""
        self.left -= 1
        if self.left <= 0:
            self.all_safe.set()


def codec_of(options: InputOptions, usual: str) -> MakeReading:
    """The input's codec, or its usual one. Raises Invalid."""
    return reading_of(options.codec.plugin if options.codec is not None else Plugin(usual, (), NOWHERE, usual))
