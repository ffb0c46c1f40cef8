"""Processes run in a container beside its own: interactive ones held by conmon, short ones directly.

A short one (a probe) needs no holder: the runtime runs it and hands on its exit code; the pid file
tells "it ended badly" from "it could not be started". Source: runc-exec(8), crun(1) exec.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from maru.components.engine.engine.content import disk_errors
from maru.components.engine.engine.holder import Held, Holding, held, started
from maru.components.engine.engine.machine import Machine
from maru.components.engine.engine.oci import ENVIRONMENT, OciRuntime, message_of
from maru.components.engine.engine.sessions import Ending, HolderSession, connect
from maru.components.engine.model.specification import adapt_process
from maru.contracts.runtime import ExecSpec
from maru.core.document import Value
from maru.core.errors import Deadline, Invalid
from maru.core.ids import Ids
from maru.core.lifecycle import Background
from maru.linux.processes import Command, run, send_signal, start_time_ticks

OUTPUT_BYTES_MAX = 16 * 1024  # of a probe, as the contract says
START_DEADLINE_S = 30.0
CODE_UNKNOWN = 255


class Runner:
    """Runs processes in containers. folder: holds one folder per exec while it lasts; made and emptied here."""

    def __init__(self, folder: Path, machine: Machine, ids: Ids, tasks: Background) -> None:
        self._folder = folder
        self._machine = machine
        self._ids = ids
        self._tasks = tasks

    async def clear(self) -> None:
        """Remove what execs of an earlier process left."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True)

    async def open(self, runtime: OciRuntime, container_id: str, spec: ExecSpec) -> HolderSession:
        """An interactive process. Raises Invalid when the command cannot be started."""
        folder = await self._prepare(spec.process, terminal=spec.terminal)
        async with AsyncExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            holder = await stack.enter_async_context(
                held(
                    self._holding(runtime, container_id, folder, spec),
                    self._machine.cgroups,
                    self._machine.holder_group,
                    START_DEADLINE_S,
                )
            )
            connection = connect(folder)
            try:
                holder.go()
                pid = await started(holder, f"exec in {container_id[:12]}", START_DEADLINE_S)
            except BaseException:
                connection.close()
                raise
            live = _Exec(pid, start_time_ticks(pid) or 0)
            ending = Ending(live.wait, live.end, pid)
            session = HolderSession(connection, folder, ending, stdin=spec.stdin)
            self._tasks.start(live.follow(holder, stack.pop_all()), f"exec {folder.name}")
            return session

    async def run(self, runtime: OciRuntime, container_id: str, process: Value, deadline_s: float) -> tuple[int, bytes]:
        """Run to the end: exit code and output. Raises Deadline (it is killed then), Invalid."""
        folder = await self._prepare(process, terminal=False)
        pid_file = folder / "pid"
        arguments = ("exec", f"--pid-file={pid_file}", f"--process={folder / 'process.json'}", container_id)
        command = Command([*runtime.prefix, f"--root={runtime.root}", *arguments], ENVIRONMENT, cwd="/")
        try:
            # Its process is ended first, so that the runtime can reap it: an orphan would hold up the
            # end of the whole container until somebody else does.
            finished = await run(command, deadline_s, OUTPUT_BYTES_MAX, end=lambda: _kill_by_file(pid_file))
            if not pid_file.exists():
                why = message_of(finished.output)
                raise Invalid(what=f"exec in {container_id[:12]}", why=why, fix="check the command")
            return finished.code if finished.code >= 0 else 128 - finished.code, finished.output
        except TimeoutError as error:
            why = f"it ran longer than {deadline_s:g} s"
            raise Deadline(what=f"exec in {container_id[:12]}", why=why, fix="") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _holding(self, runtime: OciRuntime, container_id: str, folder: Path, spec: ExecSpec) -> Holding:
        arguments = [
            f"--cuuid={folder.name}",
            f"--name={folder.name}",
            "--exec",
            "--exec-attach",
            "--api-version=1",
            "--exec-process-spec=process.json",
            "--log-path=none:",
            *(["--terminal"] if spec.terminal else []),
            *(["--stdin"] if spec.stdin else []),
        ]
        return Holding(self._machine.conmon, runtime, container_id, folder, arguments, is_exec=True)

    async def _prepare(self, process: Value, *, terminal: bool) -> Path:
        folder = self._folder / self._ids.uid().replace("-", "")
        adapted = adapt_process(process, self._machine.grant, terminal=terminal)
        try:
            with disk_errors(f"exec {folder.name[:12]}"):
                await asyncio.to_thread(_write_blocking, folder, adapted)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
            raise
        return folder


class _Exec:
    """A process of an exec, until its holder has told the exit code."""

    def __init__(self, pid: int, ticks: int) -> None:
        self._pid = pid
        self._ticks = ticks
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    async def end(self) -> None:
        """Kill it, if it has not ended by itself."""
        if not self._code.done() and self._ticks:
            send_signal(self._pid, self._ticks, signal.SIGKILL)

    async def follow(self, holder: Held, scope: AsyncExitStack) -> None:
        """Wait for the code, then for the holder's end; `scope` removes what it stood on."""
        async with scope:
            try:
                word = await holder.sync.next()
                if not self._code.done():
                    self._code.set_result(word[0] if word is not None else CODE_UNKNOWN)
                if word is not None:
                    await holder.sync.next()
            finally:
                if not self._code.done():
                    self._code.set_result(CODE_UNKNOWN)


def _write_blocking(folder: Path, process: Value) -> None:
    folder.mkdir(mode=0o700)
    (folder / "process.json").write_bytes(msgspec.json.encode(process))


def _kill_by_file(pid_file: Path) -> None:
    """End the process of a pid file, if it still runs: the runtime's own end does not end it."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    ticks = start_time_ticks(pid)
    if ticks is not None:
        send_signal(pid, ticks, signal.SIGKILL)
