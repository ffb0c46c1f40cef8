"""SPDY/3.1 frames: bytes to values and back, without I/O.

A connection has one `Decoder` and one `Encoder`, since each direction's header blocks share one zlib
stream. Lengths are bounded before anything is kept. Source: draft-mbelshe-httpbis-spdy-00, section 2
(framing), 2.6 (control frames); SPDY/3.1 adds flow control for the connection (stream 0).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maru.wire.spdy.dictionary import DICTIONARY

VERSION = 3
FRAME_BYTES_MAX = (1 << 24) - 1
HEADER_BYTES_MAX = 64 * 1024  # of one header block, decompressed
CONTROL_BYTES_MAX = 64 * 1024
WINDOW_BYTES_DEFAULT = 64 * 1024

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FLAG_FIN = 0x01

STATUS_PROTOCOL_ERROR, STATUS_INVALID_STREAM, STATUS_REFUSED_STREAM, STATUS_CANCEL = 1, 2, 3, 5

Headers = Sequence[tuple[str, str]]
"""Names in lower case; a repeated name's values are joined with NUL."""


class SpdyError(ValueError):
    """The peer broke the protocol: the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class SynStream:
    """The peer opens a stream. stream_id: odd from clients, ascending."""

    stream_id: int
    headers: Headers
    is_last: bool = False
    associated_id: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SynReply:
    """The stream was accepted."""

    stream_id: int
    headers: Headers = ()
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    """Headers after the first ones."""

    stream_id: int
    headers: Headers
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """The stream ends at once. status: 1 protocol error, 2 invalid stream, 3 refused, 5 cancel."""

    stream_id: int
    status: int


@dataclass(frozen=True, slots=True)
class Settings:
    """(id, value) pairs; id 7 is the initial window in bytes."""

    pairs: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Ping:
    """To be sent back as it is when its number is odd, the client's."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """No new streams; last_stream_id: the last that was accepted."""

    last_stream_id: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """The peer may be sent `delta` bytes more; stream 0 is the connection."""

    stream_id: int
    delta: int


@dataclass(frozen=True, slots=True)
class DataFrame:
    """Bytes of a stream."""

    stream_id: int
    chunk: bytes
    is_last: bool = False


Frame = SynStream | SynReply | MoreHeaders | Reset | Settings | Ping | GoAway | WindowUpdate | DataFrame


class Decoder:
    """Bytes as they come, frames as they are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that `chunk` completes, in order. Raises SpdyError."""
        self._buffer += chunk
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            flags, length = second >> 24, second & 0xFFFFFF
            is_control = bool(first & 0x80000000)
            if is_control and length > CONTROL_BYTES_MAX:
                raise SpdyError(f"control frame of {length} bytes")
            if len(self._buffer) < 8 + length:
                return
            body = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            if not is_control:
                yield DataFrame(first & 0x7FFFFFFF, body, bool(flags & FLAG_FIN))
                continue
            if (first >> 16) & 0x7FFF != VERSION:
                raise SpdyError(f"SPDY version {(first >> 16) & 0x7FFF}")
            frame = self._control(first & 0xFFFF, flags, body)
            if frame is not None:
                yield frame

    def _control(self, kind: int, flags: int, body: bytes) -> Frame | None:
        is_last = bool(flags & FLAG_FIN)
        try:
            if kind == SYN_STREAM:
                stream_id, associated_id, priority = struct.unpack_from(">IIH", body)
                headers = self._headers(body[10:])
                return SynStream(_id(stream_id), headers, is_last, _id(associated_id), priority >> 13)
            if kind == SYN_REPLY:
                return SynReply(_id(struct.unpack_from(">I", body)[0]), self._headers(body[4:]), is_last)
            if kind == HEADERS:
                return MoreHeaders(_id(struct.unpack_from(">I", body)[0]), self._headers(body[4:]), is_last)
            if kind == SETTINGS:
                return _settings(body)
            if kind == PING:
                return Ping(*struct.unpack(">I", body))
            if kind in (RST_STREAM, GOAWAY, WINDOW_UPDATE):
                stream_id, number = struct.unpack(">II", body)
                return _two_numbers(kind, _id(stream_id), number)
        except struct.error as error:
            raise SpdyError(f"control frame {kind}: {error}") from error
        return None  # a frame of a later version: to be ignored, section 2.2.1

    def _headers(self, block: bytes) -> Headers:
        try:
            plain = self._inflate.decompress(block, HEADER_BYTES_MAX)
        except zlib.error as error:
            raise SpdyError(f"header block: {error}") from error
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"header block over {HEADER_BYTES_MAX} bytes")
        (count,) = struct.unpack_from(">I", plain)
        place = 4
        found = []
        for _ in range(count):
            words = []
            for _ in range(2):
                (length,) = struct.unpack_from(">I", plain, place)
                word = plain[place + 4 : place + 4 + length]
                if len(word) != length:
                    raise SpdyError("header block ends early")
                words.append(word.decode("utf-8", "replace"))
                place += 4 + length
            found.append((words[0].lower(), words[1]))
        return found


