"""SPDY/3.1 frames survive any cut of the byte stream, and what breaks the protocol is refused."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.spdy.dictionary import DICTIONARY
from maru.wire.spdy.frames import (
    DataFrame,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    MoreHeaders,
    Ping,
    Reset,
    Settings,
    SpdyError,
    SynReply,
    SynStream,
    WindowUpdate,
)

FRAMES: list[Frame] = [
    SynStream(1, [("streamtype", "error"), ("port", "8080")], priority=2),
    SynStream(3, [("streamtype", "data"), ("requestid", "0")], is_last=True),
    SynReply(1, []),
    MoreHeaders(1, [("a", "b")]),
    DataFrame(1, b"hello"),
    DataFrame(1, b"", is_last=True),
    Reset(3, 5),
    Settings([(7, 65536)]),
    Ping(7),
    WindowUpdate(0, 1000),
    GoAway(3, 0),
]


def test_dictionary_is_the_one_zlib_peers_name() -> None:
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2
    assert len(DICTIONARY) == 1423


@given(st.lists(st.integers(min_value=1, max_value=40), min_size=1))
def test_frames_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    encoder, decoder = Encoder(), Decoder()
    raw = b"".join(encoder.encode(frame) for frame in FRAMES)
    decoded: list[Frame] = []
    place = turn = 0
    while place < len(raw):
        size = cuts[turn % len(cuts)]
        decoded += decoder.feed(raw[place : place + size])
        place, turn = place + size, turn + 1
    assert decoded == FRAMES


def test_wire_form_of_a_syn_stream_is_as_specified() -> None:
    raw = Encoder().encode(SynStream(5, [("port", "80")], priority=1))
    assert raw[:4] == b"\x80\x03\x00\x01"
    assert int.from_bytes(raw[5:8], "big") == len(raw) - 8
    assert raw[8:18] == struct.pack(">IIH", 5, 0, 1 << 13)
    assert raw[20:24] == bytes.fromhex("e3c6a7c2")
    plain = zlib.decompressobj(zdict=DICTIONARY).decompress(raw[18:])
    assert plain == b"\0\0\0\x01\0\0\0\x04port\0\0\0\x0280"


@pytest.mark.parametrize(
    "raw",
    [
        b"\x80\x02\x00\x01" + b"\0" * 12,  # SPDY/2
        b"\x80\x03\x00\x01\x00\xff\xff\xff",  # a control frame of 16 MiB
        b"\x80\x03\x00\x01\x00\x00\x00\x0e" + b"\0" * 10 + b"junk",  # no zlib
        b"\x80\x03\x00\x07\x00\x00\x00\x02\0\0",  # GOAWAY too short
    ],
)
def test_what_is_no_spdy_3_is_refused(raw: bytes) -> None:
    with pytest.raises(SpdyError):
        list(Decoder().feed(raw))


def test_header_block_that_inflates_beyond_its_bound_is_refused() -> None:
    encoder = Encoder()
    bomb = encoder.encode(SynStream(1, [("a", "x" * 1_000_000)]))
    with pytest.raises(SpdyError):
        list(Decoder().feed(bomb))


def test_unknown_control_frames_are_passed_over() -> None:
    unknown = b"\x80\x03\x00\x0a\x00\x00\x00\x02hi"
    assert list(Decoder().feed(unknown + Encoder().encode(Ping(1)))) == [Ping(1)]
