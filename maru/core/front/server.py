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

from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

from maru.core.errors import MaruError, Throttled
from maru.core.front.answers import error_answer, json_answer
from maru.core.front.connection import Connection
from maru.core.front.exchange import Exchange, Phase
from maru.core.front.listener import Listener, Place, TcpListener, UnixListener, bind
from maru.core.front.message import Answer, Handler, Request
from maru.core.front.request import FrontRequest
from maru.core.limits import (
    IDLE_CONNECTION_S,
    REQUEST_DEADLINE_S,
    REQUEST_HEADER_BYTES_MAX,
    REQUESTS_IN_FLIGHT_MAX,
    SHUTDOWN_GRACE_S,
)
from maru.core.log import Log

HANDSHAKE_S = 10.0  # for a TLS handshake
_LINGER_S = 2.0  # reading on after an early answer, so that the client sees it before a reset
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

    async def answer(self, raw: web.BaseRequest) -> web.StreamResponse:
        """aiohttp's side: answer one request."""
        connection = raw.protocol
        assert isinstance(connection, Connection)
        task = asyncio.current_task()
        assert task is not None
        exchange = Exchange(task)
        request = FrontRequest(raw, connection, exchange, self._bounds.body_s)
        self._exchanges.add(exchange)
        connection.exchange = exchange
        try:
            answer = _refusal_of_head(raw) or await self._ask(request)
            if exchange.phase is Phase.TAKEN:
                return _Taken()
            if isinstance(answer.body, bytes):
                if len(answer.body) > _SLICE_BYTES:
                    return await self._send_in_slices(raw, answer, answer.body)
                response = web.Response(status=answer.status, body=answer.body, headers=_headers(answer))
                if request.awaits_continue and raw.body_exists:
                    # It may send the body or the next request now; nobody can tell which. RFC 9110, 10.1.1.
                    response.force_close()
                return response
            return await self._pour(raw, exchange, answer, answer.body)
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

    async def _send_in_slices(self, raw: web.BaseRequest, answer: Answer, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_headers(answer))
        response.content_length = len(body)
        await response.prepare(raw)
        if raw.method != "HEAD":
            view = memoryview(body)
            for first in range(0, len(body), _SLICE_BYTES):
                await response.write(view[first : first + _SLICE_BYTES])
        await response.write_eof()
        return response

    async def _pour(
        self, raw: web.BaseRequest, exchange: Exchange, answer: Answer, stream: AsyncIterator[bytes]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_headers(answer))
        if "Content-Length" not in response.headers:
            if raw.version >= HttpVersion11:
                response.enable_chunked_encoding()
            else:
                response.force_close()
        exchange.phase = Phase.STREAMING
        try:
            await response.prepare(raw)
            if raw.method != "HEAD" and not self._is_closing:
                async for chunk in stream:
                    if chunk:
                        await response.write(chunk)
        except asyncio.CancelledError:
            if not exchange.is_ending or raw.transport is None:
                raise
            exchange.task.uncancel()
        except ConnectionError:
            raise
        except Exception as error:
            if not isinstance(error, MaruError):
                self.failures_total += 1
            self._log.error("answer broke off", path=raw.path, error=repr(error), trace=_trace(error))
            # Without the closing chunk the client can tell that this is not all.
            raise ConnectionAbortedError("the answer broke off") from error
        finally:
            await _close_stream(stream)
        await response.write_eof()
        return response


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


async def _listen(loop: asyncio.AbstractEventLoop, server: web.Server, place: Place) -> asyncio.Server:
    if isinstance(place.listener, UnixListener):
        return await loop.create_unix_server(server, sock=place.socket)
    if place.listener.tls is None:
        return await loop.create_server(server, sock=place.socket)
    return await loop.create_server(
        server, sock=place.socket, ssl=place.listener.tls.context, ssl_handshake_timeout=HANDSHAKE_S
    )


def _refusal_of_head(raw: web.BaseRequest) -> Answer | None:
    """The answer to a head that is too large or is not text; None if it is good."""
    size_bytes = len(raw.raw_path)
    for name, value in raw.raw_headers:
        size_bytes += len(name) + len(value)
        if not value.isascii() and not _is_text(value):
            return json_answer({"message": f"header {name.decode('ascii', 'replace')} is not UTF-8"}, 400)
    if size_bytes > REQUEST_HEADER_BYTES_MAX:
        return json_answer({"message": f"the request's headers are over {REQUEST_HEADER_BYTES_MAX} bytes"}, 431)
    return None


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _headers(answer: Answer) -> CIMultiDict[str]:
    headers = CIMultiDict(answer.headers)
    headers.setdefault("Server", "Maru")
    return headers


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


async def _close_stream(stream: AsyncIterator[bytes]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


class _Server(web.Server):
    """aiohttp's server, with our connections."""

    def __init__(self, front: Front, bounds: Bounds, log: Log) -> None:
        super().__init__(front.answer)
        self._bounds = bounds
        self._log = log

    def __call__(self) -> Connection:
        return Connection(
            self,
            self._bounds.stall_s,
            self._log,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._bounds.idle_s,
            access_log=None,
            max_line_size=REQUEST_HEADER_BYTES_MAX,
            max_field_size=REQUEST_HEADER_BYTES_MAX,
            max_headers=_HEADERS_MAX,
            lingering_time=_LINGER_S,
            read_bufsize=_READ_BYTES,
            auto_decompress=False,
        )


class _Taken(web.StreamResponse):
    """What aiohttp is told when the connection is no longer HTTP: send nothing, then close."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, chunk: bytes = b"") -> None:
        return None
