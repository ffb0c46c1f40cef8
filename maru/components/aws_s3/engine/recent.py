"""What was found lately: the latest versions of keys in memory, so that another read needs no turn on a thread.

An entry goes when a change of its key is asked for and may come back once that has ended, whatever became
of the caller. Inline content is kept as it is stored, encrypted.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Generic, TypeVar

from maru.components.aws_s3.engine.versions import Place

ENTRIES_MAX = 1024
T = TypeVar("T")


class Recent(Generic[T]):
    """At most ENTRIES_MAX entries; used on the loop's thread only."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Place, T] = OrderedDict()
        self._changing: Counter[Place | None] = Counter()
        self._ended = 0

    def get(self, place: Place) -> T | None:
        """What is known, None if nothing is."""
        found = self._entries.get(place)
        if found is not None:
            self._entries.move_to_end(place)
        return found

    def mark(self) -> int:
        """To be taken before a read whose result is to be kept."""
        return self._ended

    def keep(self, place: Place, found: T, mark: int) -> None:
        """Keep what a read gave, unless a change ended since `mark` or is under way."""
        if mark != self._ended or place in self._changing or None in self._changing:
            return
        self._entries[place] = found
        if len(self._entries) > ENTRIES_MAX:
            self._entries.popitem(last=False)

    def begin(self, place: Place | None) -> None:
        """A change of `place` (None: of anything) is about to be asked for."""
        self._changing[place] += 1
        self._forget(place)

    def end(self, place: Place | None) -> None:
        """It was done, or refused."""
        self._ended += 1
        self._changing[place] -= 1
        if not self._changing[place]:
            del self._changing[place]

    def _forget(self, place: Place | None) -> None:
        if place is None:
            self._entries.clear()
        else:
            self._entries.pop(place, None)
