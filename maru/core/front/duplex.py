"""A connection after an upgrade: raw bytes both ways, with flow control and half-close.

aiohttp hands every byte behind the request's head to the parser that `set_parser` names; this is
that parser. Reading pauses the transport while more than a bound lies unread, so a slow handler
slows its peer down. A peer that closed its side reads as b""; what is written still reaches it on
plain connections (TLS has no half-close in asyncio).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from maru.core.errors import Unavailable

UNREAD_BYTES_MAX = 256 * 1024


class TransportDuplex:
    """Reads what aiohttp feeds it, writes to the transport. One reader at a time."""

    def __init__(self, transport: asyncio.Transport, drain: Callable[[], Awaitable[None]]) -> None:
        self._transport = transport
        self._drain = drain
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._is_paused = False
        self._is_ended = False
        self._is_lost = False
        self._arrived = asyncio.Event()

    def feed_data(self, chunk: bytes) -> tuple[bool, bytes]:
        """aiohttp's side: bytes came. Answers that more are wanted."""
        if chunk:
            self._unread.append(bytes(chunk))
            self._unread_bytes += len(chunk)
            if self._unread_bytes >= UNREAD_BYTES_MAX and not self._is_paused and not self._transport.is_closing():
                self._is_paused = True
                self._transport.pause_reading()
            self._arrived.set()
        return False, b""

    def feed_end(self) -> None:
        """The peer closed its side."""
        self._is_ended = True
        self._arrived.set()

    def feed_eof(self) -> None:
        """aiohttp's side: the connection is gone, both ways."""
        self._is_lost = True
        self.feed_end()

    async def read(self) -> bytes:
        while not self._unread:
            if self._is_ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        chunk = self._unread.popleft()
        self._unread_bytes -= len(chunk)
        if self._is_paused and self._unread_bytes < UNREAD_BYTES_MAX // 2 and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()
        return chunk

    async def write(self, chunk: bytes) -> None:
        if self._is_lost or self._transport.is_closing():
            raise _gone()
        self._transport.write(chunk)
        try:
            await self._drain()
        except ConnectionError as error:
            raise _gone() from error

    async def close(self) -> None:
        self.shut()

    def shut(self) -> None:
        """Close both sides: what was written is still sent, what was not read can still be read."""
        self.feed_end()
        self._transport.close()


def _gone() -> Unavailable:
    return Unavailable(what="the connection", why="the client closed it", fix="")
