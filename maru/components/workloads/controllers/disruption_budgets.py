"""PodDisruptionBudgets: their status, which the eviction subresource goes by.

Source: k8s.io/kubernetes/pkg/controller/disruption.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.workloads.controllers.kit import WARNING, Controller, Kit
from maru.components.workloads.model.disruption import disrupted, status
from maru.components.workloads.model.values import Place, controller_of, labels_of, place_of, uid_of, with_status
from maru.core.document import Document, Value
from maru.core.informer import Informer
from maru.kinds.label_selector import from_selector
from maru.kinds.resources import (
    DEPLOYMENTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
)


class DisruptionBudgets(Controller):
    """Counts for every budget."""

    name = "disruption-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._budgets = self.watch_own(PODDISRUPTIONBUDGETS)
        self._pods = self.watch(PODS, self._budgets_of_pod)
        self._scaled: dict[str, Informer] = {}
        for resource in (DEPLOYMENTS, REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS):
            self._scaled[resource.kind] = self.watch(resource, self._budgets_nearby)

    async def bring_right(self, place: Place) -> float | None:
        document = self._budgets.get(*place)
        if document is None:
            return None
        budget = document.value
        selector = from_selector(budget["spec"].get("selector"))
        pods = [each.value for each in self._pods.list(place[0]) if selector.matches(labels_of(each.head))]
        if not pods and not (budget.get("status") or {}).get("expectedPods"):
            self.event(budget, "Normal", "NoPods", "No matching pods found")
        now = self.clock.now()
        new = status(budget, pods, self._scales(budget, pods), now)
        if new != budget.get("status"):
            await self.client.update(PODDISRUPTIONBUDGETS, with_status(budget, new), subresource="status")
        return disrupted(budget, pods, now)[1]

    def _scales(self, budget: Value, pods: Sequence[Value]) -> dict[str, int]:
        scales: dict[str, int] = {}
        unmanaged = 0
        for pod in pods:
            owner = self._scaled_owner(pod)
            if owner is None:
                unmanaged += 1
                continue
            replicas = owner["spec"].get("replicas")
            scales[uid_of(owner)] = 1 if replicas is None else int(replicas)
        if unmanaged and budget["spec"].get("maxUnavailable") is not None:
            text = f"found no controller for {unmanaged} pods: maxUnavailable counts those of scaled controllers only"
            self.event(budget, WARNING, "CalculateExpectedPodCountFailed", text)
        return scales

    def _scaled_owner(self, pod: Value) -> Value | None:
        """The controller whose replicas count: of a ReplicaSet, its Deployment."""
        owner = self._controller(pod)
        while owner is not None and (above := self._controller(owner)) is not None:
            owner = above
        return owner

    def _controller(self, value: Value) -> Value | None:
        reference = controller_of(value)
        informer = self._scaled.get(reference["kind"]) if reference is not None else None
        if informer is None or reference is None:
            return None
        document = informer.get(place_of(value)[0], reference["name"])
        return document.value if document is not None and uid_of(document.head) == reference["uid"] else None

    def _budgets_of_pod(self, document: Document) -> list[Place]:
        labels = labels_of(document.head)
        return [
            place_of(each.head)
            for each in self._budgets.list(document.key.namespace)
            if from_selector(each.value["spec"].get("selector")).matches(labels)
        ]

    def _budgets_nearby(self, document: Document) -> list[Place]:
        return [place_of(each.head) for each in self._budgets.list(document.key.namespace)]
