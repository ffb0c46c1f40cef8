"""The system: ping, version, info, events, disk usage, prune.

Source: podman 5.5 API reference, "system"; libpod/define/info.go; pkg/domain/entities/types/system.go.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from maru.components.podman.api.containers import ContainerApi
from maru.components.podman.api.edge import HEADERS, filters_of, is_true
from maru.components.podman.api.images import ImageApi
from maru.components.podman.api.networks import NetworkApi
from maru.components.podman.api.pods import PodApi
from maru.components.podman.api.streams import encoded
from maru.components.podman.api.views import Podman
from maru.components.podman.api.volumes import VolumeApi
from maru.components.podman.model.description import Machine, info_value, version_value
from maru.components.podman.model.events import KNOWN, engine_filters, shown
from maru.components.podman.model.inspect import View
from maru.components.podman.model.names import bare
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.filters import Filters
from maru.wire.oci.reference import parse_reference

_PING = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache", "Pragma": "no-cache", **HEADERS}


@dataclass(frozen=True, slots=True)
class SystemApi:
    """edges: whose prunes make the system's."""

    podman: Podman
    containers: ContainerApi
    images: ImageApi
    networks: NetworkApi
    pods: PodApi
    volumes: VolumeApi

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/_ping", self.ping),
            Route("HEAD", "/_ping", self.ping),
            Route("GET", "/version", self.version),
            Route("GET", "/info", self.describe),
            Route("GET", "/events", self.events),
            Route("GET", "/system/df", self.usage),
            Route("POST", "/system/prune", self.prune),
        )

    async def ping(self, request: Request, _: str) -> Answer:
        return Answer(200, b"" if request.method == "HEAD" else b"OK", _PING)

    async def version(self, _request: Request, _: str) -> Answer:
        return json_answer(version_value(os.uname()))

    async def describe(self, _request: Request, _: str) -> Answer:
        engine: Value = await self.podman.asking.value("GET", "/info")
        now = await asyncio.to_thread(Machine.read_blocking)
        return json_answer(info_value(engine, os.uname(), now, self.podman.registries.rules))

    async def events(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, KNOWN)
        query = [(name, request.query_get(name)) for name in ("since", "until") if request.query_get(name)]
        if not is_true(request, "stream", default=True) and not request.query_get("until"):
            query.append(("until", str(int(self.podman.clock.now().timestamp()) + 1)))
        query.append(("filters", msgspec.json.encode(engine_filters(filters)).decode()))
        answer = await self.podman.asking.answer("GET", "/events", query)
        return Answer(200, encoded(self._told(answer, filters)), {"Content-Type": "application/json"})

    async def _told(self, answer: Answer, filters: Filters) -> AsyncIterator[Value]:
        pods: Mapping[str, str] = {}
        if filters.get("pod"):
            pods = {view.id: view.remembered.pod for view in await self.podman.containers.all()}
        async for event in self.podman.asking.lines(answer):
            line = shown(event, filters, pods)
            if line is not None:
                yield line

    async def usage(self, _request: Request, _: str) -> Answer:
        engine: Value = await self.podman.asking.value("GET", "/system/df")
        views = await self.podman.containers.all(with_size=True)
        return json_answer(
            {
                "ImagesSize": engine["LayersSize"],
                "Images": [row for image in engine["Images"] or () for row in _image_rows(image)],
                "Containers": [_container_row(view) for view in views],
                "Volumes": [
                    {
                        "VolumeName": volume["Name"],
                        "Links": volume["UsageData"]["RefCount"],
                        "Size": volume["UsageData"]["Size"],
                        "ReclaimableSize": 0 if volume["UsageData"]["RefCount"] else volume["UsageData"]["Size"],
                    }
                    for volume in engine["Volumes"] or ()
                ],
            }
        )

    async def prune(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, ("until", "label", "label!"))
        pods = await self.pods.pruned()
        containers = await self.containers.pruned(filters)
        networks = await self.networks.pruned(filters)
        images = await self.images.pruned(filters, is_all=is_true(request, "all"))
        volumes = await self.volumes.pruned(filters) if is_true(request, "volumes") else []
        freed = sum(each["Size"] for each in (*containers, *images, *volumes))
        return json_answer(
            {
                "PodPruneReport": pods,
                "ContainerPruneReports": containers,
                "NetworkPruneReports": networks,
                "ImagePruneReports": images,
                "VolumePruneReports": volumes,
                "ReclaimedSpace": freed,
            }
        )


def _image_rows(image: Value) -> Sequence[Value]:
    rows = []
    for name in image["RepoTags"] or ["<none>:<none>"]:
        reference = parse_reference(name) if not name.startswith("<") else None
        rows.append(
            {
                "Repository": reference.name if reference is not None else "<none>",
                "Tag": reference.tag if reference is not None else "<none>",
                "ImageID": bare(image["Id"]),
                "Created": datetime.fromtimestamp(image["Created"], UTC).isoformat(),
                "Size": image["Size"],
                "SharedSize": image["SharedSize"],
                "UniqueSize": image["Size"] - image["SharedSize"],
                "Containers": image["Containers"],
            }
        )
    return rows


def _container_row(view: View) -> Value:
    engine = view.engine
    return {
        "ContainerID": view.id,
        "Image": bare(engine["Image"]),
        "Command": [engine["Path"], *engine["Args"]] if engine["Path"] else [],
        "LocalVolumes": sum(1 for mount in engine["Mounts"] if mount["Type"] == "volume"),
        "Size": engine.get("SizeRw") or 0,
        "RWSize": engine.get("SizeRw") or 0,
        "Created": parse_rfc3339(engine["Created"]).isoformat(),
        "Status": view.status,
        "Names": view.name,
    }
