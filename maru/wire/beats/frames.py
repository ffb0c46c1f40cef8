"""Frames of Lumberjack: a window's size, events in JSON, compressed frames, acknowledgements.

A sender announces a window of N events and waits until N is acknowledged by sequence number; numbers
begin anew with each window. `Reader` takes bytes as they come and gives what is whole.
Source: Lumberjack protocol version 2; version 1's data frame.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

WINDOW_MAX = 1 << 16  # events in a window
FRAME_BYTES_MAX = 64 << 20  # of one event, and of a compressed frame unpacked
PAIRS_MAX = 10_000

_V1, _V2 = ord("1"), ord("2")
_U32 = struct.Struct(">I")


class BadFrame(ValueError):
    """The bytes are no Lumberjack; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Window:
    """count: how many events will come before an acknowledgement is awaited."""

    count: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One event. sequence: of the window, from 1; fields: what the sender says of it."""

    sequence: int
    fields: dict[str, object]


Frame = Window | Sent


def acknowledgement(sequence: int, version: int = 2) -> bytes:
    """All events of the window up to `sequence` are taken over."""
    return bytes((ord(str(version)), ord("A"))) + _U32.pack(sequence)


class Reader:
    """Bytes in, frames out. version: of the last frame seen, for the acknowledgement."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.version = 2

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that are whole now. Raises BadFrame."""
        self._bytes += chunk
        used = 0
        while True:
            frames, length = self._next(memoryview(self._bytes)[used:], is_inside=False)
            if length == 0:
                break
            used += length
            yield from frames
        if used:
            del self._bytes[:used]
        if len(self._bytes) > FRAME_BYTES_MAX:
            raise BadFrame("a frame is over 64 MiB")

    def _next(self, view: memoryview, *, is_inside: bool) -> tuple[list[Frame], int]:
        """What the first frame holds, and its length; 0: it is not whole."""
        if len(view) < 6:
            return [], 0
        version, kind = view[0], chr(view[1])
        if version not in (_V1, _V2):
            raise BadFrame(f"version {version} is neither 1 nor 2")
        self.version = version - ord("0")
        number = _U32.unpack_from(view, 2)[0]
        match kind:
            case "W":
                if number > WINDOW_MAX:
                    raise BadFrame(f"a window of {number} events is over {WINDOW_MAX}")
                return [Window(number)], 6
            case "J":
                return self._json(view, number)
            case "D":
                return self._pairs(view, number)
            case "C" if not is_inside:
                return self._compressed(view, number)
        raise BadFrame(f"there is no frame of kind {kind!r}")

    def _json(self, view: memoryview, sequence: int) -> tuple[list[Frame], int]:
        if len(view) < 10:
            return [], 0
        length = _U32.unpack_from(view, 6)[0]
        if length > FRAME_BYTES_MAX:
            raise BadFrame("an event is over 64 MiB")
        if len(view) < 10 + length:
            return [], 0
        try:
            fields = msgspec.json.decode(view[10 : 10 + length])
        except msgspec.DecodeError as error:
            raise BadFrame(f"an event is no JSON: {error}") from error
        if not isinstance(fields, dict):
            raise BadFrame("an event is no JSON object")
        return [Sent(sequence, fields)], 10 + length

    def _pairs(self, view: memoryview, sequence: int) -> tuple[list[Frame], int]:
        """Version 1: a count of pairs, each a key and a value with their lengths."""
        if len(view) < 10:
            return [], 0
        count, at = _U32.unpack_from(view, 6)[0], 10
        if count > PAIRS_MAX:
            raise BadFrame("too many fields")
        texts: list[str] = []
        for _ in range(count * 2):
            if len(view) < at + 4:
                return [], 0
            length = _U32.unpack_from(view, at)[0]
            if length > FRAME_BYTES_MAX:
                raise BadFrame("a field is over 64 MiB")
            if len(view) < at + 4 + length:
                return [], 0
            texts.append(bytes(view[at + 4 : at + 4 + length]).decode("utf-8", "replace"))
            at += 4 + length
        fields: dict[str, object] = dict(zip(texts[::2], texts[1::2], strict=True))
        return [Sent(sequence, fields)], at

    def _compressed(self, view: memoryview, length: int) -> tuple[list[Frame], int]:
        if length > FRAME_BYTES_MAX:
            raise BadFrame("a compressed frame is over 64 MiB")
        if len(view) < 6 + length:
            return [], 0
        unpacker = zlib.decompressobj()
        try:
            plain = unpacker.decompress(view[6 : 6 + length], FRAME_BYTES_MAX)
        except zlib.error as error:
            raise BadFrame(f"a compressed frame is damaged: {error}") from error
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise BadFrame("a compressed frame is cut off, or over 64 MiB unpacked")
        frames: list[Frame] = []
        inside, at = memoryview(plain), 0
        while at < len(inside):
            found, used = self._next(inside[at:], is_inside=True)
            if used == 0:
                raise BadFrame("a compressed frame ends in the middle of an event")
            frames += found
            at += used
        return frames, 6 + length
