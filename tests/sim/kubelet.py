"""A kubelet in simulated time: Pods with a node start, turn ready, end and go away after their delays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from maru.core.client import DeleteOptions, PatchKind
from maru.core.clock import Clock, rfc3339, rfc3339_micro
from maru.core.document import Document, Value
from maru.core.errors import Conflict, NotFound, Unavailable
from maru.core.informer import Informers
from maru.kinds.resources import LEASES, NODES, PODS
from tests.fakes.client import FakeClients

BEAT_S = 10.0
RETRY_S = 0.1


@dataclass(frozen=True)
class Behaviour:
    """start_s: until Running; is_ready: whether it ever is; exit_s and code: when and how it ends (None: never); stop_s: to go away."""

    start_s: float = 0.3
    is_ready: bool = True
    exit_s: float | None = None
    code: int = 0
    stop_s: float = 0.2


class Kubelet:
    """Runs the Pods of all nodes. script: how each behaves."""

    def __init__(
        self, api: FakeClients, informers: Informers, clock: Clock, script: Callable[[Value], Behaviour]
    ) -> None:
        self._api = api
        self._client = api.acting_as("system:node:n1")
        self._clock = clock
        self._script = script
        self._pods = informers.of(PODS)
        self._started: set[str] = set()
        self._stopping: set[str] = set()
        self._addresses: dict[str, str] = {}
        self._group: asyncio.TaskGroup | None = None
        self.broken: set[str] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._pods.on_change(self._changed)
            while True:
                await self._beat()
                await self._clock.sleep(BEAT_S)

    async def _beat(self) -> None:
        for node in self._api.all(NODES):
            name = node["metadata"]["name"]
            if name in self.broken:
                continue
            lease = {"spec": {"holderIdentity": name, "renewTime": rfc3339_micro(self._clock.now())}}
            with suppress(Conflict, Unavailable):  # the next beat makes up for it
                await self._client.patch(LEASES, "kube-node-lease", name, lease, kind=PatchKind.APPLY)

    def _changed(self, new: Document | None, old: Document | None) -> None:
        if new is None or self._group is None or new.value["spec"].get("nodeName") in (None, "", *self.broken):
            return
        pod, uid = new.value, new.metadata["uid"]
        if pod["metadata"].get("deletionTimestamp"):
            if uid not in self._stopping:
                self._stopping.add(uid)
                self._group.create_task(self._stop(pod))
        elif uid not in self._started and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            self._started.add(uid)
            self._group.create_task(self._start(pod))

    async def _start(self, pod: Value) -> None:
        how = self._script(pod)
        await self._clock.sleep(how.start_s)
        await self._report(pod, "Running", ready=how.is_ready)
        if how.exit_s is not None:
            await self._clock.sleep(how.exit_s)
            await self._report(pod, "Failed" if how.code else "Succeeded", ready=False, code=how.code)

    async def _stop(self, pod: Value) -> None:
        how = self._script(pod)
        await self._clock.sleep(how.stop_s)
        if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            await self._report(pod, "Failed" if how.code else "Succeeded", ready=False, code=how.code)
        metadata = pod["metadata"]
        options = DeleteOptions(grace_period_s=0, uid=metadata["uid"])
        while True:
            try:
                await self._client.delete(PODS, metadata["namespace"], metadata["name"], options)
            except Unavailable:
                await self._clock.sleep(RETRY_S)
                continue
            except (NotFound, Conflict):
                return
            return

    async def _report(self, pod: Value, phase: str, *, ready: bool, code: int = 0) -> None:
        while not await self._try_report(pod, phase, ready=ready, code=code):
            await self._clock.sleep(RETRY_S)

    async def _try_report(self, pod: Value, phase: str, *, ready: bool, code: int) -> bool:
        metadata = pod["metadata"]
        now = rfc3339(self._clock.now())
        try:
            fresh = await self._client.get(PODS, metadata["namespace"], metadata["name"])
            if fresh["metadata"]["uid"] != metadata["uid"] or fresh["status"].get("phase") in ("Failed", "Succeeded"):
                return True
            old = next((e for e in fresh["status"].get("conditions", []) if e["type"] == "Ready"), None)
            verdict = "True" if ready else "False"
            since = old["lastTransitionTime"] if old and old["status"] == verdict else now
            others = [e for e in fresh["status"].get("conditions", []) if e["type"] != "Ready"]
            ready_condition = {"type": "Ready", "status": verdict, "lastTransitionTime": since}
            state = {"running": {"startedAt": now}}
            if phase in ("Succeeded", "Failed"):
                state = {
                    "terminated": {"exitCode": code, "finishedAt": now, "reason": "Error" if code else "Completed"}
                }
            fresh["status"] |= {
                "phase": phase,
                "podIP": self._addresses.setdefault(
                    metadata["uid"], f"10.244.{len(self._addresses) // 250}.{len(self._addresses) % 250 + 1}"
                ),
                "startTime": fresh["status"].get("startTime", now),
                "conditions": [*others, ready_condition],
                "containerStatuses": [
                    {"name": each["name"], "ready": ready, "restartCount": 0, "state": state}
                    for each in fresh["spec"].get("containers", [])
                ],
            }
            fresh["status"]["podIPs"] = [{"ip": fresh["status"]["podIP"]}]
            await self._client.update(PODS, fresh, subresource="status")
        except NotFound:
            return True
        except (Conflict, Unavailable):
            return False
        return True
