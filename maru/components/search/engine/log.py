"""The write-ahead log of one index, which is also where its documents stand.

Records are appended to files of at most FILE_BYTES; a document's place (`location`) is kept in the index, so
nothing is written twice. A record is whole or it is not there: length and checksum come first. What a crash
left half-written at the very end was never acknowledged and is cut off; damage anywhere else is an error.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from maru.components.search.errors import failure
from maru.core.errors import Broken

FILE_BYTES = 64 * 1024 * 1024
FREE_BYTES_MIN = 64 * 1024 * 1024  # about what a segment may take
_HEAD = struct.Struct("<IIBQIQHH")  # checksum, bytes after it and itself, kind, seq, term, version, id, routing
_TAIL = struct.Struct("<IBQIQHH")  # the same without the checksum
_HEAD_BYTES = _HEAD.size
OFFSET_BITS = 36

INDEX, DELETE, NOTHING = 1, 2, 3


class Record(NamedTuple):
    """One operation. source: the document as it was sent (empty for DELETE)."""

    kind: int
    seq: int
    term: int
    version: int
    id: str
    routing: str
    source: bytes


def encode(record: Record) -> bytes:
    """The bytes of a record."""
    kind, seq, term, version, doc_id, where, source = record
    name, routing = doc_id.encode(), where.encode()
    head = _TAIL.pack(len(name) + len(routing) + len(source), kind, seq, term, version, len(name), len(routing))
    body = b"".join((head, name, routing, source))
    return zlib.crc32(body).to_bytes(4, "little") + body


class Files:
    """The open files of a log by number; a reader keeps the ones it began with, whatever is removed meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[int, object] = {}

    def read(self, location: int) -> Record:
        """The record at `location`. Raises Broken."""
        number, offset = location >> OFFSET_BITS, location & ((1 << OFFSET_BITS) - 1)
        descriptor = self.descriptor(number)
        chunk = os.pread(descriptor, 2048, offset)
        if len(chunk) < _HEAD_BYTES:
            raise _broken(self.folder, number, offset)
        total = _HEAD_BYTES + int.from_bytes(chunk[4:8], "little")
        if total > len(chunk):
            chunk += os.pread(descriptor, total - len(chunk), offset + len(chunk))
        if len(chunk) < total:
            raise _broken(self.folder, number, offset)
        return _decode(memoryview(chunk)[:total])

    def descriptor(self, number: int) -> int:
        """Open it, if it is not yet."""
        file = self._open.get(number)
        if file is None:
            file = self._open[number] = (self.folder / _name(number)).open("rb", buffering=0)
        return int(file.fileno())  # type: ignore[attr-defined] # a raw file

    def fork(self) -> Files:
        """The same files, for a reader that may outlive some of them."""
        other = Files(self.folder)
        other._open = dict(self._open)
        return other

    def forget(self, number: int) -> None:
        """It is removed; who forked before reads on."""
        self._open.pop(number, None)


@dataclass(frozen=True, slots=True)
class Pinned:
    """A place in the log, and a descriptor of its file of our own; -1 where there is nothing to do."""

    place: tuple[int, int]
    descriptor: int

    def sync_blocking(self) -> None:
        """Everything before the place is on disk. Raises failure 429 on a full disk."""
        if self.descriptor < 0:
            return
        try:
            os.fdatasync(self.descriptor)
        except OSError as error:
            raise full_or(error) from error
        finally:
            os.close(self.descriptor)


