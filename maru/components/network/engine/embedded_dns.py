"""The resolver that containers have at 127.0.0.11: two sockets in each namespace, answered by this process.

The sockets have ports of their own; rules in the namespace lead port 53 of 127.0.0.11 to them, so that a
container can serve DNS itself. What is no name of a container is asked at the container's resolvers, from
its own namespace (from the machine's, if the resolver is on loopback there).
Source: moby/libnetwork/resolver.go; RFC 7766; RFC 5452 for what a reply must repeat.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from maru.components.network.engine.container_links import redirect_names_blocking
from maru.components.network.engine.container_rules import DNS_ADDRESS
from maru.components.network.engine.machine_resolvers import is_loopback, machine_resolvers_blocking
from maru.components.network.model.container_names import ContainerNames
from maru.components.network.model.container_state import OpenSandbox
from maru.core.ids import Ids
from maru.core.lifecycle import Background
from maru.linux.namespace_sockets import socket_in_blocking
from maru.linux.namespaces import standing_in
from maru.wire.dns.lifetime import is_reply_to
from maru.wire.dns.message import (
    SERVER_FAILURE,
    TCP_BYTES_MAX,
    Answer,
    BadMessage,
    Question,
    encode_reply,
    parse_question,
)

TRY_S = 4.0
TCP_IDLE_S = 10.0
BATCH = 32  # datagrams taken per turn of the loop
PENDING_MAX = 1024  # questions of all containers that wait for an answer from outside
QUERY_BYTES_MAX = 4096
_PORT = 53


@dataclass(frozen=True, slots=True)
class Ear:
    """The sockets of one container, and whom to ask for it."""

    sandbox: OpenSandbox
    datagrams: socket.socket
    stream: asyncio.Server


class EmbeddedDns:
    """names: what is known now; home: the namespace that is the machine, "" for the process's."""

    def __init__(self, names: Callable[[], ContainerNames], ids: Ids, home: str, tasks: Background) -> None:
        self._names = names
        self._ids = ids
        self._home = home
        self._tasks = tasks
        self._ears: dict[str, Ear] = {}
        self._pending = 0

    async def start(self, sandbox: OpenSandbox) -> None:
        """Answer in the sandbox's namespace from now on; idempotent. Raises OSError."""
        if sandbox.id in self._ears:
            return
        datagrams, listener = await asyncio.to_thread(_sockets_blocking, sandbox.sandbox.netns_path)
        try:

            async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._serve(sandbox, reader, writer)

            stream = await asyncio.start_server(connection, sock=listener)
        except BaseException:
            datagrams.close()
            listener.close()
            raise
        self._ears[sandbox.id] = Ear(sandbox, datagrams, stream)
        asyncio.get_running_loop().add_reader(datagrams.fileno(), self._read, sandbox, datagrams)

    def stop(self, container_id: str) -> None:
        """Idempotent."""
        ear = self._ears.pop(container_id, None)
        if ear is not None:
            asyncio.get_running_loop().remove_reader(ear.datagrams.fileno())
            ear.datagrams.close()
            ear.stream.close()

    def close(self) -> None:
        """Stop all."""
        for container_id in list(self._ears):
            self.stop(container_id)

    def _read(self, sandbox: OpenSandbox, sock: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                message, client = sock.recvfrom(QUERY_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier reply
            known = self._known(sandbox, message, by_tcp=False)
            if isinstance(known, bytes):
                _send(sock, known, client)
            elif self._pending < PENDING_MAX:
                self._tasks.start(self._send_later(sandbox, known, message, (sock, client)))

    def _known(self, sandbox: OpenSandbox, message: bytes, *, by_tcp: bool) -> bytes | Question:
        """The reply, or the question that must be asked outside."""
        try:
            question = parse_question(message)
        except BadMessage as error:
            return error.reply
        answer = self._names().answer(sandbox.id, question)
        if answer is None:
            return question
        records = list(answer.answers)
        if len(records) > 1:
            turn = int(self._ids.fraction() * len(records))
            answer = Answer(answers=records[turn:] + records[:turn], is_authoritative=False)
        return encode_reply(question, answer, TCP_BYTES_MAX if by_tcp else question.udp_bytes_max)

    async def _send_later(
        self, sandbox: OpenSandbox, question: Question, message: bytes, back: tuple[socket.socket, tuple[str, int]]
    ) -> None:
        self._pending += 1
        try:
            _send(back[0], await self._ask(sandbox, question, message, by_tcp=False), back[1])
        finally:
            self._pending -= 1

    async def _serve(self, sandbox: OpenSandbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE_S):
                    length = struct.unpack(">H", await reader.readexactly(2))[0]
                    message = await reader.readexactly(length)
                known = self._known(sandbox, message, by_tcp=True)
                reply = known if isinstance(known, bytes) else await self._ask(sandbox, known, message, by_tcp=True)
                if not reply:
                    break
                writer.write(struct.pack(">H", len(reply)) + reply)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _ask(self, sandbox: OpenSandbox, question: Question, message: bytes, *, by_tcp: bool) -> bytes:
        """What the first resolver that answers says, or SERVFAIL."""
        own: Sequence[str] = sandbox.sandbox.dns_servers
        servers = own or await asyncio.to_thread(machine_resolvers_blocking)
        for server in servers:
            is_ours = not own and is_loopback(server)
            netns_path = self._home if is_ours else sandbox.sandbox.netns_path
            identifier = int(self._ids.fraction() * 65536)
            query = struct.pack(">H", identifier) + message[2:]
            try:
                async with asyncio.timeout(TRY_S):
                    reply = await _exchange(netns_path, server, query, by_tcp=by_tcp)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                continue
            if is_reply_to(reply, identifier, question.section):
                return struct.pack(">H", question.identifier) + reply[2:]
        return encode_reply(question, Answer(SERVER_FAILURE, is_authoritative=False))


async def _exchange(netns_path: str, server: str, query: bytes, *, by_tcp: bool) -> bytes:
    """One question and its answer. Raises OSError, asyncio.IncompleteReadError."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    kind = socket.SOCK_STREAM if by_tcp else socket.SOCK_DGRAM
    sock = await asyncio.to_thread(socket_in_blocking, netns_path, family, kind)
    try:
        await loop.sock_connect(sock, (server, _PORT))
        if not by_tcp:
            await loop.sock_sendall(sock, query)
            return await loop.sock_recv(sock, TCP_BYTES_MAX)
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(struct.pack(">H", len(query)) + query)
        length = struct.unpack(">H", await reader.readexactly(2))[0]
        reply = await reader.readexactly(length)
        writer.close()
        return reply
    finally:
        sock.close()


def _sockets_blocking(netns_path: str) -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a TCP listener in the namespace, with port 53 leading to them. Raises OSError."""
    made: list[socket.socket] = []
    try:
        with standing_in(netns_path):
            made += [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        for sock in made:
            sock.setblocking(False)
            sock.bind((DNS_ADDRESS, 0))
        made[1].listen(64)
        redirect_names_blocking(netns_path, made[0].getsockname()[1], made[1].getsockname()[1])
    except OSError:
        for sock in made:
            sock.close()
        raise
    return made[0], made[1]


def _send(sock: socket.socket, reply: bytes, client: tuple[str, int]) -> None:
    if reply:
        with suppress(OSError):  # the client is gone or the buffer full: it will ask again
            sock.sendto(reply, client)
