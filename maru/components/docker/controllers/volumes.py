"""Volumes: made, found, mounted for containers, removed when nobody uses them.

Source: Docker Engine API v1.50, "Volume"; moby volume/service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.engine import volume_files
from maru.components.docker.model.volume import ANONYMOUS, Volume, check_volume, document_name
from maru.core.clock import rfc3339
from maru.core.errors import Conflict, NotFound, Unavailable
from maru.linux.mounts import unmount_blocking
from maru.linux.processes import Command, run

MOUNT_DEADLINE_S = 30.0
_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

UsersOf = Callable[[str], Sequence[str]]
"""Ids of the containers that have a volume, by its name."""


class Volumes:
    """All volumes of this node."""

    def __init__(self, dock: Dock, documents: Documents, users_of: UsersOf) -> None:
        self._dock = dock
        self._documents = documents
        self._users_of = users_of
        self._by_name: dict[str, Volume] = {}
        self._making = asyncio.Lock()

    async def open(self) -> None:
        """Read what there is."""
        for volume in await self._documents.volumes(Volume):
            self._by_name[volume.name] = volume

    def all(self) -> Sequence[Volume]:
        """Ascending by name."""
        return sorted(self._by_name.values(), key=lambda volume: volume.name)

    def find(self, name: str) -> Volume | None:
        return self._by_name.get(name)

    def want(self, name: str) -> Volume:
        """Raises NotFound."""
        volume = self._by_name.get(name)
        if volume is None:
            raise NotFound(what=f"get {name}: no such volume", why="")
        return volume

    def users_of(self, name: str) -> Sequence[str]:
        """Ids of the containers that have it."""
        return self._users_of(name)

    async def create(
        self,
        name: str,
        driver: str = "local",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Volume:
        """The volume of that name, made if it is not there; "" for a new one without a name.

        Raises Invalid, NotFound (a driver there is not).
        """
        wanted = dict(options or {})
        name = name or self._dock.ids.uid().replace("-", "") * 2
        try:
            check_volume(name, driver or "local", wanted)
        except NotFound as error:
            raise NotFound(what=f"create {name}: {error.what}", why="") from error
        async with self._making:
            known = self._by_name.get(name)
            if known is not None:
                return known
            mountpoint = str(self._dock.folder / "volumes" / name / "_data")
            volume = Volume(name, rfc3339(self._dock.clock.now()), mountpoint, "local", dict(labels or {}), wanted)
            try:
                await asyncio.to_thread(volume_files.make_blocking, mountpoint)
                await self._documents.add_volume(document_name(name), volume)
            except BaseException:
                await asyncio.shield(asyncio.to_thread(volume_files.remove_blocking, mountpoint))
                raise
            self._by_name[name] = volume
        self._dock.events.publish("volume", "create", name, {"driver": "local"})
        return volume

    async def create_anonymous(self) -> Volume:
        """One that goes with its container."""
        return await self.create("", labels={ANONYMOUS: ""})

    async def remove(self, name: str, *, is_forced: bool = False) -> None:
        """Raises NotFound (unless forced), Conflict when a container has it."""
        volume = self._by_name.get(name)
        if volume is None:
            if is_forced:
                return
            raise NotFound(what=f"get {name}: no such volume", why="")
        users = self._users_of(name)
        if users:
            raise Conflict(what=f"remove {name}: volume is in use - [{', '.join(users)}]", why="")
        del self._by_name[name]
        await self._documents.drop_volume(document_name(name))
        await asyncio.to_thread(volume_files.remove_blocking, volume.mountpoint)
        self._dock.events.publish("volume", "destroy", name, {"driver": "local"})

    async def ready(self, name: str) -> str:
        """The path of its data, mounted if it is something to mount. Raises NotFound, Unavailable."""
        volume = self.want(name)
        await asyncio.to_thread(volume_files.make_blocking, volume.mountpoint)
        if volume.is_mounted and not await asyncio.to_thread(volume_files.is_mounted_blocking, volume.mountpoint):
            await self._mount(volume)
        return volume.mountpoint

    async def let_go(self, name: str) -> None:
        """Nobody runs with it any more: take off what was mounted."""
        volume = self._by_name.get(name)
        if volume is not None and volume.is_mounted:
            await asyncio.to_thread(unmount_blocking, volume.mountpoint)

    async def _mount(self, volume: Volume) -> None:
        options = volume.options
        kind = options.get("type") or "none"
        arguments = ["mount", "-t", kind]
        if options.get("o"):
            arguments += ["-o", options["o"]]
        arguments += [options.get("device") or kind, volume.mountpoint]
        finished = await run(Command(arguments, _PATH, cwd="/"), MOUNT_DEADLINE_S)
        if finished.code != 0:
            device = options.get("device") or kind
            said = finished.output.decode(errors="replace").strip().splitlines()
            words = f"failed to mount local volume: mount {device}:{volume.mountpoint}"
            raise Unavailable(what=f"error while mounting volume '{volume.mountpoint}': {words}: {said[-1:]}", why="")
