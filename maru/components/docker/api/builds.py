"""Builds over the Engine API: build, prune of the build cache, history of an image.

Source: Docker Engine API v1.50, ImageBuild, BuildPrune, ImageHistory.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from maru.components.docker.api.edge import said
from maru.components.docker.api.image_views import familiar, no_such_image
from maru.components.docker.api.images import JSON_LINES
from maru.components.docker.api.platforms import check_platform, platform_asked
from maru.components.docker.controllers.builds.building import Building
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.engine.tar_process import TarProcess
from maru.components.docker.model.builds.options import BuildOptions, read_options
from maru.contracts.image_store import Image
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.core.errors import Conflict, Invalid, MaruError, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.oci.manifest import platform_of

LINES_MAX = 256  # told and not sent yet; then the build waits


@dataclass(frozen=True, slots=True)
class BuildApi:
    """folder: where contexts are while they are built."""

    building: Building
    folder: Path

    def routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/build", self.build),
            Route("POST", "/build/prune", self.prune),
            Route("GET", "/images/{name}/history", self.history),
        )

    @property
    def dock(self) -> Dock:
        return self.building.dock

    async def build(self, request: Request, _: str) -> Answer:
        platform = platform_of(os.uname().machine)
        header = request.headers.get("X-Registry-Config", "")
        options = read_options(request.query, f"{platform.os}/{platform.architecture}", header)
        folder = self.folder / self.dock.ids.uid()
        try:
            await asyncio.to_thread((folder / "context").mkdir, 0o755, parents=True)
            await _receive(request, str(folder / "context"))
            lines = self._told(options, folder)
            # Up to the first line an error has a status of its own.
            first = await anext(lines)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
            raise
        return Answer(200, _encoded(first, lines), JSON_LINES)

    async def prune(self, request: Request, _: str) -> Answer:
        """What builds left and nobody named, built upon or runs."""
        if request.query_get("filters") not in ("", "{}") or request.query_get("keep-storage") not in ("", "0"):
            raise said(Invalid, "the build cache is pruned as a whole: filters and keep-storage are not supported")
        images = self.dock.images
        gone: list[str] = []
        before = await self._layer_bytes(images.list())
        is_changed = True
        while is_changed:
            is_changed = False
            parents = {image.parent for image in images.list()}
            for image in images.list():
                if image.step and not image.names and image.id not in parents and not self._is_held(image):
                    with suppress(Conflict, NotFound):
                        gone += [each for each in await images.remove(image.id) if images.find(each) is None]
                        is_changed = True
        left = {layer for image in images.list() for layer in image.layers}
        freed = sum(size for layer, size in before.items() if layer not in left)
        self.dock.events.publish("builder", "prune", "", {"reclaimed": str(freed)})
        return json_answer({"CachesDeleted": list(dict.fromkeys(gone)), "SpaceReclaimed": freed})

    async def history(self, request: Request, name: str) -> Answer:
        image = self.dock.images.find(name)
        if image is None:
            raise no_such_image(name)
        check_platform(image, name, platform_asked(request))
        document: Value = msgspec.json.decode(await asyncio.to_thread(self.dock.images.document, image))
        sizes = await self._layer_bytes([image])
        return json_answer(self._steps(image, document, sizes))

    def _steps(self, image: Image, document: Value, sizes: dict[str, int]) -> list[Value]:
        layers = iter(image.layers)
        steps: list[Value] = []
        for step in document.get("history") or ():
            created = step.get("created")
            size = 0 if step.get("empty_layer") else sizes.get(next(layers, ""), 0)
            steps.append(
                {
                    "Id": "<missing>",
                    "Created": int(parse_rfc3339(created).timestamp()) if created else 0,
                    "CreatedBy": step.get("created_by") or "",
                    "Tags": None,
                    "Size": size,
                    "Comment": step.get("comment") or "",
                }
            )
        steps.reverse()
        current: Image | None = image
        for step in steps:
            if current is None:
                break
            step["Id"] = current.id
            step["Tags"] = [familiar(each) for each in current.names] or None
            current = self.dock.images.find(current.parent) if current.parent else None
        return steps

    def _is_held(self, image: Image) -> bool:
        return self.dock.images.is_used(image) or self.building.holds(image.id)

    async def _layer_bytes(self, images: Sequence[Image]) -> dict[str, int]:
        found: dict[str, int] = {}
        for image in images:
            found |= zip(image.layers, await self.dock.images.layer_bytes(image), strict=True)
        return found

    async def _told(self, options: BuildOptions, folder: Path) -> AsyncIterator[Value]:
        """What the build says, and at its end its error. Closing it ends the build."""
        queue: asyncio.Queue[Value | None] = asyncio.Queue(LINES_MAX)

        async def whole() -> None:
            try:
                await self.building.build(options, folder, queue.put)
            finally:
                await queue.put(None)

        task = asyncio.create_task(whole())
        try:
            while (line := await queue.get()) is not None:
                yield line
            await task
        finally:
            task.cancel()
            while not task.done():
                if not queue.empty():
                    queue.get_nowait()
                await asyncio.wait([task], timeout=0.01)
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


async def _receive(request: Request, target: str) -> None:
    """The context as it comes, unpacked at once. Raises Invalid."""
    async with TarProcess("unpack", target, "/", "0", "") as process:
        size_bytes = 0
        async for chunk in request.chunks():
            size_bytes += len(chunk)
            if not await process.write(chunk):
                break
        process.end_input()
        if not size_bytes:
            raise said(Invalid, "no build context was sent")
        try:
            await process.finish()
        except MaruError as error:
            raise said(Invalid, f"Error processing tar file(exit status 1): {error}", 500) from error


async def _encoded(first: Value, lines: AsyncIterator[Value]) -> AsyncIterator[bytes]:
    try:
        yield msgspec.json.encode(first) + b"\r\n"
        async for line in lines:
            yield msgspec.json.encode(line) + b"\r\n"
    except MaruError as error:
        detail: Value = {"message": str(error)}
        if error.details.get("code"):
            detail = {"code": error.details["code"], **detail}
        yield msgspec.json.encode({"errorDetail": detail, "error": str(error)}) + b"\r\n"
    finally:
        await lines.aclose()  # type: ignore[attr-defined]  # it is a generator
