"""Streams: bounded, in order, in batches, every loss counted."""

from __future__ import annotations

import asyncio

from maru.core.stream import Stream
from tests.fakes import FakeClock


async def test_items_come_in_order_and_in_batches() -> None:
    stream: Stream[int] = Stream(FakeClock())
    stream.put_all(range(5))
    assert list(await stream.batch(3)) == [0, 1, 2]
    assert list(await stream.batch(3)) == [3, 4]


async def test_full_stream_drops_the_oldest_and_counts() -> None:
    stream: Stream[int] = Stream(FakeClock(), items_max=3)
    stream.put_all(range(10))
    assert len(stream) == 3
    assert list(await stream.batch(10)) == [7, 8, 9]
    assert (stream.taken, stream.dropped) == (10, 7)


async def test_consumer_waits_for_the_first_item() -> None:
    clock = FakeClock()
    stream: Stream[int] = Stream(clock)
    waiting = asyncio.ensure_future(stream.batch(10))
    await clock.settle()
    assert not waiting.done()
    stream.put(1)
    assert list(await waiting) == [1]


async def test_batch_lingers_to_fill_but_not_when_it_is_full() -> None:
    clock = FakeClock()
    stream: Stream[int] = Stream(clock)
    stream.put(1)
    waiting = asyncio.ensure_future(stream.batch(10, linger_s=0.5))
    await clock.advance(0.4)
    stream.put(2)
    assert not waiting.done()
    await clock.advance(0.2)
    assert list(await waiting) == [1, 2]
    stream.put_all([3, 4])
    assert list(await stream.batch(2, linger_s=0.5)) == [3, 4]


async def test_closed_stream_is_drained_and_then_ends() -> None:
    clock = FakeClock()
    stream: Stream[int] = Stream(clock)
    stream.put_all([1, 2])
    stream.close()
    stream.put(3)
    assert stream.dropped == 1
    assert list(await stream.batch(1)) == [1]
    assert list(await stream.batch(10, linger_s=5.0)) == [2]
    assert list(await stream.batch(10)) == []
    other: Stream[int] = Stream(clock)
    waiting = asyncio.ensure_future(other.batch(1))
    await clock.settle()
    other.close()
    assert list(await waiting) == []
