"""Frames are read as they were written, however they were cut; wrong ones are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.docker.frames import FrameReader, frame


def test_a_frame_says_its_stream_and_its_length() -> None:
    assert frame(2, b"no\n") == b"\x02\x00\x00\x00\x00\x00\x00\x03no\n"


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=40)), max_size=6), st.integers(1, 17))
def test_frames_survive_any_cut(frames: list[tuple[int, bytes]], step: int) -> None:
    written = b"".join(frame(stream, payload) for stream, payload in frames)
    reader = FrameReader()
    read = [each for start in range(0, len(written), step) for each in reader.feed(written[start : start + step])]
    assert read == frames


def test_a_stream_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="104"):
        list(FrameReader().feed(b"hello world"))
