"""Multiplexed streams: stdout and stderr of a container without a terminal, in one connection.

Each frame is one byte for the stream (0 stdin, 1 stdout, 2 stderr), three zero bytes, the payload's
length as four big-endian bytes, the payload. Source: Docker Engine API v1.50, ContainerAttach, "Stream format".
"""

from __future__ import annotations

from collections.abc import Iterator

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
HEADER_BYTES = 8


def frame(stream: int, payload: bytes) -> bytes:
    """One frame. stream: 0..2."""
    return bytes((stream, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload


class FrameReader:
    """Frames out of chunks of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that are whole now. Raises ValueError for a stream there is not."""
        self._buffer += chunk
        while len(self._buffer) >= HEADER_BYTES:
            stream = self._buffer[0]
            if stream > 3:
                raise ValueError(f"stream {stream} of a frame is not 0..3")
            end = HEADER_BYTES + int.from_bytes(self._buffer[4:8], "big")
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[HEADER_BYTES:end])
            del self._buffer[:end]
            yield stream, payload
