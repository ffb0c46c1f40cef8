"""Speaking with the supervisor of a platform, starting one, and ending what one left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from maru.boot.holding import held_blocking, holder
from maru.boot.link import open_log, rotate
from maru.boot.site_file import read
from maru.boot.supervisor import WorkerStatus
from maru.cli.log_lines import fields_of
from maru.core.errors import Denied, NotFound, Unavailable
from maru.core.site import DEFAULT_DATA_DIR

POLL_S = 0.02
STOP_DEADLINE_S = 40.0
STRAGGLER_GRACE_S = 8.0
COMMAND_WAIT_S = 20.0
COMMAND_LOCK = "run/command.lock"


def ask(data_dir: Path, question: str) -> Sequence[WorkerStatus]:
    """Put one question (status, stop, hasten). Raises Unavailable when no supervisor answers, Denied."""
    path = data_dir / "run" / "supervisor.sock"
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5.0)
            link.connect(str(path))
            link.sendall(question.encode() + b"\n")
            answer = b"".join(iter(lambda: link.recv(65536), b""))
    except PermissionError as error:
        raise Denied(what=str(path), why="it is root's", fix="run it as root: sudo maru ...") from error
    except TimeoutError as error:
        pid = supervisor_pid(data_dir)
        why = f"its supervisor, process {pid}, does not answer"
        raise Unavailable(what="Maru", why=why, fix=f"kill {pid}, then run `maru up`") from error
    except OSError as error:
        fix = f"run `maru up{folder_option(data_dir)}`"
        raise Unavailable(what="Maru", why=f"it is not running in {data_dir}", fix=fix) from error
    return msgspec.json.decode(answer, type=list[WorkerStatus])


def is_running(data_dir: Path) -> bool:
    """True when a supervisor answers."""
    try:
        ask(data_dir, "status")
    except Unavailable:
        return False
    return True


def supervisor_pid(data_dir: Path) -> int:
    """The supervisor's process number, 0 when there is none."""
    return holder(data_dir / "run" / "supervisor.lock")


def folder_option(data_dir: Path) -> str:
    """What a person adds to a command so that it means this folder; empty for the default one."""
    return "" if data_dir == DEFAULT_DATA_DIR else f" --data-dir {data_dir}"


@contextmanager
def at_work(data_dir: Path, command: str) -> Iterator[None]:
    """Let only one command at a time change the platform of a folder that exists. Raises Unavailable, Denied."""
    what = f"maru {command}"
    with held_blocking(data_dir / COMMAND_LOCK, what, wait_s=COMMAND_WAIT_S):
        yield


def must_be_root(data_dir: Path, command: str) -> None:
    """Raises Denied for others, NotFound where no platform stands."""
    read(data_dir)
    if not (data_dir / "run").is_dir():
        raise NotFound(what=f"{data_dir / 'run'}", why="the folder is gone", fix=f"mkdir -m 700 {data_dir / 'run'}")
    if os.geteuid() != 0:
        raise Denied(what=f"maru {command}", why="Maru runs as root", fix=f"run it as root: sudo maru {command}")


def start(data_dir: Path, *, foreground: bool) -> int:
    """Start the supervisor; answers its pid. In the foreground the terminal's Ctrl-C reaches it."""
    path = data_dir / "log" / "supervisor.log"
    try:
        rotate(path)
        log = open_log(path)
    except OSError as error:
        raise Unavailable(what=str(path), why=error.strerror or str(error), fix="make the folder writable") from error
    try:
        child = subprocess.Popen(
            _python("maru.boot.supervisor", data_dir),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=not foreground,
            cwd="/",
            env=_environment(),
        )
    finally:
        os.close(log)
    return child.pid


def last_words(data_dir: Path) -> str:
    """Why the supervisor ended, as far as its log tells."""
    try:
        lines = (data_dir / "log" / "supervisor.log").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    last = lines[-1] if lines else ""
    return str(fields_of(last).get("why", last))


def stop(data_dir: Path) -> bool:
    """Stop all workers, also those a dead supervisor left; False when none ran. Raises Unavailable if they stay."""
    try:
        workers = ask(data_dir, "stop")
    except Unavailable:
        workers = []
    give_up_at = time.monotonic() + STOP_DEADLINE_S
    while workers and (pid := supervisor_pid(data_dir)):
        if time.monotonic() > give_up_at:
            pids = " ".join(str(pid) for pid in (pid, *(worker.pid for worker in workers)) if pid)
            raise Unavailable(
                what="stopping Maru",
                why=f"its workers did not end within {STOP_DEADLINE_S:.0f} s",
                fix=f"kill -9 {pids}, then `maru down` again",
            )
        time.sleep(POLL_S)
    return _end_stragglers(data_dir) or bool(workers)


def tear_down(data_dir: Path) -> None:
    """Take containers, mounts and networks away, in a process of its own. Raises Unavailable."""
    done = subprocess.run(
        _python("maru.boot.tear_down", data_dir),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=_environment(),
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


def _end_stragglers(data_dir: Path) -> bool:
    """End processes that hold a lock of this platform; whether there were any."""
    locks = [path for path in (data_dir / "run").glob("*.lock") if path.name != Path(COMMAND_LOCK).name]
    give_up_at = time.monotonic() + STRAGGLER_GRACE_S
    is_any = False
    while pids := [pid for path in locks if (pid := holder(path))]:
        is_late = time.monotonic() > give_up_at
        for pid in pids if is_late or not is_any else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if is_late else signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)  # a stopped one hears nothing else
        is_any = True
        time.sleep(POLL_S)
    return is_any


def _python(module: str, data_dir: Path) -> list[str]:
    # -P: the folder that a person happens to stand in holds no modules of ours.
    return [sys.executable, "-P", "-m", module, str(data_dir)]


def _environment() -> dict[str, str]:
    """The shell's, with this very maru to import from wherever the processes stand."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
