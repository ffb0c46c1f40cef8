"""The files of a persistent queue: pages of records that are appended, synced, read back and removed.

A record is its length, a checksum and an event in JSON. A page begins with the position of its first
record; the checkpoint says up to which position everything is done. What a crash left half-written at
the very end was never acknowledged and is cut off. All calls block and belong to one thread at a time.
Source: Logstash reference, "Persistent queues" (pages, checkpoints).
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from maru.core.errors import Broken, Unavailable

PAGE_BYTES = 64 << 20
_RECORD = struct.Struct("<II")  # length, checksum
_CHECKPOINT = "checkpoint"
_PAGE = "page.{:020d}"


class Pages:
    """next: the position of the next record; done: everything before it is done with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._file_bytes = 0
        self._checkpoint: int | None = None
        self.next = 0
        self.done = 0

    def open_blocking(self) -> None:
        """Read where things stand, and cut off what a crash left. Raises Unavailable, Broken."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._checkpoint = os.open(self._folder / _CHECKPOINT, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            kept = os.pread(self._checkpoint, 12, 0)
            if len(kept) == 12 and zlib.crc32(kept[:8]) == int.from_bytes(kept[8:], "little"):
                self.done = int.from_bytes(kept[:8], "little")
            self.next = self.done
            for first in self._firsts():
                count, whole_bytes = _measured(self._path(first))
                self.next = first + count
                os.truncate(self._path(first), whole_bytes)
            self.next = max(self.next, self.done)
            self._remove_done()
        except OSError as error:
            raise _unavailable(self._folder, error) from error

    def append_blocking(self, records: Sequence[bytes]) -> int:
        """On disk when this returns; the position of the first. Raises Unavailable; then none of them is there."""
        chunk = b"".join(part for record in records for part in (_RECORD.pack(len(record), zlib.crc32(record)), record))
        first = self.next
        try:
            if self._file is None or self._file_bytes >= PAGE_BYTES:
                self._begin_page()
            assert self._file is not None
            written = 0
            while written < len(chunk):
                written += os.write(self._file, chunk[written:])
            os.fdatasync(self._file)
        except OSError as error:
            self._take_back()
            raise _unavailable(self._folder, error) from error
        self._file_bytes += len(chunk)
        self.next += len(records)
        return first

    def read_blocking(self, position: int, count: int) -> Sequence[bytes]:
        """Up to `count` records from `position` on. Raises Broken for a damaged one."""
        found: list[bytes] = []
        for first in self._firsts():
            if len(found) >= count:
                break
            for number, record in enumerate(_records(self._path(first)), first):
                if number >= position + len(found) and number < position + count:
                    found.append(record)
        return found

    def finish_blocking(self, done: int) -> None:
        """Everything before `done` may go."""
        assert self._checkpoint is not None
        self.done = done
        content = done.to_bytes(8, "little")
        try:
            os.pwrite(self._checkpoint, content + zlib.crc32(content).to_bytes(4, "little"), 0)
            self._remove_done()
        except OSError as error:
            raise _unavailable(self._folder, error) from error

    def size_bytes_blocking(self) -> int:
        """Of all pages."""
        return sum(self._path(first).stat().st_size for first in self._firsts())

    def close_blocking(self) -> None:
        """Idempotent."""
        for file in (self._file, self._checkpoint):
            if file is not None:
                os.close(file)
        self._file = self._checkpoint = None

    def _begin_page(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._path(self.next), flags, 0o600)
        self._file_bytes = os.fstat(self._file).st_size
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _take_back(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, self._file_bytes)

    def _remove_done(self) -> None:
        firsts = self._firsts()
        for first, following in zip(firsts, [*firsts, self.next][1:], strict=True):
            is_current = self._file is not None and first == firsts[-1]
            if following <= self.done and not is_current:
                self._path(first).unlink()

    def _firsts(self) -> list[int]:
        return sorted(int(path.name.split(".")[1]) for path in self._folder.glob("page.*"))

    def _path(self, first: int) -> Path:
        return self._folder / _PAGE.format(first)


def _measured(path: Path) -> tuple[int, int]:
    """How many whole records a page has, and the bytes they take. Raises Broken when one in the middle is damaged."""
    count = used = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        while head := file.read(_RECORD.size):
            if len(head) < _RECORD.size:
                break
            length, checksum = _RECORD.unpack(head)
            record = file.read(length)
            if len(record) < length or zlib.crc32(record) != checksum:
                if used + _RECORD.size + length < size:
                    raise Broken(what=f"queue page {path}", why=f"record {count} is damaged", fix=f"rm {path}")
                break
            count, used = count + 1, used + _RECORD.size + length
    return count, used


def _records(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while len(head := file.read(_RECORD.size)) == _RECORD.size:
            length, checksum = _RECORD.unpack(head)
            record = file.read(length)
            if len(record) < length:
                return
            if zlib.crc32(record) != checksum:
                raise Broken(what=f"queue page {path}", why="a record is damaged", fix=f"rm {path}")
            yield record


def _unavailable(folder: Path, error: OSError) -> Unavailable:
    fix = "free space on it" if error.errno == errno.ENOSPC else "look at the disk"
    return Unavailable(what=f"queue {folder}", why=error.strerror or str(error), fix=fix)
