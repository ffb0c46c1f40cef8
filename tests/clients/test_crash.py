"""kill -9 of Maru's processes: what was acknowledged stays, what runs goes on, what was meant is done.

MARU_CRASH_CREATES=5000 makes the long form of the first test.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from maru.boot.holding import holder
from maru.boot.processes import PROCESSES
from maru.boot.site_file import read, site
from maru.core.site import Site
from tests.clients.platform import Kubectl, Platform, port_offset, wait_until
from tests.clients.rest import session

CREATES = int(os.environ.get("MARU_CRASH_CREATES", "600"))
KILLS = 2 if CREATES < 5000 else 8
WRITERS = 6
OFFSET = port_offset(2)
MAPS = "/api/v1/namespaces/default/configmaps"

COUNTER = """
apiVersion: v1
kind: Pod
metadata: {name: %(name)s, labels: {app: %(name)s}}
spec:
  terminationGracePeriodSeconds: 1
  restartPolicy: %(restart)s
  containers:
  - name: main
    image: busybox:latest
    imagePullPolicy: IfNotPresent
    command: [sh, -c, %(script)s]
"""
COUNT = "echo hello > /index.html; httpd -p 8080 -h /; i=0; while true; do echo $i; i=$((i+1)); sleep 0.05; done"
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: steady}
spec:
  selector: {app: steady}
  ports: [{port: 80, targetPort: 8080}]
"""


@pytest.fixture(scope="module")
def own() -> Iterator[Platform]:
    if os.geteuid() != 0:
        pytest.skip("a platform needs root")
    running = Platform(Path(f"/tmp/maru-crash-{os.getpid()}"), OFFSET)
    running.up()
    yield running
    running.maru("reset", "--yes")
    running.data_dir.rmdir()


@pytest.fixture
def kubectl(own: Platform) -> Kubectl:
    return Kubectl(own, "v36", "default")


@dataclass
class Book:
    """What the API acknowledged. versions: by object, the last one; total: creates that were answered with 201."""

    versions: dict[str, int] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)
    newest: int = 0
    counter_versions: list[int] = field(default_factory=list)

    def note(self, document: Any) -> None:
        meta = document["metadata"]
        version = int(meta["resourceVersion"])
        assert version > self.versions.get(meta["name"], 0), "an object's resourceVersion went back"
        self.versions[meta["name"]] = version
        self.uids[meta["name"]] = meta["uid"]
        self.newest = max(self.newest, version)


async def test_nothing_acknowledged_is_lost_and_what_runs_goes_on(
    own: Platform, kubectl: Kubectl, tmp_path: Path
) -> None:
    before = await asyncio.to_thread(_start_steady, own, kubectl)
    address = _cluster_ip(kubectl)
    book, stop = Book(), asyncio.Event()
    async with session(own, tmp_path) as api, asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(_create_all(api, book, range(writer, CREATES, WRITERS)))
        counting = tasks.create_task(_count_up(api, book, stop))
        for number in range(1, KILLS + 1):
            await _until_written(book, number * CREATES // (KILLS + 1))
            killed = await asyncio.to_thread(kill_all, own)
            assert len(killed) == len(PROCESSES) + 1  # and the supervisor
            await asyncio.to_thread(_assert_serves, address)
            await asyncio.to_thread(own.up)
        await _until_written(book, CREATES)
        stop.set()
        await counting
        listed = await _list(api)
    assert listed.pop("counter") >= book.counter_versions[-1]
    assert {name: uid for name, (uid, _) in listed.items()} == {
        name: uid for name, uid in book.uids.items() if name != "counter"
    }
    assert all(version >= book.versions[name] for name, (_, version) in listed.items())
    assert len(listed) == CREATES
    assert await asyncio.to_thread(_running, own, kubectl) == before
    numbers = [int(line) for line in kubectl("logs", "steady").split()]
    assert numbers == list(range(len(numbers))), "the container's log has a gap"


def test_deletions_and_exits_while_nobody_watches_are_caught_up_with(own: Platform, kubectl: Kubectl) -> None:
    kubectl.apply(_pod("leaving", "sleep 1000"))
    kubectl.apply(_pod("ending", "until [ -e /now ]; do sleep 0.05; done; exit 7", restart="Never"))
    kubectl("wait", "--for=condition=Ready", "pod/leaving", "pod/ending")
    leaving, ending = pids_of(own, "sleep 1000"), pids_of(own, "exit 7")
    os.kill(own.workers()["node"], signal.SIGSTOP)
    kubectl("delete", "pod", "leaving", "--wait=false")
    kill_all(own)
    Path(f"/proc/{ending[0]}/root/now").touch()
    wait_until(lambda: not pids_of(own, "exit 7"), "the container ends")
    assert pids_of(own, "sleep 1000") == leaving
    own.up()
    kubectl("wait", "--for=delete", "pod/leaving")
    assert pids_of(own, "sleep 1000") == []
    wait_until(lambda: kubectl.json("get", "pod", "ending")["status"]["phase"] == "Failed", "the exit is told")
    status = kubectl.json("get", "pod", "ending")["status"]["containerStatuses"][0]
    assert status["state"]["terminated"]["exitCode"] == 7
    kubectl("delete", "pod", "ending")


def test_a_killed_worker_starts_again_and_everything_settles(own: Platform, kubectl: Kubectl) -> None:
    before = _start_steady(own, kubectl)
    for name in ("node", "control", "edge"):
        pid = own.workers()[name]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda name=name, pid=pid: _is_ready(own, name, not_pid=pid), f"{name} is ready again")
        kubectl.apply(_pod(f"after-{name}", "sleep 1000"))
        kubectl("wait", "--for=condition=Ready", f"pod/after-{name}")
        kubectl("delete", "pod", f"after-{name}", "--wait=false")
    assert _running(own, kubectl) == before
    assert kubectl("exec", "steady", "--", "nslookup", "kubernetes.default.svc.cluster.local")


