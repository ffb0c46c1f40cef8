"""Asking resolvers outside, with a small cache.

Each try has a socket of its own (the kernel picks its port) and a random identifier, and takes only
the reply to its very question from the very resolver. Resolvers are those of resolv.conf, read again
when the file changes, never this server itself. Source: RFC 5452 (forgery), RFC 2308 (negative
answers), resolv.conf(5).
"""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from maru.components.dns.config import DnsConfig
from maru.core.clock import Clock
from maru.core.errors import Unavailable
from maru.core.ids import Ids
from maru.wire.dns.lifetime import Lifetime, aged, is_reply_to, lifetime_of
from maru.wire.dns.message import TCP_BYTES_MAX, Question

Server = tuple[str, int]

_TRUNCATED_BYTE, _TRUNCATED_BIT = 2, 2
_REREAD_S = 5.0
_SERVERS_MAX = 3  # as libc takes


@dataclass(frozen=True, slots=True)
class Kept:
    """A reply in the cache. stored_s: of the monotonic clock."""

    message: bytes
    lifetime: Lifetime
    stored_s: float


class Upstream:
    """own: addresses of this server, which are never asked."""

    def __init__(self, config: DnsConfig, own: Collection[str], clock: Clock, ids: Ids) -> None:
        self._config = config
        self._own = frozenset(own)
        self._clock = clock
        self._ids = ids
        self._cache: OrderedDict[bytes, Kept] = OrderedDict()
        self._servers: Sequence[Server] = ()
        self._read_s = -_REREAD_S
        self._changed_ns = -1

    def find(self, question: Question) -> bytes | None:
        """The reply from the cache, or None."""
        kept = self._cache.get(question.cache_key)
        if kept is None:
            return None
        age_s = self._clock.monotonic_s() - kept.stored_s
        if age_s >= min(kept.lifetime.ttl_s, self._config.cache_ttl_max_s):
            del self._cache[question.cache_key]
            return None
        self._cache.move_to_end(question.cache_key)
        return aged(kept.message, kept.lifetime, int(age_s), question)

    async def ask(self, question: Question, message: bytes, *, by_tcp: bool) -> bytes:
        """The reply to the client's own bytes. Raises Unavailable when no resolver answers in time."""
        servers = await self._servers_now()
        for _ in range(self._config.upstream_tries):
            for server in servers:
                identifier = int(self._ids.fraction() * 65536)
                query = struct.pack(">H", identifier) + message[2:]
                try:
                    async with asyncio.timeout(self._config.upstream_timeout_s):
                        reply = await self._ask_one(server, query, identifier, question, by_tcp=by_tcp)
                except (OSError, TimeoutError, asyncio.IncompleteReadError):
                    continue
                self._keep(question, reply)
                return struct.pack(">H", question.identifier) + reply[2:]
        raise Unavailable(
            what="name outside of the cluster",
            why="no resolver answers" if servers else "the machine has no resolver",
            fix=f"see {self._config.resolv_conf}, or set dns.upstreams",
        )

    async def _servers_now(self) -> Sequence[Server]:
        if self._config.upstreams:
            return [parse_server(text) for text in self._config.upstreams]
        now_s = self._clock.monotonic_s()
        if now_s - self._read_s >= _REREAD_S:
            self._read_s = now_s
            await asyncio.to_thread(self._reread_blocking)
        return self._servers

    def _reread_blocking(self) -> None:
        path = Path(self._config.resolv_conf)
        try:
            changed_ns = path.stat().st_mtime_ns
            if changed_ns != self._changed_ns:
                self._servers = resolvers_in(path.read_text(), self._own)
                self._changed_ns = changed_ns
        except OSError:
            self._servers = ()

    async def _ask_one(
        self, server: Server, query: bytes, identifier: int, question: Question, *, by_tcp: bool
    ) -> bytes:
        if by_tcp:
            return await _by_tcp(server, query, identifier, question.section)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _OneReply(answered, identifier, question.section), remote_addr=server
        )
        try:
            transport.sendto(query)
            return await answered
        finally:
            transport.close()

    def _keep(self, question: Question, reply: bytes) -> None:
        lifetime = lifetime_of(reply)
        if not lifetime.ttl_s or not self._config.cache_entries_max:
            return
        self._cache[question.cache_key] = Kept(reply, lifetime, self._clock.monotonic_s())
        self._cache.move_to_end(question.cache_key)
        while len(self._cache) > self._config.cache_entries_max:
            self._cache.popitem(last=False)


class _OneReply(asyncio.DatagramProtocol):
    """Waits for the reply to one query; anything else is thrown away."""

    def __init__(self, answered: asyncio.Future[bytes], identifier: int, section: bytes) -> None:
        self._answered = answered
        self._identifier = identifier
        self._section = section

    def datagram_received(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if not self._answered.done() and is_reply_to(datagram, self._identifier, self._section):
            self._answered.set_result(datagram)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)


async def _by_tcp(server: Server, query: bytes, identifier: int, section: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(struct.pack(">H", len(query)) + query)
        length = struct.unpack(">H", await reader.readexactly(2))[0]
        reply = await reader.readexactly(min(length, TCP_BYTES_MAX))
    finally:
        writer.close()
    if not is_reply_to(reply, identifier, section):
        raise OSError("the resolver answers another question")
    return reply


def resolvers_in(text: str, own: Collection[str]) -> list[Server]:
    """The nameserver lines of a resolv.conf, without our own addresses."""
    found: list[Server] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and words[1] not in own:
            found.append((words[1], 53))
    return found[:_SERVERS_MAX]


def parse_server(text: str) -> Server:
    """host, host:port or [v6]:port."""
    host, separator, port = text.rpartition(":")
    if not separator or (":" in host and not host.startswith("[")):
        return text.strip("[]"), 53
    return host.strip("[]"), int(port)
