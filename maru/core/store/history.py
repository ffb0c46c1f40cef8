"""The ring of past events: what watches are replayed from and old listings are rebuilt with.

Events are kept per kind, so that a watch on a quiet kind does not walk through the busy ones, and
are dropped oldest first over all kinds when there are too many or they hold too many bytes.
Source of the model: etcd v3, "Compaction"; kube-apiserver's watch cache.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

from maru.core.document import Document
from maru.core.errors import Gone
from maru.core.limits import HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX
from maru.core.store.interface import Event

_TRIM_AT = 256  # dropped events of one kind that are cut off at once


class _Lane:
    """The events of one kind, ascending; the first `dropped` of them no longer count."""

    __slots__ = ("dropped", "events")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dropped = 0


class History:
    """Events after revision `floor`, ascending."""

    def __init__(self, floor: int, events_max: int = HISTORY_EVENTS_MAX, bytes_max: int = HISTORY_BYTES_MAX) -> None:
        self.floor = floor  # every event after this revision is kept, none up to it
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._order: deque[Event] = deque()
        self._lanes: dict[str, _Lane] = {}

    def __len__(self) -> int:
        return len(self._order)

    def append(self, event: Event) -> None:
        """Remember `event`, the newest one; forgets the oldest ones over the bounds."""
        storage = event.document.key.storage
        lane = self._lanes.get(storage)
        if lane is None:
            lane = self._lanes[storage] = _Lane()
        lane.events.append(event)
        self._order.append(event)
        self._bytes += len(event.document.body)
        while len(self._order) > self._events_max or self._bytes > self._bytes_max:
            self._drop_oldest()

    def since(self, storage: str, version: int) -> Sequence[Event]:
        """The kept events of a kind after `version`, ascending. Raises Gone below the floor."""
        self.check(version)
        lane = self._lanes.get(storage)
        if lane is None:
            return []
        start = bisect_right(lane.events, version, lo=lane.dropped, key=lambda event: event.document.version)
        return lane.events[start:]

    def check(self, version: int) -> None:
        """Raises Gone if events after `version` are no longer all kept."""
        if version < self.floor:
            raise Gone(
                what=f"revision {version}",
                why=f"too old resource version: {version} ({self.floor})",
                fix="list again and watch from there",
                oldest=self.floor,
            )

    def trim(self, version: int, events_max: int) -> bool:
        """Forget up to `events_max` events up to `version`; True when none of them is left."""
        self.floor = max(self.floor, version)
        for _ in range(events_max):
            if not self._order or self._order[0].document.version > version:
                return True
            self._drop_oldest()
        return False

    def _drop_oldest(self) -> None:
        event = self._order.popleft()
        self._bytes -= len(event.document.body)
        self.floor = max(self.floor, event.document.version)
        lane = self._lanes[event.document.key.storage]
        lane.dropped += 1
        if lane.dropped == len(lane.events):
            del self._lanes[event.document.key.storage]
        elif lane.dropped >= _TRIM_AT:
            del lane.events[: lane.dropped]
            lane.dropped = 0


def undo(documents: Sequence[Document], events: Sequence[Event]) -> Sequence[Document]:
    """`documents` (one kind, current) as they were before `events` (ascending), by (namespace, name)."""
    if not events:
        return documents
    state = {(document.key.namespace, document.key.name): document for document in documents}
    for event in reversed(events):
        key = event.document.key
        if event.previous is None:
            state.pop((key.namespace, key.name), None)
        else:
            state[key.namespace, key.name] = event.previous
    return [state[place] for place in sorted(state)]
