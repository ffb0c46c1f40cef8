"""A machine made of network namespaces: one is the node, each Pod has one, and one is the outside.

Sockets belong to the namespace they are made in, so tests make them there and use them from the
loop. Everything is removed at the end, whatever happened.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from maru.linux.namespaces import standing_in

REPLY_S = 3.0
SILENCE_S = 0.5


class Namespaces:
    """Makes and removes namespaces, and talks from inside of them."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._thread = ThreadPoolExecutor(1)

    def make(self, label: str) -> str:
        """A new namespace with loopback up; its path."""
        name = f"mnet-{label}-{uuid.uuid4().hex[:8]}"
        self._names.append(name)
        subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        return f"/run/netns/{name}"

    def run(self, path: str, *words: str) -> str:
        """Run a command inside; its output."""
        command = ["ip", "netns", "exec", Path(path).name, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def open_socket(self, path: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A non-blocking IPv4 socket inside."""

        def make() -> socket.socket:
            with standing_in(path):
                made = socket.socket(socket.AF_INET, kind)
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return made

        return self._thread.submit(make).result()

    def send_frame(self, path: str, mac: str, source: str, destination: str, port: int) -> None:
        """Send a UDP datagram that says its destination, past all routing of the namespace."""
        body = destination.encode()
        udp = struct.pack(">HHHH", 5555, port, 8 + len(body), 0) + body
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
        header += socket.inet_aton(source) + socket.inet_aton(destination)
        total = sum(struct.unpack(">10H", header))
        checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        packet = header[:10] + struct.pack(">H", checksum) + header[12:] + udp

        def send() -> None:
            with standing_in(path), socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as sock:
                sock.sendto(packet, ("eth0", 0x0800, 0, 0, bytes.fromhex(mac.replace(":", ""))))

        self._thread.submit(send).result()

    @asynccontextmanager
    async def tcp_server(self, path: str, port: int, name: str, address: str = "0.0.0.0") -> AsyncIterator[None]:
        """Answers every connection with `name` and the client's address."""
        listener = self.open_socket(path)
        listener.bind((address, port))
        listener.listen(64)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = writer.get_extra_info("peername")[0]
            writer.write(f"{name} {peer}".encode())
            writer.close()

        server = await asyncio.start_server(answer, sock=listener)
        async with server:
            yield

    @asynccontextmanager
    async def udp_server(self, path: str, port: int, name: str) -> AsyncIterator[None]:
        """Answers every datagram with `name` and the client's address."""
        sock = self.open_socket(path, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", port))

        class Answer(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                self.transport.sendto(f"{name} {addr[0]}".encode(), addr)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Answer, sock=sock)
        try:
            yield
        finally:
            transport.close()

    async def ask_tcp(self, path: str, address: str, port: int, timeout_s: float = REPLY_S) -> list[str]:
        """Connect from inside; the words of the answer. Raises ConnectionRefusedError, TimeoutError."""
        sock = self.open_socket(path)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                await loop.sock_connect(sock, (address, port))
                return (await loop.sock_recv(sock, 1000)).decode().split()
        finally:
            sock.close()

    async def ask_udp(
        self, path: str, address: str, port: int, timeout_s: float = REPLY_S, sock: socket.socket | None = None
    ) -> list[str]:
        """Send a datagram from inside; the words of the answer."""
        own = sock or self.open_socket(path, socket.SOCK_DGRAM)
        loop = asyncio.get_running_loop()
        try:
            own.connect((address, port))
            async with asyncio.timeout(timeout_s):
                await loop.sock_sendall(own, b"?")
                return (await loop.sock_recv(own, 1000)).decode().split()
        finally:
            if sock is None:
                own.close()

    def close(self) -> None:
        """Remove all."""
        self._thread.shutdown()
        for name in self._names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.fixture
def namespaces() -> Iterator[Namespaces]:
    made = Namespaces()
    try:
        yield made
    finally:
        made.close()
