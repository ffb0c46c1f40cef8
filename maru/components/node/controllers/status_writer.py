"""Brings what Pods are to the API: status patches when something has changed, and the final delete.

Only what differs is sent, as a strategic merge patch, so that conditions of others stay.
Source: pkg/kubelet/status, status_manager.go (syncPod: patch, then delete with grace 0).
"""

from __future__ import annotations

from maru.components.node.controllers.pod_worker import PodWorker
from maru.components.node.model.status_patch import status_patch
from maru.core.client import Client, DeleteOptions, PatchKind
from maru.core.clock import Clock
from maru.core.errors import NotFound
from maru.core.ids import Ids
from maru.core.reconcile import Loop
from maru.kinds.resources import PODS

WORKERS = 8


class StatusWriter:
    """One line of Pods by uid."""

    def __init__(self, client: Client, clock: Clock, ids: Ids) -> None:
        self._client = client
        self._workers: dict[str, PodWorker] = {}
        self._loop: Loop[str] = Loop("node status", self._bring_right, clock, ids, workers=WORKERS)

    def report(self, worker: PodWorker) -> None:
        """Something may have changed."""
        uid = worker.memory.uid
        patch = status_patch(worker.pod.get("status") or {}, worker.status) if worker.status is not None else {}
        if patch or (worker.wants_delete and not worker.is_released):
            self._workers[uid] = worker
            self._loop.add(uid)

    async def run(self) -> None:
        """Until cancelled."""
        await self._loop.run()

    async def _bring_right(self, uid: str) -> float | None:
        worker = self._workers.get(uid)
        if worker is None or worker.memory.is_gone:
            self._workers.pop(uid, None)
            return None
        metadata = worker.pod["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        try:
            wanted = worker.status
            patch = status_patch(worker.pod.get("status") or {}, wanted) if wanted is not None else {}
            if patch:
                body = {"metadata": {"uid": uid}, "status": patch}
                written = await self._client.patch(
                    PODS, namespace, name, body, kind=PatchKind.STRATEGIC, subresource="status"
                )
                worker.update(written)
            if worker.wants_delete and not worker.is_released and worker.status is wanted:
                await self._client.delete(PODS, namespace, name, DeleteOptions(grace_period_s=0, uid=uid))
                worker.is_released = True
        except NotFound:
            # The watch tells the worker soon.
            worker.is_released = True
        self._workers.pop(uid, None)
        return None
