"""The aws-chunked coding: pieces in, decoded bytes out; each chunk's signature and the trailer are told to a checker.

    SIZE[;chunk-signature=HEX]\\r\\n DATA \\r\\n ... 0[;chunk-signature=HEX]\\r\\n [name:value\\r\\n]* \\r\\n

Source: S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in
Multiple Chunks" and "... Including trailing headers".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from maru.wire.aws.faults import Fault

MALFORMED_TRAILER = (
    "The request contained trailing data that was not well-formed or did not conform to our published schema."
)
LINE_BYTES_MAX = 4096
CHUNK_BYTES_MAX = 5 * 1024**3
TRAILERS_MAX = 32


class ChunkCheck(Protocol):
    """What is done about signatures: nothing for unsigned uploads."""

    def count(self, piece: bytes) -> None:
        """The next bytes of the chunk."""
        ...

    def chunk_end(self, signature: str) -> None:
        """The chunk is whole. Raises Fault if its signature is wrong."""
        ...

    def trailer(self, lines: list[tuple[str, str]]) -> None:
        """The body is whole. Raises Fault if a trailer's signature or checksum is wrong."""
        ...


class ChunkDecoder:
    """Feed pieces as they come, then `finish`."""

    def __init__(self, check: ChunkCheck) -> None:
        self._check = check
        self._buffer = bytearray()
        self._left = 0  # bytes of the chunk that are still to come
        self._signature = ""
        self._state = "size"
        self._trailer: list[tuple[str, str]] = []

    @property
    def is_done(self) -> bool:
        """Whether the last chunk and its trailer came."""
        return self._state == "done"

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The decoded bytes of `piece`, as far as they can be told. Raises Fault."""
        self._buffer += piece
        while True:
            if self._state == "data":
                if not self._buffer:
                    return
                taken = bytes(self._buffer[: self._left])
                del self._buffer[: len(taken)]
                self._left -= len(taken)
                self._check.count(taken)
                yield taken
                if self._left == 0:
                    self._state = "data end"
            elif self._state == "done" or not self._line():
                return

    def finish(self) -> None:
        """The body ended. Raises Fault IncompleteBody if it is not whole."""
        if self._state != "done":
            raise Fault("IncompleteBody", "The request body terminated unexpectedly")

    def _line(self) -> bool:
        """Take the next line if it is there."""
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > LINE_BYTES_MAX:
                raise _bad_chunk()
            return False
        if end > LINE_BYTES_MAX:
            raise _bad_chunk()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._state == "data end":
            if line:
                raise _bad_chunk()
            self._check.chunk_end(self._signature)
            self._state = "size"
        elif self._state == "size":
            self._size(line)
        elif line:
            name, mark, value = line.decode("latin-1").partition(":")
            if not mark or len(self._trailer) >= TRAILERS_MAX:
                raise Fault("MalformedTrailerError", MALFORMED_TRAILER)
            self._trailer.append((name.strip().lower(), value.strip()))
        else:
            self._end()
        return True

    def _size(self, line: bytes) -> None:
        size, _, extension = line.partition(b";")
        try:
            self._left = int(size, 16)
        except ValueError as error:
            raise _bad_chunk() from error
        if not 0 <= self._left <= CHUNK_BYTES_MAX or size[:1] in b"+-" or b"_" in size:
            raise _bad_chunk()
        name, _, value = extension.decode("latin-1").strip().partition("=")
        self._signature = value if name == "chunk-signature" else ""
        if self._left == 0:
            self._check.chunk_end(self._signature)
            self._state = "trailer"
        else:
            self._state = "data"

    def _end(self) -> None:
        self._check.trailer(self._trailer)
        self._state = "done"


def _bad_chunk() -> Fault:
    return Fault("IncompleteBody", "The request body terminated unexpectedly")
