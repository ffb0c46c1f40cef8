"""exec and attach over SPDY/3.1: one stream for each of error, stdin, stdout, stderr and resize.

The client opens them all, then talks; the server says how it ended on the error stream. Protocols:
v4 (status as JSON), v3 (sizes, status as text), v2 (no sizes). Source: k8s.io/apimachinery,
pkg/util/remotecommand; k8s.io/kubelet/pkg/cri/streaming/remotecommand, httpstream.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec

from maru.components.node.streaming.interface import Streams
from maru.components.node.streaming.spdy_session import SpdySession, SpdyStream
from maru.components.node.streaming.websocket_command import parse_size
from maru.core.document import Value
from maru.core.errors import Deadline, Unavailable

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
CREATION_S = 30.0
_NO_SIZES = ("v2.channel.k8s.io", "channel.k8s.io")
_JSON_STATUS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


def choose_protocol(offered: Sequence[str]) -> str | None:
    """The first offered one that is known; the oldest when none is offered; None when none fits."""
    if not offered:
        return "channel.k8s.io"
    return next((name for name in offered if name in PROTOCOLS), None)


class SpdyCommand:
    """A CommandClient. `open` waits for the client's streams; `run` is the session's reader."""

    def __init__(self, session: SpdySession, protocol: str, streams: Streams) -> None:
        self._session = session
        self._protocol = protocol
        self._wanted = {"error"} | {
            name for name, is_on in (("stdin", streams.stdin), ("stdout", streams.stdout)) if is_on
        }
        if streams.stderr and not streams.terminal:
            self._wanted.add("stderr")
        if streams.terminal and protocol not in _NO_SIZES:
            self._wanted.add("resize")
        self._streams: dict[str, SpdyStream] = {}
        self._gone = asyncio.Event()

    async def run(self) -> None:
        """Read frames until the client is gone."""
        try:
            await self._session.run()
        finally:
            self._gone.set()

    async def open(self) -> None:
        """Return when all expected streams are there. Raises Deadline, Unavailable."""
        try:
            async with asyncio.timeout(CREATION_S):
                while self._wanted - set(self._streams):
                    stream = await self._session.accept()
                    if stream is None:
                        raise Unavailable(what="the connection", why="the client closed it", fix="")
                    self._streams[stream.headers.get("streamtype", "")] = stream
        except TimeoutError as error:
            raise Deadline(what="streams", why="timed out waiting for client to create streams", fix="") from error

    async def stdin(self) -> AsyncIterator[bytes]:
        stream = self._streams.get("stdin")
        while stream is not None and (chunk := await stream.read()):
            yield chunk

    async def resizes(self) -> AsyncIterator[tuple[int, int]]:
        stream = self._streams.get("resize")
        rest = b""
        while stream is not None and (chunk := await stream.read()):
            # A JSON value per size, with or without newlines between them.
            *whole, rest = (rest + chunk).replace(b"}", b"}\n").split(b"\n")
            for text in whole:
                size = parse_size(text)
                if size is not None:
                    yield size

    async def write(self, stream: int, chunk: bytes) -> None:
        target = self._streams.get("stdout" if stream == 1 else "stderr")
        if target is not None:
            await target.write(chunk)

    async def gone(self) -> None:
        await self._gone.wait()

    async def finish(self, status: Value) -> None:
        try:
            for name in ("stdout", "stderr"):
                if name in self._streams:
                    await self._streams[name].close()
            error = self._streams.get("error")
            if error is not None:
                if self._protocol in _JSON_STATUS:
                    await error.write(msgspec.json.encode(status))
                elif status.get("status") != "Success":
                    await error.write(str(status.get("message", "")).encode())
                await error.close()
        except Unavailable:
            pass
        await self._session.close()
