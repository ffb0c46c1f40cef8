"""The server's sockets: UDP in batches straight from the loop, TCP as a stream of framed messages.

The UDP address is bound before it exists on the machine (IP_FREEBIND): the bridge may come later, and
go and come again. Source: RFC 7766 (DNS over TCP); ip(7).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from maru.components.dns.engine.resolver import LaterReply, Resolver
from maru.core.errors import Unavailable
from maru.core.lifecycle import Background, background

UDP_BATCH = 64  # datagrams taken per turn of the loop
UDP_BUFFER_BYTES = 1024 * 1024
PENDING_MAX = 2048  # questions that wait for resolvers outside; further ones get no answer and come again
TCP_CONNECTIONS_MAX = 512
TCP_IDLE_S = 10.0
_QUERY_BYTES_MAX = 4096
_IP_FREEBIND = 15


class Server:
    """Answers on some addresses. Made by `open_server`."""

    def __init__(self, resolver: Resolver, tasks: Background) -> None:
        self._resolver = resolver
        self._tasks = tasks
        self._pending = 0
        self._connections = 0

    def read_ready(self, sock: socket.socket) -> None:
        """Answer what has arrived."""
        reply_to = self._resolver.reply
        for _ in range(UDP_BATCH):
            try:
                message, client = sock.recvfrom(_QUERY_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier reply
            reply = reply_to(message, by_tcp=False)
            if isinstance(reply, bytes):
                _send(sock, reply, client)
            elif self._pending < PENDING_MAX:
                self._tasks.start(self._send_later(sock, reply, client))
            else:
                reply.close()

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Questions one after another, until the client is silent or gone."""
        self._connections += 1
        try:
            while self._connections <= TCP_CONNECTIONS_MAX:
                async with asyncio.timeout(TCP_IDLE_S):
                    length = struct.unpack(">H", await reader.readexactly(2))[0]
                    message = await reader.readexactly(length)
                made = self._resolver.reply(message, by_tcp=True)
                reply = made if isinstance(made, bytes) else await made
                if not reply:
                    break
                writer.write(struct.pack(">H", len(reply)) + reply)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections -= 1
            writer.close()

    async def _send_later(self, sock: socket.socket, reply: LaterReply, client: tuple[str, int]) -> None:
        self._pending += 1
        try:
            _send(sock, await reply, client)
        finally:
            self._pending -= 1


@asynccontextmanager
async def open_server(resolver: Resolver, addresses: tuple[str, ...], port: int) -> AsyncIterator[int]:
    """Serve on every address; yields the port (of the first, if it was 0). Raises Unavailable when it is taken."""
    loop = asyncio.get_running_loop()
    datagrams: list[socket.socket] = []
    streams: list[asyncio.Server] = []
    async with background("dns queries") as tasks:
        server = Server(resolver, tasks)
        try:
            for address in addresses:
                # The stream first: a free port of streams is hardly ever taken among datagrams.
                listener = _bound(address, port, socket.SOCK_STREAM)
                listener.listen(128)
                streams.append(await asyncio.start_server(server.serve_connection, sock=listener))
                port = listener.getsockname()[1]
                sock = _bound(address, port, socket.SOCK_DGRAM)
                datagrams.append(sock)
                loop.add_reader(sock.fileno(), server.read_ready, sock)
            yield port
        finally:
            for stream in streams:
                stream.close()
            for sock in datagrams:
                loop.remove_reader(sock.fileno())
                sock.close()


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
    try:
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        raise Unavailable(
            what=f"cluster DNS on {address}:{port}", why=error.strerror or "", fix="free the port, or set dns.port"
        ) from error
    return sock


def _send(sock: socket.socket, reply: bytes, client: tuple[str, int]) -> None:
    if reply:
        with suppress(OSError):  # the client is gone or the buffer full: it will ask again
            sock.sendto(reply, client)
