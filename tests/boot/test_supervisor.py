"""The supervisor's side of a worker, with small programs that stand in for workers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from maru.boot import supervisor
from maru.boot.link import open_log, reopen, rotate
from maru.boot.supervisor import EXIT_CANNOT, Worker, WorkerStatus

READY_AND_WAIT = """
import os, signal, socket, sys
link = socket.socket(fileno=int(sys.argv[1]))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
link.send(b"ready\\n")
link.recv(64)
"""
FAIL = "import sys; print('the reason', file=sys.stderr); sys.exit(3)"
CANNOT = f"import sys; print('no way', file=sys.stderr); sys.exit({EXIT_CANNOT})"
WRITE_AND_REOPEN = """
import socket, sys
from pathlib import Path
from maru.boot.link import reopen
link = socket.socket(fileno=int(sys.argv[1]))
print("x" * 5000, flush=True)
link.send(b"ready\\n")
while link.recv(64):
    reopen(Path(sys.argv[2]))
    print("in the fresh one", flush=True)
"""


async def until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0)


@asynccontextmanager
async def kept(program: str, log: Path, log_bytes_max: int = 1 << 20) -> AsyncIterator[Worker]:
    """A worker that runs `program`; stopped when the scope is left."""
    command = (sys.executable, "-c", program)
    worker = Worker(WorkerStatus("stand-in", ()), command, log, log_bytes_max)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop()
        await running
        assert worker.status.state == "stopped"


async def test_a_worker_is_ready_when_it_says_so_and_ends_when_told(tmp_path: Path) -> None:
    async with kept(READY_AND_WAIT, tmp_path / "log" / "w.log") as worker:
        await until(lambda: worker.status.state == "ready")
        pid = worker.status.pid
    assert not Path(f"/proc/{pid}").exists()
    assert worker.status.restarts == 0
    assert (tmp_path / "log" / "w.log").stat().st_mode & 0o777 == 0o600


async def test_a_killed_worker_comes_back(tmp_path: Path) -> None:
    async with kept(READY_AND_WAIT, tmp_path / "log" / "w.log") as worker:
        await until(lambda: worker.status.state == "ready")
        first = worker.status.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: worker.status.state == "ready" and worker.status.pid != first)
        assert worker.status.restarts == 1
        assert worker.status.problem == ""


async def test_a_failing_worker_is_tried_ever_more_seldom_and_its_words_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_BASE_S", 0.001)
    async with kept(FAIL, tmp_path / "log" / "w.log") as worker:
        await until(lambda: worker.status.restarts >= 3)
        assert worker.status.problem == "the reason"
        assert not worker.status.is_hopeless
    said = capsys.readouterr().err
    assert [f'"again_in_s":{delay_s}' in said for delay_s in (0.001, 0.002, 0.004)] == [True] * 3


async def test_a_worker_that_cannot_start_waits_long_unless_hastened(tmp_path: Path) -> None:
    async with kept(CANNOT, tmp_path / "log" / "w.log") as worker:
        await until(lambda: worker.status.is_hopeless and worker.status.state == "waiting")
        assert worker.status.problem == "no way"
        worker.hasten()
        await until(lambda: worker.status.restarts == 2)


async def test_a_worker_is_stopped_while_it_waits_to_be_tried_again(tmp_path: Path) -> None:
    async with asyncio.timeout(10), kept(CANNOT, tmp_path / "log" / "w.log") as worker:
        await until(lambda: worker.status.state == "waiting")
    assert worker.status.restarts == 1


async def test_a_log_over_its_bound_is_moved_while_it_is_written_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOG_CHECK_S", 0.01)
    log = tmp_path / "log" / "w.log"
    program = WRITE_AND_REOPEN.replace("sys.argv[2]", repr(str(log)))
    async with kept(program, log, log_bytes_max=4000) as worker:
        await until(lambda: log.exists() and "in the fresh one" in log.read_text())
        assert log.with_suffix(".log.1").read_text().startswith("xxx")
        assert worker.status.restarts == 0


def test_standard_output_and_error_go_to_the_fresh_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log" / "a.log"
    kept_out, kept_error = os.dup(1), os.dup(2)
    try:
        os.close(open_log(path))
        path.write_text("x" * 10)
        assert not rotate(path, 10)
        assert rotate(path, 9)
        reopen(path)
        os.write(1, b"out ")
        os.write(2, b"error")
    finally:
        os.dup2(kept_out, 1)
        os.dup2(kept_error, 2)
        os.close(kept_out)
        os.close(kept_error)
    assert path.read_text() == "out error"
