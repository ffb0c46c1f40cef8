"""kill -9 of every process of Maru while docker containers run: they go on, no line is lost, codes are right.

MARU_CRASH_LINES_S makes the log longer than the short form's.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maru.boot.holding import holder
from tests.clients.platform import Platform, port_offset
from tests.clients.test_docker_containers import NONE, Docker

OFFSET = port_offset(3)
CONTAINERS = 20
LINES_S = float(os.environ.get("MARU_CRASH_LINES_S", "3"))
# A thousand lines a second: a hundred at once, ten times a second.
TALK = (
    "i=0; while [ ! -e /stop ]; do n=0; while [ $n -lt 100 ]; do echo $i; i=$((i+1)); n=$((n+1)); done; "
    "sleep 0.1; done; echo end $i; exit 3"
)


@pytest.fixture
def own() -> Iterator[Platform]:
    if os.geteuid() != 0:
        pytest.skip("a platform needs root")
    if shutil.which("docker") is None:
        pytest.skip("the docker command is not installed")
    running = Platform(Path(f"/tmp/maru-dcrash-{os.getpid()}"), OFFSET)
    running.up()
    yield running
    running.maru("reset", "--yes")
    running.data_dir.rmdir()


def test_containers_outlive_all_of_maru_and_nothing_of_them_is_lost(own: Platform) -> None:
    docker = Docker(own)
    docker("run", "-d", "--name", "talk", *NONE, "busybox", "sh", "-c", TALK)
    for number in range(CONTAINERS - 1):
        wait = f"while [ ! -e /stop ]; do sleep 0.1; done; exit {number}"
        docker("run", "-d", "--name", f"quiet{number}", *NONE, "busybox", "sh", "-c", wait)
    pids = {name: _pid(docker, name) for name in docker("ps", "--format", "{{.Names}}").split()}
    assert len(pids) == CONTAINERS
    root = Path(f"/proc/{pids['talk']}/root")
    time.sleep(LINES_S / 2)  # some of the log is from before
    for pid in (holder(own.data_dir / "run" / "supervisor.lock"), *own.workers().values()):
        os.kill(pid, signal.SIGKILL)
    assert docker.run("ps").returncode != 0
    for name in ("quiet0", "quiet1", "quiet2"):
        (Path(f"/proc/{pids[name]}/root") / "stop").touch()  # these end while nobody looks
    time.sleep(LINES_S / 2)  # and some of it from between
    own.up()
    assert {name: _pid(docker, name) for name in docker("ps", "--format", "{{.Names}}").split()} == {
        name: pid for name, pid in pids.items() if name not in ("quiet0", "quiet1", "quiet2")
    }
    for number in range(CONTAINERS - 1):
        if number > 2:
            (Path(f"/proc/{pids[f'quiet{number}']}/root") / "stop").touch()
        assert docker("wait", f"quiet{number}") == str(number)
    (root / "stop").touch()
    assert docker("wait", "talk") == "3"
    *lines, last = docker("logs", "talk").splitlines()
    assert last == f"end {len(lines)}"
    assert lines == [str(number) for number in range(len(lines))]
    assert len(lines) > 500 * LINES_S
    docker("rm", "-f", *pids)


def _pid(docker: Docker, name: str) -> int:
    return int(docker("inspect", "-f", "{{.State.Pid}}", name))
