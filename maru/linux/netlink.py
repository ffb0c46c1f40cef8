"""Netlink: many requests in one sendmsg, all answers read in one go, errors with names.

A request is made of plain bytes by `attribute` and `nested`; `NetlinkSocket.run_blocking` numbers
the requests of a batch, sends them together and matches acknowledgements to them, so that one
system call each way does the work of many. Source: RFC 3549; linux/netlink.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
DUMP_TRIES_MAX = 20
_FLAG_DUMP_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: what is dumped changed in between
REPLACE, EXCL, CREATE, APPEND = 0x100, 0x200, 0x400, 0x800

_SOL_NETLINK = 270
_CAP_ACK, _EXT_ACK = 10, 11
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_ERROR, _DONE = 2, 3
_FLAG_ACK_TLVS = 0x200
_ATTRIBUTE_MESSAGE = 1
_NESTED = 0x8000
_ATTRIBUTE_TYPE_MASK = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE_BYTES = 256 * 1024
_BUFFER_BYTES = 64 * 1024 * 1024


class KernelError(OSError):
    """The kernel refused one request: `errno`, and in its own words (if it gave any) why."""

    def __init__(self, number: int, what: str, words: str = "") -> None:
        name = errno.errorcode.get(number, str(number))
        super().__init__(number, f"{what}: {words or os.strerror(number)} ({name})")
        self.what = what


@dataclass(frozen=True, slots=True)
class Request:
    """One message. body: the family header and attributes; what: for the error, as a person would say it.

    ignore: error numbers that count as done (EEXIST for an ensure, ENOENT for a removal).
    """

    kind: int
    body: bytes
    what: str
    flags: int = 0
    ignore: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """One message of a dump: its type and its body without the netlink header."""

    kind: int
    body: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to 4 bytes. `value` is at most 65531 bytes."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *values: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | _NESTED, b"".join(values))


def text(kind: int, value: str) -> bytes:
    """An attribute with a zero-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def u32(kind: int, value: int) -> bytes:
    """An attribute with a 32 bit number in the machine's byte order (rtnetlink)."""
    return attribute(kind, struct.pack("=I", value))


def attributes(body: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes of `body` from `offset` on, by type; the last of a type wins."""
    return dict(each_attribute(body, offset))


def each_attribute(body: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """(type, value) in order; ends at the first attribute that does not fit."""
    while offset + 4 <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < 4 or offset + length > len(body):
            return
        yield kind & _ATTRIBUTE_TYPE_MASK, body[offset + 4 : offset + length]
        offset += (length + 3) & ~3


class NetlinkSocket:
    """One socket, in the network namespace of the thread that made it; used by one thread at a time."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.settimeout(5.0)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self._socket.fileno()

    def run_blocking(self, requests: Sequence[Request]) -> None:
        """Send all in one go and wait for every acknowledgement. Raises KernelError for the first that failed.

        Requests are independent: those after a failed one are carried out all the same.
        """
        if not requests:
            return
        first = self._sequence + 1
        parts: list[bytes] = []
        for request in requests:
            self._sequence += 1
            parts += self._framed(request, REQUEST | ACK | request.flags, self._sequence)
        self._socket.send(b"".join(parts))
        waiting = len(requests)
        failure: KernelError | None = None
        while waiting:
            for kind, flags, sequence, body in self._receive():
                if kind != _ERROR or not first <= sequence <= self._sequence:
                    continue
                waiting -= 1
                request = requests[sequence - first]
                number = -struct.unpack_from("=i", body)[0]
                if number and number not in request.ignore and failure is None:
                    failure = KernelError(number, request.what, _words(flags, body))
        if failure is not None:
            raise failure

    def run_transaction_blocking(self, before: bytes, requests: Sequence[Request], after: bytes) -> None:
        """Send `before`, the requests and `after` as one nfnetlink batch: all take effect or none.

        before, after: whole messages. Raises KernelError for the first failure.
        """
        first = self._sequence + 1
        parts = [before]
        last = len(requests) - 1
        for position, request in enumerate(requests):
            self._sequence += 1
            flags = REQUEST | request.flags | (ACK if position == last else 0)
            parts += self._framed(request, flags, self._sequence)
        parts.append(after)
        self._socket.send(b"".join(parts))
        while True:
            done = False
            for kind, flags, sequence, body in self._receive():
                if kind != _ERROR:
                    continue
                number = -struct.unpack_from("=i", body)[0]
                if number:
                    self._drain()
                    inside = first <= sequence <= self._sequence
                    what = requests[sequence - first].what if inside else "nftables transaction"
                    raise KernelError(number, what, _words(flags, body))
                done = done or sequence == self._sequence
            if done:
                return

    def dump_blocking(self, kind: int, body: bytes, what: str) -> list[Reply]:
        """All messages of a dump, as of one moment. Raises KernelError (EINTR when it changes all the time)."""
        for _ in range(DUMP_TRIES_MAX):
            try:
                return self._collect(Request(kind, body, what), DUMP)
            except InterruptedError:
                continue
        raise KernelError(errno.EINTR, what, "it changed whenever it was read")

    def get_blocking(self, kind: int, body: bytes, what: str) -> list[Reply]:
        """The messages that answer one get. Raises KernelError (ENOENT, ENODEV when it is not there)."""
        return self._collect(Request(kind, body, what), ACK)

    def _collect(self, request: Request, flags: int) -> list[Reply]:
        self._sequence += 1
        self._socket.send(b"".join(self._framed(request, REQUEST | flags, self._sequence)))
        replies: list[Reply] = []
        is_torn = False
        while True:
            for kind, message_flags, sequence, body in self._receive():
                if sequence != self._sequence:
                    continue
                is_torn = is_torn or bool(message_flags & _FLAG_DUMP_INTERRUPTED)
                if kind == _DONE:
                    if is_torn or (len(body) >= 4 and struct.unpack_from("=i", body)[0] == -errno.EINTR):
                        raise InterruptedError(request.what)
                    return replies
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    if number:
                        raise KernelError(number, request.what, _words(message_flags, body))
                    return replies
                replies.append(Reply(kind, body))

    @staticmethod
    def _framed(request: Request, flags: int, sequence: int) -> tuple[bytes, bytes]:
        return _HEADER.pack(16 + len(request.body), request.kind, flags, sequence, 0), request.body

    def _receive(self) -> list[tuple[int, int, int, bytes]]:
        """Messages of one datagram: [(kind, flags, sequence, body)]. Raises KernelError after 5 s of silence."""
        try:
            chunk = self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            raise KernelError(errno.ETIMEDOUT, "netlink", "no answer within 5 s") from None
        messages: list[tuple[int, int, int, bytes]] = []
        offset = 0
        while offset + 16 <= len(chunk):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(chunk, offset)
            if length < 16:
                break
            messages.append((kind, flags, sequence, chunk[offset + 16 : offset + length]))
            offset += (length + 3) & ~3
        return messages

    def _drain(self) -> None:
        """Throw away what is left of a failed batch's answers."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(_RECEIVE_BYTES):
                pass
        except BlockingIOError:
            pass
        finally:
            self._socket.settimeout(5.0)


def _words(flags: int, body: bytes) -> str:
    if not flags & _FLAG_ACK_TLVS:
        return ""
    # After the error number stands the header of the request (NETLINK_CAP_ACK: the header only).
    return attributes(body, 20).get(_ATTRIBUTE_MESSAGE, b"").rstrip(b"\0").decode(errors="replace")
