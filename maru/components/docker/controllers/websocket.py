"""A WebSocket as the raw connection that attach pours through: messages in, binary messages out.

Source: RFC 6455; Docker Engine API v1.50, ContainerAttachWebsocket.
"""

from __future__ import annotations

from contextlib import suppress

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError, generate_accept_token

from maru.core.errors import Invalid, Unavailable
from maru.core.front.message import Duplex, Request

CLOSE_NORMAL, CLOSE_PROTOCOL_ERROR = 1000, 1002


async def shaken(request: Request) -> Duplex:
    """Answer the handshake. Raises Invalid when the client's is none."""
    key = request.headers.get("Sec-WebSocket-Key", "")
    if request.headers.get("Upgrade", "").lower() != "websocket" or not key:
        raise Invalid(what="not a websocket handshake", why="")
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": generate_accept_token(key.encode()).decode(),
    }
    return WebSocketDuplex(await request.upgrade(headers))


class WebSocketDuplex:
    """The server's side, as a Duplex."""

    def __init__(self, duplex: Duplex) -> None:
        self._duplex = duplex
        self._connection = Connection(ConnectionType.SERVER)
        self._events: list[Event] = []
        self._is_closed = False

    async def read(self) -> bytes:
        """The next bytes of a message; b"" once the client has closed."""
        while not self._is_closed:
            while self._events:
                payload = await self._take(self._events.pop(0))
                if payload:
                    return payload
            if self._is_closed:
                break
            chunk = await self._duplex.read()
            if not chunk:
                break
            try:
                self._connection.receive_data(chunk)
                self._events += list(self._connection.events())
            except RemoteProtocolError:
                await self._goodbye(CLOSE_PROTOCOL_ERROR)
        return b""

    async def write(self, chunk: bytes) -> None:
        """One binary message. Raises Unavailable once the client is gone."""
        await self._send(BytesMessage(chunk))

    async def close(self) -> None:
        """Say goodbye and close; idempotent."""
        await self._goodbye(CLOSE_NORMAL)
        await self._duplex.close()

    async def _goodbye(self, code: int) -> None:
        if not self._is_closed:
            self._is_closed = True
            with suppress(Unavailable):
                await self._send(CloseConnection(code=code))

    async def _send(self, event: Event) -> None:
        try:
            raw = self._connection.send(event)
        except LocalProtocolError as error:
            raise Unavailable(what="the WebSocket", why="the client closed it", fix="") from error
        await self._duplex.write(raw)

    async def _take(self, event: Event) -> bytes:
        if isinstance(event, Ping):
            await self._send(event.response())
        elif isinstance(event, CloseConnection):
            self._is_closed = True
            with suppress(Unavailable):
                await self._send(event.response())
        elif isinstance(event, BytesMessage):
            return bytes(event.data)
        elif isinstance(event, TextMessage):
            return event.data.encode()
        return b""
