"""SPDY/3.1 over a connection: streams that the client opens, read and written side by side.

The peers are built on Go's spdystream, which neither grants nor heeds flow control windows (see
quirks.py). Reading stops while a stream's owner is slow; writing waits for the transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from maru.components.node.quirks import send_window_applies
from maru.core.errors import Unavailable
from maru.wire.spdy.frames import (
    STATUS_INVALID_STREAM,
    STATUS_PROTOCOL_ERROR,
    STATUS_REFUSED_STREAM,
    WINDOW_BYTES_DEFAULT,
    DataFrame,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Ping,
    Reset,
    Settings,
    SpdyError,
    SynReply,
    SynStream,
    WindowUpdate,
)

STREAMS_MAX = 1000
CHUNKS_MAX = 64
CHUNK_BYTES_MAX = 32 * 1024
SETTING_INITIAL_WINDOW = 7


class Pipe(Protocol):
    """What a session runs over: a connection, or a tunnel through a WebSocket."""

    async def read(self) -> bytes: ...
    async def write(self, chunk: bytes) -> None: ...
    async def close(self) -> None: ...


class SpdyStream:
    """One stream. headers: those it was opened with, names in lower case."""

    def __init__(self, session: SpdySession, stream_id: int, headers: Mapping[str, str]) -> None:
        self.stream_id = stream_id
        self.headers = headers
        self._session = session
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS_MAX)
        self._has_ended = False
        self._has_closed = False
        self._window = session.initial_window
        self._window_grew = asyncio.Event()
        self._unacknowledged = 0

    async def read(self) -> bytes:
        """The next bytes, b"" at the end."""
        if self._has_ended and self._chunks.empty():
            return b""
        chunk = await self._chunks.get()
        if chunk is None:
            return b""
        await self._acknowledge(len(chunk))
        return chunk

    async def write(self, chunk: bytes) -> None:
        """Send. Raises Unavailable once the stream or the connection is closed."""
        for start in range(0, len(chunk), CHUNK_BYTES_MAX):
            piece = chunk[start : start + CHUNK_BYTES_MAX]
            await self._wait_for_window(len(piece))
            await self._session.send(DataFrame(self.stream_id, piece))

    async def close(self) -> None:
        """Our side has no more to send; idempotent."""
        if self._has_closed:
            return
        self._has_closed = True
        try:
            await self._session.send(DataFrame(self.stream_id, b"", is_last=True))
        except Unavailable:
            return

    async def _wait_for_window(self, size: int) -> None:
        if self._has_closed:
            raise Unavailable(what="the stream", why="it is closed", fix="")
        while self._session.has_windows and self._window < size:
            self._window_grew.clear()
            await self._window_grew.wait()
            if self._has_closed or self._session.is_closed:
                raise Unavailable(what="the stream", why="the client closed it", fix="")
        self._window -= size

    async def _acknowledge(self, size: int) -> None:
        self._unacknowledged += size
        if self._unacknowledged >= WINDOW_BYTES_DEFAULT // 2 and not self._has_ended:
            size, self._unacknowledged = self._unacknowledged, 0
            try:
                await self._session.send(WindowUpdate(self.stream_id, size))
            except Unavailable:
                return

    async def take(self, chunk: bytes, *, is_last: bool) -> None:
        """The session's side: bytes came."""
        if self._has_ended:
            return
        if chunk:
            await self._chunks.put(chunk)
        if is_last:
            self._has_ended = True
            await self._chunks.put(None)

    def grow(self, delta: int) -> None:
        """The session's side: the peer granted `delta` bytes more."""
        self._window += delta
        self._window_grew.set()

    def end(self) -> None:
        """The session's side: reset, or the connection is gone."""
        if not self._has_ended:
            self._has_ended = True
            if self._chunks.full():
                self._chunks.get_nowait()
            self._chunks.put_nowait(None)
        self._has_closed = True
        self._window_grew.set()


class SpdySession:
    """The server's side of a connection. `run` reads; the owner keeps it running."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._decoder, self._encoder = Decoder(), Encoder()
        self._streams: dict[int, SpdyStream] = {}
        self._opened: asyncio.Queue[SpdyStream | None] = asyncio.Queue()
        self._last_id = 0
        self.initial_window = WINDOW_BYTES_DEFAULT
        self.has_windows = False
        self.is_closed = False

    async def run(self) -> None:
        """Read frames until the peer is gone or breaks the protocol."""
        try:
            while chunk := await self._pipe.read():
                for frame in self._decoder.feed(chunk):
                    await self._take(frame)
        except SpdyError:
            await self._say_goodbye(STATUS_PROTOCOL_ERROR)
        except Unavailable:
            pass
        finally:
            self.is_closed = True
            for stream in self._streams.values():
                stream.end()
            self._opened.put_nowait(None)

    async def accept(self) -> SpdyStream | None:
        """The next stream that the client opens, accepted; None once the client is gone."""
        stream = await self._opened.get()
        if stream is None:
            self._opened.put_nowait(None)
        return stream

    async def send(self, frame: Frame) -> None:
        """Raises Unavailable once the connection is closed."""
        if self.is_closed:
            raise Unavailable(what="the connection", why="the client closed it", fix="")
        await self._pipe.write(self._encoder.encode(frame))

    def forget(self, stream: SpdyStream) -> None:
        """Nobody reads the stream any more."""
        stream.end()
        self._streams.pop(stream.stream_id, None)

    async def close(self) -> None:
        """Say goodbye and close; idempotent."""
        await self._say_goodbye(0)
        self.is_closed = True
        await self._pipe.close()

    async def _say_goodbye(self, status: int) -> None:
        try:
            await self.send(GoAway(self._last_id, status))
        except Unavailable:
            return

    async def _take(self, frame: Frame) -> None:
        if isinstance(frame, SynStream):
            await self._open(frame)
        elif isinstance(frame, DataFrame):
            stream = self._streams.get(frame.stream_id)
            if stream is not None:
                await stream.take(frame.chunk, is_last=frame.is_last)
            elif not frame.is_last:
                await self.send(Reset(frame.stream_id, STATUS_INVALID_STREAM))
        elif isinstance(frame, Reset):
            stream = self._streams.pop(frame.stream_id, None)
            if stream is not None:
                stream.end()
        elif isinstance(frame, Ping) and frame.number % 2:
            await self.send(frame)
        elif isinstance(frame, Settings | WindowUpdate):
            self._adjust_windows(frame)

    def _adjust_windows(self, frame: Settings | WindowUpdate) -> None:
        self.has_windows = self.has_windows or send_window_applies(frame)
        if isinstance(frame, WindowUpdate):
            stream = self._streams.get(frame.stream_id)
            if stream is not None:
                stream.grow(frame.delta)
            return
        for number, value in frame.pairs:
            if number == SETTING_INITIAL_WINDOW:
                delta, self.initial_window = value - self.initial_window, value
                for stream in self._streams.values():
                    stream.grow(delta)

    async def _open(self, frame: SynStream) -> None:
        if frame.stream_id <= self._last_id or frame.stream_id % 2 == 0:
            raise SpdyError(f"stream {frame.stream_id} after {self._last_id}")
        self._last_id = frame.stream_id
        if len(self._streams) >= STREAMS_MAX:
            await self.send(Reset(frame.stream_id, STATUS_REFUSED_STREAM))
            return
        stream = SpdyStream(self, frame.stream_id, dict(frame.headers))
        self._streams[frame.stream_id] = stream
        if frame.is_last:
            await stream.take(b"", is_last=True)
        await self.send(SynReply(frame.stream_id))
        self._opened.put_nowait(stream)
