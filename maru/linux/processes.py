"""Processes: started without copying this one, waited for without signals, told apart from later
ones of the same number.

Children are watched by pidfd, so no SIGCHLD handler is needed and any event loop will do. A process
is named by its number and its start time, since numbers are used again.
Source: pidfd_open(2), proc(5) `/proc/pid/stat` field 22.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

READ_BYTES = 64 * 1024
END_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to start. env: complete; pass_fds: descriptors it inherits under the same numbers.

    stdin, stdout, stderr: descriptors, or subprocess.DEVNULL.
    """

    args: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None = None
    stdin: int = subprocess.DEVNULL
    stdout: int = subprocess.DEVNULL
    stderr: int = subprocess.DEVNULL
    pass_fds: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended. code: 0..255, or minus the signal. output: stdout and stderr as they came."""

    code: int
    output: bytes


class Child:
    """A process of ours, leader of its own session."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    async def wait(self) -> int:
        """Its exit code, minus the signal if one ended it."""
        if self._process.poll() is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                await readable(descriptor)
            finally:
                os.close(descriptor)
        return self._process.wait()

    def kill(self) -> None:
        """SIGKILL to its whole process group; nothing if it has ended."""
        if self._process.poll() is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                self._process.kill()


class Output:
    """What comes out of a pipe: the first `bytes_max` bytes are kept, the rest is read and dropped."""

    def __init__(self, descriptor: int, bytes_max: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._bytes_max = bytes_max
        self.kept = b""

    async def read_to_end(self) -> None:
        """Until every writer has closed its end."""
        while not self.read_ready():
            await readable(self._descriptor)

    def read_ready(self) -> bool:
        """Read what is there now; True at the end."""
        while True:
            try:
                chunk = os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                return False
            if not chunk:
                return True
            self.kept += chunk[: self._bytes_max - len(self.kept)]


async def spawn(command: Command) -> Child:
    """Start `command` in a session of its own. Raises OSError when it cannot be executed."""
    started = asyncio.get_running_loop().run_in_executor(None, _spawn_blocking, command)
    try:
        return await asyncio.shield(started)
    except asyncio.CancelledError:
        child = await started
        child.kill()
        await child.wait()
        raise


async def run(
    command: Command,
    deadline_s: float,
    output_bytes_max: int = 1 << 20,
    stdin: bytes = b"",
    end: Callable[[], None] | None = None,
) -> Finished:
    """Run to the end; stdout and stderr go to one pipe, of which the first bytes are kept.

    `stdin` (at most 64 KiB, what a pipe holds) is given to it. What a descendant writes after the
    command's own end is not waited for. Raises TimeoutError after `deadline_s`; the process group is
    dead then. `end`, if given, is called first and the command has END_GRACE_S to end because of it.
    """
    pipe_in, pipe_out = os.pipe(), os.pipe()
    closed: set[int] = set()
    try:
        os.write(pipe_in[1], stdin)
        os.close(pipe_in[1])
        closed.add(pipe_in[1])
        child = await spawn(
            Command(command.args, command.env, command.cwd, pipe_in[0], pipe_out[1], pipe_out[1], command.pass_fds)
        )
        os.close(pipe_out[1])
        closed.add(pipe_out[1])
        output = Output(pipe_out[0], output_bytes_max)
        reading = asyncio.create_task(output.read_to_end())
        try:
            async with asyncio.timeout(deadline_s):
                code = await child.wait()
            output.read_ready()
            return Finished(code, output.kept)
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            await _end(child, end)
    finally:
        for descriptor in (*pipe_in, *pipe_out):
            if descriptor not in closed:
                os.close(descriptor)


async def _end(child: Child, end: Callable[[], None] | None) -> None:
    if end is not None and not child.has_ended:
        end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_GRACE_S):
                await child.wait()
    child.kill()
    await child.wait()


async def readable(descriptor: int) -> None:
    """When `descriptor` can be read. One waiter per descriptor."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


async def writable(descriptor: int) -> None:
    """When `descriptor` can be written to. One waiter per descriptor."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(descriptor, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)


def start_time_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks after boot; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def is_running(pid: int, started_ticks: int) -> bool:
    """Whether that very process still runs (a zombie does not)."""
    return pid > 0 and start_time_ticks(pid) == started_ticks


def open_process(pid: int, started_ticks: int) -> int | None:
    """A pidfd for that very process, which the caller closes; None if it has ended."""
    if pid <= 0:
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if is_running(pid, started_ticks):
        return descriptor
    os.close(descriptor)
    return None


def send_signal(pid: int, started_ticks: int, number: int) -> bool:
    """Send a signal to that very process; False if it has ended."""
    descriptor = open_process(pid, started_ticks)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def boot_id() -> str:
    """A name for this boot of the machine: start times and process numbers mean nothing beyond it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _spawn_blocking(command: Command) -> Child:
    process = subprocess.Popen(
        list(command.args),
        env=dict(command.env),
        cwd=command.cwd,
        stdin=command.stdin,
        stdout=command.stdout,
        stderr=command.stderr,
        pass_fds=tuple(command.pass_fds),
        start_new_session=True,
    )
    return Child(process)
