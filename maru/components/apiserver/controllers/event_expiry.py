"""Events are forgotten an hour after they were last seen, as the real server's --event-ttl has it.

Only the times of an event are decoded, and nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from maru.core.clock import Clock, rfc3339
from maru.core.document import Document
from maru.core.errors import Conflict, MaruError, NotFound
from maru.core.log import Log
from maru.core.store.interface import Change, Store
from maru.kinds.resources import EVENTS

CHECK_S = 60.0
BATCH_MAX = 200  # deletes in one commit


class _Series(msgspec.Struct):
    last_observed: str | None = msgspec.field(default=None, name="lastObservedTime")


class _Metadata(msgspec.Struct):
    created: str | None = msgspec.field(default=None, name="creationTimestamp")


class _Times(msgspec.Struct):
    metadata: _Metadata
    last: str | None = msgspec.field(default=None, name="lastTimestamp")
    at: str | None = msgspec.field(default=None, name="eventTime")
    series: _Series | None = None


_DECODER = msgspec.json.Decoder(_Times)


class EventExpiry:
    """Deletes old events."""

    def __init__(self, store: Store, clock: Clock, life_s: float) -> None:
        self._store = store
        self._clock = clock
        self._life = timedelta(seconds=life_s)
        self._log = Log("events")

    async def run(self) -> None:
        """Look every minute, for ever."""
        while True:
            await self._clock.sleep(CHECK_S)
            try:
                await self.expire()
            except MaruError as error:
                self._log.warning("events could not be expired, trying again", error=str(error))

    async def expire(self) -> int:
        """Delete what is too old now; answers how many."""
        before = rfc3339(self._clock.now() - self._life)
        old = [one for one in self._store.list(EVENTS.storage).documents if last_seen(one) < before]
        gone = 0
        for batch in _batches(old):
            try:
                await self._store.write([Change(one.key, None, one.version) for one in batch])
            except (NotFound, Conflict):
                continue  # one of them has gone or was seen again: the rest is found next time
            gone += len(batch)
        return gone


def last_seen(event: Document) -> str:
    """The newest of an event's times, as RFC 3339 that can be compared as text."""
    times = _DECODER.decode(event.body)
    series = times.series.last_observed if times.series is not None else None
    return max(times.metadata.created or "", times.last or "", times.at or "", series or "")


def _batches(documents: Sequence[Document]) -> Iterator[Sequence[Document]]:
    for first in range(0, len(documents), BATCH_MAX):
        yield documents[first : first + BATCH_MAX]
