"""The Pods that wait for a node: by priority, then by how long they wait.

A Pod that could not be placed stands aside until something changed that may help it, and then at
least until its back-off (1 s, doubling to 10 s) is over; whatever happens it is tried again after
five minutes. Source: k8s.io/kubernetes/pkg/scheduler/backend/queue, PriorityQueue.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from maru.components.scheduler.model.pods import PodFacts

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 10.0
ASIDE_MAX_S = 300.0


@dataclass(slots=True)
class Waiting:
    """One Pod that waits. since_s: when it came; tried_s: its last attempt; attempts: so far."""

    pod: PodFacts
    since_s: float
    attempts: int = 0
    tried_s: float = 0.0
    order: int = 0

    @property
    def ready_s(self) -> float:
        """When its back-off is over."""
        if self.attempts == 0:
            return self.since_s
        return self.tried_s + float(min(BACKOFF_FIRST_S * 2 ** min(self.attempts - 1, 16), BACKOFF_MAX_S))


class Queue:
    """All times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._line: list[tuple[int, float, int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        self._waiting: dict[str, Waiting] = {}
        self._aside: dict[str, float] = {}  # since when, ascending
        self._under_way: dict[str, Waiting] = {}
        self._missed: set[str] = set()
        self._order = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, pod: PodFacts, now_s: float) -> None:
        """A Pod without a node appeared, or changed in a way that may let it be placed."""
        if pod.uid in self._under_way:
            self._under_way[pod.uid].pod = pod
            self._missed.add(pod.uid)
            return
        entry = self._waiting.get(pod.uid)
        if entry is None:
            entry = Waiting(pod, now_s)
        entry.pod = pod
        self._waiting[pod.uid] = entry
        self._activate(entry, now_s)

    def refresh(self, pod: PodFacts) -> None:
        """A Pod changed in a way that does not matter for placing it."""
        entry = self._waiting.get(pod.uid) or self._under_way.get(pod.uid)
        if entry is not None:
            entry.pod = pod

    def drop(self, uid: str) -> None:
        """It is gone or has its node."""
        self._waiting.pop(uid, None)
        self._aside.pop(uid, None)
        self._under_way.pop(uid, None)
        self._missed.discard(uid)

    def stir(self, now_s: float) -> None:
        """Something changed that may help: all that stand aside come back, after their back-off."""
        self._missed.update(self._under_way)
        for uid in list(self._aside):
            entry = self._waiting[uid]
            if not entry.pod.is_gated:  # only the end of its gates helps, and that is a change of its own
                self._activate(entry, now_s)

    def take(self, now_s: float) -> Waiting | None:
        """The next Pod to place, now under way, or None."""
        self._promote(now_s)
        while self._line:
            *_, order, uid = heapq.heappop(self._line)
            entry = self._waiting.get(uid)
            if entry is None or entry.order != order:
                continue
            del self._waiting[uid]
            entry.attempts += 1
            entry.tried_s = now_s
            self._under_way[uid] = entry
            return entry
        return None

    def failed(self, entry: Waiting, now_s: float) -> None:
        """It could not be placed; what changed meanwhile may have helped already."""
        uid = entry.pod.uid
        if self._under_way.pop(uid, None) is None:
            return
        self._waiting[uid] = entry
        entry.order = 0
        if uid in self._missed:
            self._missed.discard(uid)
            self._activate(entry, now_s)
        else:
            self._aside[uid] = now_s

    def retry(self, entry: Waiting, now_s: float) -> None:
        """It failed for a reason that passes by itself: again after its back-off."""
        self._missed.add(entry.pod.uid)
        self.failed(entry, now_s)

    def done(self, entry: Waiting) -> None:
        """It was placed."""
        self.drop(entry.pod.uid)

    def next_s(self) -> float | None:
        """When the next Pod may be tried although nothing changes; None when none waits."""
        times = [when for when, _, _ in self._backoff[:1]]
        if self._line:
            times.append(0.0)
        if self._aside:
            times.append(next(iter(self._aside.values())) + ASIDE_MAX_S)
        return min(times, default=None)

    def _activate(self, entry: Waiting, now_s: float) -> None:
        self._aside.pop(entry.pod.uid, None)
        self._order += 1
        entry.order = self._order
        if entry.ready_s > now_s:
            heapq.heappush(self._backoff, (entry.ready_s, entry.order, entry.pod.uid))
        else:
            self._enter(entry)

    def _enter(self, entry: Waiting) -> None:
        heapq.heappush(self._line, (-entry.pod.priority, entry.since_s, entry.order, entry.pod.uid))

    def _promote(self, now_s: float) -> None:
        while self._backoff and self._backoff[0][0] <= now_s:
            _, order, uid = heapq.heappop(self._backoff)
            entry = self._waiting.get(uid)
            if entry is not None and entry.order == order:
                self._enter(entry)
        while self._aside:
            uid, since_s = next(iter(self._aside.items()))
            if since_s + ASIDE_MAX_S > now_s:
                return
            self._activate(self._waiting[uid], now_s)
