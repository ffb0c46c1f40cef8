"""The queue in memory: bounded, so that a slow output slows the inputs; lost with the process.

Inputs that can wait for it hear that an event is safe only once the outputs have it.
Source: Logstash reference, "Memory queue".
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from maru.components.pipelines.engine.queues.shape import Taken
from maru.components.pipelines.model.event import Event
from maru.core.clock import Clock


class MemoryQueue:
    """events_max: how many may wait."""

    def __init__(self, clock: Clock, events_max: int) -> None:
        self._clock = clock
        self._events_max = events_max
        self._events: deque[Event] = deque()
        self._changed = asyncio.Condition()
        self._is_closed = False
        self._position = 0
        self._under_way = 0

    @property
    def depth(self) -> int:
        return len(self._events) + self._under_way

    async def put(self, events: Sequence[Event]) -> None:
        for first in range(0, len(events), self._events_max):
            part = events[first : first + self._events_max]
            async with self._changed:
                await self._changed.wait_for(lambda: len(self._events) < self._events_max)
                self._events.extend(part)
                self._changed.notify_all()

    async def take(self, count_max: int, linger_s: float) -> Taken | None:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._events) or self._is_closed)
            if not self._events:
                return None
        if len(self._events) < count_max and linger_s > 0 and not self._is_closed:
            await self._clock.sleep(linger_s)
        async with self._changed:
            count = min(count_max, len(self._events))
            taken = [self._events.popleft() for _ in range(count)]
            first, self._position = self._position, self._position + count
            self._under_way += count
            self._changed.notify_all()
        return Taken(taken, first, self._position - 1)

    def done(self, taken: Taken) -> None:
        self._under_way -= taken.last - taken.first + 1

    async def close(self) -> None:
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()
