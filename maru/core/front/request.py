"""A request as aiohttp parsed it, behind the front's own interface.

Nothing is computed before it is asked for: most handlers need the path, two headers and the body.
Bodies come as they were sent; `Content-Encoding` is the edge's to undo, because signatures cover the
bytes on the wire. Source: RFC 9110 (Expect, Upgrade), RFC 9112 (request target).
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import termios
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestPayloadError

from maru.core.errors import Deadline, Invalid, TooLarge, Unavailable
from maru.core.front.connection import Connection
from maru.core.front.duplex import TransportDuplex
from maru.core.front.exchange import Exchange
from maru.core.front.message import Duplex, Peer

QUERY_FIELDS_MAX = 1000
HEAD_READ_S = 0.05
_HEAD_POLL_S = 0.0002


class FrontRequest:
    """One request. `body_deadline_s` bounds `body` as a whole and each wait of `chunks`."""

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        connection: Connection,
        exchange: Exchange,
        body_deadline_s: float,
    ) -> None:
        self._message = message
        self._payload = payload
        self._connection = connection
        self._exchange = exchange
        self._body_deadline_s = body_deadline_s
        self._query: Sequence[tuple[str, str]] | None = None
        self._path = ""
        self._must_continue = message.headers.get("Expect", "").lower() == "100-continue"

    @property
    def awaits_continue(self) -> bool:
        """Whether the client holds its body back and was not told to send it."""
        return self._must_continue

    @property
    def method(self) -> str:
        return self._message.method

    @property
    def path(self) -> str:
        if not self._path:
            target = self._message.path.partition("?")[0]
            if not target.startswith(("/", "*")):
                target = urlsplit(target).path
            self._path = (unquote(target) if "%" in target else target) or "/"
        return self._path

    @property
    def raw_target(self) -> str:
        return self._message.path

    @property
    def query(self) -> Sequence[tuple[str, str]]:
        """Raises Invalid if there are more than QUERY_FIELDS_MAX."""
        if self._query is None:
            encoded = self._message.path.partition("?")[2]
            try:
                self._query = parse_qsl(encoded, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
            except ValueError as error:
                raise Invalid(what="the query string", why=str(error), fix="") from error
        return self._query

    def query_get(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.query if key == name), default)

    @property
    def headers(self) -> Mapping[str, str]:
        return self._message.headers

    def header_all(self, name: str) -> Sequence[str]:
        return self._message.headers.getall(name, ())

    @property
    def peer(self) -> Peer:
        return self._connection.peer

    async def body(self, bytes_max: int) -> bytes:
        payload = self._payload
        if payload is EMPTY_PAYLOAD:
            return b""
        if int(self._message.headers.get("Content-Length", "0")) > bytes_max:
            raise _too_large(bytes_max)
        if payload.is_eof() and not self._must_continue:
            return self._arrived(bytes_max)
        parts: list[bytes] = []
        total_bytes = 0
        try:
            async with asyncio.timeout(self._body_deadline_s):
                async for chunk in self._arriving():
                    total_bytes += len(chunk)
                    if total_bytes > bytes_max:
                        raise _too_large(bytes_max)
                    parts.append(chunk)
        except TimeoutError as error:
            raise self._too_slow() from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        arriving = self._arriving()
        while True:
            try:
                async with asyncio.timeout(self._body_deadline_s):
                    chunk = await anext(arriving, b"")
            except TimeoutError as error:
                raise self._too_slow() from error
            if not chunk:
                return
            yield chunk

    async def upgrade(self, headers: Mapping[str, str], status: str = "101 Switching Protocols") -> Duplex:
        """Raises Unavailable if the client is gone, Invalid if a header would break the head."""
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise Unavailable(what="the upgrade", why="the client closed the connection", fix="")
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise Invalid(what="the upgrade", why="a header holds a line break", fix="")
        duplex = TransportDuplex(transport, self._connection.drain)
        self._exchange.take(duplex)
        self._connection.take(duplex)
        transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        raw: socket.socket = transport.get_extra_info("socket")
        if raw.family == socket.AF_UNIX:
            await _until_read(raw.fileno())
        return duplex

    def _arrived(self, bytes_max: int) -> bytes:
        """The body that came together with its head, as small ones do."""
        try:
            body = self._payload.read_nowait(-1)
        except RequestPayloadError as error:
            raise _broken_off(error) from error
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        return body

    async def _arriving(self) -> AsyncIterator[bytes]:
        """The parts of the body, none of them empty."""
        if self._must_continue and self._connection.transport is not None:
            self._must_continue = False
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            while chunk := await self._payload.readany():
                yield chunk
        except RequestPayloadError as error:
            raise _broken_off(error) from error

    def _too_slow(self) -> Deadline:
        return Deadline(
            what="the request body", why=f"it did not arrive within {self._body_deadline_s:g} s", fix="send it again"
        )


def _broken_off(error: RequestPayloadError) -> Invalid:
    return Invalid(what="the request body", why=str(error), fix="send the body whole")


async def _until_read(descriptor: int) -> None:
    """Until the peer has taken everything that was sent to it, or HEAD_READ_S have passed."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + HEAD_READ_S
    unread = array("i", [0])
    while loop.time() < give_up_at:
        try:
            fcntl.ioctl(descriptor, termios.TIOCOUTQ, unread)
        except OSError:
            return
        if unread[0] == 0:
            return
        pause = loop.create_future()
        loop.call_later(_HEAD_POLL_S, pause.set_result, None)
        await pause


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(what="the request body", why=f"it is larger than {bytes_max} bytes", fix="send a smaller one")
