"""A WebSocket after its handshake: whole messages both ways, pings answered, a bound on their size.

Frames are the sans-IO library wsproto's. Source: RFC 6455.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError, generate_accept_token

from maru.core.errors import Invalid, Unavailable
from maru.core.front.message import Duplex, Request

MESSAGE_BYTES_MAX = 4 << 20
CLOSE_NORMAL, CLOSE_PROTOCOL_ERROR, CLOSE_TOO_LARGE = 1000, 1002, 1009


def is_websocket(request: Request) -> bool:
    """True when the client asks for the WebSocket upgrade."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def offered_protocols(request: Request) -> Sequence[str]:
    """The subprotocols the client offers, in its order."""
    lines = request.header_all("Sec-WebSocket-Protocol")
    return [word.strip() for line in lines for word in line.split(",") if word.strip()]


def handshake_headers(request: Request, protocol: str) -> Mapping[str, str]:
    """The headers of the 101 answer. Raises Invalid when the client's are no handshake."""
    key = request.headers.get("Sec-WebSocket-Key", "")
    if not key or request.headers.get("Sec-WebSocket-Version", "") != "13":
        raise Invalid(what="WebSocket handshake", why="Sec-WebSocket-Key or version 13 is missing", fix="")
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": generate_accept_token(key.encode()).decode(),
    }
    return {**headers, "Sec-WebSocket-Protocol": protocol} if protocol else headers


class WebSocket:
    """The server's side. One reader at a time; sending may go on beside it."""

    def __init__(self, duplex: Duplex) -> None:
        self._duplex = duplex
        self._connection = Connection(ConnectionType.SERVER)
        self._events: list[Event] = []
        self._partial = bytearray()
        self._is_closed = False

    async def receive(self) -> tuple[bytes, bool] | None:
        """The next message and whether it is text; None once the client has closed or is gone."""
        while not self._is_closed:
            while self._events:
                message = await self._take(self._events.pop(0))
                if message is not None:
                    return message
                if self._is_closed:
                    return None
            chunk = await self._duplex.read()
            if not chunk:
                self._is_closed = True
                return None
            try:
                self._connection.receive_data(chunk)
                self._events += list(self._connection.events())
            except RemoteProtocolError:
                await self.close(CLOSE_PROTOCOL_ERROR)
        return None

    async def send(self, payload: bytes, *, is_text: bool = False) -> None:
        """One message. Raises Unavailable once the client is gone."""
        event = TextMessage(payload.decode("ascii")) if is_text else BytesMessage(payload)
        await self._send(event)

    async def close(self, code: int = CLOSE_NORMAL) -> None:
        """Say goodbye and close; idempotent."""
        if not self._is_closed:
            self._is_closed = True
            with suppress(Unavailable, LocalProtocolError):
                await self._duplex.write(self._connection.send(CloseConnection(code=code)))
        await self._duplex.close()

    async def _send(self, event: Event) -> None:
        try:
            raw = self._connection.send(event)
        except LocalProtocolError as error:
            raise Unavailable(what="the WebSocket", why="the client closed it", fix="") from error
        await self._duplex.write(raw)

    async def _take(self, event: Event) -> tuple[bytes, bool] | None:
        if isinstance(event, Ping):
            await self._send(event.response())
        elif isinstance(event, CloseConnection):
            self._is_closed = True
            with suppress(Unavailable):
                await self._send(event.response())
        elif isinstance(event, BytesMessage | TextMessage):
            self._partial += event.data.encode() if isinstance(event.data, str) else event.data
            if len(self._partial) > MESSAGE_BYTES_MAX:
                await self.close(CLOSE_TOO_LARGE)
            elif event.message_finished:
                message = bytes(self._partial)
                self._partial.clear()
                return message, isinstance(event, TextMessage)
        return None
