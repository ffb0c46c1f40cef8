"""The server: listeners in, answers out, and an end that leaves nobody hanging.

`serve` opens listeners and answers every request with one handler. Answers that stream are flushed
chunk by chunk and closed when the client goes. When the scope is left no connection is accepted any
more, streams end properly, handlers get SHUTDOWN_GRACE_S and are then cancelled. aiohttp's low-level
server stands behind it and nowhere else. Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from maru.core.errors import MaruError, Throttled
from maru.core.front.answers import error_answer, json_answer
from maru.core.front.connection import Connection
from maru.core.front.exchange import Exchange, Phase
from maru.core.front.framing import LAST_CHUNK, Frame, frame
from maru.core.front.listener import Listener, Place, TcpListener, UnixListener, bind
from maru.core.front.message import Answer, Handler, Request
from maru.core.front.request import FrontRequest
from maru.core.front.sniffing import SniffingServer
from maru.core.limits import (
    IDLE_CONNECTION_S,
    REQUEST_DEADLINE_S,
    REQUEST_HEADER_BYTES_MAX,
    REQUESTS_IN_FLIGHT_MAX,
    SHUTDOWN_GRACE_S,
)
from maru.core.log import Log

HANDSHAKE_S = 10.0  # for a TLS handshake
_HEADERS_MAX = 256
_READ_BYTES = 64 * 1024
_SLICE_BYTES = 256 * 1024  # of a large answer at a time: encrypted while the client reads the one before


@dataclass(frozen=True, slots=True)
class Bounds:
    """idle_s: a request's head must be complete this long after the connection or the last answer.

    body_s: as in FrontRequest. stall_s: how long a client may not read what it was sent.
    """

    idle_s: float = IDLE_CONNECTION_S
    body_s: float = REQUEST_DEADLINE_S
    stall_s: float = REQUEST_DEADLINE_S
    in_flight_max: int = REQUESTS_IN_FLIGHT_MAX
    shutdown_grace_s: float = SHUTDOWN_GRACE_S


BugAnswer = Callable[[Request], Answer]
"""What a client is told whose request ended in a bug, in the edge's own protocol; it may not fail."""


def _plain_bug_answer(_request: Request) -> Answer:
    return json_answer({"message": "internal error"}, 500)


