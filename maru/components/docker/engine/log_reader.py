"""A container's log: its rotated files and the live one, read as one, and followed as it grows.

A follower holds its file open: when the live file was moved aside it reads the old one to its end and
goes on in the new one. Source: the CRI log format; conmon's k8s-file driver.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_CHUNK_BYTES = 64 * 1024


class LogReader:
    """Whole lines, oldest first. All methods block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._begun: deque[bytes] = deque()

    def open_blocking(self, tail_lines: int | None) -> None:
        """At the beginning, or where the last `tail_lines` lines of all files begin."""
        while True:
            try:
                self._file = self._path.open("rb")
                break
            except FileNotFoundError:
                if not self._path.parent.exists():
                    return
                self._path.touch(mode=0o640)
        if tail_lines == 0:
            self._file.seek(0, os.SEEK_END)
            return
        older = [line for file in sorted(self._path.parent.glob(f"{self._path.name}.2*")) for line in _lines(file)]
        if tail_lines is None:
            self._begun.extend(older)
            return
        live = self._file.read()
        whole, _, self._rest = live.rpartition(b"\n")
        lines = older + (whole.split(b"\n") if whole else [])
        self._begun.extend(_last(lines, tail_lines))

    def read_blocking(self) -> list[bytes]:
        """The next whole lines, without newlines; empty when there are none yet."""
        if self._begun:
            lines = list(self._begun)
            self._begun.clear()
            return lines
        if self._file is None:
            return []
        chunk = self._file.read(_CHUNK_BYTES)
        if not chunk and self._has_moved():
            chunk = self._file.read(_CHUNK_BYTES)  # what came between the last read and the move
            if not chunk:
                self._file.close()
                self._file = self._path.open("rb")
                chunk = self._file.read(_CHUNK_BYTES)
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        return self.read_blocking() if chunk and not lines else lines

    def close_blocking(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _has_moved(self) -> bool:
        assert self._file is not None
        try:
            return self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return False


def _lines(file: Path) -> Iterator[bytes]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return
    yield from content.split(b"\n")[:-1]


def _last(lines: list[bytes], wanted: int) -> list[bytes]:
    """The last `wanted` lines as people count them: records marked P go on in the next one."""
    place, found = len(lines), 0
    while place > 0:
        if _is_whole(lines[place - 1]):
            if found == wanted:
                break
            found += 1
        place -= 1
    return lines[place:]


def _is_whole(record: bytes) -> bool:
    parts = record.split(b" ", 3)
    return len(parts) < 3 or not parts[2].startswith(b"P")
