"""One client connection: who is at its other end, and what happens when that end stalls or goes.

aiohttp's protocol does the HTTP; this adds what it leaves out: a client that stops reading is cut
off after a bound, a client that goes away ends the handler that works for it, and an upgraded
connection may be closed by halves.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct

from aiohttp import web

from maru.core.front.duplex import TransportDuplex
from maru.core.front.exchange import Exchange
from maru.core.front.message import Peer
from maru.core.log import Log

_PEER_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid; source: unix(7), SO_PEERCRED


class Connection(web.RequestHandler):
    """aiohttp's connection, with a peer, a stall timer and the exchange under way."""

    def __init__(self, server: web.Server, stall_s: float, log: Log, **settings: object) -> None:
        super().__init__(server, **settings)  # type: ignore[arg-type]  # aiohttp's own keywords, as web.Server hands them on
        self._log = log
        self.exchange: Exchange | None = None
        self._stall_s = stall_s
        self._stall: asyncio.TimerHandle | None = None
        self._peer: Peer | None = None
        self._duplex: TransportDuplex | None = None

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

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read as HTTP, and close; behind a begun answer only the close is left."""
        if request.writer.output_size > 0:
            raise ConnectionAbortedError("the answer broke off") from exc
        self._log.info("request could not be read", peer=self.peer.address, error=repr(exc))
        content = {"message": message or "the request could not be read"}
        response = web.json_response(content, status=status, headers={"Server": "Maru"})
        response.force_close()
        return response

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio lets it answer: stay open for writing
        if self._duplex is None:
            return False
        self._duplex.feed_end()
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: BaseException | None) -> None:
        self._cancel_stall()
        super().connection_lost(exc)
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
    return Peer(address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}", certificate=certificate or b"")