class Front:
    """A running front. ports: of the TCP listeners, in their order."""

    def __init__(self, handler: Handler, bounds: Bounds, name: str, bug_answer: BugAnswer) -> None:
        self._handler = handler
        self._bug_answer = bug_answer
        self._bounds = bounds
        self._log = Log(name)
        self._exchanges: set[Exchange] = set()
        self._asking = 0
        self._is_closing = False
        self.ports: list[int] = []
        self.failures_total = 0  # handlers that ended in a bug

    @property
    def in_flight(self) -> int:
        """Requests whose handler has not answered yet; streams and upgrades do not count."""
        return self._asking

    async def turn(self, connection: Connection, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Answer one request; whether the connection is for further ones. Raises ConnectionError."""
        task = asyncio.current_task()
        assert task is not None
        exchange = Exchange(task)
        request = FrontRequest(message, payload, connection, exchange, self._bounds.body_s)
        self._exchanges.add(exchange)
        connection.exchange = exchange
        try:
            answer = _refusal_of_head(message) or await self._ask(request)
            if exchange.phase is Phase.TAKEN:
                return False
            # A client that awaits 100 Continue may send the body or the next request now; nobody can tell which.
            # RFC 9110, 10.1.1.
            closes = request.awaits_continue and payload is not EMPTY_PAYLOAD
            sending = self._framed(request, message, answer, closes=closes)
            body = answer.body
            if not isinstance(body, bytes):
                await self._pour(connection, exchange, sending, body)
            elif not sending.has_body:
                connection.send(sending.head)
            elif len(body) <= _SLICE_BYTES:
                connection.send(sending.head + body)
            else:
                await _send_in_slices(connection, sending.head, body)
            await connection.drain()
            return sending.keeps
        finally:
            connection.exchange = None
            self._exchanges.discard(exchange)

    async def close(self) -> None:
        """End streams, wait for handlers, cancel those that stay."""
        self._is_closing = True
        for exchange in list(self._exchanges):
            exchange.end()
        tasks = [exchange.task for exchange in self._exchanges]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._bounds.shutdown_grace_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=self._bounds.shutdown_grace_s)

    async def _ask(self, request: FrontRequest) -> Answer:
        """The handler's answer, or the answer to its failure."""
        if self._asking >= self._bounds.in_flight_max:
            return error_answer(
                Throttled(what="the request", why="too many are being answered", fix="try again", retry_after_s=1)
            )
        self._asking += 1
        try:
            answer = await self._handler(request)
        except MaruError as error:
            answer = error_answer(error)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            self.failures_total += 1
            self._log.error(
                "request handler failed",
                method=request.method,
                path=request.path,
                error=repr(error),
                trace=_trace(error),
            )
            answer = self._bug_answer(request)
        finally:
            self._asking -= 1
        return answer

    def _framed(self, request: FrontRequest, message: RawRequestMessage, answer: Answer, *, closes: bool) -> Frame:
        try:
            return frame(answer, message, closes=closes)
        except ValueError as error:
            self.failures_total += 1
            self._log.error("answer cannot be sent", path=request.path, error=repr(error))
            return frame(Answer(500), message, closes=True)

    async def _pour(
        self, connection: Connection, exchange: Exchange, sending: Frame, stream: AsyncIterator[bytes]
    ) -> None:
        exchange.phase = Phase.STREAMING
        try:
            connection.send(sending.head)
            if sending.has_body and not self._is_closing:
                await _send_stream(connection, sending, stream)
        except asyncio.CancelledError:
            if not exchange.is_ending or connection.transport is None:
                raise
            exchange.task.uncancel()
        except ConnectionError:
            raise
        except Exception as error:
            if not isinstance(error, MaruError):
                self.failures_total += 1
            self._log.error("answer broke off", error=repr(error), trace=_trace(error))
            # Without the closing chunk the client can tell that this is not all.
            raise ConnectionAbortedError("the answer broke off") from error
        finally:
            await _close_stream(stream)
        if sending.is_chunked:
            connection.send(LAST_CHUNK)


@asynccontextmanager
async def serve(
    listeners: Sequence[Listener],
    handler: Handler,
    *,
    name: str = "front",
    bounds: Bounds | None = None,
    bug_answer: BugAnswer = _plain_bug_answer,
) -> AsyncIterator[Front]:
    """Answer requests on all `listeners` until the scope is left.

    Raises Unavailable when a listener's place is taken; then none is open.
    """
    bounds = bounds or Bounds()
    front = Front(handler, bounds, name, bug_answer)
    server = _Server(front, bounds, Log(name))
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        places = []
        for listener in listeners:
            place = bind(listener)
            stack.callback(place.release)
            places.append(place)
        stack.push_async_callback(server.shutdown, 0.1)
        stack.push_async_callback(front.close)
        for place in places:
            opened = await _listen(loop, server, place)
            stack.callback(opened.close)
            if isinstance(place.listener, TcpListener):
                front.ports.append(int(place.socket.getsockname()[1]))
        yield front


async def _listen(loop: asyncio.AbstractEventLoop, server: web.Server, place: Place) -> asyncio.Server | SniffingServer:
    if isinstance(place.listener, UnixListener):
        return await loop.create_unix_server(server, sock=place.socket)
    if place.listener.tls is None:
        return await loop.create_server(server, sock=place.socket)
    if place.listener.takes_plain:
        return SniffingServer(place.socket, server, place.listener.tls.context)
    return await loop.create_server(
        server, sock=place.socket, ssl=place.listener.tls.context, ssl_handshake_timeout=HANDSHAKE_S
    )


async def _send_in_slices(connection: Connection, head: bytes, body: bytes) -> None:
    view = memoryview(body)
    connection.send(head)
    for first in range(0, len(body), _SLICE_BYTES):
        connection.send(view[first : first + _SLICE_BYTES])
        await connection.drain()


async def _send_stream(connection: Connection, sending: Frame, stream: AsyncIterator[bytes]) -> None:
    """Raises ConnectionError for a stream that is not as long as its head says."""
    left = sending.length
    async for piece in stream:
        if not piece:
            continue
        if sending.is_chunked:
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        elif left < 0:
            connection.send(piece)
        else:
            left -= len(piece)
            if left < 0:
                raise ConnectionAbortedError("the stream is longer than it was said to be")
            connection.send(piece)
        await connection.drain()
    if left > 0:
        raise ConnectionAbortedError("the stream is shorter than it was said to be")


def _refusal_of_head(message: RawRequestMessage) -> Answer | None:
    """The answer to a head that is too large or is not text; None if it is good."""
    whole = b"".join(chain.from_iterable(message.raw_headers))
    if not whole.isascii():
        for name, value in message.raw_headers:
            if not _is_text(value):
                return json_answer({"message": f"header {name.decode('ascii', 'replace')} is not UTF-8"}, 400)
    if len(message.path) + len(whole) > REQUEST_HEADER_BYTES_MAX:
        return json_answer({"message": f"the request's headers are over {REQUEST_HEADER_BYTES_MAX} bytes"}, 431)
    return None


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


async def _close_stream(stream: AsyncIterator[bytes]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


class _Server(web.Server):
    """aiohttp's server, with our connections."""

    def __init__(self, front: Front, bounds: Bounds, log: Log) -> None:
        super().__init__(_never)
        self._front = front
        self._bounds = bounds
        self._log = log

    def __call__(self) -> Connection:
        return Connection(
            self,
            self._front.turn,
            self._bounds.stall_s,
            self._log,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._bounds.idle_s,
            access_log=None,
            max_line_size=REQUEST_HEADER_BYTES_MAX,
            max_field_size=REQUEST_HEADER_BYTES_MAX,
            max_headers=_HEADERS_MAX,
            read_bufsize=_READ_BYTES,
            auto_decompress=False,
        )


async def _never(_request: web.BaseRequest) -> web.StreamResponse:
    raise AssertionError("connections answer by themselves")
