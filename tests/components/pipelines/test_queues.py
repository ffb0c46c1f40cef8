"""Queues lose nothing that was taken over, whatever ends the process, and repeat at most what was under way."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from maru.components.pipelines.engine.queues.memory import MemoryQueue
from maru.components.pipelines.engine.queues.pages import Pages
from maru.components.pipelines.engine.queues.persistent import PersistentQueue
from maru.components.pipelines.model.event import Event
from maru.core.errors import Broken
from tests.fakes.clock import FakeClock


def events(first: int, count: int) -> list[Event]:
    return [
        Event({"n": number, "@timestamp": "2026-01-02T03:04:05.678Z"}, {"m": number})
        for number in range(first, first + count)
    ]


def numbers(batch: list[Event]) -> list[object]:
    return [event.fields["n"] for event in batch]


async def opened(folder: Path, bytes_max: int = 1 << 30) -> PersistentQueue:
    queue = PersistentQueue(FakeClock(), folder, bytes_max)
    await queue.open()
    return queue


async def test_what_was_not_done_comes_again_after_a_crash(tmp_path: Path) -> None:
    queue = await opened(tmp_path)
    await asyncio.gather(queue.put(events(0, 3)), queue.put(events(3, 3)))
    first = await queue.take(2, 0)
    second = await queue.take(2, 0)
    assert first is not None
    assert second is not None
    assert numbers(first.events) == [0, 1]
    queue.done(second)  # out of order: it may come again, but not be lost
    again = await opened(tmp_path)
    taken = await again.take(10, 0)
    assert taken is not None
    assert numbers(taken.events) == [0, 1, 2, 3, 4, 5]
    assert taken.events[0].metadata == {"m": 0}


async def test_what_is_done_does_not_come_again_after_a_release(tmp_path: Path) -> None:
    queue = await opened(tmp_path)
    await queue.put(events(0, 5))
    taken = await queue.take(3, 0)
    assert taken is not None
    queue.done(taken)
    await queue.release()
    again = await opened(tmp_path)
    assert again.depth == 2
    left = await again.take(10, 0)
    assert left is not None
    assert numbers(left.events) == [3, 4]


async def test_a_half_written_end_is_cut_off_and_damage_within_is_said(tmp_path: Path) -> None:
    queue = await opened(tmp_path)
    await queue.put(events(0, 3))
    (page,) = tmp_path.glob("page.*")
    whole = page.read_bytes()
    page.write_bytes(whole + b"\x50\0\0\0half")
    again = await opened(tmp_path)
    taken = await again.take(10, 0)
    assert taken is not None
    assert numbers(taken.events) == [0, 1, 2]
    await again.put(events(3, 1))
    assert (await opened(tmp_path)).depth == 4
    page.write_bytes(b"\x05\0\0\0" + whole[4:])
    with pytest.raises(Broken):
        await opened(tmp_path)


async def test_an_input_hears_that_its_event_is_safe_once_it_is_on_disk(tmp_path: Path) -> None:
    heard: list[int] = []

    class Ear:
        def safe(self) -> None:
            heard.append(sum(path.stat().st_size for path in tmp_path.glob("page.*")))

    queue = await opened(tmp_path)
    await queue.put([Event({"n": 1}, origin=Ear())])
    assert len(heard) == 1
    assert heard[0] > 0


async def test_a_full_queue_makes_inputs_wait(tmp_path: Path) -> None:
    clock = FakeClock()
    queue = MemoryQueue(clock, 4)
    await queue.put(events(0, 4))
    waiting = asyncio.create_task(queue.put(events(4, 2)))
    await clock.settle()
    assert not waiting.done()
    taken = await queue.take(3, 0)
    assert taken is not None
    assert numbers(taken.events) == [0, 1, 2]
    await waiting
    await queue.close()
    rest = await queue.take(10, 0)
    assert rest is not None
    assert numbers(rest.events) == [3, 4, 5]
    assert await queue.take(1, 0) is None


def test_pages_that_are_done_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maru.components.pipelines.engine.queues.pages.PAGE_BYTES", 100)
    pages = Pages(tmp_path)
    pages.open_blocking()
    for number in range(10):
        assert pages.append_blocking([os.urandom(60)]) == number
    assert len(list(tmp_path.glob("page.*"))) == 5
    pages.finish_blocking(7)
    assert len(list(tmp_path.glob("page.*"))) == 2
    assert len(pages.read_blocking(7, 10)) == 3
    pages.close_blocking()
