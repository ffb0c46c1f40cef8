"""The container runtime: overlay roots, an OCI runtime that starts, conmon that holds.

A container is a folder: its record, its bundle, its overlay and the holder's sockets. Everything that
changes a container takes its lock; reading is of memory. Source: contracts/runtime.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal as signals
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from maru.components.engine.engine import execs
from maru.components.engine.engine.containers import (
    SCRAP_DEADLINE_S,
    Container,
    Containers,
    moment_text,
    mount_root_blocking,
)
from maru.components.engine.engine.holder import Holding, end_workers_blocking, held, started
from maru.components.engine.engine.logs import reopen
from maru.components.engine.engine.machine import Machine
from maru.components.engine.engine.oci import OciRuntime, begin_blocking, message_of
from maru.components.engine.engine.record import Record, write
from maru.components.engine.engine.sessions import Ending, HolderSession, connect
from maru.components.engine.model.specification import adapt
from maru.contracts.runtime import (
    BlockFigure,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ExecSpec,
    RuntimeChoice,
    Session,
    Usage,
)
from maru.core.clock import Clock
from maru.core.document import Value
from maru.core.errors import AlreadyExists, Conflict, Invalid, NotSupported, Unavailable
from maru.linux.cgroups import BlockUsage, Cgroups, group_of
from maru.linux.files import reason_of
from maru.linux.processes import is_running, send_signal, start_time_ticks

_ID = re.compile(r"[0-9a-f]{64}")


class Runtime:
    """The contract `ContainerRuntime` on this machine."""

    def __init__(self, machine: Machine, containers: Containers, runner: execs.Runner, clock: Clock) -> None:
        self._machine = machine
        self._containers = containers
        self._runner = runner
        self._clock = clock

    def choices(self) -> Sequence[RuntimeChoice]:
        return self._machine.choices()

    async def create(self, container: ContainerSpec) -> ContainerStatus:
        if not _ID.fullmatch(container.id):
            raise Invalid(what=f"container id {container.id!r}", why="it is not 64 hex digits", fix="")
        folder = self._containers.folder / container.id
        if self._containers.find(container.id) is not None or folder.exists():
            raise AlreadyExists(what=f"container {container.id[:12]}", why="there is one of that id", fix="")
        entry = Container(folder, self._record(container))
        self._containers.reserve(entry)
        try:
            async with entry.lock:
                await asyncio.to_thread(self._lay_out_blocking, entry, container)
                if not container.is_laid_out_only:
                    await self._launch(entry)
                entry.record.phase = "created"
                await self._containers.write(entry)
                if not container.is_laid_out_only:
                    self._containers.watch_holder(entry)
                return entry.status
        except BaseException as error:
            self._containers.drop(container.id)
            await asyncio.shield(self._scrap(entry))
            if isinstance(error, OSError):
                what = f"container {container.id[:12]}"
                raise Unavailable(what=what, why=reason_of(error), fix="", status=500) from error
            raise

    async def start(self, container_id: str) -> ContainerStatus:
        entry = self._containers.want(container_id)
        async with entry.lock:
            record = entry.record
            if record.is_laid_out:
                raise Conflict(what=f"container {container_id[:12]}", why="it is not launched", fix="")
            if record.exit_code is not None and record.started_at:
                await self._launch_again(entry)
            elif record.started_at or record.exit_code is not None:
                raise Conflict(what=f"container {container_id[:12]}", why=f"it is {entry.status.state}", fix="")
            # `start` opens the fifo only: it needs no view of control groups, and so no wrapping.
            plain = OciRuntime(record.runtime, self._runtime(record).prefix[-1:], self._runtime(record).root)
            record.started_at = moment_text(self._clock.now())
            if not await asyncio.to_thread(begin_blocking, plain, container_id):
                finished = await plain.call("start", container_id)
                if finished.code != 0 and record.exit_code is None:
                    record.started_at = ""
                    raise Invalid(what=f"container {container_id[:12]}", why=message_of(finished.output), fix="")
            await self._containers.save(entry)
            return entry.status

    async def launch(self, container_id: str, spec: Value) -> ContainerStatus:
        entry = self._containers.want(container_id)
        async with entry.lock:
            record = entry.record
            if not record.is_laid_out and record.exit_code is None:
                raise Conflict(what=f"container {container_id[:12]}", why=f"it is {entry.status.state}", fix="")
            adapted = adapt(spec, self._machine.grant, root=str(entry.root), terminal=record.terminal)
            await asyncio.to_thread(_write_config_blocking, entry.folder, adapted)
            record.cgroup = spec.get("linux", {}).get("cgroupsPath", "")
            await self._launch_again(entry)
            return entry.status

    async def kill(self, container_id: str, signal: int, *, all_processes: bool = False) -> None:
        entry = self._containers.want(container_id)
        self._kill(entry, signal)
        if all_processes and entry.record.cgroup:
            for pid in self._machine.cgroups.processes(entry.record.cgroup):
                ticks = start_time_ticks(pid)
                if ticks is not None and pid != entry.record.pid:
                    send_signal(pid, ticks, signal)

    async def pause(self, container_id: str) -> None:
        await self._freeze(container_id, "pause", ContainerState.RUNNING)

    async def resume(self, container_id: str) -> None:
        await self._freeze(container_id, "resume", ContainerState.PAUSED)

    async def update_resources(self, container_id: str, resources: Value) -> None:
        entry = self._live(container_id, ContainerState.RUNNING, ContainerState.PAUSED, ContainerState.CREATED)
        async with entry.lock:
            runtime = self._runtime(entry.record)
            finished = await runtime.call("update", "--resources=-", container_id, stdin=msgspec.json.encode(resources))
            if finished.code != 0:
                why = message_of(finished.output)
                raise Invalid(what=f"resources of {container_id[:12]}", why=why, fix="")

    async def remove(self, container_id: str) -> None:
        entry = self._containers.find(container_id)
        if entry is None:
            return
        async with entry.lock:
            if self._containers.find(container_id) is not entry:
                return
            await self._end(entry)
            self._containers.drop(container_id)
            await asyncio.shield(self._scrap(entry))

    async def rest(self, container_id: str, grace_s: float) -> None:
        """End a container (SIGTERM, then SIGKILL) and let go of all it holds but its folder. Idempotent."""
        entry = self._containers.want(container_id)
        async with entry.lock:
            if not entry.record.is_laid_out and entry.record.exit_code is None:
                if entry.is_paused:
                    self._machine.cgroups.thaw(entry.record.cgroup)
                self._kill(entry, signals.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace_s):
                        await entry.ended.wait()
            await self._end(entry)
            if not entry.record.is_laid_out:
                await self._containers.until_holder_ended(entry)
                await self._runtime(entry.record).call("delete", "--force", container_id)
            await asyncio.to_thread(self._containers.let_go_blocking, entry)

    def find(self, container_id: str) -> ContainerStatus | None:
        entry = self._containers.find(container_id)
        return entry.status if entry is not None and entry.record.phase == "created" else None

    def list(self, owner: str = "") -> Sequence[ContainerStatus]:
        made = [entry for entry in self._containers.all() if entry.record.phase == "created"]
        return [entry.status for entry in made if not owner or entry.record.owner == owner]

    def stacks_in_use(self) -> Sequence[Sequence[str]]:
        """The layer folders of every container, lowest first."""
        return [entry.record.layers for entry in self._containers.all()]

    def images_in_use(self) -> Sequence[tuple[str, Sequence[str]]]:
        """The image of every container, "" where it is not known, and its layer folders."""
        return [(entry.record.image, entry.record.layers) for entry in self._containers.all()]

    def exits(self) -> AsyncIterator[ContainerStatus]:
        return self._containers.exits()

    async def wait(self, container_id: str) -> ContainerStatus:
        entry = self._containers.want(container_id)
        await entry.ended.wait()
        return entry.status

    async def exec(self, container_id: str, spec: ExecSpec) -> Session:
        entry = self._live(container_id, ContainerState.RUNNING)
        return await self._runner.open(self._runtime(entry.record), container_id, spec)

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        entry = self._live(container_id, ContainerState.RUNNING, ContainerState.CREATED)

        async def wait() -> int:
            await entry.ended.wait()
            code = entry.record.exit_code
            return code if code is not None else 128 + signals.SIGKILL

        async def detach() -> None:
            return

        ending = Ending(wait, detach)
        return HolderSession(connect(entry.folder), entry.folder, ending, stdin=stdin and entry.record.stdin)

    async def exec_sync(self, container_id: str, process: Value, deadline_s: float) -> tuple[int, bytes]:
        entry = self._live(container_id, ContainerState.RUNNING)
        return await self._runner.run(self._runtime(entry.record), container_id, process, deadline_s)

    async def reopen_log(self, container_id: str) -> None:
        entry = self._containers.want(container_id)
        if entry.record.log_path and entry.record.exit_code is None:
            await reopen(entry.folder, entry.record.log_path)

    def usage(self, container_id: str) -> Usage | None:
        entry = self._containers.find(container_id)
        if entry is None or entry.record.exit_code is not None or entry.record.is_laid_out:
            return None
        found = self._machine.cgroups.usage(entry.record.cgroup)
        if found is None:
            return None
        return Usage(
            cpu_ns=found.cpu_ns,
            memory_bytes=found.memory_bytes,
            memory_working_set_bytes=max(0, found.memory_bytes - found.inactive_file_bytes),
            pids=found.pids,
            cpu_user_ns=found.cpu_user_ns,
            cpu_system_ns=found.cpu_system_ns,
            memory_limit_bytes=found.memory_limit_bytes,
            pids_limit=found.pids_limit,
            memory=found.memory,
            block_bytes=_figures(found.block_bytes),
            block_requests=_figures(found.block_requests),
            throttling=found.throttling,
        )

    def _record(self, container: ContainerSpec) -> Record:
        name = container.runtime or self._machine.default
        if name not in self._machine.runtimes:
            why = self._machine.missing.get(name, "there is no runtime of that name")
            fix = f"choose {' or '.join(sorted(self._machine.runtimes))}"
            raise NotSupported(what=f"runtime {name!r}", why=why, fix=fix)
        return Record(
            id=container.id,
            owner=container.owner,
            boot=self._containers.boot,
            runtime=name,
            cgroup=container.spec.get("linux", {}).get("cgroupsPath", ""),
            created_at=moment_text(self._clock.now()),
            labels=dict(container.labels),
            layers=list(container.layers),
            log_path=container.log_path,
            log_bytes_max=container.log_bytes_max,
            log_files_max=container.log_files_max,
            is_laid_out=container.is_laid_out_only,
            terminal=container.terminal,
            stdin=container.stdin,
            stdin_once=container.stdin_once,
            image=container.image,
        )

    def _lay_out_blocking(self, entry: Container, container: ContainerSpec) -> None:
        folder = entry.folder
        for path, mode in ((folder, 0o711), (folder / "upper", 0o755), (folder / "work", 0o700), (entry.root, 0o755)):
            path.mkdir(mode=mode)
        write(folder, entry.record)
        if container.log_path:
            log = Path(container.log_path)
            log.parent.mkdir(parents=True, exist_ok=True)
            (folder / "log").symlink_to(log.parent)
        mount_root_blocking(entry)
        if not container.is_laid_out_only:
            spec = adapt(container.spec, self._machine.grant, root=str(entry.root), terminal=container.terminal)
            _write_config_blocking(folder, spec)

    async def _launch(self, entry: Container) -> None:
        """Have the holder and the container made; the record knows them afterwards."""
        record = entry.record
        deadline_s = self._machine.create_deadline_s
        arguments = [f"--name={record.id[:12]}", f"--cuuid={record.id}", f"--exit-dir={self._containers.exits_folder}"]
        log = f"log/{Path(record.log_path).name}" if record.log_path else ""
        arguments.append(f"--log-path=k8s-file:{log}" if log else "--log-path=none:")
        arguments += ["--terminal"] if record.terminal else []
        arguments += ["--stdin"] if record.stdin else []
        arguments += ["--leave-stdin-open"] if record.stdin and not record.stdin_once else []
        holding = Holding(self._machine.conmon, self._runtime(record), record.id, entry.folder, arguments)
        what = f"container {record.id[:12]}"
        async with held(holding, self._machine.cgroups, self._machine.holder_group, deadline_s) as holder:
            record.pid = await started(holder, what, deadline_s)
        record.pid_ticks = start_time_ticks(record.pid) or 0
        record.holder_pid = int((entry.folder / "holder.pid").read_text())
        record.holder_ticks = start_time_ticks(record.holder_pid) or 0
        record.cgroup = group_of(record.pid, self._machine.cgroups) or record.cgroup

    async def _launch_again(self, entry: Container) -> None:
        """A container that exited gets a new life on the file system it left."""
        record = entry.record
        before = msgspec.structs.replace(record)
        if not record.is_laid_out:
            await self._containers.until_holder_ended(entry)
            await self._containers.until_written()  # the end of the run before takes the exit file with it
            await self._runtime(record).call("delete", "--force", record.id)
        await asyncio.to_thread(self._clear_remains_blocking, entry)
        record.started_at = record.finished_at = record.reason = ""
        record.exit_code, record.oom_killed, record.boot = None, False, self._containers.boot
        ended, entry.ended = entry.ended, asyncio.Event()
        try:
            await self._launch(entry)
        except BaseException:
            entry.record, entry.ended = before, ended
            raise
        record.is_laid_out = False
        await self._containers.save(entry)
        self._containers.watch_holder(entry)

    def _clear_remains_blocking(self, entry: Container) -> None:
        for name in ("oom", "attach", "ctl", "winsz", "pid", "holder.pid"):
            (entry.folder / name).unlink(missing_ok=True)
        if not os.path.ismount(entry.root):
            mount_root_blocking(entry)

    async def _freeze(self, container_id: str, verb: str, state: ContainerState) -> None:
        entry = self._live(container_id, state)
        async with entry.lock:
            finished = await self._runtime(entry.record).call(verb, container_id)
            if finished.code != 0 and entry.record.exit_code is None:
                raise Unavailable(what=f"{verb} of {container_id[:12]}", why=message_of(finished.output), fix="")
            entry.is_paused = verb == "pause" and entry.record.exit_code is None

    def _kill(self, entry: Container, signal: int) -> None:
        record = entry.record
        if record.exit_code is not None or record.is_laid_out:
            return
        if signal == signals.SIGKILL and entry.is_paused:
            self._machine.cgroups.thaw(record.cgroup)
            entry.is_paused = False
        send_signal(record.pid, record.pid_ticks, signal)

    async def _end(self, entry: Container) -> None:
        record = entry.record
        if record.is_laid_out:
            return
        self._kill(entry, signals.SIGKILL)
        try:
            async with asyncio.timeout(SCRAP_DEADLINE_S):
                await entry.ended.wait()
        except TimeoutError as error:
            if is_running(record.pid, record.pid_ticks):
                why = "its process does not end"
                raise Unavailable(what=f"container {record.id[:12]}", why=why, fix="look for a hung mount") from error

    async def _scrap(self, entry: Container) -> None:
        """Take everything away; the entry is no longer registered."""
        if not entry.record.is_laid_out:
            await self._containers.until_holder_ended(entry)
        if entry.record.phase != "created":
            await asyncio.to_thread(end_workers_blocking, entry.folder)
        if entry.record.cgroup:
            await asyncio.to_thread(_kill_all_blocking, self._machine.cgroups, entry.record.cgroup)
        await self._containers.scrap(entry.folder, entry.record.cgroup, self._runtime(entry.record))

    def _runtime(self, record: Record) -> OciRuntime:
        return self._machine.runtimes[record.runtime]

    def _live(self, container_id: str, *states: ContainerState) -> Container:
        entry = self._containers.want(container_id)
        state = entry.status.state
        if state not in states or entry.record.is_laid_out:
            why = f"it is {state}"
            raise Conflict(what=f"container {container_id[:12]}", why=why, fix="")
        return entry


def _kill_all_blocking(cgroups: Cgroups, group: str) -> None:
    for pid in cgroups.processes(group):
        ticks = start_time_ticks(pid)
        if ticks is not None:
            send_signal(pid, ticks, signals.SIGKILL)


def _figures(found: Sequence[BlockUsage]) -> Sequence[BlockFigure]:
    return [BlockFigure(each.major, each.minor, each.operation, each.count) for each in found]


def _write_config_blocking(folder: Path, spec: Value) -> None:
    config = folder / "config.json"
    config.touch(mode=0o600)  # the environment in it may hold secrets
    config.write_bytes(msgspec.json.encode(spec))
