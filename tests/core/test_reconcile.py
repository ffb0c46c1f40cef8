"""The reconcile loop: each key once, never twice at a time, failures later, bugs loudly."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from maru.core.errors import Conflict, Unavailable
from maru.core.ids import SeededIds
from maru.core.reconcile import Loop
from tests.fakes import FakeClock


class Work:
    """What was asked for, and answers given in turn."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.calls: list[tuple[float, str]] = []
        self.active: set[str] = set()
        self.answers: list[float | Exception | None] = []
        self.gate: asyncio.Event | None = None

    async def __call__(self, key: str) -> float | None:
        assert key not in self.active
        self.active.add(key)
        self.calls.append((round(self.clock.monotonic_s() - 1000.0, 3), key))
        try:
            if self.gate is not None:
                await self.gate.wait()
            answer = self.answers.pop(0) if self.answers else None
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.active.discard(key)

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.calls]


@asynccontextmanager
async def looping(work: Work, workers: int = 1) -> AsyncIterator[Loop[str]]:
    loop: Loop[str] = Loop("test", work, work.clock, SeededIds(1), workers=workers)
    task = asyncio.ensure_future(loop.run())
    try:
        yield loop
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_key_added_often_is_worked_on_once() -> None:
    work = Work(FakeClock())
    async with looping(work) as loop:
        for _ in range(5):
            loop.add("a")
        loop.add("b")
        await work.clock.settle()
        assert work.keys == ["a", "b"]
        assert loop.is_idle


async def test_key_added_while_it_is_worked_on_comes_again_and_never_at_the_same_time() -> None:
    work = Work(FakeClock())
    work.gate = asyncio.Event()
    async with looping(work, workers=4) as loop:
        loop.add("a")
        await work.clock.settle()
        loop.add("a")
        loop.add("a")
        loop.add("b")
        await work.clock.settle()
        assert work.keys == ["a", "b"]
        work.gate.set()
        await work.clock.settle()
        assert work.keys == ["a", "b", "a"]
        assert loop.is_idle


async def test_failure_is_tried_again_with_growing_delay_until_it_works() -> None:
    work = Work(FakeClock())
    work.answers = [Unavailable(what="a", why="b") for _ in range(6)]
    async with looping(work) as loop:
        loop.add("a")
        await work.clock.advance(60.0)
        times = [at for at, _ in work.calls]
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert len(times) == 7
        for step, gap in enumerate(gaps):
            assert 0.5 * 0.05 * 2**step <= gap <= 1.5 * 0.05 * 2**step + 0.001
        work.answers = [Conflict(what="a", why="b")]
        loop.add("a")
        await work.clock.advance(0.1)
        assert len(work.calls) == 9, "success resets the delay"


async def test_delay_is_bounded() -> None:
    work = Work(FakeClock())
    work.answers = [Unavailable(what="a", why="b") for _ in range(40)]
    async with looping(work) as loop:
        loop.add("a")
        await work.clock.advance(41 * 90.0)
        assert len(work.calls) == 41


async def test_answered_seconds_bring_the_key_back() -> None:
    work = Work(FakeClock())
    work.answers = [5.0]
    async with looping(work) as loop:
        loop.add("a")
        await work.clock.advance(20.0)
        assert work.calls == [(0.0, "a"), (5.0, "a")]


async def test_shortest_of_several_delays_counts_once() -> None:
    work = Work(FakeClock())
    async with looping(work) as loop:
        for delay_s in (30.0, 10.0, 20.0, 10.0):
            loop.add_after("a", delay_s)
        await work.clock.advance(100.0)
        assert work.calls == [(10.0, "a")]
        loop.add_after("a", 0.0)
        await work.clock.settle()
        assert len(work.calls) == 2


async def test_key_that_always_asks_to_come_again_does_not_pile_up() -> None:
    work = Work(FakeClock())
    async with looping(work) as loop:
        for number in range(5000):
            work.answers = [600.0 - (number % 7)]
            loop.add("a")
            await work.clock.settle()
        assert len(loop._later) < 200
        assert len(loop._due) == 1


async def test_delayed_key_wakes_a_sleeping_timer() -> None:
    work = Work(FakeClock())
    async with looping(work) as loop:
        loop.add_after("far", 100.0)
        await work.clock.settle()
        loop.add_after("near", 1.0)
        await work.clock.advance(2.0)
        assert work.keys == ["near"]


async def test_workers_work_side_by_side() -> None:
    work = Work(FakeClock())
    work.gate = asyncio.Event()
    async with looping(work, workers=3) as loop:
        for key in "abcd":
            loop.add(key)
        await work.clock.settle()
        assert len(work.active) == 3
        assert not loop.is_idle
        work.gate.set()
        await work.clock.settle()
        assert work.keys == list("abcd")


async def test_bug_ends_the_loop_loudly() -> None:
    work = Work(FakeClock())
    work.answers = [ZeroDivisionError()]
    loop: Loop[str] = Loop("test", work, work.clock, SeededIds(1))
    loop.add("a")
    with pytest.raises(ExceptionGroup):
        await loop.run()


async def test_nothing_sleeps_on_after_the_loop_ended() -> None:
    work = Work(FakeClock())
    async with looping(work) as loop:
        loop.add_after("a", 100.0)
        await work.clock.settle()
    await work.clock.settle()
    assert work.clock.sleeping == 0
