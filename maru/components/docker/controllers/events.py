"""The events of this engine: the last ones kept, each listener told of new ones.

Volume, not state: they are not documents, and a restart forgets them, as it does in dockerd.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from maru.components.docker.model.events import Event
from maru.core.clock import Clock

QUEUE_MAX = 4096  # events a listener may lag before it loses the oldest


class Events:
    """Published on the loop; any number of listeners."""

    def __init__(self, clock: Clock, kept: int) -> None:
        self._clock = clock
        self._past: deque[Event] = deque(maxlen=kept)
        self._listeners: set[asyncio.Queue[Event]] = set()

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    def publish(self, kind: str, action: str, actor: str, attributes: Mapping[str, str]) -> None:
        """Never waits."""
        event = Event(self._clock.now(), kind, action, actor, dict(attributes))
        self._past.append(event)
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(event)

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