def test_workers_end_with_their_supervisor_and_status_says_so(own: Platform, kubectl: Kubectl) -> None:
    before = _start_steady(own, kubectl)
    workers = own.workers()
    os.kill(holder(own.data_dir / "run" / "supervisor.lock"), signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers.values()), "the workers end")
    told = own.maru("status", check=False)
    assert told.returncode == 1
    assert "it is not running" in told.stderr
    assert f"maru up --data-dir {own.data_dir}" in told.stderr
    own.up()
    assert _running(own, kubectl) == before
    assert own.maru("status").returncode == 0


def test_a_paused_worker_goes_on_where_it_was(own: Platform, kubectl: Kubectl) -> None:
    before, pids = _start_steady(own, kubectl), own.workers()
    os.kill(pids["node"], signal.SIGSTOP)
    kubectl.apply(_pod("late", "sleep 1000"))
    time.sleep(float(os.environ.get("MARU_CRASH_PAUSE_S", "2")))
    os.kill(pids["node"], signal.SIGCONT)
    kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=30s")
    assert _running(own, kubectl) == before
    assert own.workers() == pids
    kubectl("delete", "pod", "late", "--wait=false")


def test_pods_start_again_after_the_machine_did(own: Platform, kubectl: Kubectl) -> None:
    before, address = _start_steady(own, kubectl), _cluster_ip(kubectl)
    kill_all(own)
    power_off(site(own.data_dir, read(own.data_dir)))
    own.up()
    wait_until(lambda: _running(own, kubectl)[2] == 1, "the container was started a second time")
    kubectl("wait", "--for=condition=Ready", "pod/steady")
    container, pid, _ = _running(own, kubectl)
    assert (container, pid) != before[:2]
    _assert_serves(address)


def kill_all(platform: Platform) -> list[int]:
    """kill -9 of the supervisor and every worker at once; answers what was killed."""
    pids = [pid for path in (platform.data_dir / "run").glob("*.lock") if (pid := holder(path))]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(_is_alive(pid) for pid in pids), "the killed are gone")
    return pids


def power_off(here: Site) -> None:
    """What a machine that restarts forgets: processes, mounts, devices, rules, groups and /run."""
    for folder in Path("/proc").glob("[0-9]*"):
        if _group_text(folder).find(f"/{here.instance}/") >= 0:
            os.kill(int(folder.name), signal.SIGKILL)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for point in sorted((point for point in mounts if point.startswith(f"{here.data_dir}/")), reverse=True):
        subprocess.run(["umount", "-l", point], check=True)
    subprocess.run(["ip", "link", "delete", here.bridge], check=True)
    subprocess.run(["nft", "delete", "table", "ip", f"maru-{here.instance}"], check=True)
    for group in sorted(Path("/sys/fs/cgroup").glob(f"*/{here.instance}/**/"), reverse=True):
        wait_until(lambda group=group: _try_rmdir(group), f"{group} is removed")
    for state in Path("/run").glob("oci-*"):
        if (state / "exits").exists() and str(here.data_dir) in "".join(
            path.read_text(errors="replace") for path in state.glob("*/*/state.json")
        ):
            shutil.rmtree(state)
    shutil.rmtree(here.run_dir)
    here.run_dir.mkdir(mode=0o700)


