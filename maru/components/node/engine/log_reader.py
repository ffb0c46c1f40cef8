"""Reading a container's log as it grows, across rotations.

A reader holds its file open: when the live file has been moved aside it reads the old one to its end
and goes on in the new one. Source: the kubelet's CRI logging design document, "Log rotation".
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_CHUNK_BYTES = 64 * 1024


class LogReader:
    """Whole lines of one log. All methods block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def open_blocking(self, tail_lines: int | None) -> None:
        """At the beginning, or where the last `tail_lines` begin. Raises FileNotFoundError."""
        self._file = self._path.open("rb")
        if tail_lines is not None:
            self._file.seek(_tail_offset(self._file, tail_lines))

    def read_blocking(self) -> list[bytes]:
        """The next whole lines, without newlines; empty when there are none yet."""
        assert self._file is not None
        chunk = self._file.read(_CHUNK_BYTES)
        if not chunk and self._has_moved():
            # What was written between the last read and the rename is still in the old file.
            chunk = self._file.read(_CHUNK_BYTES)
            if not chunk:
                self._file.close()
                self._file = self._path.open("rb")
                chunk = self._file.read(_CHUNK_BYTES)
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if chunk and not lines:
            return self.read_blocking()
        return lines

    def close_blocking(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _has_moved(self) -> bool:
        assert self._file is not None
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return there.st_ino != os.fstat(self._file.fileno()).st_ino


def _tail_offset(file: BinaryIO, lines: int) -> int:
    """Where the last `lines` lines begin."""
    end = file.seek(0, os.SEEK_END)
    if lines == 0:
        return end
    offset, found = end, 0
    while offset > 0:
        start = max(0, offset - _CHUNK_BYTES)
        file.seek(start)
        chunk = file.read(offset - start)
        place = len(chunk)
        while (place := chunk.rfind(b"\n", 0, place)) >= 0:
            if start + place + 1 == end:
                continue
            found += 1
            if found == lines:
                return start + place + 1
        offset = start
    return 0
