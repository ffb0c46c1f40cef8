"""What a queue between inputs and workers is.

Source: Logstash reference, "Memory queue", "Persistent queues".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from maru.components.pipelines.model.event import Event


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch on its way. first, last: positions in the queue, for `done`; they are consecutive."""

    events: list[Event]
    first: int
    last: int


class Heard(Protocol):
    """What an input left with an event to hear of it."""

    def safe(self) -> None:
        """The event will not be lost any more."""
        ...


class Queue(Protocol):
    """Any number of inputs, any number of workers."""

    async def put(self, events: Sequence[Event]) -> None:
        """Take over; waits while the queue is full. A persistent one has it on disk when this returns.

        Raises Unavailable (the disk is full or fails).
        """
        ...

    async def take(self, count_max: int, linger_s: float) -> Taken | None:
        """The oldest 1..`count_max` events that nobody took; None once the queue is closed and empty."""
        ...

    def done(self, taken: Taken) -> None:
        """The outputs have all of it."""
        ...

    async def close(self) -> None:
        """No more comes; what is there is still taken."""
        ...

    @property
    def depth(self) -> int:
        """Events that are not done."""
        ...
