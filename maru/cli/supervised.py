"""Speaking with the supervisor of a platform, and starting one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.boot.supervisor import WorkerStatus
from maru.core.errors import Unavailable

POLL_S = 0.02
STOP_DEADLINE_S = 40.0


def ask(data_dir: Path, question: str) -> Sequence[WorkerStatus]:
    """Put one question (status, stop). Raises Unavailable when no supervisor answers."""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5.0)
            link.connect(str(data_dir / "run" / "supervisor.sock"))
            link.sendall(question.encode() + b"\n")
            answer = b"".join(iter(lambda: link.recv(65536), b""))
    except OSError as error:
        raise Unavailable(what="Maru", why=f"it is not running in {data_dir}", fix="run `maru up`") from error
    return msgspec.json.decode(answer, type=list[WorkerStatus])


def is_running(data_dir: Path) -> bool:
    """True when a supervisor answers."""
    try:
        ask(data_dir, "status")
    except Unavailable:
        return False
    return True


def start(data_dir: Path, *, foreground: bool) -> int:
    """Start the supervisor; answers its pid. In the foreground the terminal's Ctrl-C reaches it."""
    (data_dir / "log").mkdir(exist_ok=True, mode=0o700)
    with (data_dir / "log" / "supervisor.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "maru.boot.supervisor", str(data_dir)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=not foreground,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    return child.pid


def stop(data_dir: Path) -> bool:
    """Stop all workers; False when none ran. Raises Unavailable if they do not end."""
    try:
        workers = ask(data_dir, "stop")
    except Unavailable:
        return False
    give_up_at = time.monotonic() + STOP_DEADLINE_S
    while is_running(data_dir):
        if time.monotonic() > give_up_at:
            pids = " ".join(str(worker.pid) for worker in workers if worker.pid)
            raise Unavailable(
                what="stopping Maru", why=f"its workers did not end within {STOP_DEADLINE_S:.0f} s", fix=f"kill {pids}"
            )
        time.sleep(POLL_S)
    return True


def tear_down(data_dir: Path) -> None:
    """Take containers, mounts and networks away, in a process of its own. Raises Unavailable."""
    done = subprocess.run(
        [sys.executable, "-m", "maru.boot.tear_down", str(data_dir)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        why = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        raise Unavailable(what="taking the workloads away", why=why, fix="run `maru down` again, then `maru doctor`")


def wait_interrupted(pid: int) -> int:
    """Wait for a foreground supervisor; SIGTERM and SIGINT are passed on. Answers its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: os.kill(pid, received))
    while True:
        try:
            _, status = os.waitpid(pid, 0)
        except InterruptedError:
            continue
        return os.waitstatus_to_exitcode(status)
