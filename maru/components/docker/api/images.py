"""Images over the Docker Engine API: list, inspect, pull, load, save, tag, remove, and Maru's own base.

Source: Docker Engine API v1.47, "Images".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from maru.components.docker.api.edge import Route, is_true, said
from maru.components.docker.api.progress import (
    as_lines,
    base_lines,
    credentials,
    loaded_lines,
    pulled_lines,
    pushed_lines,
)
from maru.components.docker.model.image_filter import ImageFilter
from maru.contracts.image_store import Image, ImageStore, Progress
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.core.errors import Denied, Invalid, NotFound, NotSupported, TooLarge, Unavailable
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.ids import Ids
from maru.wire.oci.reference import is_digest, parse_reference

ARCHIVE_BYTES_MAX = 64 << 30  # one uploaded archive
WRITE_BYTES = 1 << 20
JSON_LINES: Mapping[str, str] = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class ImageApi:
    """uploads: a folder for archives while they are loaded."""

    images: ImageStore
    uploads: Path
    ids: Ids

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/images/json", self.list),
            Route("POST", "/images/load", self.load),
            Route("POST", "/images/create", self.create),
            Route("GET", "/images/get", self.save),
            Route("GET", "/images/{name}/json", self.inspect),
            Route("GET", "/images/{name}/get", self.save),
            Route("POST", "/images/{name}/tag", self.tag),
            Route("POST", "/images/{name}/push", self.push),
            Route("DELETE", "/images/{name}", self.remove),
            Route("POST", "/maru/images/base", self.base),
        )

    async def list(self, request: Request, _: str) -> Answer:
        wanted = ImageFilter.parse(request.query_get("filters"))
        images = self.images.list()
        if not is_true(request.query_get("all")):
            built_upon = {image.parent for image in images}
            images = [image for image in images if image.names or image.digests or image.id not in built_upon]
        return json_answer([summary(image) for image in images if wanted.accepts(image)])

    async def inspect(self, _: Request, name: str) -> Answer:
        image = self._want(name)
        document = await asyncio.to_thread(self.images.document, image)
        return json_answer(_details(image, msgspec.json.decode(document)))

    async def create(self, request: Request, _: str) -> Answer:
        if request.query_get("fromSrc"):
            raise NotSupported(what="import", why="a bare file system cannot be imported yet", fix="use /images/load")
        reference = request.query_get("fromImage")
        tag = request.query_get("tag")
        if tag:
            reference += ("@" if ":" in tag else ":") + tag
        platform = request.query_get("platform")
        if platform:
            raise NotSupported(what="platform", why="images are pulled for this machine's platform", fix="leave it out")
        auth = credentials(request.headers.get("X-Registry-Auth", ""))
        steps = self.images.pull(reference, auth)
        # Up to the manifest an error has a status of its own; from then on the answer is under way.
        try:
            first = await _first(steps, 2)
        except Denied as error:  # "pull access denied, or the repository does not exist" is a 404 of dockerd
            raise NotFound(what=error.what, why=error.why, fix=error.fix) from error
        return Answer(200, as_lines(pulled_lines(first, steps, reference)), JSON_LINES)

    async def load(self, request: Request, _: str) -> Answer:
        upload = self.uploads / f"{self.ids.uid()}.tar"
        try:
            await _receive(request, upload)
        except BaseException as error:
            upload.unlink(missing_ok=True)
            if isinstance(error, OSError):
                why = error.strerror or str(error)
                raise Unavailable(what="archive", why=why, fix="see `df -h`") from error
            raise
        return Answer(200, as_lines(loaded_lines(self.images.load(str(upload)), upload)), JSON_LINES)

    async def save(self, request: Request, name: str) -> Answer:
        names = [name] if name else [value for key, value in request.query if key == "names"]
        if not names:
            raise Invalid(what="names", why="no image is named", fix="give names=IMAGE")
        for each in names:
            self._want(each)
        return Answer(200, self.images.save(names), {"Content-Type": "application/x-tar"})

    async def tag(self, request: Request, name: str) -> Answer:
        repository, tag = request.query_get("repo"), request.query_get("tag")
        await self.images.tag(name, f"{repository}:{tag}" if tag else repository)
        return Answer(201)

    async def push(self, request: Request, name: str) -> Answer:
        """One tag, or every tag of the repository where none is named."""
        tag = request.query_get("tag")
        if request.query_get("platform"):
            raise NotSupported(what="platform", why="images are kept for this machine's platform", fix="leave it out")
        try:
            repository = parse_reference(f"{name}:{tag}" if tag else name)
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        names = [each for image in self.images.list() for each in image.names]
        here = sorted(each for each in names if parse_reference(each).name == repository.name)
        has_tag = bool(tag) or ":" in name.rpartition("/")[2]
        wanted = [repository.tagged] if has_tag and here else here
        auth = credentials(request.headers.get("X-Registry-Auth", ""))
        lines = pushed_lines(repository, [(each, self.images.push(each, auth)) for each in wanted])
        return Answer(200, as_lines(lines), JSON_LINES)

    async def remove(self, request: Request, name: str) -> Answer:
        image = self._want(name)
        gone: list[str] = []
        is_id = image.id[7:].startswith(name.removeprefix("sha256:"))
        if is_true(request.query_get("force")) and is_id:
            for other in image.names[1:]:
                gone.extend(await self.images.remove(other))
        gone.extend(await self.images.remove(name))
        return json_answer([{"Deleted" if is_digest(each) else "Untagged": familiar(each)} for each in gone])

    async def base(self, request: Request, _: str) -> Answer:
        names = [value for key, value in request.query if key == "tag" and value]
        image = await self.images.build_base(names)
        return Answer(200, as_lines(base_lines(image, names or [familiar(name) for name in image.names])), JSON_LINES)

    def _want(self, name: str) -> Image:
        image = self.images.find(name)
        if image is None:
            raise NotFound(what=f"No such image: {name}", why="", fix="")
        return image


def familiar(name: str) -> str:
    """A full name as Docker shows it; a digest stays as it is."""
    if name.startswith("sha256:"):
        return name
    reference = parse_reference(name)
    version = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
    return reference.familiar_name + version


def summary(image: Image) -> Value:
    """One of a list."""
    return {
        "Id": image.id,
        "ParentId": image.parent,
        "RepoTags": [familiar(name) for name in image.names],
        "RepoDigests": [familiar(name) for name in image.digests],
        "Created": int(parse_rfc3339(image.created).timestamp()) if image.created else 0,
        "Size": image.size_bytes,
        "SharedSize": -1,
        "VirtualSize": image.size_bytes,
        "Labels": dict(image.config.labels),
        "Containers": -1,
    }


def _details(image: Image, document: Value) -> Value:
    return {
        "Id": image.id,
        "RepoTags": [familiar(name) for name in image.names],
        "RepoDigests": [familiar(name) for name in image.digests],
        "Parent": image.parent,
        "Comment": (document.get("history") or [{}])[-1].get("comment") or "",
        "Container": document.get("container") or "",
        "ContainerConfig": document.get("container_config"),
        "DockerVersion": "",
        "Created": image.created,
        "Author": document.get("author") or "",
        "Architecture": image.architecture,
        "Variant": document.get("variant") or "",
        "Os": image.os,
        "Size": image.size_bytes,
        "VirtualSize": image.size_bytes,
        "Config": document.get("config") or {},
        "GraphDriver": {"Name": "overlay2", "Data": None},
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"},
    }


async def _first(steps: AsyncIterator[Progress], count: int) -> Sequence[Progress]:
    taken = []
    for _ in range(count):
        try:
            taken.append(await anext(steps))
        except StopAsyncIteration:
            break
    return taken


async def _receive(request: Request, file: Path) -> None:
    received = 0
    with file.open("wb") as stream:
        buffer = bytearray()
        async for chunk in request.chunks():
            received += len(chunk)
            if received > ARCHIVE_BYTES_MAX:
                raise TooLarge(what="archive", why=f"over {ARCHIVE_BYTES_MAX} bytes", fix="load the images one by one")
            buffer += chunk
            if len(buffer) >= WRITE_BYTES:
                await asyncio.to_thread(stream.write, bytes(buffer))
                buffer.clear()
        await asyncio.to_thread(stream.write, bytes(buffer))
