"""The Duplex alone: how much it takes before it slows its peer down."""

from __future__ import annotations

import asyncio

import pytest

from maru.core.errors import Unavailable
from maru.core.front.duplex import UNREAD_BYTES_MAX, TransportDuplex


class PlainTransport(asyncio.Transport):
    """Remembers whether reading goes on."""

    def __init__(self):
        super().__init__()
        self.is_reading_now = True
        self.closed = False
        self.written = []

    def pause_reading(self):
        assert self.is_reading_now
        self.is_reading_now = False

    def resume_reading(self):
        assert not self.is_reading_now
        self.is_reading_now = True

    def is_closing(self):
        return self.closed

    def write(self, data):
        self.written.append(data)

    def close(self):
        self.closed = True


async def drained():
    return None


async def test_peer_is_paused_at_the_bound_and_goes_on_when_half_is_read():
    transport = PlainTransport()
    duplex = TransportDuplex(transport, drained)
    part = UNREAD_BYTES_MAX // 4
    for number in range(4):
        assert transport.is_reading_now, number
        duplex.feed_data(b"x" * part)
    assert not transport.is_reading_now
    duplex.feed_data(b"x")  # what was on its way already
    await duplex.read()
    await duplex.read()
    assert not transport.is_reading_now
    await duplex.read()
    assert transport.is_reading_now


async def test_what_came_before_the_end_is_read_first():
    duplex = TransportDuplex(PlainTransport(), drained)
    duplex.feed_data(b"last")
    duplex.feed_end()
    assert [await duplex.read(), await duplex.read(), await duplex.read()] == [b"last", b"", b""]


async def test_half_closed_peer_can_still_be_written_to_and_a_gone_one_cannot():
    transport = PlainTransport()
    duplex = TransportDuplex(transport, drained)
    duplex.feed_end()
    await duplex.write(b"answer")
    assert transport.written == [b"answer"]
    duplex.feed_eof()
    with pytest.raises(Unavailable):
        await duplex.write(b"more")


async def test_closing_twice_is_fine_and_ends_reading():
    transport = PlainTransport()
    duplex = TransportDuplex(transport, drained)
    await duplex.close()
    await duplex.close()
    assert transport.closed
    assert await duplex.read() == b""
    with pytest.raises(Unavailable):
        await duplex.write(b"more")
