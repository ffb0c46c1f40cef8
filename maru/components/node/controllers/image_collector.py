"""Images that nobody uses go when the disk fills, those unused for longest first.

What cannot be fetched again stays: images under this machine's own names, and those that were built or
loaded rather than pulled. Source: Kubernetes documentation, "Garbage Collection" (containers and images);
pkg/kubelet/images, image_gc_manager.go.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.machine_figures import read_headroom_blocking
from maru.contracts.image_store import LOCAL_DOMAIN, Image
from maru.core.document import Value
from maru.core.errors import MaruError
from maru.core.log import Log


class ImageCollector:
    """Looks now and then; `folder` stands on the disk that is watched."""

    def __init__(self, workshop: Workshop, pods: Pods, folder: Path) -> None:
        self._workshop = workshop
        self._pods = pods
        self._folder = folder
        self._used_s: dict[str, float] = {}  # image id: when it was last used, or first seen. Monotonic
        self._log = Log("node")

    async def run(self) -> None:
        """Until cancelled."""
        config = self._workshop.config
        while True:
            self._look()
            await self._workshop.clock.sleep(config.image_gc_check_s)
            self._look()
            await self._free_old()
            headroom = await asyncio.to_thread(read_headroom_blocking, self._folder)
            total = headroom.disk_total_bytes
            used = total - headroom.disk_bytes
            if used * 100 < total * config.image_gc_high_percent:
                continue
            wanted = used - total * config.image_gc_low_percent // 100
            freed = await self._free(wanted)
            if freed < wanted:
                words = f"Attempted to free {wanted} bytes, but only found {freed} bytes eligible to free."
                message = f"Failed to garbage collect required amount of images. {words}"
                self.node_event("Warning", "FreeDiskSpaceFailed", message)

    async def free_all(self) -> None:
        """Every image that may go goes now: the node is short of disk."""
        self._look()
        await self._free(1 << 62)

    def node_event(self, kind: str, reason: str, message: str) -> None:
        """An Event about this node."""
        name = self._workshop.site.node_name
        node: Value = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name}}
        self._workshop.recorder.event(node, kind, reason, message)

    def _look(self) -> None:
        """Note what is used now."""
        images, now_s = self._workshop.images, self._workshop.clock.monotonic_s()
        seen = {image.id: image for image in images.list()}
        self._used_s = {key: self._used_s.get(key, now_s) for key in seen}
        for key, image in seen.items():
            if self._is_used(image):
                self._used_s[key] = now_s

    async def _free(self, wanted_bytes: int) -> int:
        """Bytes that were freed, at least `wanted_bytes` if there are that many."""
        now_s, freed = self._workshop.clock.monotonic_s(), 0
        by_use = sorted(self._workshop.images.list(), key=lambda image: self._used_s.get(image.id, now_s))
        for image in by_use:
            age_s = now_s - self._used_s.get(image.id, now_s)
            if freed >= wanted_bytes or age_s < self._workshop.config.image_gc_min_age_s:
                break
            if await self._remove(image):
                freed += image.size_bytes
        return freed

    def _is_used(self, image: Image) -> bool:
        """True when a container stands on it, or a Pod has it as a volume."""
        volumes = [volume for worker in self._pods.list() for volume in worker.pod["spec"].get("volumes") or ()]
        references = {volume["image"].get("reference") or "" for volume in volumes if volume.get("image")}
        found = [self._workshop.images.find(reference) for reference in references if reference]
        return self._workshop.images.is_used(image) or any(held is not None and held.id == image.id for held in found)

    async def _free_old(self) -> None:
        max_s, now_s = self._workshop.config.image_max_age_s, self._workshop.clock.monotonic_s()
        for image in self._workshop.images.list() if max_s else ():
            if now_s - self._used_s.get(image.id, now_s) > max_s:
                await self._remove(image)

    async def _remove(self, image: Image) -> bool:
        images = self._workshop.images
        if (
            self._is_used(image)
            or not image.digests
            or any(name.startswith(f"{LOCAL_DOMAIN}/") for name in image.names)
        ):
            return False
        try:
            for name in image.names or (image.id,):
                await images.remove(name)
        except MaruError as error:
            self._log.warning("cannot remove an unused image", image=image.id, error=str(error))
            return False
        self._log.info("removed an unused image", image=image.id, names=list(image.names), bytes=image.size_bytes)
        return True
