"""conmon, the small process that holds a container and outlives every process of ours.

It is started in its own session and control group, with relative paths only, so that its command
line does not name our folders and nobody who ends "everything of Maru" by name ends containers.
It tells how the start went through a pipe, and the end by a file in the exit folder.
Source: conmon(8), and its pipes: _OCI_SYNCPIPE, _OCI_STARTPIPE, _OCI_ATTACHPIPE.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from maru.components.engine.engine.oci import ENVIRONMENT, OciRuntime, message_of
from maru.core.errors import Deadline, Invalid, Unavailable
from maru.linux.cgroups import Cgroups
from maru.linux.processes import Command, open_process, readable, send_signal, spawn, start_time_ticks

_LINE_BYTES_MAX = 64 * 1024
_ROUNDS_MAX = 5  # a process that is ended may just have made another one
_END_DEADLINE_S = 1.0


class _Word(msgspec.Struct):
    """One line of the sync pipe: api version 0 says `pid`, version 1 says `data`."""

    pid: int = -1
    number: int = msgspec.field(name="data", default=-1)
    message: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """How to start conmon. cwd: its folder (bundle of a container, folder of an exec); arguments: beyond the common."""

    conmon: str
    runtime: OciRuntime
    container_id: str
    cwd: Path
    arguments: Sequence[str] = field(default_factory=tuple)
    is_exec: bool = False


class SyncPipe:
    """The lines conmon writes about a start and, for an exec, its end."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._buffer = b""

    async def next(self) -> tuple[int, str] | None:
        """The next number (pid or exit code, -1 for failure) and message; None at the end."""
        while b"\n" not in self._buffer:
            try:
                chunk = os.read(self._descriptor, _LINE_BYTES_MAX)
            except BlockingIOError:
                await readable(self._descriptor)
                continue
            if not chunk or len(self._buffer) > _LINE_BYTES_MAX:
                return None
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        word = msgspec.json.decode(line, type=_Word)
        return max(word.pid, word.number), word.message

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(slots=True)
class Held:
    """A started conmon. sync: its pipe; `go` lets an exec begin once somebody is attached."""

    sync: SyncPipe
    start_pipe: int

    def go(self) -> None:
        """Let it begin."""
        os.write(self.start_pipe, b"0")

    def close(self) -> None:
        """Close our ends; the holder goes on. Idempotent."""
        self.sync.close()
        if self.start_pipe >= 0:
            os.close(self.start_pipe)
            self.start_pipe = -1


