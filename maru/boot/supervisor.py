"""The supervisor: keeps the workers running, and knows nothing of what they do.

It starts each worker with one end of a socket pair, restarts one that dies (with growing delay),
keeps their logs bounded, and answers `maru status`, `restart` and `down` on a unix socket with one
JSON line per question. It imports as little as it can: it is a process of its own all the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.boot.processes import layout
from maru.boot.site_file import read

BACKOFF_BASE_S = 0.2
BACKOFF_MAX_S = 20.0
STABLE_S = 30.0  # a worker that ran this long starts again without delay
STOP_GRACE_S = 8.0
LOG_BYTES_MAX = 8 * 1024 * 1024
EXIT_CANNOT = 78


class WorkerStatus(msgspec.Struct):
    """What `maru status` shows. state: starting, ready, waiting or stopped; since: unix seconds."""

    name: str
    parts: Sequence[str]
    state: str = "starting"
    pid: int = 0
    restarts: int = 0
    since: float = 0.0
    problem: str = ""


class Worker:
    """One worker process and its way back."""

    def __init__(self, name: str, parts: Sequence[str], data_dir: Path) -> None:
        self.status = WorkerStatus(name, parts)
        self._data_dir = data_dir
        self._child: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def run(self) -> None:
        """Start, and start again, until `stop`."""
        delay_s = BACKOFF_BASE_S
        while not self._stopping:
            began = time.monotonic()
            code = await self._once()
            if self._stopping:
                break
            if time.monotonic() - began > STABLE_S:
                delay_s = BACKOFF_BASE_S
            self.status.restarts += 1
            self.status.problem = self.status.problem or f"ended with {_words(code)}"
            self._set("waiting")
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, BACKOFF_MAX_S)
        self._set("stopped")

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after the grace."""
        self._stopping = True
        child = self._child
        if child is None or child.returncode is not None:
            return
        child.terminate()
        try:
            await asyncio.wait_for(child.wait(), STOP_GRACE_S)
        except TimeoutError:
            child.kill()
            await child.wait()

    async def _once(self) -> int:
        ours, theirs = socket.socketpair()
        log_path = self._data_dir / "log" / f"{self.status.name}.log"
        _rotate(log_path)
        with ours, theirs, log_path.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "maru.boot.worker",
                self.status.name,
                str(self._data_dir),
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            theirs.close()
            self.status.pid = self._child.pid
            self._set("starting")
            ready = asyncio.create_task(self._await_ready(ours))
            code = await self._child.wait()
            ready.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ready
        self.status.pid = 0
        self.status.problem = "" if code == 0 else _last_problem(log_path)
        return code

    async def _await_ready(self, ours: socket.socket) -> None:
        ours.settimeout(0)
        if await asyncio.get_running_loop().sock_recv(ours, 64):
            self.status.problem = ""
            self._set("ready")

    def _set(self, state: str) -> None:
        self.status.state = state
        self.status.since = time.time()


class Supervisor:
    """All workers of one platform, and the socket it is spoken to on."""

    def __init__(self, data_dir: Path) -> None:
        told = read(data_dir)
        self._data_dir = data_dir
        self._layout = layout(one=told.processes_one, only=told.only)
        self._workers = [Worker(name, parts, data_dir) for name, parts in self._layout.items()]
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
            for worker in reversed(self._workers):
                await worker.stop()
        path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = (await reader.readline()).strip()
            if question == b"stop":
                self._stop.set()
            answer = msgspec.json.encode([worker.status for worker in self._workers])
            writer.write(answer + b"\n")
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()


def _rotate(path: Path) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.1"))


def _words(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _last_problem(log_path: Path) -> str:
    with log_path.open("rb") as log:
        log.seek(max(0, log_path.stat().st_size - 4096))
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def main() -> int:
    """`python -m maru.boot.supervisor DATA_DIR`."""
    data_dir = Path(sys.argv[1])
    os.chdir("/")
    asyncio.run(Supervisor(data_dir).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
