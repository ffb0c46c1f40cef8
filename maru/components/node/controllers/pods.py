"""The Pods of this node: one worker each, from the API's list and from what was left here before.

On start the workers of Pods whose containers still run take them over as they are; Pods that were
deleted meanwhile are torn down with what was written down about them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from maru.components.node.controllers.pod_worker import PodWorker
from maru.components.node.controllers.status_writer import StatusWriter
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.orphans import orphan_pods_blocking, sandbox_ids_blocking
from maru.components.node.errors import Refused
from maru.components.node.model.admission import check_fits
from maru.components.node.model.status import refused_status
from maru.components.node.model.view import LABEL_POD_NAME, LABEL_POD_NAMESPACE, LABEL_POD_UID
from maru.core.client import PatchKind
from maru.core.clock import rfc3339
from maru.core.document import Document, Value
from maru.core.errors import NotFound
from maru.core.informer import Informer
from maru.core.lifecycle import Background
from maru.kinds.resources import PODS

_FINISHED_PHASES = ("Succeeded", "Failed")
MIRROR = "kubernetes.io/config.mirror"


class Pods:
    """Every Pod worker by uid."""

    def __init__(self, workshop: Workshop, informer: Informer, nodes: Informer, tasks: Background) -> None:
        self._workshop = workshop
        self._informer = informer
        self._nodes = nodes
        self._tasks = tasks
        self._workers: dict[str, PodWorker] = {}
        self._writer = StatusWriter(workshop.client, workshop.clock, workshop.ids)
        workshop.references.changed = self._reference_changed

    async def run(self) -> None:
        """Adopt what is there, then follow the API and the runtime until cancelled."""
        exits = self._workshop.runtime.exits()
        await self._informer.wait_synced()
        await self._nodes.wait_synced()
        await self._adopt()
        self._informer.on_change(self._pod_changed)
        self._tasks.start(self._writer.run(), name="status")
        async for status in exits:
            self._wake(status.labels.get(LABEL_POD_UID, ""))

    def find(self, namespace: str, name: str, uid: str = "") -> PodWorker | None:
        """The worker of a Pod that is here."""
        for worker in self._workers.values():
            metadata = worker.pod["metadata"]
            if metadata["namespace"] == namespace and metadata["name"] == name and (not uid or metadata["uid"] == uid):
                return worker
        return None

    def list(self) -> Sequence[PodWorker]:
        return list(self._workers.values())

    async def _adopt(self) -> None:
        """Workers for what was left by Pods that the API no longer has; then the network lets go of the rest."""
        known = {document.metadata["uid"] for document in self._informer.list()}
        orphans = await asyncio.to_thread(orphan_pods_blocking, self._workshop.site, known)
        for status in self._workshop.runtime.list(owner="pods"):
            uid = status.labels.get(LABEL_POD_UID, "")
            if uid and uid not in known and uid not in orphans:
                orphans[uid] = _from_labels(uid, status.labels[LABEL_POD_NAMESPACE], status.labels[LABEL_POD_NAME])
        for uid, pod in orphans.items():
            worker = self._start(uid, pod)
            worker.gone(pod)
        kept = await asyncio.to_thread(sandbox_ids_blocking, self._workshop.site)
        await self._workshop.network.retain(kept)

    def _pod_changed(self, new: Document | None, old: Document | None) -> None:
        if old is not None and (new is None or new.metadata["uid"] != old.metadata["uid"]):
            worker = self._workers.get(old.metadata["uid"])
            if worker is not None:
                worker.gone(old.value)
        if new is None or MIRROR in (new.metadata.get("annotations") or {}):
            return
        worker = self._workers.get(new.metadata["uid"])
        if worker is not None:
            worker.update(new.value)
            return
        self._admit(new.value)

    def _admit(self, pod: Value) -> None:
        """A Pod that is new here: taken, or refused as the real kubelet refuses it."""
        uid = pod["metadata"]["uid"]
        phase = (pod.get("status") or {}).get("phase")
        is_here = any(status.labels.get(LABEL_POD_UID) == uid for status in self._workshop.runtime.list(owner="pods"))
        if phase not in _FINISHED_PHASES and not is_here and not pod["metadata"].get("deletionTimestamp"):
            node = self._nodes.get("", self._workshop.site.node_name)
            try:
                check_fits(
                    pod, self._present_but(uid), self._workshop.machine, node.value if node is not None else None
                )
            except Refused as error:
                self._workshop.recorder.event(pod, "Warning", error.reason, error.message)
                self._tasks.start(self._refuse(pod, error), name="refuse")
                return
        self._start(uid, pod)

    def _present_but(self, uid: str) -> Sequence[Value]:
        """The other Pods that use the node, as they were allotted."""
        present = [worker for worker in self._workers.values() if not _is_over(worker)]
        return [worker.memory.allotted_pod for worker in present if worker.memory.uid != uid]

    def _start(self, uid: str, pod: Value) -> PodWorker:
        worker = self._workers[uid] = PodWorker(self._workshop, pod, self._writer.report, self._present_but)
        self._tasks.start(self._run(uid, worker), name=f"pod {pod['metadata']['name']}")
        return worker

    async def _run(self, uid: str, worker: PodWorker) -> None:
        try:
            await worker.run()
        finally:
            self._workers.pop(uid, None)

    async def _refuse(self, pod: Value, error: Refused) -> None:
        metadata = pod["metadata"]
        status = refused_status(pod, error.reason, error.message, rfc3339(self._workshop.clock.now()))
        body = {"metadata": {"uid": metadata["uid"]}, "status": status}
        try:
            written = await self._workshop.client.patch(
                PODS, metadata["namespace"], metadata["name"], body, kind=PatchKind.STRATEGIC, subresource="status"
            )
        except NotFound:
            return
        self._start(metadata["uid"], written)

    def _wake(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()

    def _reference_changed(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.hurry()


def _is_over(worker: PodWorker) -> bool:
    return worker.is_torn_down or (worker.pod.get("status") or {}).get("phase") in _FINISHED_PHASES


def _from_labels(uid: str, namespace: str, name: str) -> Value:
    """The least document that lets left-over containers be ended."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"uid": uid, "namespace": namespace, "name": name},
        "spec": {"containers": []},
    }
