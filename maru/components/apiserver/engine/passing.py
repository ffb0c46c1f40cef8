"""Requests passed on to another HTTP server, and its answer passed back as it comes.

An upgrade (exec, attach, port-forward, a WebSocket behind a proxy) is spliced raw: the head goes
over, and once the other side switches protocols bytes flow both ways until both are done. Everything
else is one request whose answer streams. Source: k8s.io/apimachinery/pkg/util/proxy,
UpgradeAwareHandler; RFC 9110 section 7.8.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from maru.core.errors import Deadline, MaruError, Unavailable
from maru.core.front.message import TAKEN, Answer, Duplex, Request
from maru.core.limits import REQUEST_DEADLINE_S

CONNECT_S = 10.0
HEAD_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 64 * 1024
_OF_THE_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "host",
        "authorization",
        "accept-encoding",
    }
)
_ANSWER_DROPPED = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "server", "date"})
_UPGRADE_HEADERS = ("connection", "upgrade", "x-stream-protocol-version", "origin", "user-agent")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the other server listens: a unix socket, or a host and port."""

    socket: Path | None = None
    host: str = ""
    port: int = 0

    @property
    def name(self) -> str:
        """For the Host header and for messages."""
        return f"{self.host}:{self.port}" if self.socket is None else "node"


class Passing:
    """Passes requests on. Sessions are kept per unix socket; close when done."""

    def __init__(self) -> None:
        self._tcp: aiohttp.ClientSession | None = None
        self._unix: dict[Path, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close the sessions."""
        for session in (self._tcp, *self._unix.values()):
            if session is not None:
                await session.close()

    async def fetch(self, place: Place, target: str, deadline_s: float, bytes_max: int) -> bytes:
        """The body of a GET of our own that is answered with 200. Raises Unavailable, Deadline."""
        url = URL(f"http://{place.name}{target}", encoded=True)
        try:
            async with asyncio.timeout(deadline_s), self._session(place).get(url) as response:
                body = b""
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > bytes_max:
                        raise Unavailable(what=target, why=f"the answer is over {bytes_max} bytes")
        except TimeoutError as error:
            raise Deadline(what=f"{target} of {place.name}", why=f"no answer in {deadline_s} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(place, error) from error
        if response.status != 200:
            raise Unavailable(what=target, why=f"status {response.status}")
        return body

    async def pass_on(self, request: Request, place: Place, target: str, method: str = "") -> Answer:
        """The other server's answer to `target` (path and query). Raises Unavailable if it cannot be reached."""
        method = method or request.method
        if is_upgrade(request):
            return await self._upgrade(request, place, target, method)
        session = self._session(place)
        url = URL(f"http://{place.name}{target}", encoded=True)
        try:
            response = await session.request(
                method, url, headers=_forwarded(request), data=_body(request), allow_redirects=False
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(place, error) from error
        headers = CIMultiDict(
            (name, value) for name, value in response.headers.items() if name.lower() not in _ANSWER_DROPPED
        )
        return Answer(response.status, _pour(response), headers)

    def _session(self, place: Place) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        if place.socket is None:
            if self._tcp is None:
                self._tcp = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0), timeout=timeout, auto_decompress=False
                )
            return self._tcp
        session = self._unix.get(place.socket)
        if session is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(place.socket), limit=0), timeout=timeout, auto_decompress=False
            )
            self._unix[place.socket] = session
        return session

    async def _upgrade(self, request: Request, place: Place, target: str, method: str) -> Answer:
        reader, writer = await _connect(place)
        try:
            writer.write(_head(request, place, target, method))
            try:
                async with asyncio.timeout(REQUEST_DEADLINE_S):
                    await writer.drain()
                    head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
                raise unreachable(place, error) from error
            except TimeoutError as error:
                raise Deadline(what=f"upgrade to {place.name}", why="it did not answer in time") from error
            status, headers = read_head(head)
            if status != 101:
                return Answer(status, await _rest(reader, headers), _shown(headers))
            duplex = await request.upgrade(dict(headers))
            await splice(duplex, reader, writer)
            return TAKEN
        finally:
            writer.close()


async def splice(duplex: Duplex, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes both ways; a side that ends is told to the other, and all ends when the other server does."""
    upward = asyncio.create_task(_upward(duplex, writer), name="splice up")
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            await duplex.write(chunk)
    except (OSError, MaruError):
        pass  # either side has gone: that is how such connections end
    finally:
        upward.cancel()
        await asyncio.gather(upward, return_exceptions=True)
        await duplex.close()


async def _upward(duplex: Duplex, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await duplex.read():
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, MaruError):
        writer.close()


def is_upgrade(request: Request) -> bool:
    """Whether the client asks for another protocol."""
    return "upgrade" in request.headers.get("Connection", "").lower() and bool(request.headers.get("Upgrade"))


def read_head(head: bytes) -> tuple[int, Sequence[tuple[str, str]]]:
    """Status and headers of an HTTP/1.1 answer. Raises Unavailable for what is none."""
    lines = head.decode("latin-1").split("\r\n")
    try:
        status = int(lines[0].split(" ", 2)[1])
    except (IndexError, ValueError):
        raise Unavailable(what="the node", why=f"it answered {lines[0][:80]!r}, which is not HTTP") from None
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
    return status, headers


def unreachable(place: Place, error: Exception) -> Unavailable:
    """503: nobody answers there."""
    message = f"error trying to reach service: dial {place.name}: {error}"
    return Unavailable(what=f"connection to {place.name}", why=str(error), message=message)


async def _connect(place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(CONNECT_S):
            if place.socket is not None:
                return await asyncio.open_unix_connection(str(place.socket), limit=HEAD_BYTES_MAX)
            return await asyncio.open_connection(place.host, place.port, limit=HEAD_BYTES_MAX)
    except (OSError, TimeoutError) as error:
        raise unreachable(place, error) from error


def _head(request: Request, place: Place, target: str, method: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {place.name}"]
    for name in request.headers:
        if name.lower() in _UPGRADE_HEADERS or name.lower().startswith("sec-websocket-"):
            lines += [f"{name}: {value}" for value in request.header_all(name)]
    seen = dict.fromkeys(lines)
    return ("\r\n".join(seen) + "\r\n\r\n").encode("latin-1")


def _forwarded(request: Request) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name in dict.fromkeys(request.headers):
        if name.lower() not in _OF_THE_HOP:
            for value in request.header_all(name):
                headers.add(name, value)
    headers["X-Forwarded-For"] = request.peer.address.rpartition(":")[0] or "127.0.0.1"
    return headers


def _body(request: Request) -> AsyncIterator[bytes] | None:
    has_body = request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers
    return request.chunks() if has_body else None


async def _pour(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except aiohttp.ClientError as error:
        raise Unavailable(what="the answer", why=f"it broke off: {error}") from error
    finally:
        response.close()


async def _rest(reader: asyncio.StreamReader, headers: Sequence[tuple[str, str]]) -> bytes:
    """The body of an answer that refused to upgrade; at most HEAD_BYTES_MAX."""
    length = next((value for name, value in headers if name.lower() == "content-length"), "")
    try:
        async with asyncio.timeout(CONNECT_S):
            if length.isdigit():
                return await reader.readexactly(min(int(length), HEAD_BYTES_MAX))
            return await reader.read(HEAD_BYTES_MAX)
    except (asyncio.IncompleteReadError, OSError, TimeoutError):
        return b""


def _shown(headers: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    return {
        name: value
        for name, value in headers
        if name.lower() not in _ANSWER_DROPPED and name.lower() != "content-length"
    }
