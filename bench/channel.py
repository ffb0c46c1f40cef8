"""A client that costs little: requests encoded beforehand, over keep-alive TLS, on plain sockets.

It shares the machine with what it measures, so it parses no more of an answer than it must.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import ryaml

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
_READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API is, and who we are there."""

    host: str
    port: int
    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytearray

    def value(self) -> Any:
        return msgspec.json.decode(self.body)


def endpoint_of(kubeconfig: Path) -> Endpoint:
    """The cluster and user of a kubeconfig that holds one of each."""
    told = ryaml.loads(kubeconfig.read_text())
    cluster, user = told["clusters"][0]["cluster"], told["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)
    parts = urlsplit(cluster["server"])
    return Endpoint(parts.hostname or "", parts.port or 443, context)


def encode(method: str, path: str, value: object = None, media: str = "application/json") -> bytes:
    """A whole request."""
    body = b"" if value is None else msgspec.json.encode(value)
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n"
    if body:
        head += f"Content-Type: {media}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Channel:
    """One connection with at most one request under way."""

    def __init__(self, endpoint: Endpoint) -> None:
        plain = socket.create_connection((endpoint.host, endpoint.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = endpoint.context.wrap_socket(plain, server_hostname=endpoint.host)
        self._unread = bytearray()
        self._want_bytes = 0  # of the answer under way, 0 while its head is not here

    def fileno(self) -> int:
        return self._socket.fileno()

    def poll(self) -> None:
        """From now on `read` and `receive` do not wait."""
        self._socket.setblocking(False)

    def send(self, request: bytes) -> None:
        self._socket.sendall(request)

    def read(self) -> bytes:
        """What has come, possibly nothing. Raises ConnectionError at the end."""
        try:
            chunk = self._socket.recv(_READ_BYTES)
        except ssl.SSLWantReadError:
            return b""
        if not chunk:
            raise ConnectionError("the server closed the connection")
        parts = [chunk]
        while self._socket.pending():
            parts.append(self._socket.recv(_READ_BYTES))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def receive(self) -> Reply | None:
        """The answer, or None while it is not all here."""
        unread = self._unread
        unread += self.read()
        if not self._want_bytes:
            end = unread.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = _LENGTH.search(unread, 0, end)
            self._want_bytes = end + 4 + (int(length[1]) if length is not None else 0)
        if len(unread) < self._want_bytes:
            return None
        status, head_bytes = int(unread[9:12]), unread.index(b"\r\n\r\n") + 4
        del unread[:head_bytes]
        reply = Reply(status, unread)
        self._unread = bytearray()
        self._want_bytes = 0
        return reply

    def ask(self, request: bytes) -> Reply:
        """Send and wait; for channels that do not poll. Raises RuntimeError if the answer is a failure."""
        self.send(request)
        while (reply := self.receive()) is None:
            continue
        if reply.status >= 300:
            raise RuntimeError(f"{request.partition(b' HTTP')[0].decode()}: {reply.status} {bytes(reply.body[:500])!r}")
        return reply

    def close(self) -> None:
        self._socket.close()
