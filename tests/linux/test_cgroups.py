"""Control groups read and act the same whichever way they are mounted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from maru.linux.cgroups import UNIFIED, BlockUsage, Cgroups, GroupUsage, detect, group_of


def tree(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def figures(usage: GroupUsage | None) -> tuple[int, int, int, int]:
    assert usage is not None
    return usage.cpu_ns, usage.memory_bytes, usage.inactive_file_bytes, usage.pids


def test_usage_of_version_2(tmp_path: Path) -> None:
    files = {
        "pod/a/cpu.stat": "usage_usec 1500\nuser_usec 1\n",
        "pod/a/memory.current": "4096\n",
        "pod/a/memory.stat": "anon 1\ninactive_file 1024\n",
        "pod/a/memory.events": "oom 3\noom_kill 2\n",
        "pod/a/pids.current": "7\n",
        "pod/a/cgroup.freeze": "1\n",
    }
    tree(tmp_path, files)
    groups = Cgroups({UNIFIED: str(tmp_path)}, frozenset({"cpu", "memory", "pids"}))
    assert groups.is_unified
    assert figures(groups.usage("/pod/a")) == (1_500_000, 4096, 1024, 7)
    assert groups.usage("/pod/a").cpu_user_ns == 1000  # type: ignore[union-attr]
    assert groups.out_of_memory_kills("/pod/a") == 2
    assert groups.is_frozen("/pod/a")
    groups.thaw("/pod/a")
    assert not groups.is_frozen("/pod/a")
    assert groups.usage("/pod/absent") is None


def test_block_usage_and_throttling_are_read_in_both_versions(tmp_path: Path) -> None:
    files = {
        "two/pod/io.stat": "8:0 rbytes=4096 wbytes=512 rios=2 wios=1 dbytes=0 dios=0\n252:16 \n",
        "two/pod/cpu.stat": "usage_usec 1\nnr_periods 9\nnr_throttled 4\nthrottled_usec 2\n",
        "blkio/pod/blkio.throttle.io_service_bytes_recursive": "Total 0\n",
        "blkio/pod/blkio.bfq.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n",
        "blkio/pod/blkio.throttle.io_serviced_recursive": "8:0 Write 3\nTotal 3\n",
        "cpu/pod/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 2000\n",
    }
    tree(tmp_path, files)
    two = Cgroups({UNIFIED: str(tmp_path / "two")}, frozenset({"cpu", "io"})).usage("/pod")
    one = Cgroups({name: str(tmp_path / name) for name in ("blkio", "cpu")}).usage("/pod")
    assert two is not None
    assert one is not None
    assert two.block_bytes[:2] == (BlockUsage(8, 0, "read", 4096), BlockUsage(8, 0, "write", 512))
    assert [each.count for each in two.block_requests] == [2, 1, 0, 0]
    assert one.block_bytes == (BlockUsage(8, 0, "Read", 4096), BlockUsage(8, 0, "Total", 4096))
    assert one.block_requests == (BlockUsage(8, 0, "Write", 3),)
    assert one.throttling == two.throttling == (9, 4, 2000)


def test_usage_of_version_1(tmp_path: Path) -> None:
    files = {
        "cpuacct/pod/cpuacct.usage": "1500\n",
        "memory/pod/memory.usage_in_bytes": "4096\n",
        "memory/pod/memory.stat": "inactive_file 1\ntotal_inactive_file 1024\n",
        "memory/pod/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "pids/pod/pids.current": "7\n",
        "freezer/pod/freezer.state": "THAWED\n",
    }
    tree(tmp_path, files)
    groups = Cgroups({name: str(tmp_path / name) for name in ("cpuacct", "memory", "pids", "freezer")})
    assert figures(groups.usage("/pod")) == (1500, 4096, 1024, 7)
    assert groups.usage("/pod").memory["total_inactive_file"] == 1024  # type: ignore[union-attr]
    assert groups.out_of_memory_kills("/pod") == 1
    assert not groups.is_frozen("/pod")


def test_controller_nobody_has_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "pod").mkdir()
    groups = Cgroups({UNIFIED: str(tmp_path)})
    assert groups.usage("/pod") == GroupUsage(0, 0, 0, 0)
    assert groups.file("memory", "/pod", "memory.max") is None


def test_this_machine_has_some(tmp_path: Path) -> None:
    groups = detect()
    assert groups.mounts
    assert all(Path(mount).is_dir() for mount in groups.mounts.values())
    assert group_of(os.getpid(), groups).startswith("/")
    assert group_of(2**22 + 1, groups) == ""


@pytest.fixture
def sleeper() -> object:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.root
def test_process_moves_and_group_goes_once_it_is_empty(sleeper: subprocess.Popen[bytes]) -> None:
    groups, name = detect(), f"/cgroups-test-{os.getpid()}"
    try:
        groups.add_blocking(f"{name}/a", sleeper.pid)
        assert group_of(sleeper.pid, groups) == f"{name}/a"
        assert list(groups.processes(name)) == [sleeper.pid]
        assert not groups.remove_blocking(name)
    finally:
        sleeper.kill()
        sleeper.wait()
        assert groups.remove_blocking(name)
    assert not any(folder.exists() for folder in groups.folders(name))


@pytest.mark.root
def test_processes_leave_a_root_that_is_not_the_machines(sleeper: subprocess.Popen[bytes]) -> None:
    machine = detect()
    if UNIFIED not in machine.mounts:
        pytest.skip("no version 2 hierarchy here")
    name = f"/cgroups-root-{os.getpid()}"
    whole = Cgroups({UNIFIED: machine.mounts[UNIFIED]})
    whole.free_root_blocking()
    assert not Path(machine.mounts[UNIFIED], "init").exists()
    ours = Cgroups({UNIFIED: machine.mounts[UNIFIED] + name})
    try:
        whole.add_blocking(name, sleeper.pid)
        ours.free_root_blocking()
        assert list(ours.processes("/init")) == [sleeper.pid]
        assert Path(ours.mounts[UNIFIED], "cgroup.procs").read_text() == ""
    finally:
        sleeper.kill()
        sleeper.wait()
        assert whole.remove_blocking(name)
