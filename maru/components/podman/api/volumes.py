"""Volumes: create, list, inspect, exists, export, import, remove, prune.

Source: podman 5.5 API reference, "volumes"; libpod/define/volume_inspect.go.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import msgspec

from maru.components.podman.api.edge import NO_CONTENT, body_of, filters_of, is_true, said
from maru.components.podman.api.views import Podman
from maru.core.document import Value
from maru.core.errors import Conflict, Invalid, MaruError, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.filters import Filters, has_labels
from maru.wire.docker.moments import moment_of, parse_moment

KNOWN = ("name", "driver", "label", "label!", "dangling", "until", "anonymous", "scope", "opt", "all")
ANONYMOUS = "com.docker.volume.anonymous"


@dataclass(frozen=True, slots=True)
class VolumeApi:
    """One method for each operation."""

    podman: Podman

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/volumes/json", self.list),
            Route("POST", "/volumes/create", self.create),
            Route("POST", "/volumes/prune", self.prune),
            Route("GET", "/volumes/{name}/json", self.inspect),
            Route("GET", "/volumes/{name}/exists", self.exists),
            Route("GET", "/volumes/{name}/export", self.export),
            Route("POST", "/volumes/{name}/import", self.take_in),
            Route("DELETE", "/volumes/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, KNOWN)
        return json_answer([_shown(volume) for volume in await self._selected(filters)])

    async def create(self, request: Request, _: str) -> Answer:
        body = await body_of(request)
        name = str(body.get("Name") or "")
        if name and await self._find(name) is not None:
            if body.get("IgnoreIfExists"):
                return json_answer(_shown(await self._want(name)), 201)
            cause = "volume already exists"
            raise said(Conflict, f"volume with name {name} already exists", cause, 500)
        labels = {**(body.get("Label") or {}), **(body.get("Labels") or {})}
        asked: Value = {"Name": name, "Driver": body.get("Driver") or "local", "Labels": labels}
        asked["DriverOpts"] = body.get("Options") or {}
        made: Value = await self.podman.asking.value("POST", "/volumes/create", body=asked)
        return json_answer(_shown(made), 201)

    async def inspect(self, _: Request, name: str) -> Answer:
        return json_answer(_shown(await self._want(name)))

    async def exists(self, _: Request, name: str) -> Answer:
        await self._want(name)
        return NO_CONTENT

    async def remove(self, request: Request, name: str) -> Answer:
        """With force, with the containers that use it."""
        volume = await self._want(name)
        if is_true(request, "force"):
            for view in await self.podman.containers.all():
                if any(mount.get("Name") == volume["Name"] for mount in view.engine["Mounts"]):
                    with suppress(NotFound):
                        await self.podman.creating.remove(view, is_forced=True, with_volumes=False)
        try:
            await self.podman.asking.answer("DELETE", f"/volumes/{volume['Name']}")
        except Conflict as error:
            words = f"volume {volume['Name']} is being used by the following container(s): {error}"
            raise said(Conflict, words, "volume is being used") from error
        return NO_CONTENT

    async def prune(self, request: Request, _: str) -> Answer:
        return json_answer(await self.pruned(filters_of(request, KNOWN)))

    async def pruned(self, filters: Filters) -> Sequence[Value]:
        """All that no container has, named ones too."""
        filters = {**filters, "dangling": ["true"]}
        usage: Value = await self.podman.asking.value("GET", "/system/df", [("type", "volume")])
        sizes = {each["Name"]: each["UsageData"]["Size"] for each in usage.get("Volumes") or ()}
        reports: builtins.list[Value] = []
        for volume in await self._selected(filters):
            name = volume["Name"]
            try:
                await self.podman.asking.answer("DELETE", f"/volumes/{name}")
                reports.append({"Id": name, "Size": sizes.get(name, 0)})
            except MaruError as error:
                reports.append({"Id": name, "Size": 0, "Err": str(error)})
        return reports

    async def export(self, _: Request, name: str) -> Answer:
        volume = await self._want(name)
        return Answer(
            200, await self.podman.asking.engine.volume_archive(volume["Name"]), {"Content-Type": "application/x-tar"}
        )

    async def take_in(self, request: Request, name: str) -> Answer:
        volume = await self._want(name)
        await self.podman.asking.engine.fill_volume(volume["Name"], request.chunks())
        return NO_CONTENT

    async def _selected(self, filters: Filters) -> Sequence[Value]:
        asked = {name: list(filters[name]) for name in ("dangling", "driver") if name in filters}
        text = msgspec.json.encode(asked).decode()
        found: Value = await self.podman.asking.value("GET", "/volumes", [("filters", text)])
        return [volume for volume in found["Volumes"] or () if _accepts(volume, filters, self.podman.clock.now())]

    async def _find(self, name: str) -> Value | None:
        with suppress(NotFound):
            found: Value = await self.podman.asking.value("GET", f"/volumes/{name}")
            return found
        return None

    async def _want(self, name: str) -> Value:
        found = await self._find(name)
        if found is not None:
            return found
        everything: Value = await self.podman.asking.value("GET", "/volumes")
        fitting = [each for each in everything["Volumes"] or () if each["Name"].startswith(name)]
        if len(fitting) != 1:
            raise said(NotFound, f"no volume with name {name!r} found", "no such volume")
        return dict(fitting[0])


def _shown(volume: Value) -> Value:
    labels = dict(volume.get("Labels") or {})
    is_anonymous = labels.pop(ANONYMOUS, None) is not None
    shown: Value = {
        "Name": volume["Name"],
        "Driver": volume["Driver"],
        "Mountpoint": volume["Mountpoint"],
        "CreatedAt": volume["CreatedAt"],
        "Labels": labels,
        "Scope": "local",
        "Options": volume.get("Options") or {},
        "MountCount": 0,
        "NeedsCopyUp": True,
        "NeedsChown": True,
        "LockNumber": 0,
    }
    return shown | ({"Anonymous": True} if is_anonymous else {})


def _accepts(volume: Value, filters: Filters, now: datetime) -> bool:
    labels, created = volume.get("Labels") or {}, moment_of(volume["CreatedAt"])
    options = volume.get("Options") or {}
    try:
        if created is not None and any(created >= parse_moment(text, now) for text in filters.get("until", ())):
            return False
    except ValueError as error:
        raise said(Invalid, str(error)) from error
    if filters.get("name") and not any(wanted in volume["Name"] for wanted in filters["name"]):
        return False
    if filters.get("anonymous") and (filters["anonymous"][0] == "true") != (ANONYMOUS in labels):
        return False
    if any(scope != "local" for scope in filters.get("scope", ())) or not has_labels(options, filters.get("opt", ())):
        return False
    if any(has_labels(labels, [each]) for each in filters.get("label!", ())):
        return False
    return has_labels(labels, filters.get("label", ()))
