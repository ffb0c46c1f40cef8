"""Connections to published ports that the kernel's rules do not carry, passed on byte for byte.

Those are clients at ::1 and, where the container has no IPv6 address, all clients over IPv6. Everything
else never comes here. Source: moby/cmd/docker-proxy, for which cases need it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from maru.components.network.engine.host_ports import Holding, Target
from maru.linux.namespace_sockets import socket_in_blocking

CONNECT_S = 10.0
CHUNK_BYTES = 64 * 1024


class PortProxies:
    """Listens at held TCP ports. netns_path: the namespace that is this machine."""

    def __init__(self, netns_path: str) -> None:
        self._netns_path = netns_path
        self._servers: dict[str, list[asyncio.Server]] = {}

    async def serve(self, container_id: str, holding: Holding, target: Target) -> None:
        """Pass connections at these ports on from now on, and no others of the container."""
        self.stop(container_id)
        servers: list[asyncio.Server] = []
        for port, sock in zip(holding.ports, holding.sockets, strict=True):
            if sock is None or port.protocol != "tcp":
                continue
            address = target.ip6 if ":" in port.host_ip and target.ip6 else target.ip
            servers.append(await self._serve_one(sock, (address, port.container_port)))
        if servers:
            self._servers[container_id] = servers

    def stop(self, container_id: str) -> None:
        """Listen no more; connections that stand go on until one side ends them. Idempotent."""
        for server in self._servers.pop(container_id, ()):
            server.close()

    def close(self) -> None:
        """Stop all."""
        for container_id in list(self._servers):
            self.stop(container_id)

    async def _serve_one(self, sock: socket.socket, place: tuple[str, int]) -> asyncio.Server:
        async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                async with asyncio.timeout(CONNECT_S):
                    there, back = await self._connect(place)
            except (OSError, TimeoutError):
                writer.transport.abort()
                return
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pour(reader, back))
                    group.create_task(_pour(there, writer))
            finally:
                writer.close()
                back.close()

        # The holding keeps its own socket: this one is closed with the server.
        return await asyncio.start_server(passed_on, sock=sock.dup())

    async def _connect(self, place: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        sock = await asyncio.to_thread(socket_in_blocking, self._netns_path, family)
        try:
            await asyncio.get_running_loop().sock_connect(sock, place)
            return await asyncio.open_connection(sock=sock)
        except BaseException:
            sock.close()
            raise


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All bytes, then the end of the stream; a broken connection ends quietly."""
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
