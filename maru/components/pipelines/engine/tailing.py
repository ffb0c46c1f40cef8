"""Files that grow, are moved aside and begin anew, read line by line from where they were left.

A file is known by its device, inode and the checksum of its beginning, so a name that was given to
another file is read from its start, and one that was moved aside is read to its end. A position counts
once the event is safe; positions are kept in one small file that is replaced as a whole.
Source: Logstash reference, "File input plugin" (sincedb, tailing); inode(7).
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

READ_BYTES = 256 * 1024
LINE_BYTES_MAX = 1 << 20  # a longer line is cut into pieces of this length
BEGINNING_BYTES = 256
FILES_MAX = 4096


class Position(msgspec.Struct):
    """Where a file stands: bytes that are safe, and the checksum of its first `known_bytes`."""

    safe_bytes: int = 0
    known_bytes: int = 0
    checksum: int = 0


@dataclass
class Mark:
    """One line under way; `safe` moves the file's position over what is safe without a gap."""

    file: Tailed
    end: int
    is_safe: bool = False

    def safe(self) -> None:
        self.is_safe = True
        self.file.advance()


@dataclass
class Tailed:
    """An open file. read_bytes: how far it was read; marks: lines under way, in order."""

    path: Path
    descriptor: int
    inode: str
    position: Position
    read_bytes: int
    rest: bytes = b""
    marks: deque[Mark] = field(default_factory=deque)

    def advance(self) -> None:
        """Move the position over marks that are safe."""
        while self.marks and self.marks[0].is_safe:
            self.position.safe_bytes = self.marks.popleft().end

    def mark(self, end: int) -> Mark:
        """A line that ends at `end` is on its way."""
        mark = Mark(self, end)
        self.marks.append(mark)
        return mark


class Tails:
    """All files of one input. kept: the file of positions. from_start: a file seen first is read from its start.

    Every call blocks; one at a time.
    """

    def __init__(self, kept: Path, *, from_start: bool) -> None:
        self._kept = kept
        self._from_start = from_start
        self._files: dict[str, Tailed] = {}
        self._positions: dict[str, Position] = {}
        self._saved = b""

    def open_blocking(self) -> None:
        """Read the positions; a damaged file of them is as none."""
        try:
            self._positions = msgspec.json.decode(self._kept.read_bytes(), type=dict[str, Position])
        except (OSError, msgspec.DecodeError):
            self._positions = {}

    def find_blocking(self, paths: Iterable[Path]) -> Sequence[Tailed]:
        """Open what is new among `paths`, close what is gone and read to its end; those that are open."""
        seen: set[str] = set()
        for path in paths:
            try:
                status = path.stat()
            except OSError:
                continue
            inode = f"{status.st_dev}:{status.st_ino}"
            seen.add(inode)
            if inode in self._files:
                self._files[inode].path = path
            elif len(self._files) < FILES_MAX:
                self._open(path, inode)
        for inode in [inode for inode in self._files if inode not in seen]:
            self._leave(inode)
        for inode in [inode for inode in self._positions if inode not in seen and inode not in self._files]:
            del self._positions[inode]
        return list(self._files.values())

    def grown_blocking(self) -> Sequence[Tailed]:
        """The open files that are not as long as what was read of them."""
        grown: list[Tailed] = []
        for file in self._files.values():
            try:
                if os.fstat(file.descriptor).st_size != file.read_bytes:
                    grown.append(file)
            except OSError:
                continue
        return grown

    def read_blocking(self, file: Tailed) -> Sequence[tuple[bytes, int]]:
        """Whole lines that are new, each with the offset of its end; a file that was cut begins anew."""
        try:
            size = os.fstat(file.descriptor).st_size
            if size < file.read_bytes:
                file.read_bytes, file.rest = 0, b""
                file.marks.clear()
                file.position.safe_bytes = 0
            if size == file.read_bytes:
                return ()
            chunk = os.pread(file.descriptor, READ_BYTES, file.read_bytes)
        except OSError:
            return ()
        begin = file.read_bytes - len(file.rest)
        file.read_bytes += len(chunk)
        *lines, file.rest = (file.rest + chunk).split(b"\n")
        found: list[tuple[bytes, int]] = []
        for line in lines:
            begin += len(line) + 1
            found.append((line, begin))
        if len(file.rest) > LINE_BYTES_MAX:
            begin += len(file.rest)
            found.append((file.rest, begin))
            file.rest = b""
        return found

    def save_blocking(self) -> None:
        """Keep the positions if they have changed. Raises OSError."""
        for inode, file in self._files.items():
            _know(file)
            self._positions[inode] = file.position
        content = msgspec.json.encode(self._positions)
        if content == self._saved:
            return
        self._kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._kept.with_name(f".{self._kept.name}.new")
        with draft.open("wb") as written:
            written.write(content)
            written.flush()
            os.fdatasync(written.fileno())
        draft.replace(self._kept)
        self._saved = content

    def close_blocking(self) -> None:
        """Idempotent."""
        for file in self._files.values():
            os.close(file.descriptor)
        self._files.clear()

    def _open(self, path: Path, inode: str) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return
        position = self._positions.get(inode)
        if position is not None and position.known_bytes:
            beginning = os.pread(descriptor, position.known_bytes, 0)
            if zlib.crc32(beginning) != position.checksum:
                position = None
        if position is None:
            size = os.fstat(descriptor).st_size
            position = Position(safe_bytes=0 if self._from_start else size)
        self._files[inode] = Tailed(path, descriptor, inode, position, position.safe_bytes)
        self._positions[inode] = position

    def _leave(self, inode: str) -> None:
        """Its name is gone; what is in it is read first, and what is under way is waited for."""
        file = self._files[inode]
        if os.fstat(file.descriptor).st_size > file.read_bytes or file.marks:
            return
        os.close(file.descriptor)
        del self._files[inode]


def _know(file: Tailed) -> None:
    if file.position.known_bytes >= BEGINNING_BYTES:
        return
    beginning = os.pread(file.descriptor, BEGINNING_BYTES, 0)
    file.position.known_bytes, file.position.checksum = len(beginning), zlib.crc32(beginning)
