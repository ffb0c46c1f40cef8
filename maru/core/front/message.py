"""A request and its answer, as every HTTP edge of Maru sees them, whatever server stands behind.

A handler is one async function from Request to Answer. Expected failures are raised as
`core/errors` classes and turned into the protocol's answer by the edge's own middleware; anything
else ends as a 500 and is counted as a bug.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Duplex(Protocol):
    """The raw bytes of a connection after an upgrade. Reading and writing may go on side by side."""

    async def read(self) -> bytes:
        """The next bytes (1 or more), or b"" once the peer has closed its side."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Send; waits while the peer is slow. Raises Unavailable once the peer is gone."""
        ...

    async def close(self) -> None:
        """Close both sides; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the connection.

    address: host:port, or the path of the unix socket. certificate: the verified client certificate
    in DER, empty if none was shown. user_id: the peer's uid on a unix socket, None elsewhere. is_secure: over TLS.
    """

    address: str
    certificate: bytes = b""
    user_id: int | None = None
    is_secure: bool = False


class Request(Protocol):
    """One request. Header names are case-insensitive."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str:
        """Percent-decoded path, never empty, without the query."""
        ...

    @property
    def raw_target(self) -> str:
        """Path and query exactly as received (signatures and proxies need it)."""
        ...

    @property
    def query(self) -> Sequence[tuple[str, str]]:
        """Decoded pairs in order, repeated names kept."""
        ...

    def query_get(self, name: str, default: str = "") -> str:
        """The first value of `name`."""
        ...

    @property
    def headers(self) -> Mapping[str, str]: ...
    def header_all(self, name: str) -> Sequence[str]:
        """Every value of a repeated header, in order."""
        ...

    @property
    def peer(self) -> Peer: ...

    async def body(self, bytes_max: int) -> bytes:
        """The whole body. Raises TooLarge over `bytes_max`, Deadline if it comes too slowly."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, for uploads larger than memory should hold."""
        ...

    async def upgrade(self, headers: Mapping[str, str], status: str = "101 Switching Protocols") -> Duplex:
        """Answer `status` with `headers` and take the connection over, any protocol.

        On a unix socket it returns once the client has read that (or HEAD_READ_S later): there are
        clients that lose what comes in one piece with it.

        The handler returns `TAKEN` when it has finished with the Duplex.
        """
        ...


class Answer(Struct, frozen=True):
    """One response. body: all of it, or a stream whose chunks are flushed as they come.

    A stream is closed (its aclose awaited) when the client goes away.
    """

    status: int
    body: bytes | AsyncIterator[bytes] = b""
    headers: Mapping[str, str] = NO_HEADERS


TAKEN = Answer(status=101)
"""Returned by a handler that called `Request.upgrade`: the connection is no longer HTTP."""

Handler = Callable[[Request], Awaitable[Answer]]
