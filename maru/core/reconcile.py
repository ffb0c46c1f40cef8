"""The loop that every controller runs in: keys wait in line, each is brought right, failures come back later.

A key stands in the line once, however often it is added, and is never worked on twice at the same
time. An expected failure (a MaruError) is retried with growing delay; anything else is a bug and
ends the loop, and with it the process. Source of the idea: client-go's rate limiting workqueue.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from maru.core.clock import Clock
from maru.core.errors import Conflict, MaruError
from maru.core.ids import Ids
from maru.core.limits import RECONCILE_BACKOFF_BASE_S, RECONCILE_BACKOFF_MAX_S
from maru.core.log import Log

K = TypeVar("K")

_VOID_MAX = 64  # void entries among the delayed keys, beyond as many as there are valid ones


class Loop(Generic[K]):
    """One controller's line of keys.

    bring_right: looks at what is wanted and what is there and acts; answers None, or the seconds
    after which the key should come again. workers: keys worked on side by side (1..64).
    """

    def __init__(
        self,
        name: str,
        bring_right: Callable[[K], Awaitable[float | None]],
        clock: Clock,
        ids: Ids,
        *,
        workers: int = 1,
    ) -> None:
        self.name = name
        self._bring_right = bring_right
        self._clock = clock
        self._ids = ids
        self._workers = workers
        self._log = Log(name)
        self._line: deque[K] = deque()
        self._waiting: set[K] = set()
        self._active: set[K] = set()
        self._failures: dict[K, int] = {}
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}  # when a delayed key comes; entries of `_later` that differ are void
        self._order = 0
        self._free = asyncio.Event()
        self._timer_wakes = asyncio.Event()

    def add(self, key: K) -> None:
        """Put `key` in line; nothing happens if it stands there already."""
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._active:
            self._line.append(key)
            self._free.set()

    def add_after(self, key: K, delay_s: float) -> None:
        """Put `key` in line when `delay_s` of the clock's time have passed; of several delays the shortest counts."""
        if delay_s <= 0:
            self.add(key)
            return
        due_s = self._clock.monotonic_s() + delay_s
        if self._due.get(key, due_s + 1) <= due_s:
            return
        self._due[key] = due_s
        self._order += 1
        heapq.heappush(self._later, (due_s, self._order, key))
        if len(self._later) > 2 * len(self._due) + _VOID_MAX:
            self._later = [entry for entry in self._later if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._later)
        self._timer_wakes.set()

    @property
    def is_idle(self) -> bool:
        """True when nothing is in line or under way (delayed keys do not count)."""
        return not self._line and not self._active

    async def run(self) -> None:
        """Work until cancelled; raises what a bug raised."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_timer(), name=f"{self.name} timer")
            for number in range(self._workers):
                group.create_task(self._run_worker(), name=f"{self.name} {number}")

    async def _run_worker(self) -> None:
        while True:
            while not self._line:
                self._free.clear()
                await self._free.wait()
            key = self._line.popleft()
            self._waiting.discard(key)
            self._active.add(key)
            try:
                await self._work(key)
            finally:
                self._active.discard(key)
                if key in self._waiting:
                    self._line.append(key)
                    self._free.set()

    async def _work(self, key: K) -> None:
        try:
            again_s = await self._bring_right(key)
        except MaruError as error:
            failures = self._failures.get(key, 0) + 1
            self._failures[key] = failures
            delay_s = min(RECONCILE_BACKOFF_BASE_S * 2 ** min(failures - 1, 16), RECONCILE_BACKOFF_MAX_S)
            if not isinstance(error, Conflict):
                self._log.warning("will try again", key=str(key), error=str(error), delay_s=delay_s)
            self.add_after(key, delay_s * (0.5 + self._ids.fraction()))
            return
        self._failures.pop(key, None)
        if again_s is not None:
            self.add_after(key, again_s)

    async def _run_timer(self) -> None:
        while True:
            now_s = self._clock.monotonic_s()
            while self._later and self._later[0][0] <= now_s:
                due_s, _, key = heapq.heappop(self._later)
                if self._due.get(key) == due_s:
                    del self._due[key]
                    self.add(key)
            self._timer_wakes.clear()
            if not self._later:
                await self._timer_wakes.wait()
                continue
            await self._sleep_or_wake(self._later[0][0] - now_s)

    async def _sleep_or_wake(self, delay_s: float) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(delay_s))
        wake = asyncio.ensure_future(self._timer_wakes.wait())
        try:
            await asyncio.wait((sleep, wake), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wake.cancel()
