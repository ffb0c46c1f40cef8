"""Containers: list, inspect, create, rename, update, wait, remove, prune.

Source: Docker Engine API v1.50, "Container".
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from maru.components.docker.api.edge import NO_CONTENT, body_of, filters_of, is_true, said
from maru.components.docker.api.platforms import check_platform
from maru.components.docker.api.views import Engine, view_of
from maru.components.docker.controllers.attributes import tell
from maru.components.docker.controllers.boxes import Box
from maru.components.docker.model import listing
from maru.components.docker.model.builds.options import is_platform
from maru.components.docker.model.host_config import check_policy, check_resources
from maru.components.docker.model.inspect import inspected, listed
from maru.components.docker.model.resources import UPDATABLE, oci_resources
from maru.core.document import Value
from maru.core.errors import AlreadyExists, Conflict, Invalid, MaruError, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.filters import has_labels
from maru.wire.docker.moments import moment_of, parse_moment
from maru.wire.oci.manifest import Platform, platform_named, platform_of

_JSON = {"Content-Type": "application/json"}
CONDITIONS = ("", "not-running", "next-exit", "removed")


@dataclass(frozen=True, slots=True)
class ContainerApi:
    """Reads and changes of containers that are not about their running."""

    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/containers/json", self.list),
            Route("POST", "/containers/create", self.create),
            Route("POST", "/containers/prune", self.prune),
            Route("GET", "/containers/{name}/json", self.inspect),
            Route("POST", "/containers/{name}/rename", self.rename),
            Route("POST", "/containers/{name}/update", self.update),
            Route("POST", "/containers/{name}/wait", self.wait),
            Route("DELETE", "/containers/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        engine = self.engine
        filters = filters_of(request, sorted(listing.KNOWN))
        limit = request.query_get("limit")
        limit_count = int(limit) if limit.lstrip("-").isdigit() else 0
        is_all = is_true(request.query_get("all")) or limit_count > 0
        with_size = is_true(request.query_get("size"))
        views = [await view_of(engine, box, with_size=with_size) for box in engine.boxes.all()]
        lookups = listing.Lookups(self._is_image, lambda reference: engine.boxes.want(reference).container.created)
        kept = listing.selected(views, filters, lookups, is_all=is_all)
        now = engine.dock.clock.now()
        return json_answer([listed(view, now) for view in (kept[:limit_count] if limit_count > 0 else kept)])

    async def inspect(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        return json_answer(inspected(await view_of(self.engine, box, with_size=is_true(request.query_get("size")))))

    async def create(self, request: Request, _: str) -> Answer:
        body = await body_of(request)
        if not body:
            raise said(Invalid, "config cannot be empty in order to create a container")
        platform = request.query_get("platform")
        if platform and not is_platform(platform):
            raise said(Invalid, f'"{platform}": unknown operating system or architecture: invalid argument')
        warnings = self._platform_warnings(body, platform)
        box = await self.engine.creating.create(body, request.query_get("name"))
        return json_answer({"Id": box.id, "Warnings": warnings}, 201)

    def _platform_warnings(self, body: Value, platform: str) -> Sequence[str]:
        """What is said of an image for other machines. Raises NotFound when another platform was asked for."""
        reference = str(body.get("Image") or "")
        image = self.engine.dock.images.find(reference) if reference else None
        if image is None:
            return []
        own, has = platform_of(os.uname().machine), Platform(image.architecture, image.os)
        if platform:
            check_platform(image, reference, platform_named(platform, own))
        elif (own.os, own.architecture) != (has.os, has.architecture):
            words = f"platform ({has}) does not match the detected host platform ({own})"
            return [f"The requested image's {words} and no specific platform was requested"]
        return []

    async def rename(self, request: Request, name: str) -> Answer:
        try:
            await self.engine.creating.rename(self.engine.boxes.want(name), request.query_get("name"))
        except AlreadyExists as error:
            raise said(AlreadyExists, f"Error when allocating new name: {error}") from error
        return NO_CONTENT

    async def update(self, request: Request, name: str) -> Answer:
        engine = self.engine
        box = engine.boxes.want(name)
        body = await body_of(request)
        async with box.lock:
            if box.state.state in ("removing", "dead"):
                raise said(Conflict, f"cannot update container {box.id}: container is marked for removal")
            host = self._updated(box, body)
            status = engine.dock.runtime.find(box.id)
            if status is not None and status.pid and box.state.state in ("running", "paused"):
                await engine.dock.runtime.update_resources(box.id, oci_resources(host, engine.dock.facts))
            before, box.container.host_config = box.container.host_config, host
            try:
                await engine.documents.change_container(box.container)
            except MaruError:
                box.container.host_config = before
                raise
        tell(engine.dock, box, "update")
        return json_answer({"Warnings": []})

    async def wait(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        condition = request.query_get("condition")
        if condition not in CONDITIONS:
            raise said(Invalid, f'invalid condition: "{condition}"')
        return Answer(200, _waited(box, condition, box.next_exit), _JSON)

    async def remove(self, request: Request, name: str) -> Answer:
        engine = self.engine
        if is_true(request.query_get("link")):
            return await self._remove_link(name)
        box = engine.boxes.want(name)
        is_forced = is_true(request.query_get("force"))
        await engine.ending.remove(box, with_volumes=is_true(request.query_get("v")), is_forced=is_forced)
        return NO_CONTENT

    async def prune(self, request: Request, _: str) -> Answer:
        engine = self.engine
        filters = filters_of(request, ("until", "label", "label!"))
        try:
            until = parse_moment(filters["until"][0], engine.dock.clock.now()) if filters.get("until") else None
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        removed, freed_bytes = [], 0
        for box in engine.boxes.all():
            labels = box.container.config.get("Labels") or {}
            created = moment_of(box.container.created)
            if box.state.is_running or box.state.state == "removing":
                continue
            if until is not None and created is not None and created >= until:
                continue
            if not has_labels(labels, filters.get("label", ())):
                continue
            if filters.get("label!") and has_labels(labels, filters["label!"]):
                continue
            view = await view_of(engine, box, with_size=True)
            try:
                await engine.ending.remove(box)
            except (Conflict, NotFound):
                continue
            removed.append(box.id)
            freed_bytes += view.sizes[0] if view.sizes else 0
        engine.dock.events.publish("container", "prune", "", {"reclaimed": str(freed_bytes)})
        return json_answer({"ContainersDeleted": removed or None, "SpaceReclaimed": freed_bytes})

    def _updated(self, box: Box, body: Value) -> Value:
        host = dict(box.container.host_config)
        changed = {name: body[name] for name in UPDATABLE.split() if body.get(name)}
        if "Memory" in changed and "MemorySwap" not in changed and host["MemorySwap"] not in (0, -1):
            limit = host["MemorySwap"]
            if changed["Memory"] > limit:
                words = "Memory limit should be smaller than already set memoryswap limit"
                raise said(Conflict, f"{words}, update the memoryswap at the same time")
        host |= changed
        policy = body.get("RestartPolicy") or {}
        if policy.get("Name"):
            check_policy(policy, auto_remove=bool(host["AutoRemove"]))
            host["RestartPolicy"] = {"Name": policy["Name"], "MaximumRetryCount": policy.get("MaximumRetryCount") or 0}
        check_resources(host, self.engine.dock.facts)
        return host

    def _is_image(self, reference: str, image_id: str) -> bool:
        images = self.engine.dock.images
        wanted, own = images.find(reference), images.find(image_id)
        if wanted is None or own is None:
            return False
        return own.id == wanted.id or own.layers[: len(wanted.layers)] == wanted.layers

    async def _remove_link(self, name: str) -> Answer:
        engine = self.engine
        name = name.removeprefix("/")
        parent, _, alias = name.partition("/")
        if not alias or not engine.boxes.is_taken(name):
            raise said(NotFound, f"Cannot get parent /{parent} for name /{name}")
        engine.boxes.release(name)
        box = engine.boxes.want(parent)
        links = box.container.host_config.get("Links") or []
        kept = [each for each in links if (each.partition(":")[2] or each.partition(":")[0]) != alias]
        box.container.host_config["Links"] = kept or None
        await engine.documents.change_container(box.container)
        return NO_CONTENT


async def _waited(box: Box, condition: str, next_exit: asyncio.Future[int]) -> AsyncIterator[bytes]:
    if condition == "removed":
        code = await asyncio.shield(box.removed)
    elif condition == "next-exit":
        code = await asyncio.shield(next_exit)
    else:
        code = await asyncio.shield(next_exit) if box.state.is_running else box.state.exit_code
    answer: Value = {"StatusCode": code}
    if box.state.error and code and condition != "removed":
        answer["Error"] = {"Message": box.state.error}
    yield msgspec.json.encode(answer)
