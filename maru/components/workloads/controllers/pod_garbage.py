"""Pods that nobody else will remove: of nodes that are gone, deleted before they had one, and old ended ones.

Source: k8s.io/kubernetes/pkg/controller/podgc, gc_controller.go.
"""

from __future__ import annotations

from maru.components.workloads.controllers.kit import Controller, Kit
from maru.components.workloads.controllers.pods_by_node import NODE_INDEX, index_by_node
from maru.components.workloads.model.node_health import OUT_OF_SERVICE, disruption_status, is_node_ready
from maru.components.workloads.model.values import Place, age_key, place_of, uid_of
from maru.core.client import DeleteOptions, PatchKind
from maru.core.document import Document, Value
from maru.core.errors import NotFound
from maru.kinds.pod_state import is_deleting, is_terminal, node_name
from maru.kinds.resources import NODES, PODS

SWEEP_S = 20.0
QUARANTINE_S = 40.0  # a node may be deleted and registered again by a restart
ENDED_INDEX = "ended"
_SWEEP: Place = ("", "sweep")


class PodGarbage(Controller):
    """Sweeps every 20 seconds, and at once for Pods deleted before they had a node."""

    name = "pod-garbage-collector"

    def __init__(self, kit: Kit, terminated_max: int) -> None:
        super().__init__(kit, workers=1)
        self._terminated_max = terminated_max
        self._missing_s: dict[str, float] = {}
        self._nodes = self.informer(NODES)
        self._pods = self.informer(PODS)
        index_by_node(self._pods)
        self._pods.index(ENDED_INDEX, _ended)
        self._pods.on_change(self._pod_changed)
        self.loop.add(_SWEEP)

    def _pod_changed(self, new: Document | None, old: Document | None) -> None:
        if new is not None and is_deleting(new.head) and not node_name(new.value):
            self.loop.add(place_of(new.head))

    async def bring_right(self, place: Place) -> float | None:
        if place != _SWEEP:
            document = self._pods.get(*place)
            if document is not None and is_deleting(document.head) and not node_name(document.value):
                await self._remove(document.value, "")
            return None
        for name in self._pods.index_values(NODE_INDEX):
            await self._sweep(name)
        ended = sorted((document.value for document in self._pods.by_index(ENDED_INDEX, ENDED_INDEX)), key=age_key)
        for pod in ended[: max(0, len(ended) - self._terminated_max)] if self._terminated_max else ():
            await self._remove(pod, "")
        return SWEEP_S

    async def _sweep(self, name: str) -> None:
        """Remove the Pods of one node that cannot be removed by it."""
        node = self._nodes.get("", name)
        if node is None:
            if await self._is_truly_missing(name):
                for document in self._pods.by_index(NODE_INDEX, name):
                    await self._remove(document.value, "PodGC: node no longer exists")
            return
        self._missing_s.pop(name, None)
        taints = node.value["spec"].get("taints") or ()
        if any(taint["key"] == OUT_OF_SERVICE for taint in taints) and not is_node_ready(node.value):
            for document in self._pods.by_index(NODE_INDEX, name):
                if is_deleting(document.head):
                    await self._remove(document.value, "PodGC: node is out of service")

    async def _is_truly_missing(self, name: str) -> bool:
        since_s = self._missing_s.setdefault(name, self.clock.monotonic_s())
        if self.clock.monotonic_s() - since_s < QUARANTINE_S:
            return False
        try:
            await self.client.get(NODES, "", name)
        except NotFound:
            return True
        return False

    async def _remove(self, pod: Value, why: str) -> None:
        namespace, name = place_of(pod)
        try:
            if why and not is_terminal(pod):
                status = {"phase": "Failed", **disruption_status("DeletionByPodGC", why, self.clock.now())}
                patch: Value = {"metadata": {"uid": uid_of(pod)}, "status": status}
                await self.client.patch(PODS, namespace, name, patch, kind=PatchKind.STRATEGIC, subresource="status")
            await self.client.delete(PODS, namespace, name, DeleteOptions(grace_period_s=0, uid=uid_of(pod)))
        except NotFound:
            return


def _ended(document: Document) -> list[str]:
    pod = document.value
    return [ENDED_INDEX] if is_terminal(pod) and not is_deleting(pod) else []