class Encoder:
    """Frames to bytes, in the order in which they are sent."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, frame: Frame) -> bytes:
        """One frame."""
        if isinstance(frame, DataFrame):
            assert len(frame.chunk) <= FRAME_BYTES_MAX
            flags = FLAG_FIN if frame.is_last else 0
            return struct.pack(">II", frame.stream_id, flags << 24 | len(frame.chunk)) + frame.chunk
        if isinstance(frame, SynStream):
            head = struct.pack(">IIH", frame.stream_id, frame.associated_id, frame.priority << 13)
            return _control_frame(SYN_STREAM, head + self._block(frame.headers), is_last=frame.is_last)
        if isinstance(frame, SynReply | MoreHeaders):
            kind = SYN_REPLY if isinstance(frame, SynReply) else HEADERS
            body = struct.pack(">I", frame.stream_id) + self._block(frame.headers)
            return _control_frame(kind, body, is_last=frame.is_last)
        return _plain_frame(frame)

    def _block(self, headers: Headers) -> bytes:
        plain = [struct.pack(">I", len(headers))]
        for pair in headers:
            for word in pair:
                encoded = word.encode()
                plain += [struct.pack(">I", len(encoded)), encoded]
        return self._deflate.compress(b"".join(plain)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _plain_frame(frame: Reset | Settings | Ping | GoAway | WindowUpdate) -> bytes:
    if isinstance(frame, Ping):
        return _control_frame(PING, struct.pack(">I", frame.number))
    if isinstance(frame, Settings):
        pairs = b"".join(struct.pack(">II", number, value) for number, value in frame.pairs)
        return _control_frame(SETTINGS, struct.pack(">I", len(frame.pairs)) + pairs)
    if isinstance(frame, GoAway):
        return _control_frame(GOAWAY, struct.pack(">II", frame.last_stream_id, frame.status))
    if isinstance(frame, Reset):
        return _control_frame(RST_STREAM, struct.pack(">II", frame.stream_id, frame.status))
    return _control_frame(WINDOW_UPDATE, struct.pack(">II", frame.stream_id, frame.delta))


def _control_frame(kind: int, body: bytes, *, is_last: bool = False) -> bytes:
    flags = FLAG_FIN if is_last else 0
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(body)) + body


def _two_numbers(kind: int, stream_id: int, number: int) -> Frame:
    if kind == RST_STREAM:
        return Reset(stream_id, number)
    return GoAway(stream_id, number) if kind == GOAWAY else WindowUpdate(stream_id, _id(number))


def _settings(body: bytes) -> Settings:
    (count,) = struct.unpack_from(">I", body)
    pairs = [struct.unpack_from(">II", body, 4 + 8 * place) for place in range(count)]
    return Settings([(number & 0xFFFFFF, value) for number, value in pairs])


def _id(number: int) -> int:
    return number & 0x7FFFFFFF
