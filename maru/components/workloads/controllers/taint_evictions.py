"""Pods leave nodes with NoExecute taints, at once or when their toleration has run out.

Source: k8s.io/kubernetes/pkg/controller/tainteviction.
"""

from __future__ import annotations

from datetime import datetime

from maru.components.workloads.controllers.kit import NORMAL, Controller, Kit
from maru.components.workloads.controllers.pods_by_node import NODE_INDEX, index_by_node
from maru.components.workloads.model.node_health import disruption_status, eviction_at
from maru.components.workloads.model.values import Place, place_of, uid_of
from maru.core.client import DeleteOptions, PatchKind
from maru.core.document import Document, Value
from maru.core.errors import NotFound
from maru.kinds.pod_state import is_deleting, is_terminal, node_name
from maru.kinds.resources import NODES, PODS


class TaintEvictions(Controller):
    """Evicts by taint."""

    name = "taint-eviction-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._planned: dict[Place, tuple[str, datetime]] = {}  # uid, and when its taints were first seen
        self._pods = self.informer(PODS)
        index_by_node(self._pods)
        self._nodes = self.informer(NODES)
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)

    def _node_changed(self, new: Document | None, old: Document | None) -> None:
        if new is None:
            return
        before = old.value["spec"].get("taints") if old is not None else None
        if (new.value["spec"].get("taints") or None) != (before or None):
            for document in self._pods.by_index(NODE_INDEX, new.key.name):
                self.loop.add(place_of(document.head))

    def _pod_changed(self, new: Document | None, old: Document | None) -> None:
        if new is None:
            return
        is_bound = node_name(new.value) and (old is None or not node_name(old.value))
        moved = old is not None and new.value["spec"].get("tolerations") != old.value["spec"].get("tolerations")
        if is_bound or moved:
            self.loop.add(place_of(new.head))

    async def bring_right(self, place: Place) -> float | None:
        document = self._pods.get(*place)
        if document is None or is_deleting(document.head) or is_terminal(document.value):
            self._planned.pop(place, None)
            return None
        pod = document.value
        node = self._nodes.get("", node_name(pod))
        now = self.clock.now()
        taints = node.value["spec"].get("taints") or () if node is not None else ()
        uid, seen = self._planned.get(place, ("", now))
        due = eviction_at(pod, taints, seen if uid == uid_of(pod) else now)
        if due is None:
            if self._planned.pop(place, None) is not None:
                self.event(pod, NORMAL, "TaintManagerEviction", f"Cancelling deletion of Pod {'/'.join(place)}")
            return None
        wait_s = (due - now).total_seconds()
        if wait_s > 0:
            if uid != uid_of(pod):
                self._planned[place] = (uid_of(pod), now)
            return wait_s
        self._planned.pop(place, None)
        await self._evict(pod)
        return None

    async def _evict(self, pod: Value) -> None:
        namespace, name = place_of(pod)
        self.event(pod, NORMAL, "TaintManagerEviction", f"Marking for deletion Pod {namespace}/{name}")
        message = "Taint manager: deleting due to NoExecute taint"
        status = disruption_status("DeletionByTaintManager", message, self.clock.now())
        patch: Value = {"metadata": {"uid": uid_of(pod)}, "status": status}
        try:
            await self.client.patch(PODS, namespace, name, patch, kind=PatchKind.STRATEGIC, subresource="status")
            await self.client.delete(PODS, namespace, name, DeleteOptions(uid=uid_of(pod)))
        except NotFound:
            return
