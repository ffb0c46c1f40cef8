"""Port-forward over SPDY/3.1: a pair of streams, error and data, for each connection.

The pair shares a request id; old clients without one open error first and data two numbers later. The
same session runs over a plain upgrade, or inside the binary messages of a WebSocket.
Source: k8s.io/kubelet/pkg/cri/streaming/portforward, httpstream.go; KEP-4006, SPDY/3.1+portforward.k8s.io.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from maru.components.node.streaming.spdy_session import SpdySession, SpdyStream
from maru.components.node.streaming.websocket import WebSocket
from maru.core.errors import Unavailable

PROTOCOL = "portforward.k8s.io"
TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io"


class SpdyForwardedPort:
    """One connection. As ForwardedPort."""

    def __init__(self, session: SpdySession, port: int, content: SpdyStream, error: SpdyStream) -> None:
        self.port = port
        self._session = session
        self._content = content
        self._error = error

    async def read(self) -> bytes:
        return await self._content.read()

    async def write(self, chunk: bytes) -> None:
        await self._content.write(chunk)

    async def fail(self, message: str) -> None:
        try:
            await self._error.write(message.encode())
        except Unavailable:
            return

    async def close(self) -> None:
        await self._error.close()
        await self._content.close()
        self._session.forget(self._content)
        self._session.forget(self._error)


class SpdyForward:
    """A ForwardClient. `run` is the session's reader."""

    def __init__(self, session: SpdySession) -> None:
        self._session = session
        self._half: dict[str, dict[str, SpdyStream]] = {}

    async def run(self) -> None:
        await self._session.run()

    async def connections(self) -> AsyncIterator[SpdyForwardedPort]:
        while (stream := await self._session.accept()) is not None:
            kind = stream.headers.get("streamtype", "")
            if kind not in ("data", "error") or not stream.headers.get("port", "").isdigit():
                await stream.close()
                self._session.forget(stream)
                continue
            number = stream.stream_id if kind == "error" else stream.stream_id - 2
            request_id = stream.headers.get("requestid") or f"stream {number}"
            pair = self._half.setdefault(request_id, {})
            pair[kind] = stream
            if len(pair) == 2:
                del self._half[request_id]
                yield SpdyForwardedPort(self._session, int(stream.headers["port"]), pair["data"], pair["error"])

    async def close(self) -> None:
        await self._session.close()


class Tunnel:
    """A byte pipe through a WebSocket's binary messages."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while (message := await self._socket.receive()) is not None:
            if message[0]:
                return message[0]
        return b""

    async def write(self, chunk: bytes) -> None:
        await self._socket.send(chunk)

    async def close(self) -> None:
        await self._socket.close()
