"""Port-forward over a plain WebSocket, as the Python client does it: two channels for each port.

Channel 2n carries the bytes of the n-th port asked for, 2n+1 its error; the first message of each
names the port in two bytes, lowest first. One connection per port. Source: k8s.io/kubelet,
pkg/cri/streaming/portforward, websocket.go.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Sequence

from maru.components.node.streaming.websocket import WebSocket
from maru.core.errors import Unavailable

PROTOCOLS = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")
CHUNKS_MAX = 64


class WebSocketForwardedPort:
    """One port. As ForwardedPort."""

    def __init__(self, forward: WebSocketForward, number: int, port: int) -> None:
        self.port = port
        self._forward = forward
        self._number = number
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS_MAX)
        self._has_ended = False

    async def read(self) -> bytes:
        if self._has_ended:
            return b""
        chunk = await self.chunks.get()
        self._has_ended = chunk is None
        return chunk or b""

    async def write(self, chunk: bytes) -> None:
        await self._forward.send(2 * self._number, chunk)

    async def fail(self, message: str) -> None:
        try:
            await self._forward.send(2 * self._number + 1, message.encode())
        except Unavailable:
            return

    async def close(self) -> None:
        await self._forward.release(self._number)


class WebSocketForward:
    """A ForwardClient. `run` reads messages until the client goes away."""

    def __init__(self, socket: WebSocket, protocol: str, ports: Sequence[int]) -> None:
        self._socket = socket
        self._is_base64 = "base64" in protocol
        self._ports = [WebSocketForwardedPort(self, number, port) for number, port in enumerate(ports)]
        self._open = set(range(len(ports)))
        self._gone = asyncio.Event()

    async def run(self) -> None:
        try:
            while (message := await self._socket.receive()) is not None:
                await self._take(message[0])
        except Unavailable:
            pass
        finally:
            self._gone.set()
            for port in self._ports:
                if port.chunks.full():
                    port.chunks.get_nowait()
                port.chunks.put_nowait(None)

    async def connections(self) -> AsyncIterator[WebSocketForwardedPort]:
        for port in self._ports:
            for channel in (0, 1):
                await self.send(2 * self._ports.index(port) + channel, port.port.to_bytes(2, "little"))
            yield port
        await self._gone.wait()

    async def send(self, channel: int, chunk: bytes) -> None:
        """One message on a channel. Raises Unavailable."""
        if self._is_base64:
            await self._socket.send(str(channel).encode() + base64.b64encode(chunk), is_text=True)
        else:
            await self._socket.send(bytes([channel]) + chunk)

    async def release(self, number: int) -> None:
        """A port's connection has ended; with the last one the WebSocket closes."""
        self._open.discard(number)
        if not self._open:
            await self._socket.close()

    async def close(self) -> None:
        await self._socket.close()

    async def _take(self, message: bytes) -> None:
        if not message:
            return
        channel, chunk = message[0], message[1:]
        if self._is_base64:
            try:
                channel, chunk = message[0] - 0x30, base64.b64decode(message[1:])
            except binascii.Error:
                return
        if channel % 2 == 0 and channel // 2 < len(self._ports) and chunk:
            await self._ports[channel // 2].chunks.put(chunk)
