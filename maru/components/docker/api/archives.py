"""Files of containers: cp both ways, export, diff, commit.

Source: Docker Engine API v1.50, ContainerArchive, PutContainerArchive, ContainerExport, ContainerChanges,
ImageCommit; moby daemon/archive.go.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maru.components.docker.api.edge import body_of, is_true, said
from maru.components.docker.api.views import Engine
from maru.components.docker.controllers.attributes import tell
from maru.components.docker.controllers.boxes import Box
from maru.components.docker.engine.changes import changes_blocking, layer_blocking
from maru.components.docker.engine.tar_process import TarProcess, described, packed
from maru.components.docker.model.commit import changed_config
from maru.components.docker.model.create import process_words
from maru.contracts.image_store import Commit
from maru.core.clock import rfc3339_micro
from maru.core.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route

STAT_HEADER = "X-Docker-Container-Path-Stat"
TAR = "application/x-tar"


@dataclass(frozen=True, slots=True)
class Place:
    """A path where it can be reached. root: to be made the root; path: below it."""

    root: str
    path: str
    is_writable: bool = True


@dataclass(frozen=True, slots=True)
class ArchiveApi:
    """Files, in and out."""

    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (
            Route("HEAD", "/containers/{name}/archive", self.stat),
            Route("GET", "/containers/{name}/archive", self.get),
            Route("PUT", "/containers/{name}/archive", self.put),
            Route("GET", "/containers/{name}/export", self.export),
            Route("GET", "/containers/{name}/changes", self.changes),
            Route("POST", "/commit", self.commit),
        )

    async def stat(self, request: Request, name: str) -> Answer:
        place = self._place(self.engine.boxes.want(name), _path(request))
        return Answer(200, headers={STAT_HEADER: await _stat_header(place, _path(request), name)})

    async def get(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        path = _path(request)
        place = self._place(box, path)
        header = await _stat_header(place, path, name)
        body = await _begun("pack", place.root, place.path)
        tell(self.engine.dock, box, "archive-path", path=path)
        return Answer(200, body, {"Content-Type": TAR, STAT_HEADER: header})

    async def put(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        path = _path(request)
        place = self._place(box, path)
        if not place.is_writable:
            raise said(Denied, f"mounted volume is marked read-only: {path}")
        if box.container.host_config["ReadonlyRootfs"] and self._is_in_root(box, path):
            raise said(Denied, "container rootfs is marked read-only")
        no_overwrite = "1" if is_true(request.query_get("noOverwriteDirNonDir")) else "0"
        owner = ""
        if is_true(request.query_get("copyUIDGID")):
            user = str(box.container.config.get("User") or "")
            _, found = await self.engine.blueprints.identity_of(box, user, place.root)
            owner = f"{found.uid}:{found.gid}"
        async with TarProcess("unpack", place.root, place.path, no_overwrite, owner) as process:
            async for chunk in request.chunks():
                if not await process.write(chunk):
                    break
            process.end_input()
            try:
                await process.finish()
            except NotFound as error:
                raise said(NotFound, f"{error.what} {box.container.name}") from error
        tell(self.engine.dock, box, "extract-to-dir", path=path)
        return Answer(200)

    async def export(self, _request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        status = self.engine.dock.runtime.find(box.id)
        if status is None:
            raise said(NotFound, f"No such container: {name}")
        body = await _begun("pack-everything", status.root_path, "/")
        tell(self.engine.dock, box, "export")
        return Answer(200, body, {"Content-Type": "application/octet-stream"})

    async def changes(self, _request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        found = await asyncio.to_thread(changes_blocking, *self._layers(box))
        return json_answer(found or None)

    async def commit(self, request: Request, _: str) -> Answer:
        engine, dock = self.engine, self.engine.dock
        box = engine.boxes.want(request.query_get("container"))
        body = await body_of(request)
        changes = [value for key, value in request.query if key == "changes" and value]
        try:
            config = changed_config(box.container.config, body, changes)
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        repository, tag = request.query_get("repo"), request.query_get("tag")
        pause = is_true(request.query_get("pause", "1")) and box.state.state == "running"
        layer = dock.folder / "uploads" / f"{dock.ids.uid()}.tar"
        root, _layers = self._layers(box)
        if pause:
            pause = await self._pause(box)
        try:
            try:
                await asyncio.to_thread(layer_blocking, root, str(layer))
            finally:
                if pause:
                    with suppress(Conflict):
                        await dock.runtime.resume(box.id)
            image = await dock.images.commit(
                Commit(
                    base=box.container.image_id,
                    layer=str(layer),
                    config=config,
                    name=f"{repository}:{tag or 'latest'}" if repository else "",
                    author=request.query_get("author"),
                    comment=request.query_get("comment"),
                    created=rfc3339_micro(dock.clock.now()),
                    created_by=" ".join(process_words(box.container.config)),
                    container=box.id,
                    container_config=box.container.config,
                )
            )
        finally:
            with suppress(FileNotFoundError):
                layer.unlink()
        tell(dock, box, "commit", comment=request.query_get("comment"), imageID=image.id)
        return json_answer({"Id": image.id}, 201)

    async def _pause(self, box: Box) -> bool:
        """False when it has ended this moment."""
        try:
            await self.engine.dock.runtime.pause(box.id)
        except (Conflict, Unavailable):
            return False
        return True

    def _layers(self, box: Box) -> tuple[str, Sequence[str]]:
        dock = self.engine.dock
        status, image = dock.runtime.find(box.id), dock.images.find(box.container.image_id)
        if status is None:
            raise said(NotFound, f"No such container: {box.id}")
        return status.root_path, dock.images.layer_paths(image) if image else ()

    def _place(self, box: Box, path: str) -> Place:
        """Where a path is: as its processes see it while it runs, else in its root or behind a mount."""
        status = self.engine.dock.runtime.find(box.id)
        if status is None:
            raise said(NotFound, f"No such container: {box.id}")
        mount = next(
            (each for each in reversed(box.container.mounts) if f"{path}/".startswith(f"{each.destination}/")), None
        )
        is_writable = mount is None or mount.is_writable
        if status.pid and box.state.state in ("running", "paused"):
            return Place(f"/proc/{status.pid}/root", path, is_writable)
        if mount is not None and mount.kind != "tmpfs" and Path(mount.source).is_dir():
            return Place(mount.source, path.removeprefix(mount.destination) or "/", is_writable)
        return Place(status.root_path, path, is_writable)

    def _is_in_root(self, box: Box, path: str) -> bool:
        places = [each.destination for each in box.container.mounts] + list(
            box.container.host_config.get("Tmpfs") or ()
        )
        return not any(f"{path}/".startswith(f"{place}/") for place in places)


async def _begun(command: str, root: str, path: str) -> AsyncIterator[bytes]:
    """A tar whose first bytes are there: a refusal has a status of its own until then."""
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stream = packed(command, root, path, first)
    begin = await anext(stream, b"")
    await first if first.done() else None

    async def pour() -> AsyncIterator[bytes]:
        try:
            yield begin
            async for chunk in stream:
                yield chunk
        finally:
            await stream.aclose()  # type: ignore[attr-defined]  # it is a generator

    return pour()


async def _stat_header(place: Place, path: str, name: str) -> str:
    try:
        text = await described(place.root, place.path)
    except NotFound as error:
        raise said(NotFound, f"Could not find the file {path} in container {name}") from error
    except Unavailable as error:
        raise said(NotFound, str(error)) from error
    return base64.b64encode(text).decode()


def _path(request: Request) -> str:
    path = request.query_get("path")
    if not path:
        raise said(Invalid, "bad parameter: path cannot be empty")
    return path if path.startswith("/") else f"/{path}"