def pids_of(platform: Platform, words: str) -> list[int]:
    """Processes of this platform's containers whose command line ends with `words`."""
    instance = site(platform.data_dir, read(platform.data_dir)).instance
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if line.endswith(words) and "conmon" not in line and f"/{instance}/pods/" in _group_text(folder):
            found.append(int(folder.name))
    return sorted(found)


def _start_steady(platform: Platform, kubectl: Kubectl) -> tuple[str, list[int], int]:
    kubectl.apply(f"{SERVICE}---{_pod('steady', COUNT)}")
    kubectl("wait", "--for=condition=Ready", "pod/steady")
    return _running(platform, kubectl)


def _running(platform: Platform, kubectl: Kubectl) -> tuple[str, list[int], int]:
    """(container id, pids of its first process, restarts) of the steady Pod."""
    (status,) = kubectl.json("get", "pod", "steady")["status"]["containerStatuses"]
    return status.get("containerID", ""), pids_of(platform, COUNT), status["restartCount"]


def _assert_serves(address: str) -> None:
    """The Service's address answers from the Pod, whether Maru runs or not."""

    def is_answered() -> bool:
        with socket.create_connection((address, 80), timeout=5) as link:
            link.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return link.makefile("rb").read().endswith(b"hello\n")

    wait_until(is_answered, "the Service answers")


def _cluster_ip(kubectl: Kubectl) -> str:
    return str(kubectl.json("get", "service", "steady")["spec"]["clusterIP"])


async def _create_all(api: aiohttp.ClientSession, book: Book, numbers: range) -> None:
    for number in numbers:
        name = f"map-{number}"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": str(number)}}
        while name not in book.uids:
            try:
                async with api.post(MAPS, json=body) as answer:
                    if answer.status == 201:
                        book.note(await answer.json())
                    elif answer.status == 409:  # written, and the answer was lost with the server
                        async with api.get(f"{MAPS}/{name}") as found:
                            book.note(await found.json())
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                await asyncio.sleep(0.05)


async def _count_up(api: aiohttp.ClientSession, book: Book, stop: asyncio.Event) -> None:
    """One object written again and again: its versions only grow, and no acknowledged count is lost."""
    path, count = f"{MAPS}/counter", 0
    await api.post(MAPS, json={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "counter"}})
    while not stop.is_set():
        try:
            async with api.get(path) as answer:
                seen = await answer.json()
            assert int(seen["metadata"]["resourceVersion"]) >= (book.counter_versions or [0])[-1]
            assert int(seen.get("data", {}).get("n", 0)) >= count
            patch = {"data": {"n": str(count + 1)}}
            headers = {"Content-Type": "application/merge-patch+json"}
            async with api.patch(path, data=msgspec.json.encode(patch), headers=headers) as answer:
                if answer.status == 200:
                    book.counter_versions.append(int((await answer.json())["metadata"]["resourceVersion"]))
                    count += 1
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            await asyncio.sleep(0.05)


async def _until_written(book: Book, count: int) -> None:
    async with asyncio.timeout(200):
        while len(book.uids) < count:
            await asyncio.sleep(0.005)


async def _list(api: aiohttp.ClientSession) -> Any:
    async with api.get(MAPS) as answer:
        listed = await answer.json()
    found = {
        item["metadata"]["name"]: (item["metadata"]["uid"], int(item["metadata"]["resourceVersion"]))
        for item in listed["items"]
        if item["metadata"]["name"].startswith("map-")
    }
    return {**found, "counter": int(listed["metadata"]["resourceVersion"])}


def _pod(name: str, script: str, restart: str = "Always") -> str:
    return COUNTER % {"name": name, "script": msgspec.json.encode(script).decode(), "restart": restart}


def _is_ready(platform: Platform, name: str, *, not_pid: int) -> bool:
    workers = msgspec.json.decode(platform.maru("status", "-o", "json", check=False).stdout)
    return any(w["name"] == name and w["state"] == "ready" and w["pid"] != not_pid for w in workers)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _group_text(folder: Path) -> str:
    try:
        return (folder / "cgroup").read_text()
    except OSError:
        return ""


def _try_rmdir(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
