"""Signed AWS requests over plain sockets: made in advance, so that a client costs little while it measures.

Source: IAM User Guide, "Create a signed AWS API request"; RFC 9112 for what an answer's head says.
"""

from __future__ import annotations

import hashlib
import re
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from maru.wire.aws.signature import Claim, Signed, canonical_request, sign, signing_key, string_to_sign

REGION = "us-east-1"
_READ_BYTES = 1024 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Account:
    """Where requests go, and whose key signs them."""

    host: str
    port: int
    access_key: str
    secret: str


def signed(
    account: Account, service: str, target: str = "", body: bytes = b"", path: str = "", method: str = ""
) -> bytes:
    """A whole request, signed now. target: of a JSON operation; path: of one of S3, whose method is PUT or GET."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": f"{account.host}:{account.port}", "x-amz-date": stamp}
    if target:
        headers |= {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
    elif path:
        headers["x-amz-content-sha256"] = digest
    else:
        headers["content-type"] = "application/x-www-form-urlencoded"
    names = tuple(sorted(headers))
    claim = Claim(account.access_key, stamp[:8], REGION, service, names, "", stamp)
    asked = Signed(method or "POST", path or "/", "", headers)
    text = string_to_sign(claim, canonical_request(asked, claim, digest))
    signature = sign(signing_key(account.secret, claim.date, REGION, service), text)
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={account.access_key}/{claim.scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    lines = [f"{asked.method} {asked.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


class Line:
    """One connection, with at most one request under way; it connects anew where the server closes."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.connections_total = 0
        self._socket = self._connected()
        self._unread = bytearray()
        self._want_bytes = -1  # of the answer under way, -1 while its head is not here; 0: until its last chunk
        self._body_at = 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, request: bytes) -> None:
        self._socket.sendall(request)

    def receive(self) -> bytes | None:
        """Read once: the whole answer, or None while more is to come."""
        chunk = self._socket.recv(_READ_BYTES)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        unread = self._unread
        unread += chunk
        if self._want_bytes < 0:
            end = unread.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._body_at = end + 4
            length = _LENGTH.search(unread, 0, end + 2)
            if length is None and not _CHUNKED.search(unread, 0, end + 2):
                raise RuntimeError(f"an answer without a length: {bytes(unread[:end])!r}")
            self._want_bytes = end + 4 + int(length[1]) if length is not None else 0
        if len(unread) < self._want_bytes or (not self._want_bytes and not unread.endswith(b"0\r\n\r\n")):
            return None
        if _CLOSES.search(unread, 0, self._body_at):
            self.close()
            self._socket = self._connected()
        self._unread, self._want_bytes = bytearray(), -1
        return bytes(unread) if len(unread) < _READ_BYTES else bytes(unread[: self._body_at])

    def ask(self, request: bytes) -> bytes:
        """The body of the answer (of a large one nothing). Raises RuntimeError for a failure."""
        self.send(request)
        while (answer := self.receive()) is None:
            continue
        if answer[9:10] != b"2":
            raise RuntimeError(f"{request[:200]!r}: {answer[:1000]!r}")
        return answer.partition(b"\r\n\r\n")[2]

    def close(self) -> None:
        self._socket.close()

    def _connected(self) -> socket.socket:
        made = socket.create_connection((self._account.host, self._account.port), timeout=60)
        self.connections_total += 1
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


def rate(account: Account, requests: Sequence[bytes], connections: int, seconds: float) -> float:
    """Answers a second: `requests` over and over, each connection its next one as soon as it has its answer.

    Raises RuntimeError for an answer that is a failure.
    """
    lines = [Line(account) for _ in range(connections)]
    by_number = {line.fileno(): line for line in lines}
    poll = select.epoll()
    for number, line in by_number.items():
        poll.register(number, select.EPOLLIN)
        line.send(requests[number % len(requests)])
    done, begun = 0, time.perf_counter()
    ends = begun + seconds
    while time.perf_counter() < ends:
        for number, _ in poll.poll():
            line = by_number[number]
            connections = line.connections_total
            answer = line.receive()
            if answer is None:
                continue
            if answer[9:10] != b"2":
                raise RuntimeError(f"a request failed: {answer[:500]!r}")
            done += 1
            if line.connections_total != connections:  # its number may be the same one, which is no more polled
                by_number[line.fileno()] = by_number.pop(number)
                poll.register(line.fileno(), select.EPOLLIN)
            line.send(requests[done % len(requests)])
    took_s = time.perf_counter() - begun
    poll.close()
    for line in lines:
        line.close()
    return done / took_s
