"""The Node document and its Lease: that this machine is there, what it has, and that it still is.

Source: pkg/kubelet, tryRegisterWithAPIServer and setNodeStatus; pkg/kubelet/nodelease; Kubernetes
documentation, "Nodes" (heartbeats).
"""

from __future__ import annotations

from collections.abc import Callable

from maru.components.node.controllers.workshop import Workshop
from maru.components.node.model.node_document import node_labels, node_status, runtime_handlers
from maru.core.client import PatchKind
from maru.core.clock import rfc3339, rfc3339_micro
from maru.core.document import Value
from maru.core.errors import AlreadyExists, MaruError, NotFound
from maru.core.log import Log
from maru.kinds.resources import LEASES, NODES

LEASE_NAMESPACE = "kube-node-lease"
RETRY_S = 0.2
RETRY_MAX_S = 7.0


class Registration:
    """Keeps Node and Lease up to date. pressure: a fresh look at disk and memory, by condition type."""

    def __init__(self, workshop: Workshop, pressure: Callable[[], dict[str, bool]]) -> None:
        self._workshop = workshop
        self._pressure = pressure
        self._log = Log("node")

    async def register(self) -> None:
        """Return once the Node is there and Ready; tries for ever."""
        delay_s = RETRY_S
        while True:
            try:
                await self._ensure_node()
                await self._report()
                return
            except MaruError as error:
                self._log.warning("cannot register yet", error=str(error))
                await self._workshop.clock.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_MAX_S)

    async def run_lease(self) -> None:
        """Renew the Lease until cancelled."""
        while True:
            try:
                await self._renew()
                delay_s = self._workshop.config.lease_renew_s
            except MaruError as error:
                self._log.warning("cannot renew the lease", error=str(error))
                delay_s = min(1.0, self._workshop.config.lease_renew_s)
            await self._workshop.clock.sleep(delay_s)

    async def run_status(self) -> None:
        """Report the Node's status until cancelled: at once when a condition changes, else now and then."""
        config, clock = self._workshop.config, self._workshop.clock
        told, told_s = self._pressure(), clock.monotonic_s()
        while True:
            await clock.sleep(config.lease_renew_s)
            pressure = self._pressure()
            if pressure == told and clock.monotonic_s() - told_s < config.status_report_s:
                continue
            try:
                await self._report()
                told, told_s = pressure, clock.monotonic_s()
            except NotFound:
                await self.register()
            except MaruError as error:
                self._log.warning("cannot report the node's status", error=str(error))

    async def _ensure_node(self) -> None:
        workshop = self._workshop
        name = workshop.site.node_name
        labels = node_labels(name, workshop.machine, workshop.config.labels)
        try:
            node = await workshop.client.get(NODES, "", name)
        except NotFound:
            annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
            value: Value = {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": labels, "annotations": annotations},
                "spec": {},
            }
            try:
                await workshop.client.create(NODES, value)
                return
            except AlreadyExists:
                node = await workshop.client.get(NODES, "", name)
        have = node["metadata"].get("labels") or {}
        if any(have.get(key) != value for key, value in labels.items()):
            await workshop.client.patch(NODES, "", name, {"metadata": {"labels": labels}})

    async def _report(self) -> None:
        workshop = self._workshop
        node = await workshop.client.get(NODES, "", workshop.site.node_name)
        images = workshop.images.list()
        status = node_status(node, workshop.machine, workshop.host_ips, images, self._pressure())
        status["runtimeHandlers"] = runtime_handlers(workshop.runtime.choices())
        now = rfc3339(workshop.clock.now())
        for condition in status["conditions"]:
            condition["lastHeartbeatTime"] = now
            condition["lastTransitionTime"] = condition.get("lastTransitionTime") or now
        await workshop.client.patch(
            NODES, "", workshop.site.node_name, {"status": status}, kind=PatchKind.STRATEGIC, subresource="status"
        )

    async def _renew(self) -> None:
        workshop = self._workshop
        name = workshop.site.node_name
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": workshop.config.lease_duration_s,
            "renewTime": rfc3339_micro(workshop.clock.now()),
        }
        try:
            await workshop.client.patch(LEASES, LEASE_NAMESPACE, name, {"spec": spec})
        except NotFound:
            metadata: Value = {"name": name, "namespace": LEASE_NAMESPACE}
            node = await workshop.client.get(NODES, "", name)
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
            metadata["ownerReferences"] = [owner]
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            await workshop.client.create(LEASES, lease)
