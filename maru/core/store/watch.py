"""One open watch: a queue that the engine fills and one reader empties.

The backlog that a watch is opened with may be as long as the history ring; what comes on top of it
is bounded, and a reader that falls further behind is cut off with Gone, so that it lists again
instead of holding the memory of everybody. Source: kube-apiserver's watch cache, forgotten watchers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from maru.core.clock import Clock
from maru.core.errors import Gone
from maru.core.limits import WATCH_QUEUE_MAX
from maru.core.store.interface import Event


class QueueWatch:
    """A watch on one kind, in one namespace or (empty) in all.

    store_version: the committed revision of the store, all of whose events were pushed.
    on_close: called once, so that the engine forgets the watch.
    """

    def __init__(
        self,
        namespace: str,
        backlog: Sequence[Event],
        clock: Clock,
        store_version: Callable[[], int],
        on_close: Callable[[QueueWatch], None],
    ) -> None:
        self._namespace = namespace
        self._queue: list[Event] = self._mine(backlog)
        self._queue_max = len(self._queue) + WATCH_QUEUE_MAX
        self._clock = clock
        self._store_version = store_version
        self._on_close = on_close
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._timer_due_s = 0.0
        self._deadline_s = 0.0
        self._closed = False
        self._lagged_at = 0  # the store revision at which the queue overflowed; 0 while it has not

    async def batch(self, timeout_s: float | None = None) -> Sequence[Event]:
        """As `interface.Watch.batch`. One reader at a time."""
        if not self._queue and not self._lagged_at and not self._closed:
            await self._wait(timeout_s)
        if self._lagged_at:
            raise Gone(
                what="watch",
                why=f"it lagged more than {WATCH_QUEUE_MAX} events at revision {self._lagged_at}",
                fix="list again and watch from there",
            )
        batch, self._queue = self._queue, []
        self._queue_max = WATCH_QUEUE_MAX
        return batch

    @property
    def version(self) -> int:
        """As `interface.Watch.version`."""
        return self._queue[0].document.version - 1 if self._queue else self._store_version()

    def close(self) -> None:
        """As `interface.Watch.close`."""
        if self._closed:
            return
        self._closed = True
        self._queue.clear()
        self._on_close(self)
        self._wake()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def push(self, events: Sequence[Event]) -> None:
        """Take over newly committed events of the kind, in order."""
        if self._lagged_at or self._closed:
            return
        mine = self._mine(events)
        if not mine:
            return
        self._queue += mine
        if len(self._queue) > self._queue_max:
            self._queue = []
            self._lagged_at = self._store_version()
            self._on_close(self)
        self._wake()

    def _mine(self, events: Sequence[Event]) -> list[Event]:
        if not self._namespace:
            return list(events)
        return [event for event in events if event.document.key.namespace == self._namespace]

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, timeout_s: float | None) -> None:
        assert self._waiter is None, "a watch has one reader"
        self._waiter = asyncio.get_running_loop().create_future()
        if timeout_s is not None:
            self._arm(timeout_s)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._deadline_s = 0.0

    def _arm(self, timeout_s: float) -> None:
        """Have the waiter woken in `timeout_s`; the timer task outlives a batch, as most batches come early."""
        self._deadline_s = self._clock.monotonic_s() + timeout_s
        if self._timer is not None:
            if self._timer_due_s <= self._deadline_s:
                return
            self._timer.cancel()
        self._timer_due_s = self._deadline_s
        self._timer = asyncio.get_running_loop().create_task(self._run_timer(), name="watch timer")

    async def _run_timer(self) -> None:
        while True:
            await self._clock.sleep(max(0.0, self._timer_due_s - self._clock.monotonic_s()))
            if self._deadline_s <= self._clock.monotonic_s():
                self._timer = None
                if self._deadline_s:
                    self._wake()
                return
            self._timer_due_s = self._deadline_s
