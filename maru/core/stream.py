"""A stream: volume on its way from producers to one consumer, bounded, in batches, losses counted.

Producers never wait: a full stream drops the oldest items and counts them, as the newest ones say
more about now. What must not be lost is written ahead to a file by its owner before it is
acknowledged; a stream is only the way there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from maru.core.clock import Clock
from maru.core.limits import STREAM_ITEMS_MAX

T = TypeVar("T")


class Stream(Generic[T]):
    """A line of at most `items_max` items. Any number of producers on the loop, one consumer."""

    def __init__(self, clock: Clock, items_max: int = STREAM_ITEMS_MAX) -> None:
        assert items_max > 0, "a stream holds at least one item"
        self._clock = clock
        self._items: deque[T] = deque(maxlen=items_max)
        self._arrived = asyncio.Event()
        self._closed = False
        self.taken = 0  # items ever put in
        self.dropped = 0  # of them, lost because the stream was full or closed

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Add one item; never waits."""
        self.taken += 1
        if self._closed or len(self._items) == self._items.maxlen:
            self.dropped += 1
        if not self._closed:
            self._items.append(item)
            self._arrived.set()

    def put_all(self, items: Iterable[T]) -> None:
        """Add items in order; never waits."""
        for item in items:
            self.put(item)

    async def batch(self, items_max: int, linger_s: float = 0.0) -> Sequence[T]:
        """The oldest 1..`items_max` items; empty once the stream is closed and drained.

        linger_s: how long to wait for the batch to fill once there is something, if it is not full.
        """
        while not self._items:
            if self._closed:
                return []
            self._arrived.clear()
            await self._arrived.wait()
        if linger_s > 0 and len(self._items) < items_max and not self._closed:
            await self._clock.sleep(linger_s)
        return [self._items.popleft() for _ in range(min(items_max, len(self._items)))]

    def close(self) -> None:
        """Take nothing more; what is in line can still be taken out. Idempotent."""
        self._closed = True
        self._arrived.set()
