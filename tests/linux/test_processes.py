"""Processes are started, bounded, told apart and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from maru.linux.caps import bounding_set, hard_limit
from maru.linux.inotify import FolderWatch
from maru.linux.processes import Command, is_running, run, send_signal, spawn, start_time_ticks

ENV = {"PATH": os.environ["PATH"]}


def shell(script: str) -> Command:
    return Command(["sh", "-c", script], ENV)


async def test_output_of_both_streams_and_the_code_come_back() -> None:
    finished = await run(shell("cat; echo err >&2; exit 3"), 10, stdin=b"in\n")
    assert (finished.code, finished.output) == (3, b"in\nerr\n")


async def test_output_over_the_bound_is_dropped_and_does_not_block() -> None:
    finished = await run(shell("head -c 300000 /dev/zero; exit 1"), 10, output_bytes_max=1000)
    assert (finished.code, len(finished.output)) == (1, 1000)


async def test_descendant_that_holds_the_output_is_not_waited_for() -> None:
    begun = time.monotonic()
    finished = await run(shell("sleep 30 & echo done"), 20)
    assert finished.output == b"done\n"
    assert time.monotonic() - begun < 10


async def test_deadline_ends_the_whole_group() -> None:
    with pytest.raises(TimeoutError):
        await run(shell("echo $$ > /dev/null; sleep 600"), 0.1)


async def test_polite_end_comes_first() -> None:
    child: list[int] = []

    def end() -> None:
        child.append(1)

    with pytest.raises(TimeoutError):
        await run(shell("exec sleep 600"), 0.05, end=end)
    assert child == [1]


async def test_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await run(Command(["/no/such/program"], ENV), 5)


async def test_process_is_known_by_number_and_start_time() -> None:
    child = await spawn(Command(["sleep", "600"], ENV))
    ticks = start_time_ticks(child.pid)
    assert ticks is not None
    assert is_running(child.pid, ticks)
    assert not is_running(child.pid, ticks + 1)
    assert not send_signal(child.pid, ticks + 1, signal.SIGKILL)
    assert send_signal(child.pid, ticks, signal.SIGTERM)
    assert await child.wait() == -signal.SIGTERM
    assert not is_running(child.pid, ticks)
    assert os.getsid(0) != child.pid


async def test_watch_names_files_that_are_whole(tmp_path: Path) -> None:
    watch = FolderWatch(str(tmp_path))
    names = watch.names()
    (tmp_path / "written").write_text("x")
    (tmp_path.parent / "elsewhere").write_text("y")
    (tmp_path.parent / "elsewhere").rename(tmp_path / "moved")
    async with asyncio.timeout(5):
        assert [await anext(names), await anext(names)] == ["written", "moved"]
    await names.aclose()  # type: ignore[attr-defined]
    watch.close()


def test_capabilities_and_limits_are_told() -> None:
    bits = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    assert len(bounding_set()) == int(bits.split()[1], 16).bit_count()
    assert hard_limit("RLIMIT_NOFILE") is not None
    assert hard_limit("RLIMIT_NONSENSE") is None
