"""What a controller did and has not yet seen come back, so that a lagging cache never makes it act twice.

A creation is expected by the name chosen for it, a deletion by uid, before the request leaves; the
change that the informer shows settles it. What never shows is given up after five minutes.
Source of the idea: k8s.io/kubernetes/pkg/controller, UIDTrackingControllerExpectations.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.workloads.model.values import Place, uid_of
from maru.core.clock import Clock
from maru.core.document import Document, Value
from maru.core.informer import Informer

EXPECTATION_S = 300.0

Token = tuple[str, str]


class Expectations:
    """Open expectations by owner's place."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[Place, dict[Token, float]] = {}
        self._owners: dict[Token, Place] = {}

    def follow(self, informer: Informer) -> None:
        """Settle expectations by what `informer` shows; call before anything that adds keys to a line."""
        informer.on_change(self._changed)

    def is_met(self, place: Place) -> bool:
        """True when nothing is outstanding for `place`."""
        now_s = self._clock.monotonic_s()
        for token, until_s in list(self._open.get(place, {}).items()):
            if until_s < now_s:
                self.settle(token)
        return place not in self._open

    def expect_created(self, place: Place, name: str) -> Token:
        """A document called `name` in the owner's namespace is about to be created."""
        return self._expect(place, ("+" + place[0], name))

    def expect_deleted(self, place: Place, value: Value) -> Token:
        """`value` is about to be deleted."""
        return self._expect(place, ("-", uid_of(value)))

    def settle(self, token: Token) -> None:
        """It was seen, or it failed; unknown tokens are fine."""
        place = self._owners.pop(token, None)
        if place is not None:
            self._open[place].pop(token, None)
            if not self._open[place]:
                del self._open[place]

    def forget(self, place: Place) -> None:
        """The owner is gone."""
        for token in list(self._open.get(place, {})):
            self.settle(token)

    def outstanding(self, place: Place) -> Sequence[Token]:
        """What is open for `place`."""
        return list(self._open.get(place, {}))

    def _expect(self, place: Place, token: Token) -> Token:
        self._open.setdefault(place, {})[token] = self._clock.monotonic_s() + EXPECTATION_S
        self._owners[token] = place
        return token

    def _changed(self, new: Document | None, old: Document | None) -> None:
        if new is not None:
            self.settle(("+" + new.key.namespace, new.key.name))
            if new.metadata.get("deletionTimestamp"):
                self.settle(("-", uid_of(new.head)))
        if old is not None and (new is None or uid_of(new.head) != uid_of(old.head)):
            self.settle(("-", uid_of(old.head)))
