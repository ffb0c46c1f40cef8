"""Node lifecycle: a node that falls silent is Unknown, tainted by its conditions, and its Pods are not ready.

A heartbeat is a renewed lease or a new status; silence is measured by when changes were seen here,
so clocks of nodes do not matter. Source: k8s.io/kubernetes/pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from maru.components.workloads.controllers.kit import NORMAL, WARNING, Controller, Kit
from maru.components.workloads.controllers.pods_by_node import NODE_INDEX, index_by_node
from maru.components.workloads.model.node_health import is_node_ready, lost_pod_status, silent_status, wanted_taints
from maru.components.workloads.model.values import Place, place_of, uid_of, with_status
from maru.core.client import PatchKind
from maru.core.document import Document, Value
from maru.core.errors import NotFound
from maru.kinds.resources import LEASES, NODES, PODS

LEASE_NAMESPACE = "kube-node-lease"


class Nodes(Controller):
    """Judges every node."""

    name = "node-controller"

    def __init__(self, kit: Kit, grace_s: float) -> None:
        super().__init__(kit)
        self._grace_s = grace_s
        self._heard_s: dict[str, float] = {}
        self._was_ready: dict[str, bool] = {}
        self.informer(LEASES).on_change(self._lease_changed)
        self._nodes = self.informer(NODES)
        self._nodes.on_change(self._node_changed)
        self._pods = self.informer(PODS)
        index_by_node(self._pods)

    def _lease_changed(self, new: Document | None, old: Document | None) -> None:
        if new is not None and new.key.namespace == LEASE_NAMESPACE:
            self._heard_s[new.key.name] = self.clock.monotonic_s()

    def _node_changed(self, new: Document | None, old: Document | None) -> None:
        if new is None:
            assert old is not None
            self._heard_s.pop(old.key.name, None)
            self._was_ready.pop(old.key.name, None)
            return
        name = new.key.name
        if old is None or _heartbeats(new.value) != _heartbeats(old.value):
            self._heard_s[name] = self.clock.monotonic_s()
        if old is None:
            self.event(new.value, NORMAL, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller")
        self.loop.add(("", name))

    async def bring_right(self, place: Place) -> float | None:
        _, name = place
        document = self._nodes.get("", name)
        if document is None:
            return None
        node = document.value
        silent_s = self.clock.monotonic_s() - self._heard_s.get(name, self.clock.monotonic_s())
        if silent_s >= self._grace_s:
            status = silent_status(node, self.clock.now())
            if status is not None:
                node = await self.client.update(NODES, with_status(node, status), subresource="status")
        taints = wanted_taints(node, self.clock.now())
        if taints is not None:
            patch = {
                "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
                "spec": {"taints": taints or None},
            }
            node = await self.client.patch(NODES, "", name, patch)
        await self._judge_pods(name, node)
        return max(self._grace_s - silent_s, 1.0) if silent_s < self._grace_s else None

    async def _judge_pods(self, name: str, node: Value) -> None:
        ready = is_node_ready(node)
        was = self._was_ready.get(name)
        self._was_ready[name] = ready
        if ready:
            return
        if was:
            self.event(node, NORMAL, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        for document in self._pods.by_index(NODE_INDEX, name):
            status = lost_pod_status(document.value, self.clock.now())
            if status is None:
                continue
            self.event(document.value, WARNING, "NodeNotReady", "Node is not ready")
            await self._write(document.value, status)

    async def _write(self, pod: Value, status: Value) -> None:
        namespace, pod_name = place_of(pod)
        patch: Value = {"metadata": {"uid": uid_of(pod)}, "status": status}
        try:
            await self.client.patch(PODS, namespace, pod_name, patch, kind=PatchKind.STRATEGIC, subresource="status")
        except NotFound:
            return


def _heartbeats(node: Value) -> list[object]:
    """What only the node itself changes in its status."""
    return [
        (entry.get("type"), entry.get("lastHeartbeatTime")) for entry in node.get("status", {}).get("conditions") or ()
    ]
