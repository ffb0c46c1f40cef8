"""The queue on disk: an event is safe for its input as soon as it is written, and outlives a crash.

Writers that come together are synced together. Workers may finish out of order; the checkpoint moves
over what is done without a gap, so a crash repeats at most what was under way.
Source: Logstash reference, "Persistent queues".
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.components.pipelines.engine.queues.pages import Pages
from maru.components.pipelines.engine.queues.shape import Heard, Taken
from maru.components.pipelines.model.event import METADATA, TIMESTAMP, Event, encode_json
from maru.core.clock import Clock, parse_rfc3339
from maru.core.errors import MaruError, Unavailable

READ_MAX = 1024  # records read from disk at a time
POLL_S = 0.2  # between looks at a queue that was full


class PersistentQueue:
    """bytes_max: of all pages; when reached, inputs wait."""

    def __init__(self, clock: Clock, folder: Path, bytes_max: int) -> None:
        self._clock = clock
        self._pages = Pages(folder)
        self._bytes_max = bytes_max
        self._ready: deque[Event] = deque()  # in memory, from position `_read` - len on
        self._read = 0
        self._finished: set[int] = set()
        self._done = 0
        self._waiting: list[tuple[Sequence[Event], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._disk = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._is_closed = False

    async def open(self) -> None:
        """Raises Unavailable, Broken."""
        await asyncio.to_thread(self._pages.open_blocking)
        self._read = self._done = self._pages.done

    @property
    def depth(self) -> int:
        return self._pages.next - self._done

    async def put(self, events: Sequence[Event]) -> None:
        while await self._is_full():
            await self._clock.sleep(POLL_S)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="persistent queue")
        await written
        for event in events:
            heard: Heard | None = event.origin  # type: ignore[assignment] # what inputs leave there
            event.origin = None
            if heard is not None:
                heard.safe()

    async def take(self, count_max: int, linger_s: float) -> Taken | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._left > 0 or self._is_closed)
            if self._left <= 0:
                return None
        if self._left < count_max and linger_s > 0 and not self._is_closed:
            await self._clock.sleep(linger_s)
        async with self._changed:
            if not self._ready and self._left > 0:
                async with self._disk:
                    records = await asyncio.to_thread(self._pages.read_blocking, self._read, READ_MAX)
                self._ready.extend(_event(record) for record in records)
                self._read += len(records)
            count = min(count_max, len(self._ready))
            first = self._read - len(self._ready)
            events = [self._ready.popleft() for _ in range(count)]
        return Taken(events, first, first + count - 1)

    def done(self, taken: Taken) -> None:
        self._finished.update(range(taken.first, taken.last + 1))
        while self._done in self._finished:
            self._finished.discard(self._done)
            self._done += 1

    async def close(self) -> None:
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    async def release(self) -> None:
        """Close the files; what is not done comes again when they are opened."""
        if self._writing is not None:
            await self._writing
        async with self._disk:
            await asyncio.to_thread(self._pages.finish_blocking, self._done)
            await asyncio.to_thread(self._pages.close_blocking)

    @property
    def _left(self) -> int:
        """Events that nobody took."""
        return self._pages.next - (self._read - len(self._ready))

    async def _is_full(self) -> bool:
        async with self._disk:
            if self._done > self._pages.done:
                await asyncio.to_thread(self._pages.finish_blocking, self._done)
            return await asyncio.to_thread(self._pages.size_bytes_blocking) > self._bytes_max

    async def _write(self) -> None:
        waiting: list[tuple[Sequence[Event], asyncio.Future[None]]] = []
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                records = [_record(event) for events, _ in waiting for event in events]
                failure: MaruError | None = None
                try:
                    async with self._disk:
                        await asyncio.to_thread(self._pages.append_blocking, records)
                except Unavailable as error:
                    failure = error
                for _, written in waiting:
                    if not written.done():
                        written.set_result(None) if failure is None else written.set_exception(failure)
                async with self._changed:
                    self._changed.notify_all()
        finally:
            self._writing = None
            for _, written in (*waiting, *self._waiting):
                written.cancel()  # does nothing to those that are done


def _record(event: Event) -> bytes:
    return encode_json({**event.fields, METADATA: event.metadata})


def _event(record: bytes) -> Event:
    fields = msgspec.json.decode(record)
    metadata = fields.pop(METADATA, {})
    if isinstance(fields.get(TIMESTAMP), str):
        fields[TIMESTAMP] = parse_rfc3339(fields[TIMESTAMP])
    return Event(fields, metadata)