class Log:
    """Appends and reads. `open_blocking` before anything else; one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = Files(folder)
        self._number = 0
        self._offset = 0
        self._file = -1
        self._synced = (0, 0)
        self._counts: dict[int, int] = {}

    def open_blocking(self) -> None:
        """Make the folder, or go on where the last file ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._number = max(self.numbers(), default=0)
        if self._number == 0:
            self._begin_blocking()
            return
        path = self.folder / _name(self._number)
        self._file = os.open(path, os.O_WRONLY)
        self._offset = os.lseek(self._file, 0, os.SEEK_END)

    def numbers(self) -> list[int]:
        """The files there are, ascending."""
        return sorted(int(path.stem.removeprefix("log-")) for path in self.folder.glob("log-*.bin"))

    def fork_blocking(self) -> Files:
        """All files, open, for a reader that may outlive some of them."""
        for number in self.numbers():
            self.files.descriptor(number)
        return self.files.fork()

    @property
    def location(self) -> int:
        """Where the next record will stand."""
        return self._number << OFFSET_BITS | self._offset

    def bytes_on_disk(self) -> int:
        """All files together."""
        return sum((self.folder / _name(number)).stat().st_size for number in self.numbers())

    def append_blocking(self, records: list[bytes]) -> list[int]:
        """Write `records` (in order, nothing else between); their locations. Durable only after `sync_blocking`.

        Raises failure 429 when the disk is full: nothing of them is there then.
        """
        if self._file < 0:
            raise failure(503, "unavailable_shards_exception", "the index was closed meanwhile")
        if self._offset > FILE_BYTES:
            os.fdatasync(self._file)
            os.close(self._file)
            self._begin_blocking()
        start = self._offset
        locations = []
        for record in records:
            locations.append(self._number << OFFSET_BITS | self._offset)
            self._offset += len(record)
        try:
            _write_all(self._file, b"".join(records))
        except OSError as error:
            self._offset = start
            os.ftruncate(self._file, start)
            os.lseek(self._file, start, os.SEEK_SET)
            raise full_or(error) from error
        return locations

    def pinned(self) -> Pinned:
        """What has been appended so far, to be synced while others append."""
        have = (self._number, self._offset)
        return Pinned(have, -1 if have == self._synced or self._file < 0 else os.dup(self._file))

    def note_synced(self, pinned: Pinned) -> None:
        """It is on disk."""
        self._synced = max(self._synced, pinned.place)

    def sync_blocking(self) -> None:
        """Everything appended before this call is on disk when it returns."""
        pinned = self.pinned()
        pinned.sync_blocking()
        self.note_synced(pinned)

    def replay_blocking(self, since: int) -> Iterator[tuple[int, Record]]:
        """(location, record) from `since` on. Cuts a half-written end off; raises Broken for damage before it."""
        first, offset = since >> OFFSET_BITS, since & ((1 << OFFSET_BITS) - 1)
        numbers = [number for number in self.numbers() if number >= first]
        for number in numbers:
            body = (self.folder / _name(number)).read_bytes()
            at = offset if number == first else 0
            while at < len(body):
                end = at + _HEAD_BYTES
                total = end + int.from_bytes(body[at + 4 : at + 8], "little") if end <= len(body) else len(body) + 1
                if total > len(body) or zlib.crc32(body[at + 4 : total]) != int.from_bytes(body[at : at + 4], "little"):
                    if number != numbers[-1]:
                        raise _broken(self.folder, number, at)
                    self._cut_blocking(at)
                    return
                yield number << OFFSET_BITS | at, _decode(memoryview(body)[at:total])
                at = total

    def count_blocking(self, number: int) -> int:
        """How many records a file holds that is written no more."""
        if number not in self._counts:
            body = (self.folder / _name(number)).read_bytes()
            at = count = 0
            while at < len(body):
                at += _HEAD_BYTES + int.from_bytes(body[at + 4 : at + 8], "little")
                count += 1
            self._counts[number] = count
        return self._counts[number]

    def remove_blocking(self, number: int) -> int:
        """Nothing in this file is alive any more; how many bytes that frees."""
        self.files.forget(number)
        self._counts.pop(number, None)
        path = self.folder / _name(number)
        size = path.stat().st_size
        path.unlink()
        return size

    def close_blocking(self) -> None:
        """Everything is on disk after it. Idempotent."""
        if self._file >= 0:
            self.sync_blocking()
            os.close(self._file)
            self._file = -1

    def _begin_blocking(self) -> None:
        self._number += 1
        self._offset = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self._file = os.open(self.folder / _name(self._number), flags, 0o600)
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _cut_blocking(self, offset: int) -> None:
        os.ftruncate(self._file, offset)
        os.lseek(self._file, offset, os.SEEK_SET)
        os.fsync(self._file)
        self._offset = offset


def file_of(location: int) -> int:
    """The number of the file that a location lies in."""
    return location >> OFFSET_BITS


def _name(number: int) -> str:
    return f"log-{number:08d}.bin"


def _decode(record: memoryview) -> Record:
    _, _, kind, seq, term, version, name, routing = _HEAD.unpack_from(record)
    at = _HEAD_BYTES
    return Record(
        kind,
        seq,
        term,
        version,
        str(record[at : at + name], "utf-8"),
        str(record[at + name : at + name + routing], "utf-8"),
        bytes(record[at + name + routing :]),
    )


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _broken(folder: Path, number: int, offset: int) -> Broken:
    return Broken(
        what=f"log {folder / _name(number)}",
        why=f"the record at byte {offset} is damaged",
        fix="restore the folder from a backup",
    )


def full_or(error: Exception, folder: Path | None = None) -> Exception:
    """What the server says when its disk is full, where that is what `error` means; else `error` itself.

    folder: of an index, which tells of its files in words only, and of a thread that failed on one not even that.
    """
    number = error.errno if isinstance(error, OSError) else None
    is_full = number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space left on device" in str(error)
    if folder is not None and isinstance(error, ValueError) and "writer was killed" in str(error):
        is_full = is_full or shutil.disk_usage(folder).free < FREE_BYTES_MIN
    reason = (
        "index has exceeded flood-stage watermark; blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded "
        "flood-stage watermark, index has read-only-allow-delete block];"
    )
    return failure(429, "cluster_block_exception", reason) if is_full else error
