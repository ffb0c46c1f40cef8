"""Numbers that belong to one holder each: offsets of an address range, ports of a port range.

A free one is drawn at random from the upper part first, so that the lower part stays free for those
who choose theirs. Source: Kubernetes docs, "Service ClusterIP allocation" and "Avoiding collisions"
(ServiceIPStaticSubrange, ServiceNodePortStaticSubrange).
"""

from __future__ import annotations

from itertools import chain

from maru.core.errors import Unavailable
from maru.core.ids import Ids

_DRAWS_MAX = 32


class Pool:
    """first..last inclusive; static: how many at the lower end are drawn last."""

    def __init__(self, first: int, last: int, static: int, ids: Ids) -> None:
        self._first = first
        self._last = last
        self._dynamic = min(first + static, last)
        self._ids = ids
        self._holders: dict[int, str] = {}

    def __contains__(self, number: int) -> bool:
        return self._first <= number <= self._last

    def holder(self, number: int) -> str:
        """Who has it; "" if it is free."""
        return self._holders.get(number, "")

    def take(self, number: int, holder: str) -> bool:
        """Give `number` to `holder`; False if another has it."""
        have: str = self._holders.setdefault(number, holder)
        return have == holder

    def draw(self, holder: str) -> int:
        """Give a free number to `holder`. Raises Unavailable when the range is used up."""
        span = self._last - self._dynamic + 1
        for _ in range(_DRAWS_MAX):
            number = self._dynamic + int(self._ids.fraction() * span)
            if number not in self._holders:
                self._holders[number] = holder
                return number
        for number in chain(range(self._dynamic, self._last + 1), range(self._first, self._dynamic)):
            if number not in self._holders:
                self._holders[number] = holder
                return number
        raise Unavailable(what="allocation", why="range is full", fix="delete what is no longer used")

    def free(self, number: int, holder: str) -> None:
        """Take it back, if `holder` has it."""
        if self._holders.get(number) == holder:
            del self._holders[number]


def static_size(total: int, least: int, most: int, step: int) -> int:
    """How many at the lower end are kept for those who choose: min(max(least, total/step), most)."""
    return min(max(least, total // step), most)
