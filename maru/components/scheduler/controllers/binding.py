"""What the scheduler writes: bindings, conditions, nominations, evictions by priority, Events.

Source: k8s.io/kubernetes/pkg/scheduler, bind, handleSchedulingFailure; framework/preemption, prepareCandidate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from maru.components.scheduler.model.pods import PodFacts
from maru.components.scheduler.model.preemption import Preemption
from maru.components.scheduler.model.volumes import SELECTED_NODE
from maru.core.client import Client, DeleteOptions, PatchKind
from maru.core.clock import Clock, rfc3339
from maru.core.document import Value
from maru.core.errors import MaruError, NotFound
from maru.core.log import Log
from maru.core.recorder import Recorder
from maru.kinds.pod_state import condition
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PODS

AT_ONCE_MAX = 64


class Binder:
    """Writes as the scheduler. All but `event` wait for the API server."""

    def __init__(self, client: Client, clock: Clock, recorder: Recorder) -> None:
        self._client = client
        self._clock = clock
        self._recorder = recorder
        self._log = Log("scheduler")
        self._slots = asyncio.Semaphore(AT_ONCE_MAX)

    def event(self, regarding: Value, kind: str, reason: str, message: str) -> None:
        """Record an Event about a Pod."""
        self._recorder.event(regarding, kind, reason, message)

    async def bind(self, pod: PodFacts, node: str) -> bool:
        """Bind; False when the API server refused (the Pod changed, is gone, or cannot be reached)."""
        binding: Value = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": node},
        }
        async with self._slots:
            try:
                await self._client.post(PODS, pod.namespace, pod.name, "binding", binding)
            except MaruError as error:
                self._log.warning("binding failed, will try again", pod=pod.key, node=node, error=str(error))
                return False
        self.event(pod.value, "Normal", "Scheduled", f"Successfully assigned {pod.key} to {node}")
        return True

    async def say(self, pod: PodFacts, reason: str, message: str, nominated: str | None = None) -> None:
        """Write PodScheduled=False with `reason`; `nominated` None leaves the nomination as it is."""
        old = condition(pod.value, "PodScheduled")
        told = old is not None and (old["status"], old.get("reason"), old.get("message")) == ("False", reason, message)
        is_named = nominated is None or nominated == pod.nominated
        if told and is_named:
            return
        status: Value = {}
        if not told:
            same = old is not None and old["status"] == "False"
            since = (old.get("lastTransitionTime") if same and old is not None else "") or rfc3339(self._clock.now())
            entry = {
                "type": "PodScheduled",
                "status": "False",
                "lastTransitionTime": since,
                "reason": reason,
                "message": message,
            }
            status["conditions"] = [entry]
        if not is_named:
            status["nominatedNodeName"] = nominated or None
        await self._patch_status(pod, status)

    async def make_room(self, pod: PodFacts, chosen: Preemption) -> None:
        """Delete the victims, saying why in their condition and an Event."""
        for victim in chosen.victims:
            if victim.is_deleting:
                continue
            entry = {
                "type": "DisruptionTarget",
                "status": "True",
                "lastTransitionTime": rfc3339(self._clock.now()),
                "reason": "PreemptionByScheduler",
                "message": "default-scheduler: preempting to accommodate a higher priority pod",
            }
            await self._patch_status(victim, {"conditions": [entry]})
            try:
                await self._client.delete(PODS, victim.namespace, victim.name, DeleteOptions(uid=victim.uid))
            except MaruError as error:
                if not isinstance(error, NotFound):
                    self._log.warning("preemption failed", pod=victim.key, error=str(error))
                continue
            self.event(victim.value, "Normal", "Preempted", f"Preempted by pod {pod.uid} on node {chosen.node}")

    async def choose_node_for(self, claims: Sequence[Value], node: str) -> bool:
        """Tell the provisioner of waiting claims which node was chosen; False when that failed."""
        for claim in claims:
            metadata = claim["metadata"]
            if (metadata.get("annotations") or {}).get(SELECTED_NODE) == node:
                continue
            patch = {"metadata": {"uid": metadata["uid"], "annotations": {SELECTED_NODE: node}}}
            try:
                await self._client.patch(PERSISTENTVOLUMECLAIMS, metadata["namespace"], metadata["name"], patch)
            except MaruError as error:
                self._log.warning("claim refused its node", claim=metadata["name"], error=str(error))
                return False
        return True

    async def _patch_status(self, pod: PodFacts, status: Value) -> None:
        patch: Value = {"metadata": {"uid": pod.uid}, "status": status}
        try:
            await self._client.patch(
                PODS, pod.namespace, pod.name, patch, kind=PatchKind.STRATEGIC, subresource="status"
            )
        except MaruError as error:
            if not isinstance(error, NotFound):
                self._log.warning("status not written", pod=pod.key, error=str(error))
