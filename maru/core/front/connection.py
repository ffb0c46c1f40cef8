"""One client connection: its requests in turn, who is at its other end, and what happens when that end stalls or goes.

aiohttp's protocol reads the HTTP; this answers one request after another on one task and adds what it leaves
out: a client that stops reading is cut off after a bound, a client that goes away ends the handler that works
for it, and an upgraded connection may be closed by halves.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestPayloadError

from maru.core.front.duplex import TransportDuplex
from maru.core.front.exchange import Exchange
from maru.core.front.message import Peer
from maru.core.log import Log

_PEER_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid; source: unix(7), SO_PEERCRED
_UNREADABLE = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 44\r\nServer: Maru\r\n\r\n"
    b'{"message": "the request could not be read"}'
)
_LINGER_S = 2.0  # reading on after an early answer, so that the client sees it before a reset
_OVER = RequestPayloadError("the request has been answered")

Turn = Callable[["Connection", RawRequestMessage, StreamReader], Awaitable[bool]]
"""Answers one request; whether the connection is for further ones. Raises ConnectionError if the client is gone."""


class Connection(web.RequestHandler):
    """aiohttp's connection, with a peer, a stall timer and the exchange under way."""

    def __init__(self, server: web.Server, turn: Turn, stall_s: float, log: Log, **settings: object) -> None:
        super().__init__(server, **settings)  # type: ignore[arg-type]  # aiohttp's own keywords, as web.Server hands them on
        self._turn = turn
        self._log = log
        self.exchange: Exchange | None = None
        self._stall_s = stall_s
        self._stall: asyncio.TimerHandle | None = None
        self._peer: Peer | None = None
        self._duplex: TransportDuplex | None = None
        self._payload: StreamReader | None = None  # of the last request: ends with the connection

    @property
    def peer(self) -> Peer:
        """Who is connected; read once, as it cannot change."""
        if self._peer is None:
            self._peer = _peer_of(self.transport)
        return self._peer

    def take(self, duplex: TransportDuplex) -> None:
        """Hand all bytes from now on to `duplex`."""
        self._duplex = duplex
        self.set_parser(duplex)  # type: ignore[arg-type]  # aiohttp asks for feed_data and feed_eof, no more

    def send(self, piece: bytes | memoryview) -> None:
        """Raises ConnectionError if the client is gone."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(piece)

    async def drain(self) -> None:
        """Wait while the client is slow to read. Raises ConnectionError if it is gone."""
        if self._paused:
            await self._drain_helper()

    async def start(self) -> None:
        """Answer requests until the connection is to end; in place of aiohttp's, which makes a task for each."""
        try:
            await self._answer_in_turn()
        except asyncio.CancelledError:
            # A task that ends cancelled keeps its frames, and those keep the task, and all that had come of a body.
            if self.transport is not None:
                raise

    async def _answer_in_turn(self) -> None:
        while not self._force_close:
            if not self._messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, payload = self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            if not isinstance(message, RawRequestMessage):
                self._log.info("request could not be read", peer=self.peer.address, error=repr(message.exc))
                with suppress(ConnectionError):
                    self.send(_UNREADABLE)
                break
            if not await self._answered(message, payload):
                break
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _answered(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Answer one request; whether another may follow."""
        self._request_in_progress = True
        self._payload = payload
        try:
            keeps = await self._turn(self, message, payload)
        except ConnectionError:
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        finally:
            self._request_in_progress = False
            if self._handler_waiter is not None:
                self._handler_waiter.set_result(None)
        if self._upgraded and not self._messages and self._payload_parser is None:
            self._stay_http()
        if not payload.is_eof() and not await self._is_read_to_its_end(payload):
            return False
        payload.set_exception(_OVER)
        if not keeps or self._close or self._force_close:
            return False
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
        return True

    async def _is_read_to_its_end(self, payload: StreamReader) -> bool:
        """Read a body on that nobody asked for, for a while."""
        try:
            async with asyncio.timeout(_LINGER_S):
                while not self._force_close and not payload.is_eof():
                    await payload.readany()
        except (TimeoutError, ConnectionError, RequestPayloadError):
            return False
        return payload.is_eof()

    def _stay_http(self) -> None:
        """An upgrade was declined: what came behind it is the next request."""
        if self._parser is None:
            return
        self._parser.set_upgraded(False)
        self._upgraded = False
        behind, self._message_tail = self._message_tail, b""
        if behind:
            self.data_received(behind)
        if self._buffer_paused:
            self._resume_reading_if_drained()

    def data_received(self, chunk: bytes) -> None:
        """aiohttp keeps what follows an upgrade's head for websocket only; here for every protocol."""
        if self._duplex is not None or self._upgraded or b"pgrade:" not in chunk:
            super().data_received(chunk)
            return
        head, end, behind = chunk.partition(b"\r\n\r\n")
        super().data_received(head + end)
        if self._messages:
            message, payload = self._messages[-1]
            # With a body still to come the client speaks on only after it has seen the 101.
            self._upgraded = self._upgraded or (getattr(message, "upgrade", False) and payload.is_eof())
        if behind:
            super().data_received(behind)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio lets it answer: stay open for writing
        if self._duplex is None:
            return False
        self._duplex.feed_end()
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: BaseException | None) -> None:
        self._cancel_stall()
        super().connection_lost(exc)
        if self._payload is not None:
            self._payload.set_exception(exc or ConnectionResetError("the client is gone"))
            self._payload = None
        if self.exchange is not None:
            self.exchange.lose_client()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cancel_stall()
        self._stall = self._loop.call_later(self._stall_s, self._cut_off)

    def resume_writing(self) -> None:
        self._cancel_stall()
        super().resume_writing()

    def _cut_off(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _cancel_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def _peer_of(transport: asyncio.Transport | None) -> Peer:
    if transport is None:
        return Peer(address="")
    raw: socket.socket = transport.get_extra_info("socket")
    if raw.family == socket.AF_UNIX:
        _, user_id, _ = _PEER_CREDENTIALS.unpack(
            raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        )
        return Peer(address=str(transport.get_extra_info("sockname")), user_id=user_id)
    session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    host, port = transport.get_extra_info("peername")[:2]
    certificate = session.getpeercert(binary_form=True) if session is not None else None
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Peer(address, certificate or b"", is_secure=session is not None)
