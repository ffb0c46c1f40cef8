"""What every output is: it takes a batch, trying again for as long as that can help.

What it will never take (a mapping conflict) it gives back with a reason; the pipeline puts that among
the dead letters, or logs it.
Source: Logstash reference, "Output plugins" (common options).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.model.codecs.catalog import writing_of
from maru.components.pipelines.model.codecs.shape import Write
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import NOWHERE, OutputOptions
from maru.wire.logstash.syntax import Plugin


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that will never be taken, and why."""

    event: Event
    reason: str


class Output(Protocol):
    """deliver returns when the events are where they belong, as safe as that place makes them."""

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        """Raises Unavailable when trying again later can help: the whole batch comes again."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


@runtime_checkable
class Ticking(Protocol):
    """An output that has something to do while no events come: called every TICK_S."""

    async def tick(self) -> None: ...


BuildOutput = Callable[[Plugin, Ground], Output]
"""Makes an output of what was written; opens nothing. Raises Invalid."""


def codec_of(options: OutputOptions, usual: str) -> Write:
    """The output's codec, or its usual one. Raises Invalid."""
    return writing_of(options.codec.plugin if options.codec is not None else Plugin(usual, (), NOWHERE, usual))
