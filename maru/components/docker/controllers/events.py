"""The events of this engine: the last ones kept, also over restarts, each listener told of new ones.

Volume, not state: they are not documents, but lines of a file that is written behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from maru.components.docker.engine.event_file import EventFile
from maru.components.docker.model.events import Event
from maru.core.clock import Clock
from maru.core.log import Log

WRITE_EVERY_S = 0.2
QUEUE_MAX = 4096  # events a listener may lag before it loses the oldest


class Events:
    """Published on the loop; any number of listeners."""

    def __init__(self, clock: Clock, kept: int) -> None:
        self._clock = clock
        self._log = Log("docker")
        self._past: deque[Event] = deque(maxlen=kept)
        self._listeners: set[asyncio.Queue[Event]] = set()
        self._unwritten: deque[Event] = deque(maxlen=kept)
        self._news = asyncio.Event()

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    def publish(self, kind: str, action: str, actor: str, attributes: Mapping[str, str]) -> None:
        """Never waits."""
        event = Event(self._clock.now(), kind, action, actor, dict(attributes))
        self._past.append(event)
        self._unwritten.append(event)
        self._news.set()
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(event)

    async def take_up(self, file: EventFile) -> None:
        """What an earlier process told, before what was told here."""
        earlier = await asyncio.to_thread(file.read_blocking)
        self._past = deque((*earlier, *self._past), maxlen=self._past.maxlen)

    async def keep(self, file: EventFile) -> None:
        """Write behind until cancelled."""
        while True:
            await self._news.wait()
            await self._write(file)
            await self._clock.sleep(WRITE_EVERY_S)

    async def write_rest(self, file: EventFile) -> None:
        """What is not written yet."""
        if self._unwritten:
            await self._write(file)

    async def _write(self, file: EventFile) -> None:
        self._news.clear()
        events, everything = list(self._unwritten), list(self._past)
        self._unwritten.clear()
        try:
            await asyncio.to_thread(file.append_blocking, events, everything)
        except OSError as error:
            self._log.warning("events could not be written", count=len(events), why=error.strerror or str(error))

    def past(self, since: datetime | None, until: datetime | None) -> list[Event]:
        """Those that are still kept, oldest first; none without `since`."""
        if since is None:
            return []
        return [event for event in self._past if event.at >= since and (until is None or event.at <= until)]

    def listen(self) -> AsyncIterator[Event]:
        """From now on (not from the first read)."""
        queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_MAX)
        self._listeners.add(queue)
        return self._read(queue)

    async def _read(self, queue: asyncio.Queue[Event]) -> AsyncIterator[Event]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)
