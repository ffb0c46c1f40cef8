"""The supervisor: keeps the workers running, and knows nothing of what they do.

It starts each worker with one end of a socket pair, restarts one that dies (with growing delay),
keeps their logs bounded, and answers `maru status`, `restart` and `down` on a unix socket with one
JSON line per question. It imports as little as it can: it is a process of its own all the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from maru.boot.holding import held_blocking
from maru.boot.link import LOG_BYTES_MAX, REOPEN, log_path, open_log, rotate
from maru.boot.processes import layout
from maru.boot.site_file import read
from maru.core.errors import MaruError
from maru.core.log import Log

BACKOFF_BASE_S = 0.2
BACKOFF_MAX_S = 20.0
STABLE_S = 30.0  # a worker that ran this long starts again without delay
STOP_GRACE_S = 8.0
LOG_CHECK_S = 5.0
UMASK = 0o022  # whatever the shell had: secrets ask for 0600 themselves, workloads expect this
EXIT_CANNOT = 78  # EX_CONFIG of sysexits.h: starting again will not help until a person acts


class WorkerStatus(msgspec.Struct):
    """What `maru status` shows. state: starting, ready, waiting or stopped; since: unix seconds.

    is_hopeless: it said that it cannot start until a person acts; it is tried again, seldom.
    """

    name: str
    parts: Sequence[str]
    state: str = "starting"
    pid: int = 0
    restarts: int = 0
    since: float = 0.0
    problem: str = ""
    is_hopeless: bool = False


class Worker:
    """One worker process and its way back. command: what is started; the link's descriptor is added."""

    def __init__(self, status: WorkerStatus, command: Sequence[str], log: Path, log_bytes_max: int) -> None:
        self.status = status
        self._command = command
        self._log_path = log
        self._log_bytes_max = log_bytes_max
        self._log = Log("supervisor")
        self._child: asyncio.subprocess.Process | None = None
        self._stop = asyncio.Event()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Start, and start again, until `stop`."""
        delay_s = BACKOFF_BASE_S
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                code = await self._once()
            except OSError as error:  # no more processes, descriptors or disk
                code, self.status.problem = 1, f"cannot be started: {error}"
            if self._stop.is_set():
                break
            if time.monotonic() - began > STABLE_S:
                delay_s = BACKOFF_BASE_S
            self.status.restarts += 1
            self.status.problem = self.status.problem or f"ended with {_words(code)}"
            self.status.is_hopeless = code == EXIT_CANNOT
            if self.status.is_hopeless:
                delay_s = BACKOFF_MAX_S
            self._set("waiting")
            self._log.warning("worker ended", process=self.status.name, code=code, again_in_s=delay_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay_s)
            self._wake.clear()
            delay_s = min(delay_s * 2, BACKOFF_MAX_S)
        self._set("stopped")

    def hasten(self) -> None:
        """Forget what went wrong: a person has acted. One that waits starts now."""
        if self.status.state == "waiting":
            self.status.problem, self.status.is_hopeless, self.status.state = "", False, "starting"
            self._wake.set()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after the grace."""
        self._stop.set()
        self._wake.set()
        child = self._child
        if child is None or child.returncode is not None:
            return
        child.terminate()
        try:
            await asyncio.wait_for(child.wait(), STOP_GRACE_S)
        except TimeoutError:
            self._log.warning("worker killed", process=self.status.name, grace_s=STOP_GRACE_S)
            child.kill()
            await child.wait()

    async def _once(self) -> int:
        ours, theirs = socket.socketpair()
        rotate(self._log_path, self._log_bytes_max)
        log = open_log(self._log_path)
        ours.settimeout(0)
        with ours, theirs:
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *self._command,
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            finally:
                os.close(log)
            theirs.close()
            self.status.pid = self._child.pid
            self._set("starting")
            if self._stop.is_set():  # told while it was being started
                self._child.terminate()
            companions = [asyncio.create_task(self._await_ready(ours)), asyncio.create_task(self._bound_log(ours))]
            code = await self._child.wait()
            for companion in companions:
                companion.cancel()
            await asyncio.wait(companions)
        self.status.pid = 0
        self.status.problem = "" if code == 0 else _last_problem(self._log_path)
        return code

    async def _await_ready(self, ours: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):  # it died; its end is seen elsewhere
            if await asyncio.get_running_loop().sock_recv(ours, 64):
                self.status.problem, self.status.is_hopeless = "", False
                self._set("ready")

    async def _bound_log(self, ours: socket.socket) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_S)
            if rotate(self._log_path, self._log_bytes_max):
                with contextlib.suppress(BlockingIOError, ConnectionError):  # it hears of the next one
                    ours.send(REOPEN)

    def _set(self, state: str) -> None:
        self.status.state = state
        self.status.since = time.time()


class Supervisor:
    """All workers of one platform, and the socket it is spoken to on."""

    def __init__(self, data_dir: Path, processes: Mapping[str, Sequence[str]]) -> None:
        self._data_dir = data_dir
        self._workers = [
            Worker(
                WorkerStatus(name, parts),
                (sys.executable, "-P", "-m", "maru.boot.worker", name, str(data_dir)),
                log_path(data_dir, name),
                LOG_BYTES_MAX,
            )
            for name, parts in processes.items()
        ]
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM or a `stop` on the socket."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        path = self._data_dir / "run" / "supervisor.sock"
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, str(path))
        path.chmod(0o600)
        async with server, asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(worker.run())
            await self._stop.wait()
            # Edge and node first: they stand on control.
            *leaning, control = reversed(self._workers)
            await asyncio.gather(*(worker.stop() for worker in leaning))
            await control.stop()
        path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = (await reader.readline()).strip()
            if question == b"stop":
                self._stop.set()
            elif question == b"hasten":
                for worker in self._workers:
                    worker.hasten()
            answer = msgspec.json.encode([worker.status for worker in self._workers])
            writer.write(answer + b"\n")
            await writer.drain()
        except (ConnectionError, ValueError):  # gone, or more than a line
            return
        finally:
            writer.close()


def _words(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _last_problem(path: Path) -> str:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 4096))
            lines = log.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def main() -> int:
    """`python -m maru.boot.supervisor DATA_DIR`; a second one in a folder ends at once."""
    data_dir = Path(sys.argv[1])
    os.chdir("/")
    os.umask(UMASK)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # thousands of watches and connections
    told = read(data_dir)
    processes = layout(one=told.processes_one, only=told.only)
    try:
        with held_blocking(data_dir / "run" / "supervisor.lock", f"Maru in {data_dir}"):
            asyncio.run(Supervisor(data_dir, processes).run())
    except MaruError as error:
        Log("supervisor").error("cannot start", what=error.what, why=error.why, fix=error.fix)
        return EXIT_CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main())
