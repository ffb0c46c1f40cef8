"""Images over the Docker Engine API: list, inspect, pull, load, save, tag, remove, and Maru's own base.

Source: Docker Engine API v1.47, "Images".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from maru.components.docker.api.edge import filters_of, is_true, said
from maru.components.docker.api.image_views import details, familiar, no_such_image, size_of, summary
from maru.components.docker.api.importing import imported
from maru.components.docker.api.platforms import check_platform, platform_asked
from maru.components.docker.api.progress import (
    as_lines,
    base_lines,
    credentials,
    loaded_lines,
    pulled_lines,
    pushed_lines,
    rejoined,
)
from maru.components.docker.api.uploads import received
from maru.components.docker.controllers.boxes import Boxes
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.model.builds.options import is_platform
from maru.components.docker.model.image_filter import KINDS, ImageFilter, created_at
from maru.contracts.image_store import Image, ImageStore, Progress
from maru.core.document import Value
from maru.core.errors import Conflict, Denied, Invalid, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.oci.digest import is_digest
from maru.wire.oci.reference import parse_reference

JSON_LINES: Mapping[str, str] = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class ImageApi:
    """uploads: a folder for archives while they are loaded."""

    dock: Dock
    boxes: Boxes
    uploads: Path

    @property
    def images(self) -> ImageStore:
        return self.dock.images

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
        filters = filters_of(request, KINDS)
        try:
            wanted = ImageFilter.of(filters, self.dock.clock.now(), self._created)
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        images = self.images.list()
        if not is_true(request.query_get("all")):
            built_upon = {image.parent for image in images}
            images = [image for image in images if image.names or image.digests or image.id not in built_upon]
        shown = [wanted.shown(image) for image in images if wanted.accepts(image)]
        shown.sort(key=lambda image: image.created, reverse=True)
        return json_answer([summary(image, await size_of(self.images, image)) for image in shown])

    def _created(self, name: str) -> datetime:
        """When the image that a filter names was made."""
        return created_at(self._want(name))

    async def inspect(self, request: Request, name: str) -> Answer:
        image = self._want(name)
        check_platform(image, name, platform_asked(request))
        document = await asyncio.to_thread(self.images.document, image)
        size_bytes = await size_of(self.images, image)
        return json_answer(details(image, msgspec.json.decode(document), size_bytes))

    async def create(self, request: Request, _: str) -> Answer:
        """A pull, or with `fromSrc` an import."""
        if request.query_get("fromSrc"):
            lines = imported(self.dock, self.uploads, request)
            return Answer(200, as_lines(rejoined(await anext(lines), lines)), JSON_LINES)
        reference = request.query_get("fromImage")
        tag = request.query_get("tag")
        if tag:
            reference += ("@" if ":" in tag else ":") + tag
        platform = request.query_get("platform")
        if platform and not is_platform(platform):
            raise said(Invalid, f'"{platform}": unknown operating system or architecture: invalid argument')
        auth = credentials(request.headers.get("X-Registry-Auth", ""))
        before = self.images.find(reference)
        steps = self.images.pull(reference, auth, platform)
        # Up to the manifest an error has a status of its own; from then on the answer is under way.
        try:
            first = await _first(steps, 2)
        except Denied as error:  # "pull access denied, or the repository does not exist" is a 404 of dockerd
            raise NotFound(what=error.what, why=error.why, fix=error.fix) from error
        lines = pulled_lines(first, steps, reference)
        return Answer(200, as_lines(self._pulled(lines, reference, before)), JSON_LINES)

    async def _pulled(self, lines: AsyncIterator[Value], reference: str, before: Image | None) -> AsyncIterator[Value]:
        try:
            async for line in lines:
                yield line
        finally:
            await lines.aclose()  # type: ignore[attr-defined]  # it is a generator
        now = self.images.find(reference)
        named = familiar(str(parse_reference(reference)))
        word = "Image is up to date" if now is not None and before is not None and before.id == now.id else ""
        yield {"status": f"Status: {word or 'Downloaded newer image'} for {named}"}
        if now is not None:
            tell_image(self.dock, "pull", now, parse_reference(reference).familiar_name, named)

    async def load(self, request: Request, _: str) -> Answer:
        platform = platform_asked(request)
        upload = self.uploads / f"{self.dock.ids.uid()}.tar"
        await received(request, upload)
        lines = loaded_lines(self.images.load(str(upload), str(platform or "")), upload)
        return Answer(200, as_lines(self._loaded(lines)), JSON_LINES)

    async def _loaded(self, lines: AsyncIterator[Value]) -> AsyncIterator[Value]:
        try:
            async for line in lines:
                name = str(line.get("stream") or "").strip().partition(": ")[2]
                image = self.images.find(name) if name else None
                if image is not None:
                    tell_image(self.dock, "load", image, image.id)
                yield line
        finally:
            await lines.aclose()  # type: ignore[attr-defined]  # it is a generator

    async def save(self, request: Request, name: str) -> Answer:
        names = [name] if name else [value for key, value in request.query if key == "names"]
        if not names:
            raise Invalid(what="names", why="no image is named", fix="give names=IMAGE")
        platform = platform_asked(request)
        for each in names:
            image = self.images.find(each)
            if image is None:
                raise said(NotFound, f"No such image: {each}")
            check_platform(image, each, platform)
            tell_image(self.dock, "save", image, each)
        return Answer(200, self.images.save(names), {"Content-Type": "application/x-tar"})

    async def tag(self, request: Request, name: str) -> Answer:
        repository, tag = request.query_get("repo"), request.query_get("tag")
        target = f"{repository}:{tag}" if tag else repository
        self._want(name)
        await self.images.tag(name, target)
        image = self._want(target)
        tell_image(self.dock, "tag", image, familiar(parse_reference(target).tagged))
        return Answer(201)

    async def push(self, request: Request, name: str) -> Answer:
        """One tag, or every tag of the repository where none is named."""
        tag = request.query_get("tag")
        platform = platform_asked(request)
        try:
            repository = parse_reference(f"{name}:{tag}" if tag else name)
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        names = [each for image in self.images.list() for each in image.names]
        here = sorted(each for each in names if parse_reference(each).name == repository.name)
        has_tag = bool(tag) or ":" in name.rpartition("/")[2]
        wanted = [repository.tagged] if has_tag and here else here
        for each in wanted:
            if (image := self.images.find(each)) is not None:
                check_platform(image, each, platform)
        auth = credentials(request.headers.get("X-Registry-Auth", ""))
        lines = pushed_lines(repository, [(each, self.images.push(each, auth)) for each in wanted])
        for each in wanted:
            image = self.images.find(each)
            if image is not None:
                tell_image(self.dock, "push", image, repository.familiar_name, familiar(each))
        return Answer(200, as_lines(lines), JSON_LINES)

    async def remove(self, request: Request, name: str) -> Answer:
        image = self._want(name)
        gone: list[str] = []
        is_id = image.id[7:].startswith(name.removeprefix("sha256:"))
        is_forced = is_true(request.query_get("force"))
        self._check_unused(image, name, is_id=is_id, is_forced=is_forced)
        if is_forced and is_id:
            for other in image.names[1:]:
                gone.extend(await self.images.remove(other))
        # Not of the Engine API: other dialects let an image go that others were built upon.
        orphans = is_true(request.query_get("orphans"))
        gone.extend(await self.images.remove(name, keep_used=is_forced, orphans=orphans))
        for each in gone:
            self.dock.events.publish("image", "delete" if is_digest(each) else "untag", image.id, {"name": image.id})
        return json_answer([{"Deleted" if is_digest(each) else "Untagged": familiar(each)} for each in gone])

    def _check_unused(self, image: Image, name: str, *, is_id: bool, is_forced: bool) -> None:
        """Raises Conflict as dockerd words it when one of its containers stands on the image's last name."""
        users = [box for box in self.boxes.all() if box.container.image_id == image.id]
        running = next((box for box in users if box.state.is_running), None)
        short = image.id[7:19]
        if is_id and running is not None:
            words = f"image is being used by running container {running.container.short_id}"
            raise said(Conflict, f"conflict: unable to delete {short} (cannot be forced) - {words}")
        if not users or is_forced or (not is_id and len(image.names) > 1):
            return
        if is_id:
            words = f"image is being used by stopped container {users[0].container.short_id}"
            raise said(Conflict, f"conflict: unable to delete {short} (must be forced) - {words}")
        user = (running or users[0]).container.short_id
        words = f"container {user} is using its referenced image {short}"
        reference = familiar(str(parse_reference(name)))
        raise said(Conflict, f'conflict: unable to remove repository reference "{reference}" (must force) - {words}')

    async def base(self, request: Request, _: str) -> Answer:
        names = [value for key, value in request.query if key == "tag" and value]
        image = await self.images.build_base(names)
        return Answer(200, as_lines(base_lines(image, names or [familiar(name) for name in image.names])), JSON_LINES)

    def _want(self, name: str) -> Image:
        image = self.images.find(name)
        if image is None:
            raise no_such_image(name)
        return image


def tell_image(dock: Dock, action: str, image: Image, name: str, actor: str = "") -> None:
    """Publish an event of an image. actor: its id where "" is given."""
    dock.events.publish("image", action, actor or image.id, dict(image.config.labels) | {"name": name})


async def _first(steps: AsyncIterator[Progress], count: int) -> Sequence[Progress]:
    taken = []
    for _ in range(count):
        try:
            taken.append(await anext(steps))
        except StopAsyncIteration:
            break
    return taken
