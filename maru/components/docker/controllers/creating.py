"""Making a container out of a request: name, image, volumes, document, root file system.

Source: moby daemon/create.go, daemon/create_unix.go; Docker Engine API v1.50, ContainerCreate.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.controllers.attributes import tell
from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.controllers.starting import Starting
from maru.components.docker.controllers.volumes import Volumes
from maru.components.docker.engine.volume_files import bind_source_blocking, copy_up_blocking, mark_blocking
from maru.components.docker.model.container import Container, MountPoint, State
from maru.components.docker.model.create import Wish, read_wish
from maru.components.docker.model.host_config import Facts
from maru.components.docker.model.log_options import log_options
from maru.components.docker.model.mounts import mount_points
from maru.components.docker.model.overlay import check_attachable
from maru.components.docker.model.resources import rlimits
from maru.components.docker.model.security import security_of
from maru.contracts.image_store import Image
from maru.core.document import Value
from maru.core.errors import Invalid, NotFound
from maru.wire.docker.names import is_name, name_for

NAME_TRIES_MAX = 6


@dataclass(frozen=True, slots=True)
class Parts:
    """What creating stands on."""

    dock: Dock
    boxes: Boxes
    documents: Documents
    volumes: Volumes
    starting: Starting


class Creating:
    """Makes containers."""

    def __init__(self, parts: Parts) -> None:
        self._dock = parts.dock
        self._boxes = parts.boxes
        self._documents = parts.documents
        self._volumes = parts.volumes
        self._starting = parts.starting

    async def create(self, body: Value, name: str, facts: Facts | None = None, *, takes_letters: bool = False) -> Box:
        """Raises Invalid, NotFound, AlreadyExists in dockerd's words; nothing half made is left.

        facts: of the machine where they are others than the dock's; takes_letters: a name may be one letter.
        """
        image = self._image(str(body.get("Image") or ""))
        container_id = self._new_id()
        wish = read_wish(body, image.config, container_id, facts or self._dock.facts)
        security_of(wish.host_config)
        rlimits(wish.host_config)
        self._check_links(wish)
        check_attachable(self._dock.network.list(), wish.networks, wish.config)
        points = mount_points(wish.config, wish.host_config, self._volumes_of)
        for point in points:
            if point.kind == "bind":
                make = point.mode == "create" or _is_from_binds(point, wish.host_config)
                await asyncio.to_thread(bind_source_blocking, point.source, make=make)
        name = self._take_name(name, container_id, takes_letters=takes_letters)
        box = Box(
            Container(
                id=container_id,
                name=name,
                node=self._dock.site.node_name,
                created=self._dock.now(),
                image=str(body["Image"]),
                image_id=image.id,
                config=wish.config,
                host_config=wish.host_config,
                networks=wish.networks,
                mounts=points,
            ),
            State(),
        )
        try:
            log_options(box.container)
            self._take_link_names(box)
            await self._make(box, wish)
        except BaseException:
            await asyncio.shield(self._unmake(box))
            raise
        self._boxes.add(box)
        tell(self._dock, box, "create")
        return box

    async def rename(self, box: Box, name: str) -> None:
        """Raises Invalid, AlreadyExists."""
        name = name.removeprefix("/")
        if not name:
            raise Invalid(what="Neither old nor new names may be empty", why="")
        if name == box.name:
            raise Invalid(what="Renaming a container with the same name as its current name", why="")
        _check_name(name)
        async with box.lock:
            old = box.name
            self._boxes.reserve(name, box.id)
            box.container.name = name
            try:
                await self._documents.change_container(box.container)
            except BaseException:
                box.container.name = old
                self._boxes.release(name)
                raise
            self._boxes.release(old)
            await self._dock.network.rename(box.id, name)
        tell(self._dock, box, "rename", oldName=f"/{old}")

    def _new_id(self) -> str:
        while True:
            digits = (self._dock.ids.uid() + self._dock.ids.uid() + self._dock.ids.uid()).replace("-", "")[:64]
            # Names of documents are the first twelve: no two containers share them.
            if self._boxes.find(digits[:12]) is None and not digits[:12].isdigit():
                return digits

    def _image(self, reference: str) -> Image:
        if not reference:
            raise Invalid(what="no image specified", why="")
        image = self._dock.images.find(reference)
        if image is None:
            shown = reference if ":" in reference.rpartition("/")[2] or "@" in reference else f"{reference}:latest"
            raise NotFound(what=f"No such image: {shown}", why="")
        return image

    def _take_name(self, name: str, container_id: str, *, takes_letters: bool) -> str:
        if name:
            if not (takes_letters and len(name) == 1 and name.isalnum()):
                _check_name(name)
            name = name.removeprefix("/")
            self._boxes.reserve(name, container_id)
            return name
        for attempt in range(NAME_TRIES_MAX):
            chosen = name_for(self._dock.ids.fraction(), attempt)
            if not self._boxes.is_taken(chosen):
                break
        else:
            chosen = container_id[:12]
        self._boxes.reserve(chosen, container_id)
        return chosen

    async def _make(self, box: Box, wish: Wish) -> None:
        for point in box.container.mounts:
            if point.kind == "volume":
                await self._make_volume(point, wish.host_config)
        folder = self._dock.folder_of(box.id)
        await asyncio.to_thread(folder.mkdir, parents=True, mode=0o711)
        await self._starting.lay_out(box)
        status = self._dock.runtime.find(box.id)
        assert status is not None
        await asyncio.to_thread(mark_blocking, status.root_path)
        for point in box.container.mounts:
            if point.kind == "volume" and point.is_copied:
                source = await self._volumes.ready(point.name)
                await asyncio.to_thread(copy_up_blocking, status.root_path, point.destination, source)
        await self._documents.add_container(box.container)

    async def _make_volume(self, point: MountPoint, host: Value) -> None:
        asked: list[Value] = host.get("Mounts") or []
        entry: Value = next((each for each in asked if each.get("Target") == point.destination), {})
        options = entry.get("VolumeOptions") or {}
        driver = (options.get("DriverConfig") or {}).get("Options") or {}
        if not point.name:
            volume = await self._volumes.create_anonymous()
        else:
            volume = await self._volumes.create(point.name, point.driver, driver, options.get("Labels") or {})
        point.name, point.source, point.driver = volume.name, volume.mountpoint, volume.driver

    async def _unmake(self, box: Box) -> None:
        await self._dock.runtime.remove(box.id)
        await asyncio.to_thread(shutil.rmtree, self._dock.folder_of(box.id), ignore_errors=True)
        self._boxes.drop(box)
        self._boxes.release(box.name)
        for point in box.container.mounts:
            if point.kind == "volume" and point.is_anonymous and point.name:
                await self._volumes.remove(point.name, is_forced=True)

    def _volumes_of(self, reference: str) -> Sequence[MountPoint]:
        other = self._boxes.find(reference)
        if other is None:
            raise Invalid(what=f"No such container: {reference}", why="")
        return [point for point in other.container.mounts if point.kind != "tmpfs"]

    def _check_links(self, wish: Wish) -> None:
        for entry in wish.host_config.get("Links") or ():
            name = entry.partition(":")[0]
            if self._boxes.find(name) is None:
                raise Invalid(what=f"could not get container for {name}: No such container: {name}", why="")

    def _take_link_names(self, box: Box) -> None:
        if box.container.network_mode != "bridge":
            return
        for entry in box.container.host_config.get("Links") or ():
            name, _, alias = entry.partition(":")
            other = self._boxes.want(name)
            self._boxes.reserve(f"{box.name}/{alias or name.removeprefix('/')}", other.id)


def _check_name(name: str) -> None:
    if not is_name(name):
        allowed = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
        raise Invalid(what=f"Invalid container name ({name}), only {allowed} are allowed", why="")


def _is_from_binds(point: MountPoint, host: Value) -> bool:
    return any(f":{point.destination}" in text for text in host.get("Binds") or ())
