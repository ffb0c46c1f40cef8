"""Images: list, inspect, exists, history, tag, untag, search, remove, prune.

Source: podman 5.5 API reference, "images"; pkg/api/handlers/libpod/images.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from maru.components.podman.api.edge import NO_CONTENT, filters_of, is_true, number, said, values
from maru.components.podman.api.views import Podman
from maru.components.podman.controllers.manifests import Manifests
from maru.components.podman.model.images import KNOWN, details, selected, summary
from maru.components.podman.model.names import bare, own_name
from maru.contracts.image_store import LOCAL_DOMAIN, Image
from maru.core.document import Value
from maru.core.errors import Conflict, Invalid, MaruError, NotFound, NotSupported
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.filters import Filters
from maru.wire.oci.digest import is_digest
from maru.wire.oci.reference import parse_reference

SEARCH_MAX = 25


@dataclass(frozen=True, slots=True)
class ImageApi:
    """What is here, and its names."""

    podman: Podman
    manifests: Manifests

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/images/json", self.list),
            Route("GET", "/images/search", self.search),
            Route("POST", "/images/prune", self.prune),
            Route("DELETE", "/images/remove", self.remove_several),
            Route("GET", "/images/{name}/json", self.inspect),
            Route("GET", "/images/{name}/exists", self.exists),
            Route("GET", "/images/{name}/history", self.history),
            Route("POST", "/images/{name}/tag", self.tag),
            Route("POST", "/images/{name}/untag", self.untag),
            Route("DELETE", "/images/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, KNOWN)
        images = self.podman.images.list()
        if not is_true(request, "all"):
            built_upon = {image.parent for image in images}
            images = [image for image in images if image.names or image.digests or image.id not in built_upon]
        used = [view.engine["Image"] for view in await self.podman.containers.all()]
        kept = sorted(self._selected(images, filters), key=lambda image: image.created, reverse=True)
        return json_answer([summary(image, await self._bytes(image), used.count(image.id)) for image in kept])

    async def inspect(self, _: Request, name: str) -> Answer:
        image = self.podman.containers.want_image(name)
        document = msgspec.json.decode(await asyncio.to_thread(self.podman.images.document, image))
        return json_answer(details(image, document, await self._bytes(image)))

    async def exists(self, _: Request, name: str) -> Answer:
        if self.manifests.find(name) is None:
            self.podman.containers.want_image(name)
        return NO_CONTENT

    async def history(self, _: Request, name: str) -> Answer:
        image = self.podman.containers.want_image(name)
        steps = await self.podman.asking.rows("GET", f"/images/{image.id}/history")
        for step in steps:
            own = self.podman.images.find(step["Id"]) if step["Id"] != "<missing>" else None
            step["Id"], step["Tags"] = bare(step["Id"]), list(own.names) or None if own is not None else None
        return json_answer(steps)

    async def tag(self, request: Request, name: str) -> Answer:
        image = self.podman.containers.want_image(name)
        repository, tag = request.query_get("repo"), request.query_get("tag")
        if not repository:
            raise said(Invalid, "repo parameter is required to tag an image")
        target = own_name(repository)
        await self.podman.asking.answer(
            "POST", f"/images/{image.id}/tag", [("repo", target), *([("tag", tag)] if tag else [])]
        )
        return Answer(201)

    async def untag(self, request: Request, name: str) -> Answer:
        """One name, or all of them where none is said."""
        image = self.podman.containers.want_image(name)
        repository, tag = request.query_get("repo"), request.query_get("tag")
        names = list(image.names)
        if repository:
            try:
                wanted = parse_reference(f"{own_name(repository)}:{tag or 'latest'}").tagged
                alternative = parse_reference(f"{repository}:{tag or 'latest'}").tagged
            except ValueError as error:
                raise said(Invalid, str(error)) from error
            names = [each for each in names if each in (wanted, alternative)][:1]
            if not names:
                raise said(NotFound, f"{repository}:{tag or 'latest'}", "tag not known")
        for each in names:
            await self.podman.asking.answer("DELETE", f"/images/{each}", [("force", "1"), ("noprune", "1")])
        return Answer(201)

    async def search(self, request: Request, _: str) -> Answer:
        if is_true(request, "listTags"):
            raise NotSupported(what="listTags is not supported", why="", fix="leave it out")
        filters = filters_of(request, ("is-official", "is-automated", "stars"))
        count = int(number(request, "limit")) or SEARCH_MAX
        found = await self.podman.registries.search(request.query_get("term"), count)
        least = (filters.get("stars") or ["0"])[0]
        if not least.isdigit():
            raise said(Invalid, f"incorrect value type for stars filter: {least!r}")
        official = filters.get("is-official")
        rows = [
            {
                "Index": each.name.partition("/")[0] if "." in each.name.partition("/")[0] else "docker.io",
                "Name": each.name,
                "Description": each.description,
                "Stars": each.stars,
                "Official": "[OK]" if each.is_official else "",
                "Automated": "[OK]" if each.is_automated else "",
                "Tag": "",
            }
            for each in found
            if each.stars >= int(least) and (not official or (official[0] == "true") == each.is_official)
        ]
        return json_answer(rows)

    async def remove(self, request: Request, name: str) -> Answer:
        deleted, untagged = await self._removed(name, is_forced=is_true(request, "force"))
        return json_answer({"Untagged": untagged, "Deleted": deleted, "Errors": [], "ExitCode": 0})

    async def remove_several(self, request: Request, _: str) -> Answer:
        names = values(request, "images")
        is_forced = is_true(request, "force")
        if is_true(request, "all"):
            names = [image.id for image in self.podman.images.list() if not self._is_own(image)]
        deleted: Sequence[str] = []
        untagged: Sequence[str] = []
        errors: Sequence[str] = []
        code = 0
        for name in names:
            try:
                more_deleted, more_untagged = await self._removed(name, is_forced=is_forced)
            except NotFound as error:
                if not is_true(request, "ignore"):
                    errors, code = [*errors, str(error)], 1
                continue
            except MaruError as error:
                errors, code = [*errors, str(error)], 2
                continue
            deleted, untagged = [*deleted, *more_deleted], [*untagged, *more_untagged]
        return json_answer({"Untagged": untagged, "Deleted": deleted, "Errors": errors, "ExitCode": code})

    async def prune(self, request: Request, _: str) -> Answer:
        return json_answer(await self.pruned(filters_of(request, KNOWN), is_all=is_true(request, "all")))

    async def pruned(self, filters: Filters, *, is_all: bool) -> Sequence[Value]:
        """Images that nobody uses; all of what was freed stands with the first."""
        asked = {name: list(filters[name]) for name in ("until", "label", "label!") if filters.get(name)}
        asked["dangling"] = ["false" if is_all else "true"]
        query = [("filters", msgspec.json.encode(asked).decode())]
        report: Value = await self.podman.asking.value("POST", "/images/prune", query)
        gone = [bare(each["Deleted"]) for each in report["ImagesDeleted"] or () if each.get("Deleted")]
        freed = int(report["SpaceReclaimed"])
        return [{"Id": each, "Err": None, "Size": 0 if place else freed} for place, each in enumerate(gone)]

    async def _removed(self, name: str, *, is_forced: bool) -> tuple[Sequence[str], Sequence[str]]:
        """Ids and names that are gone. With force, containers of it go first. Raises NotFound, Conflict."""
        podman = self.podman
        listed = self.manifests.find(name)
        if listed is not None:
            await self.manifests.remove(listed)
            return [listed.id], [listed.name]
        image = podman.containers.want_image(name)
        is_id = bare(image.id).startswith(name.removeprefix("sha256:"))
        target = image.id if is_id else podman.containers.engine_name(name)
        if is_id and len(image.names) > 1 and not is_forced:
            words = f"unable to delete image {bare(image.id)!r} by ID with more than one tag ({list(image.names)})"
            raise said(Conflict, f"{words}: please force removal")
        users = [view for view in await podman.containers.all() if view.engine["Image"] == image.id]
        if users and (is_id or len(image.names) < 2):
            if not is_forced:
                words = f"image used by {users[0].id}: image is in use by a container"
                raise said(Conflict, words, "consider listing external containers and force-removing image")
            for view in users:
                with suppress(NotFound):
                    await podman.creating.remove(view, is_forced=True, with_volumes=False)
        names = list(image.names)
        gone = await podman.asking.rows(
            "DELETE", f"/images/{target}", [("force", str(int(is_forced))), ("orphans", "1")]
        )
        deleted = [bare(each["Deleted"]) for each in gone if is_digest(str(each.get("Deleted") or ""))]
        left = podman.images.find(image.id)
        untagged = [each for each in names if left is None or each not in left.names]
        return deleted, untagged

    def _selected(self, images: Sequence[Image], filters: Filters) -> Sequence[Image]:
        find, is_used = self.podman.containers.want_image, self.podman.images.is_used
        try:
            return selected(images, filters, find, is_used, self.podman.clock.now())
        except ValueError as error:
            raise said(Invalid, str(error)) from error

    async def _bytes(self, image: Image) -> int:
        return sum(await self.podman.images.layer_bytes(image))

    def _is_own(self, image: Image) -> bool:
        """The platform's own base goes with the platform."""
        return any(name.startswith(f"{LOCAL_DOMAIN}/") for name in image.names)