@asynccontextmanager
async def held(holding: Holding, cgroups: Cgroups, group: str, deadline_s: float) -> AsyncIterator[Held]:
    """Start conmon in control group `group`. For a container its runtime is creating it by then; an
    exec waits for `go`. Our pipe ends close with the scope. Raises Unavailable, Deadline.
    """
    with _Pipes() as pipes:
        env = {**ENVIRONMENT, "_OCI_SYNCPIPE": str(pipes.sync_out), "_OCI_STARTPIPE": str(pipes.start_in)}
        if holding.is_exec:
            env["_OCI_ATTACHPIPE"] = str(pipes.attach_out)
        log = os.open(holding.cwd / "holder.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            passed = (pipes.sync_out, pipes.start_in, pipes.attach_out)
            args = _command_line(holding)
            child = await spawn(Command(args, env, cwd=str(holding.cwd), stdout=log, stderr=log, pass_fds=passed))
        finally:
            os.close(log)
        pipes.close_far_ends()
        try:
            await asyncio.to_thread(cgroups.add_blocking, group, child.pid)
            taken = Held(SyncPipe(pipes.take_sync()), pipes.take_start())
        except BaseException:
            child.kill()  # before its start pipe closes, which it would take for a go
            await child.wait()
            raise
        try:
            taken.go()
            async with asyncio.timeout(deadline_s):
                code = await child.wait()
                if code == 0 and holding.is_exec:
                    await SyncPipe(pipes.attach_in).next()
            if code != 0:
                said = message_of((holding.cwd / "holder.log").read_bytes())
                raise Unavailable(what="conmon", why=said, fix="")
            yield taken
        except TimeoutError as error:
            child.kill()
            raise Deadline(what="conmon", why=f"no answer in {deadline_s} s", fix="") from error
        finally:
            taken.close()


async def started(held_now: Held, what: str, deadline_s: float) -> int:
    """The number of the process that was made. Raises Invalid with the runtime's own words, Deadline."""
    try:
        async with asyncio.timeout(deadline_s):
            word = await held_now.sync.next()
    except TimeoutError as error:
        raise Deadline(what=what, why=f"the runtime did not answer in {deadline_s} s", fix="") from error
    if word is None:
        raise Unavailable(what=what, why="its holder ended without a word", fix="look at holder.log in its folder")
    number, message = word
    if number <= 0:
        raise Invalid(what=what, why=message_of(message.encode()), fix="correct the specification")
    return number


def end_unknown_holder(folder: Path) -> None:
    """End the holder, and what it was making, of a start that failed before anybody noted their numbers."""
    for name in ("holder.pid", "pid"):
        try:
            pid = int((folder / name).read_text())
        except (OSError, ValueError):
            continue
        ticks = start_time_ticks(pid)
        if ticks is not None and _works_in(pid, folder):
            send_signal(pid, ticks, signal.SIGKILL)


def end_workers_blocking(folder: Path) -> None:
    """End every process that works in a container's folder, and wait for that: of a start that was broken off
    nobody may know the numbers, and what goes on would make anew what is cleared away."""
    for _ in range(_ROUNDS_MAX):
        found = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
        working = [pid for pid in found if _works_in(pid, folder)]
        if not working:
            return
        for pid in working:
            descriptor = open_process(pid, start_time_ticks(pid) or 0)
            if descriptor is not None:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                select.select([descriptor], [], [], _END_DEADLINE_S)
                os.close(descriptor)


def _works_in(pid: int, folder: Path) -> bool:
    # A number in a file may be anybody's by now; ours stands in its folder, or has its root beneath it.
    try:
        places = [Path(f"/proc/{pid}/{name}").readlink() for name in ("cwd", "root")]
    except OSError:
        return False
    return any(place.is_relative_to(folder) for place in places)


def _command_line(holding: Holding) -> Sequence[str]:
    runtime = holding.runtime
    runtime_arguments = (*runtime.prefix[1:], f"--root={runtime.root}")
    return [
        holding.conmon,
        f"--cid={holding.container_id}",
        f"--runtime={runtime.prefix[0]}",
        *(f"--runtime-arg={argument}" for argument in runtime_arguments),
        "--bundle=.",
        "--container-pidfile=pid",
        "--conmon-pidfile=holder.pid",
        "--full-attach",
        "--no-sync-log",
        "--log-level=warning",
        *holding.arguments,
    ]


class _Pipes:
    """Three pipes whose ends are closed unless somebody takes them."""

    def __init__(self) -> None:
        self.sync_in, self.sync_out = os.pipe()
        self.start_in, self.start_out = os.pipe()
        self.attach_in, self.attach_out = os.pipe()
        self._open = {self.sync_in, self.sync_out, self.start_in, self.start_out, self.attach_in, self.attach_out}

    def __enter__(self) -> _Pipes:
        return self

    def __exit__(self, *_: object) -> None:
        self._close(*self._open)

    def close_far_ends(self) -> None:
        self._close(self.sync_out, self.start_in, self.attach_out)

    def take_sync(self) -> int:
        self._open.discard(self.sync_in)
        return self.sync_in

    def take_start(self) -> int:
        self._open.discard(self.start_out)
        return self.start_out

    def _close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            if descriptor in self._open:
                self._open.discard(descriptor)
                os.close(descriptor)
