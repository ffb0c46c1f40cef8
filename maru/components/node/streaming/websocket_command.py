"""exec and attach over a WebSocket: each message begins with the number of its channel.

0 stdin, 1 stdout, 2 stderr, 3 the closing status, 4 terminal sizes; in v5 a message (255, channel)
closes a channel. Base64 variants send text, with the channel as a digit. Source:
k8s.io/apimachinery/pkg/util/httpstream/wsstream and pkg/util/remotecommand; KEP-4006.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator

import msgspec

from maru.components.node.streaming.interface import Streams
from maru.components.node.streaming.websocket import WebSocket
from maru.core.document import Value
from maru.core.errors import Unavailable

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
QUEUE_MAX = 64

PROTOCOLS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
)


def choose_protocol(offered: list[str] | tuple[str, ...]) -> str | None:
    """The first offered one that is known; "" when none is offered; None when none fits."""
    if not offered:
        return ""
    return next((name for name in offered if name in PROTOCOLS), None)


class WebSocketCommand:
    """A CommandClient. `run` reads until the client goes away; the owner keeps it running."""

    def __init__(self, socket: WebSocket, protocol: str, streams: Streams) -> None:
        self._socket = socket
        self._is_base64 = "base64" in protocol
        self._is_v4 = protocol.startswith(("v4.", "v5."))
        self._can_close = protocol.startswith("v5.")
        self._streams = streams
        self._stdin: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_MAX)
        self._sizes: asyncio.Queue[tuple[int, int] | None] = asyncio.Queue(QUEUE_MAX)
        self._gone = asyncio.Event()
        self._has_stdin_ended = False

    async def run(self) -> None:
        """Read messages until the client is gone."""
        try:
            while (message := await self._socket.receive()) is not None:
                await self._take(*message)
        except Unavailable:
            pass
        finally:
            self._gone.set()
            self._end(self._sizes)
            if not self._has_stdin_ended:
                self._has_stdin_ended = True
                self._end(self._stdin)

    async def open(self) -> None:
        """Tell the client that the streams stand: an empty message on the first one it reads."""
        channel = STDOUT if self._streams.stdout else STDERR if self._streams.stderr else ERROR
        await self._send(channel, b"")

    async def stdin(self) -> AsyncIterator[bytes]:
        while (chunk := await self._stdin.get()) is not None:
            yield chunk

    async def resizes(self) -> AsyncIterator[tuple[int, int]]:
        while (size := await self._sizes.get()) is not None:
            yield size

    async def write(self, stream: int, chunk: bytes) -> None:
        await self._send(stream, chunk)

    async def gone(self) -> None:
        await self._gone.wait()

    async def finish(self, status: Value) -> None:
        try:
            if self._is_v4:
                await self._send(ERROR, msgspec.json.encode(status))
            elif status.get("status") != "Success":
                await self._send(ERROR, str(status.get("message", "")).encode())
        except Unavailable:
            pass
        await self._socket.close()

    async def _send(self, channel: int, chunk: bytes) -> None:
        if self._is_base64:
            await self._socket.send(str(channel).encode() + base64.b64encode(chunk), is_text=True)
        else:
            await self._socket.send(bytes([channel]) + chunk)

    async def _take(self, message: bytes, is_text: bool) -> None:
        if not message:
            return
        if self._is_base64 or (is_text and message[:1].isdigit()):
            channel = message[0] - 0x30
            try:
                chunk = base64.b64decode(message[1:]) if self._is_base64 else message[1:]
            except binascii.Error:
                return
        else:
            channel, chunk = message[0], message[1:]
        if channel == STDIN and not self._has_stdin_ended:
            await self._stdin.put(chunk)
        elif channel == CLOSE and self._can_close and chunk[:1] == bytes([STDIN]) and not self._has_stdin_ended:
            self._has_stdin_ended = True
            await self._stdin.put(None)
        elif channel == RESIZE:
            size = parse_size(chunk)
            if size is not None:
                await self._sizes.put(size)

    def _end(self, queue: asyncio.Queue[bytes | None] | asyncio.Queue[tuple[int, int] | None]) -> None:
        """End a queue at once: what nobody has taken is dropped when it is full."""
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(None)


def parse_size(chunk: bytes) -> tuple[int, int] | None:
    """(columns, rows) of {"Width":80,"Height":24}; None when it is not that."""
    try:
        size = msgspec.json.decode(chunk)
        return int(size["Width"]), int(size["Height"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None
