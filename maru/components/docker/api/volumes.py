"""Volumes: create, list, inspect, remove, prune. Source: Docker Engine API v1.50, "Volume"."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.edge import NO_CONTENT, body_of, filters_of, is_older, is_true, said
from maru.components.docker.api.views import Engine
from maru.components.docker.engine.volume_files import size_blocking
from maru.components.docker.model.volume import ANONYMOUS, Volume, volume_value
from maru.core.errors import Conflict, Invalid, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.filters import Filters, boolean, has_labels


@dataclass(frozen=True, slots=True)
class VolumeApi:
    """Named places for data."""

    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/volumes", self.list),
            Route("POST", "/volumes/create", self.create),
            Route("POST", "/volumes/prune", self.prune),
            Route("GET", "/volumes/{name}", self.inspect),
            Route("DELETE", "/volumes/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, ("dangling", "driver", "label", "name"))
        try:
            dangling = boolean(filters, "dangling")
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        shown = [
            volume_value(volume)
            for volume in self.engine.volumes.all()
            if _accepts(volume, filters)
            and (dangling is None or dangling == (not self.engine.volumes.users_of(volume.name)))
        ]
        return json_answer({"Volumes": shown, "Warnings": None})

    async def create(self, request: Request, _: str) -> Answer:
        body = await body_of(request)
        name, driver = str(body.get("Name") or ""), str(body.get("Driver") or "local")
        labels = {str(key): str(value) for key, value in (body.get("Labels") or {}).items()}
        if not name:
            labels[ANONYMOUS] = ""
        options = {str(key): str(value) for key, value in (body.get("DriverOpts") or {}).items()}
        volume = await self.engine.volumes.create(name, driver, options, labels)
        return json_answer(volume_value(volume), 201)

    async def inspect(self, _request: Request, name: str) -> Answer:
        return json_answer(volume_value(self.engine.volumes.want(name)))

    async def remove(self, request: Request, name: str) -> Answer:
        await self.engine.volumes.remove(name, is_forced=is_true(request.query_get("force")))
        return NO_CONTENT

    async def prune(self, request: Request, _: str) -> Answer:
        volumes = self.engine.volumes
        filters = filters_of(request, ("label", "label!", "all"))
        try:
            is_all = boolean(filters, "all") or is_older(request, 1, 42)  # those mean all by saying nothing
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        removed, freed_bytes = [], 0
        for volume in volumes.all():
            if volumes.users_of(volume.name) or not (is_all or ANONYMOUS in volume.labels):
                continue
            if not _accepts(volume, {"label": filters.get("label", ())}):
                continue
            if filters.get("label!") and has_labels(volume.labels, filters["label!"]):
                continue
            size_bytes = await asyncio.to_thread(size_blocking, volume.mountpoint)
            try:
                await volumes.remove(volume.name)
            except (Conflict, NotFound):
                continue
            removed.append(volume.name)
            freed_bytes += size_bytes
        self.engine.dock.events.publish("volume", "prune", "", {"reclaimed": str(freed_bytes)})
        return json_answer({"VolumesDeleted": removed or None, "SpaceReclaimed": freed_bytes})


def _accepts(volume: Volume, filters: Filters) -> bool:
    if filters.get("name") and not any(wanted in volume.name for wanted in filters["name"]):
        return False
    if filters.get("driver") and volume.driver not in filters["driver"]:
        return False
    return has_labels(volume.labels, filters.get("label", ()))
