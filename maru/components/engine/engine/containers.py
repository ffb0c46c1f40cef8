"""The containers of this machine in memory and on disk, and the news of their exits.

A container's exit is a file that its holder writes; a folder watch brings it here within
milliseconds, and after a restart of ours the files tell what was missed. The holder itself is watched
by pidfd: should it die, the container goes on, and only its exit code is lost.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from maru.components.engine.engine.holder import end_unknown_holder
from maru.components.engine.engine.oci import OciRuntime
from maru.components.engine.engine.record import Record, read, write
from maru.contracts.runtime import ContainerStatus
from maru.core.clock import Clock
from maru.core.errors import NotFound, Unavailable
from maru.core.log import Log
from maru.linux.cgroups import Cgroups
from maru.linux.inotify import FolderWatch
from maru.linux.mounts import Overlay, mount_overlay_blocking, mount_points, unmount_blocking
from maru.linux.processes import boot_id, is_running, open_process, readable, send_signal

EXIT_UNKNOWN = 255
SCRAP_DEADLINE_S = 10.0
HOLDER_GRACE_S = 2.0
REASON_HOLDER = "its holder was killed: the exit code is not known"
REASON_REBOOT = "the machine went down"


@dataclass(slots=True)
class Container:
    """One container. lock: taken by whatever changes it; ended: set once it has exited."""

    folder: Path
    record: Record
    is_paused: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def status(self) -> ContainerStatus:
        return self.record.status(root_path=str(self.root), is_paused=self.is_paused)


class Containers:
    """All containers; `folder` holds containers/<id>/. Use `open` before anything else.

    exits_folder: where holders leave exit codes; on another file system than `folder` if possible, so
    that a full disk loses none.
    """

    def __init__(self, folder: Path, exits_folder: Path, clock: Clock, cgroups: Cgroups) -> None:
        self.folder = folder / "containers"
        self.exits_folder = exits_folder
        self.boot = boot_id()
        self._clock = clock
        self._cgroups = cgroups
        self._log = Log("engine")
        self._by_id: dict[str, Container] = {}
        self._listeners: set[asyncio.Queue[ContainerStatus]] = set()
        self._pidfds: dict[int, str] = {}
        self._watch: FolderWatch | None = None
        # Replacing a file takes the disk's time, not the loop's; one thread keeps the order of records.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="records")
        self._written: asyncio.Future[bool] | None = None  # the newest of them

    async def open(self, runtimes: Mapping[str, OciRuntime]) -> None:
        """Take over what is there: adopt what runs, note what ended, clear what was half made."""
        await asyncio.to_thread(self._make_folders_blocking)
        self._watch = FolderWatch(str(self.exits_folder))
        for folder in sorted(await asyncio.to_thread(lambda: list(self.folder.iterdir()))):
            record = await asyncio.to_thread(read, folder)
            if record is None or record.phase != "created":
                runtime = runtimes.get(record.runtime if record else "") or next(iter(runtimes.values()))
                await self.scrap(folder, record.cgroup if record else "", runtime)
                continue
            container = Container(folder, record)
            self._by_id[record.id] = container
            await self._adopt(container, runtimes)
        for file in await asyncio.to_thread(lambda: list(self.exits_folder.iterdir())):
            if file.name not in self._by_id:
                file.unlink(missing_ok=True)

    async def follow(self) -> None:
        """Turn exit files into news, until cancelled."""
        assert self._watch is not None
        async for name in self._watch.names():
            for container_id in [name] if name else list(self._by_id):
                container = self._by_id.get(container_id)
                if container is not None:
                    self._look(container)

    def close(self) -> None:
        """Stop watching; the containers go on."""
        loop = asyncio.get_running_loop()
        for descriptor in list(self._pidfds):
            loop.remove_reader(descriptor)
            os.close(descriptor)
        self._pidfds.clear()
        if self._watch is not None:
            self._watch.close()
        self._writer.shutdown(wait=True)

    def find(self, container_id: str) -> Container | None:
        return self._by_id.get(container_id)

    def want(self, container_id: str) -> Container:
        """Raises NotFound."""
        container = self._by_id.get(container_id)
        if container is None or container.record.phase != "created":
            raise NotFound(what=f"container {container_id[:12]}", why="there is none of that id", fix="")
        return container

    def all(self) -> Sequence[Container]:
        return list(self._by_id.values())

    def reserve(self, container: Container) -> None:
        """Register a container that is about to be made: its id and its groups are taken from now on."""
        self._by_id[container.record.id] = container

    async def until_holder_ended(self, container: Container) -> None:
        """The holder still writes after the exit file; it is given a moment, then it is ended."""
        record = container.record
        descriptor = open_process(record.holder_pid, record.holder_ticks)
        if descriptor is None:
            return
        try:
            async with asyncio.timeout(HOLDER_GRACE_S):
                await readable(descriptor)
        except TimeoutError:
            send_signal(record.holder_pid, record.holder_ticks, signal.SIGKILL)
            await readable(descriptor)
        finally:
            os.close(descriptor)

    def drop(self, container_id: str) -> None:
        """Forget a container that was removed."""
        container = self._by_id.pop(container_id, None)
        if container is not None:
            container.ended.set()

    def exits(self) -> AsyncIterator[ContainerStatus]:
        """Exits from now on."""
        queue: asyncio.Queue[ContainerStatus] = asyncio.Queue()
        self._listeners.add(queue)
        return self._exits(queue)

    def watch_holder(self, container: Container) -> None:
        """Notice the holder's end, also without an exit file."""
        record = container.record
        self._when_ended(record.holder_pid, record.holder_ticks, container)

    async def write(self, container: Container) -> None:
        """Write the record down, as it is now. Raises OSError."""
        await asyncio.get_running_loop().run_in_executor(self._writer, write, container.folder, container.record)

    async def save(self, container: Container) -> None:
        """Write the record down. Should the disk not take it, what is in memory goes on counting, and after a
        restart the holder's and the runtime's own files tell the same."""
        try:
            await self.write(container)
        except OSError as error:
            self._log.error("a container's record was not written", container=container.record.id, error=str(error))

    async def until_written(self) -> None:
        """Ends noted until now are on disk, and their exit files gone."""
        if self._written is not None:
            await asyncio.wait([self._written])

    async def scrap(self, folder: Path, cgroup: str, runtime: OciRuntime) -> None:
        """Take away whatever stands of a container: runtime state, processes, mounts, cgroup, folder."""
        await self.until_written()
        end_unknown_holder(folder)
        await runtime.call("delete", "--force", folder.name)
        await asyncio.to_thread(self._scrap_blocking, folder, cgroup)
        # On the loop's thread, where containers are also reserved: no group goes while one is made in it.
        used = {group for container in self.all() for group in parents(container.record.cgroup)}
        for group in parents(cgroup):
            if group not in used:
                self._cgroups.remove_empty(group)

    async def _adopt(self, container: Container, runtimes: Mapping[str, OciRuntime]) -> None:
        record = container.record
        if record.owner != "pods" and not os.path.ismount(container.root):
            await asyncio.to_thread(mount_root_blocking, container)
        if record.is_laid_out:
            return
        if record.exit_code is not None:
            container.ended.set()
            return
        if record.boot != self.boot:
            self._ended(container, EXIT_UNKNOWN, self._now(), REASON_REBOOT)
            return
        if not record.started_at:
            await self._learn_start(container, runtimes)
        if self._look(container):
            return
        container.is_paused = self._cgroups.is_frozen(record.cgroup)
        self.watch_holder(container)

    async def _learn_start(self, container: Container, runtimes: Mapping[str, OciRuntime]) -> None:
        """We went down between `created` and the note of the start: the runtime's fifo tells which."""
        record = container.record
        runtime = runtimes.get(record.runtime)
        fifo = Path(runtime.root, record.id, "exec.fifo") if runtime else None
        if fifo is not None and not fifo.exists():
            record.started_at = record.created_at
            await self.save(container)

    def _look(self, container: Container) -> bool:
        """Note the exit if there is one. True once the container has ended."""
        record = container.record
        if record.exit_code is not None:
            return True
        file = self.exits_folder / record.id
        if file.exists() and (text := file.read_text().strip()):
            self._ended(container, int(text), stamp_ns_text(file.stat().st_mtime_ns), "")
            return True
        if not is_running(record.pid, record.pid_ticks):
            # Its holder, if that lives, is about to write the exit file.
            if is_running(record.holder_pid, record.holder_ticks):
                return False
            self._ended(container, EXIT_UNKNOWN, self._now(), REASON_HOLDER)
            return True
        return False

    def _when_ended(self, pid: int, ticks: int, container: Container) -> None:
        descriptor = open_process(pid, ticks)
        if descriptor is None:
            self._process_ended(container)
            return
        self._pidfds[descriptor] = container.record.id
        asyncio.get_running_loop().add_reader(descriptor, self._pidfd_ready, descriptor, container)

    def _pidfd_ready(self, descriptor: int, container: Container) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        del self._pidfds[descriptor]
        self._process_ended(container)

    def _process_ended(self, container: Container) -> None:
        record = container.record
        if self._by_id.get(record.id) is not container or self._look(container):
            return
        self._log.warning("a container lost its holder", container=record.id, pid=record.pid)
        if is_running(record.pid, record.pid_ticks):
            self._when_ended(record.pid, record.pid_ticks, container)

    def _ended(self, container: Container, code: int, finished_at: str, reason: str) -> None:
        record = container.record
        record.exit_code = code
        record.finished_at = max(finished_at, record.started_at)  # times of files are a few milliseconds behind
        record.reason = reason
        record.oom_killed = (container.folder / "oom").exists() or self._cgroups.out_of_memory_kills(record.cgroup) > 0
        container.is_paused = False
        # Written behind: until it is, the exit file tells the same after a restart.
        loop = asyncio.get_running_loop()
        self._written = loop.run_in_executor(self._writer, self._note_end_blocking, container, replace(record))
        container.ended.set()
        for listener in self._listeners:
            listener.put_nowait(container.status)

    def _note_end_blocking(self, container: Container, record: Record) -> bool:
        try:
            write(container.folder, record)
        except OSError as error:  # the exit file stays
            if container.folder.exists():
                self._log.error("a container's end was not written", container=record.id, error=str(error))
            return False
        (self.exits_folder / record.id).unlink(missing_ok=True)
        return True

    async def _exits(self, queue: asyncio.Queue[ContainerStatus]) -> AsyncIterator[ContainerStatus]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    def let_go_blocking(self, container: Container) -> None:
        """Take a container that has ended off the machine, all but its folder."""
        for point in reversed(mount_points(str(container.folder))):
            unmount_blocking(point)
        if container.record.cgroup:
            self._cgroups.remove_blocking(container.record.cgroup)
            for group in parents(container.record.cgroup):
                self._cgroups.remove_empty(group)

    def _scrap_blocking(self, folder: Path, cgroup: str) -> None:
        for point in reversed(mount_points(str(folder))):
            unmount_blocking(point)
        (self.exits_folder / folder.name).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        if cgroup:
            self._cgroups.remove_blocking(cgroup)

    def _make_folders_blocking(self) -> None:
        for folder in (self.folder, self.exits_folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o711)

    def _now(self) -> str:
        return moment_text(self._clock.now())


def mount_root_blocking(container: Container) -> None:
    """Stack the container's layers at its root. Raises Unavailable."""
    folder = container.folder
    layers = list(container.record.layers)
    if not layers:
        (folder / "empty").mkdir(exist_ok=True)
        layers = [str(folder / "empty")]
    # What a Pod writes ends with it; only docker's containers are started again after a crash.
    volatile = container.record.owner == "pods"
    try:
        overlay = Overlay(layers, str(folder / "upper"), str(folder / "work"), volatile)
        mount_overlay_blocking(overlay, str(container.root))
    except (OSError, ValueError) as error:
        raise Unavailable(what=f"root of {folder.name[:12]}", why=str(error), fix="") from error


def parents(group: str) -> Sequence[str]:
    """The groups above one, nearest first, without the root."""
    return [str(parent) for parent in PurePosixPath(group).parents if parent.name]


def moment_text(moment: datetime) -> str:
    """RFC 3339 with nanoseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def stamp_ns_text(stamp_ns: int) -> str:
    """RFC 3339 with nanoseconds, from nanoseconds since 1970."""
    seconds, rest = divmod(stamp_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{rest:09d}Z"
