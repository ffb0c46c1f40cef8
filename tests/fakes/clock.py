"""A clock that a test turns by hand.

`advance` moves time from one due sleeper to the next and lets everything that can run do so before
time goes on; `settle` lets it run without moving time. Both know when nothing can run any more from
asyncio's own ready queue (the default loop, not uvloop).
"""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

_ROUNDS_MAX = 200_000
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeClock:
    """Starts at `START`; monotonic time starts at 1000 s."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._order = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic_s(self) -> float:
        return 1000.0 + self._elapsed_s

    async def sleep(self, delay_s: float) -> None:
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        self._order += 1
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_s + delay_s, self._order, future))
        await future

    @property
    def sleeping(self) -> int:
        """How many sleepers wait."""
        return sum(1 for _, _, future in self._sleepers if not future.done())

    async def advance(self, delay_s: float) -> None:
        """Let `delay_s` seconds pass, waking each sleeper at its time, in order."""
        until_s = self._elapsed_s + delay_s
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= until_s:
            due_s, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._elapsed_s = max(self._elapsed_s, due_s)
            future.set_result(None)
            await self.settle()
        self._elapsed_s = until_s
        await self.settle()

    def jump(self, delay_s: float) -> None:
        """Set the clock forward without waking anybody, as a machine that slept does."""
        self._elapsed_s += delay_s

    async def settle(self) -> None:
        """Return when nothing can run any more without time passing. Fails if that never comes."""
        ready = getattr(asyncio.get_running_loop(), "_ready", None)
        assert ready is not None, "FakeClock needs asyncio's own loop"
        for _ in range(_ROUNDS_MAX):
            await asyncio.sleep(0)
            if not ready:
                return
        raise AssertionError("something keeps running without time passing")
