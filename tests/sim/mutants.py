"""Small deliberate defects, each of which the simulation must notice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maru.components.workloads.controllers.deployments import Deployments
from maru.components.workloads.controllers.expectations import Expectations
from maru.components.workloads.controllers.garbage_collector import GarbageCollector
from maru.components.workloads.controllers.kit import Kit, Runner
from maru.components.workloads.controllers.replica_sets import ReplicaSets
from maru.components.workloads.model.replica_sets import ReplicaPlan
from maru.core.document import Value
from tests.sim.chaos import Build
from tests.sim.world import everything


def replaced(old: type, make: Any) -> Build:
    """All controllers, one of them swapped for a broken one."""

    def build(kit: Kit) -> Sequence[Runner]:
        return [make(kit) if type(each) is old else each for each in everything(kit)]

    return build


class OneTooMany(ReplicaSets):
    """Makes one Pod more than wanted."""

    def plan(self, owner: Value, wanted: int, pods: Sequence[Value]) -> ReplicaPlan:
        return super().plan(owner, wanted + 1 if wanted else 0, pods)


class NeverDeletes(ReplicaSets):
    """Forgets to scale down."""

    def plan(self, owner: Value, wanted: int, pods: Sequence[Value]) -> ReplicaPlan:
        return ReplicaPlan(create=super().plan(owner, wanted, pods).create)


class CountsTheDying(ReplicaSets):
    """Takes Pods that have ended for living ones, and so never replaces them."""

    def plan(self, owner: Value, wanted: int, pods: Sequence[Value]) -> ReplicaPlan:
        return ReplicaPlan(create=max(0, wanted - len(pods)))


class Restless(ReplicaSets):
    """Writes the status every second, whether it changed or not."""

    async def bring_right(self, place: tuple[str, str]) -> float | None:
        await super().bring_right(place)
        document = self._sets.get(*place)
        if document is not None:
            patch = {"metadata": {"annotations": {"seen": str(self.clock.now())}}}
            await self.client.patch(self.resource, *place, patch)
        return 1.0


class Impatient(Deployments):
    """Takes all old Pods away at once."""

    async def _roll(self, deployment: Value, sets: list[Value]) -> float | None:
        deployment, new, old = await self._new_sets.sync(deployment, sets, create=True)
        for each in old:
            await self._scale(deployment, each, 0)
        assert new is not None
        await self._scale(deployment, new, deployment["spec"]["replicas"])
        return await self._report(deployment, new, old)


class Forgetful(ReplicaSets):
    """Acts on a cache that has not caught up with what it did."""

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._own.expectations = NoExpectations(kit.clock)


class NoExpectations(Expectations):
    """Always content."""

    def is_met(self, place: tuple[str, str]) -> bool:
        return True


def without_collector(kit: Kit) -> Sequence[Runner]:
    """All controllers but garbage collection."""
    return [each for each in everything(kit) if not isinstance(each, GarbageCollector)]


MUTANTS: dict[str, Build] = {
    "one too many": replaced(ReplicaSets, OneTooMany),
    "never deletes": replaced(ReplicaSets, NeverDeletes),
    "counts the dying": replaced(ReplicaSets, CountsTheDying),
    "restless": replaced(ReplicaSets, Restless),
    "impatient": replaced(Deployments, Impatient),
    "forgetful": replaced(ReplicaSets, Forgetful),
    "never collects": without_collector,
}
