"""Lumberjack frames are read however the bytes are cut, and damage is said."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.beats.frames import BadFrame, Frame, Reader, Sent, Window, acknowledgement


def window(count: int) -> bytes:
    return b"2W" + struct.pack(">I", count)


def event(sequence: int, json: bytes) -> bytes:
    return b"2J" + struct.pack(">II", sequence, len(json)) + json


def compressed(content: bytes) -> bytes:
    packed = zlib.compress(content)
    return b"2C" + struct.pack(">I", len(packed)) + packed


SESSION = (
    window(2) + compressed(event(1, b'{"message":"a"}') + event(2, b'{"message":"b"}')) + window(1) + event(1, b"{}")
)
FRAMES = [Window(2), Sent(1, {"message": "a"}), Sent(2, {"message": "b"}), Window(1), Sent(1, {})]


@given(st.lists(st.integers(0, len(SESSION)), max_size=8))
def test_a_session_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    reader, frames = Reader(), list[Frame]()
    edges = [0, *sorted(cuts), len(SESSION)]
    for first, last in pairwise(edges):
        frames += reader.feed(SESSION[first:last])
    assert frames == FRAMES


def test_version_1_is_answered_in_version_1() -> None:
    pairs = b"".join(struct.pack(">I", len(text)) + text for text in (b"line", b"hello", b"host", b"a"))
    reader = Reader()
    assert list(reader.feed(b"1D" + struct.pack(">II", 7, 2) + pairs)) == [Sent(7, {"line": "hello", "host": "a"})]
    assert acknowledgement(7, reader.version) == b"1A\0\0\0\x07"


@pytest.mark.parametrize(
    "damaged",
    [
        b"GET / HTTP/1.1\r\n",
        b"2X" + bytes(8),
        window(1 << 30),
        event(1, b"{"),
        event(1, b"[1]"),
        b"2J" + struct.pack(">II", 1, 1 << 31),
        b"2C" + struct.pack(">I", 4) + b"junk",
        compressed(event(1, b"{}")[:-1]),
        compressed(compressed(event(1, b"{}"))),
        compressed(zlib.compress(bytes(65 << 20))),
    ],
)
def test_what_is_no_lumberjack_ends_the_session(damaged: bytes) -> None:
    with pytest.raises(BadFrame):
        list(Reader().feed(damaged))
