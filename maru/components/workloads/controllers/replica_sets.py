"""ReplicaSets: as many Pods as are wanted. ReplicationControllers are the same with an older selector.

Source: k8s.io/kubernetes/pkg/controller/replicaset, syncReplicaSet.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.workloads.controllers.batches import all_at_once, is_namespace_going, slow_start
from maru.components.workloads.controllers.claims import OWNER_INDEX, Claims, candidates
from maru.components.workloads.controllers.kit import Controller, Kit
from maru.components.workloads.controllers.own_pods import OwnPods
from maru.components.workloads.model.pods import pod_from_template
from maru.components.workloads.model.replica_sets import ReplicaPlan, next_available_s, plan, status
from maru.components.workloads.model.values import (
    Place,
    controller_of,
    labels_of,
    place_of,
    uid_of,
    with_status,
)
from maru.core.document import Document, Resource, Value
from maru.core.errors import MaruError
from maru.kinds.label_selector import LabelSelector, from_labels, from_selector
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import PODS, REPLICASETS, REPLICATIONCONTROLLERS


class ReplicaSets(Controller):
    """Keeps the Pods of every ReplicaSet."""

    name = "replicaset-controller"
    resource: Resource = REPLICASETS

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._claims = Claims(self.client, self.resource, PODS)
        self._sets = self.watch_own(self.resource)
        self._sets.index(OWNER_INDEX, _owner_uids)
        self._own = OwnPods(self)
        self._pods = self._own.pods
        self.watch(PODS, self._places_of_pod)

    def selector(self, owner: Value) -> LabelSelector:
        """Which Pods are its own."""
        return from_selector(owner["spec"].get("selector"))

    async def bring_right(self, place: Place) -> float | None:
        document = self._sets.get(*place)
        if document is None:
            self._own.expectations.forget(place)
            return None
        owner = document.value
        selector = self.selector(owner)
        pods = await self._claims.claim(owner, selector, candidates(self._pods, owner, selector))
        failure: tuple[str, MaruError] | None = None
        if self._own.expectations.is_met(place) and not is_deleting(owner):
            wanted = int(owner["spec"].get("replicas", 1))
            failure = await self._carry_out(owner, self.plan(owner, wanted, pods))
        again_s = await self._report(owner, pods, failure)
        if failure is not None and not is_namespace_going(failure[1]):
            raise failure[1]
        return again_s

    def plan(self, owner: Value, wanted: int, pods: Sequence[Value]) -> ReplicaPlan:
        """What to create or delete."""
        return plan(wanted, pods, self._related_pods(owner), self.clock.now())

    async def _carry_out(self, owner: Value, want: ReplicaPlan) -> tuple[str, MaruError] | None:
        template = owner["spec"]["template"]

        async def create(_: int) -> None:
            await self._own.create(owner, pod_from_template(template, owner, self.resource, suffix=self.ids.suffix()))

        async def delete(number: int) -> None:
            await self._own.delete(owner, want.delete[number])

        self._own.expect_deleted(owner, want.delete)
        error = await slow_start(want.create, create)
        if error is not None:
            return "FailedCreate", error
        error = await all_at_once(range(len(want.delete)), delete)
        return None if error is None else ("FailedDelete", error)

    async def _report(self, owner: Value, pods: Sequence[Value], failure: tuple[str, MaruError] | None) -> float | None:
        now = self.clock.now()
        told = None if failure is None else (failure[0], str(failure[1]))
        new = status(owner, pods, told, now)
        if new != owner.get("status"):
            await self.client.update(self.resource, with_status(owner, new), subresource="status")
        return next_available_s(pods, int(owner["spec"].get("minReadySeconds") or 0), now)

    def _related_pods(self, owner: Value) -> list[Value]:
        reference = controller_of(owner)
        siblings = [owner]
        if reference is not None:
            siblings = [document.value for document in self._sets.by_index(OWNER_INDEX, reference["uid"])]
        return [
            document.value for sibling in siblings for document in self._pods.by_index(OWNER_INDEX, uid_of(sibling))
        ]

    def _places_of_pod(self, document: Document) -> list[Place]:
        reference = controller_of(document.head)
        namespace = document.key.namespace
        if reference is not None:
            return [(namespace, reference["name"])] if reference["kind"] == self.resource.kind else []
        labels = labels_of(document.head)
        return [
            place_of(owner.head)
            for owner in (self._sets.list(namespace) if labels else ())
            if self.selector(owner.value).matches(labels)
        ]


class ReplicationControllers(ReplicaSets):
    """Keeps the Pods of every ReplicationController."""

    name = "replication-controller"
    resource = REPLICATIONCONTROLLERS

    def selector(self, owner: Value) -> LabelSelector:
        return from_labels(owner["spec"].get("selector"))


def _owner_uids(document: Document) -> list[str]:
    reference = controller_of(document.head)
    return [] if reference is None else [reference["uid"]]
