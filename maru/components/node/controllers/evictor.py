"""Pods go when they keep more on disk than they may, or when the node is short of memory, disk or processes.

One Pod at a time for the node's sake, and images before Pods. Source: pkg/kubelet/eviction,
eviction_manager.go (synchronize, localStorageEviction).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from maru.components.node.controllers.image_collector import ImageCollector
from maru.components.node.controllers.pod_worker import PodWorker
from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.sandbox_maker import folder_of
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.disk_usage import tree_bytes_blocking
from maru.components.node.engine.machine_figures import read_headroom_blocking
from maru.components.node.model.eviction import (
    DISK,
    REASON,
    PodUse,
    Shortage,
    eviction_message,
    has_local_limits,
    local_excess,
    shortages,
    victim,
)

GRACE_S = 1.0  # what an evicted Pod still has


class Evictor:
    """Looks now and then; `folder` stands on the disk that is watched."""

    def __init__(self, workshop: Workshop, pods: Pods, images: ImageCollector, folder: Path) -> None:
        self._workshop = workshop
        self._pods = pods
        self._images = images
        self._folder = folder

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._workshop.clock.sleep(self._workshop.config.eviction_check_s)
            await self._check_limits()
            await self._check_node()

    async def _check_limits(self) -> None:
        for worker in self._active():
            if not has_local_limits(worker.pod):
                continue
            message = local_excess(await self._use(worker, with_disk=True))
            if message:
                self._evict(worker, message)

    async def _check_node(self) -> None:
        short = await self._shortages()
        if any(shortage.condition == "DiskPressure" for shortage in short):
            await self._images.free_all()
            short = await self._shortages()
        leaving = [worker for worker in self._pods.list() if worker.is_evicted and not worker.is_torn_down]
        if not short or leaving:
            return
        shortage = short[0]
        self._images.node_event("Warning", "EvictionThresholdMet", f"Attempting to reclaim {shortage.resource}")
        with_disk = shortage.resource in (DISK, "inodes")
        uses = {worker.memory.uid: await self._use(worker, with_disk=with_disk) for worker in self._active()}
        chosen = victim(shortage, list(uses.values()))
        for worker in self._active():
            if chosen is not None and worker.memory.uid == chosen.pod["metadata"]["uid"]:
                self._evict(worker, eviction_message(shortage, chosen))

    def _active(self) -> Sequence[PodWorker]:
        return [worker for worker in self._pods.list() if worker.memory.ending is None and not worker.is_torn_down]

    def _evict(self, worker: PodWorker, message: str) -> None:
        self._workshop.recorder.event(worker.pod, "Warning", REASON, message)
        worker.evict(REASON, message, GRACE_S)

    async def _shortages(self) -> Sequence[Shortage]:
        headroom = await asyncio.to_thread(read_headroom_blocking, self._folder)
        return shortages(headroom, self._workshop.config.thresholds)

    async def _use(self, worker: PodWorker, *, with_disk: bool) -> PodUse:
        workshop, folder = self._workshop, folder_of(self._workshop, worker.pod)
        memory: dict[str, int] = {}
        containers: dict[str, int] = {}
        volumes: dict[str, int] = {}
        pids = 0
        for name, attempts in worker.memory.attempts(workshop).items():
            for attempt in attempts:
                usage = workshop.runtime.usage(attempt.id)
                if usage is not None:
                    memory[name] = memory.get(name, 0) + usage.memory_working_set_bytes
                    pids += usage.pids
                status = workshop.runtime.find(attempt.id)
                if with_disk and status is not None and status.written_path:
                    written = await asyncio.to_thread(tree_bytes_blocking, Path(status.written_path))
                    containers[name] = containers.get(name, 0) + written
            if with_disk:
                logs = await asyncio.to_thread(tree_bytes_blocking, folder.logs / name)
                containers[name] = containers.get(name, 0) + logs
        for volume in worker.pod["spec"].get("volumes") or () if with_disk else ():
            if volume.get("emptyDir") is not None and volume["emptyDir"].get("medium") != "Memory":
                path = folder.volume(volume["name"], "empty-dir")
                volumes[volume["name"]] = await asyncio.to_thread(tree_bytes_blocking, path)
        return PodUse(worker.memory.allotted_pod, memory, containers, volumes, pids)
