"""From a container to what one run of it is made from: user, devices, namespaces, mounts.

Source: moby daemon/oci_linux.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.volumes import Volumes
from maru.components.docker.engine.devices import asked_devices_blocking, every_device_blocking, numbers_blocking
from maru.components.docker.engine.facts import find_init_blocking
from maru.components.docker.engine.users import user_in_blocking
from maru.components.docker.engine.volume_files import bind_source_blocking
from maru.components.docker.model.container import MountPoint
from maru.components.docker.model.mounts import bind_options, tmpfs_binds, tmpfs_options
from maru.components.docker.model.oci_spec import Bind, Blueprint, Device, User, environment, oci_spec
from maru.components.docker.model.security import Security, security_of
from maru.core.document import Value
from maru.core.errors import Conflict, NotFound, Unavailable
from maru.linux.bind_mounts import is_mount_blocking, mount_tmpfs_blocking
from maru.linux.mounts import mount_points, unmount_blocking

_RATES = ("BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps")


BindsOf = Callable[[Box], Awaitable[Sequence[Bind]]]


class Blueprints:
    """Decides everything about a run."""

    def __init__(self, dock: Dock, boxes: Boxes, volumes: Volumes) -> None:
        self._dock = dock
        self._boxes = boxes
        self._volumes = volumes
        self._also: BindsOf | None = None

    def also_bind(self, binds_of: BindsOf) -> None:
        """Further mounts of a container, worked out anew for each run."""
        self._also = binds_of

    def spec_of(self, blueprint: Blueprint, extra: list[str]) -> Value:
        """The OCI configuration; extra: further variables, which the container's own win over."""
        spec = oci_spec(blueprint)
        if extra:
            container = blueprint.container
            own = [*extra, *(container.config.get("Env") or ())]
            variables = environment(container, blueprint.user, is_terminal=container.is_terminal, more=own)
            spec["process"]["env"] = variables
        return spec

    async def identity_of(self, box: Box, user: str, root: str) -> tuple[Security, User]:
        """What it may do, and as whom. Raises Invalid."""
        security = security_of(box.container.host_config)
        groups = [str(group) for group in box.container.host_config.get("GroupAdd") or ()]
        return security, await asyncio.to_thread(user_in_blocking, root, user, groups)

    async def of(self, box: Box, netns: str | None) -> Blueprint:
        """netns: path of its network namespace, None for the machine's own. Raises what dockerd says."""
        container, host = box.container, box.container.host_config
        status = self._dock.runtime.find(box.id)
        assert status is not None, "it is laid out"
        security, user = await self.identity_of(box, container.config.get("User") or "", status.root_path)
        init = ""
        if host.get("Init"):
            init = await asyncio.to_thread(find_init_blocking)
            if not init:
                raise Unavailable(what="docker-init", why="no init program is installed", fix="apt-get install tini")
        shm = await self._shared_memory(box)
        await asyncio.to_thread(_fill_rates_blocking, host)
        cgroup_parent = host.get("CgroupParent") or f"/{self._dock.site.instance}/docker"
        parent = cgroup_parent if cgroup_parent.startswith("/") else f"/{cgroup_parent}"
        return Blueprint(
            container=container,
            facts=self._dock.facts,
            security=security,
            user=user,
            namespaces=self._namespaces(box, netns),
            cgroup=f"{parent.rstrip('/')}/{box.id}",
            hostname=str(container.config.get("Hostname") or self._dock.site.node_name),
            binds=await self._binds(box),
            shm_path=shm,
            init_path=init,
            devices=await asyncio.to_thread(_devices_blocking, host),
        )

    def _namespaces(self, box: Box, netns: str | None) -> dict[str, str]:
        host = box.container.host_config
        found = {"mount": ""}
        if netns is not None:
            found["network"] = netns
        if host["PidMode"] != "host":
            found["pid"] = self._of_other(host["PidMode"], "pid", "PID")
        if host["IpcMode"] != "host":
            found["ipc"] = self._of_other(host["IpcMode"], "ipc", "IPC")
        if host["UTSMode"] != "host" and (
            host["UTSMode"] == "private" or not host["NetworkMode"].startswith("container:")
        ):
            found["uts"] = ""
        elif host["UTSMode"] != "host":
            found["uts"] = self._of_other(host["NetworkMode"], "uts", "network")
        if host["CgroupnsMode"] == "private":
            found["cgroup"] = ""
        return found

    def _of_other(self, mode: str, kind: str, word: str) -> str:
        """The namespace of container:X, "" for a new one. Raises NotFound, Conflict."""
        if not mode.startswith("container:"):
            return ""
        reference = mode.removeprefix("container:")
        other = self._boxes.find(reference)
        if other is None:
            raise NotFound(what=f"No such container: {reference}", why="")
        status = self._dock.runtime.find(other.id)
        if status is None or not status.pid or not other.state.is_running:
            raise Conflict(what=f"cannot join {word} namespace of a non running container: {other.id}", why="")
        if kind == "ipc" and other.container.host_config["IpcMode"] != "shareable":
            words = f"non-shareable IPC (hint: use IpcMode:shareable for the donor container): {other.id}"
            raise Conflict(what=words, why="", status=400)
        return f"/proc/{status.pid}/ns/{kind}"

    async def _shared_memory(self, box: Box) -> str:
        mode = box.container.host_config["IpcMode"]
        if mode == "host":
            return "/dev/shm"  # noqa: S108
        if mode.startswith("container:"):
            other = self._boxes.find(mode.removeprefix("container:"))
            return str(self._dock.folder_of(other.id) / "shm") if other else ""
        if mode != "shareable":
            return ""
        path = str(self._dock.folder_of(box.id) / "shm")
        await asyncio.to_thread(_make_shm_blocking, path, int(box.container.host_config["ShmSize"]))
        return path

    async def _binds(self, box: Box) -> list[Bind]:
        binds = [Bind("tmpfs", target, options, "tmpfs") for target, options in tmpfs_binds(box.container.host_config)]
        binds += [await self._bind(point) for point in box.container.mounts]
        if self._also is not None:
            binds += await self._also(box)
        taken = {bind.target for bind in binds}
        for source, target in self._name_files(box):
            if target not in taken:
                binds.append(Bind(source, target, ("rbind", "rprivate", "rw")))
        return sorted(binds, key=lambda bind: bind.target.count("/"))

    async def _bind(self, point: MountPoint) -> Bind:
        if point.kind == "tmpfs":
            return Bind("tmpfs", point.destination, tmpfs_options(point), "tmpfs")
        source = point.source
        if point.kind == "volume":
            source = await self._volumes.ready(point.name)
            if point.subpath:
                source = f"{source}/{point.subpath}"
        else:
            await asyncio.to_thread(bind_source_blocking, source, make=True)
        return Bind(source, point.destination, bind_options(point))

    def _name_files(self, box: Box) -> list[tuple[str, str]]:
        owner, mode = box, box.container.network_mode
        if mode.startswith("container:"):
            owner = self._boxes.find(mode.removeprefix("container:")) or box
        folder = self._dock.folder_of(owner.id)
        return [(str(folder / name), f"/etc/{name}") for name in ("hosts", "hostname", "resolv.conf")]


def release_blocking(folder: str) -> None:
    """Take off the mounts of a container's own folder: shared memory, namespaces."""
    for point in reversed(mount_points(folder)):
        unmount_blocking(point)


def _make_shm_blocking(path: str, size_bytes: int) -> None:
    Path(path).mkdir(parents=True, exist_ok=True)
    if not is_mount_blocking(path):
        mount_tmpfs_blocking(path, size_bytes=size_bytes, mode=0o1777)


def _devices_blocking(host: Value) -> list[Device]:
    found = list(every_device_blocking()) if host["Privileged"] else []
    taken = {device.path for device in found}
    return found + [device for device in asked_devices_blocking(host["Devices"] or ()) if device.path not in taken]


def _fill_rates_blocking(host: Value) -> None:
    for name in (*_RATES, "BlkioWeightDevice"):
        for entry in host[name] or ():
            numbers = numbers_blocking(entry.get("Path") or "")
            if numbers is not None:
                entry["Major"], entry["Minor"] = numbers
