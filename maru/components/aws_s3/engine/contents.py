"""The files of objects: written beside, made durable, then renamed; read block by block, each one verified.

Small content does not become a file but goes into the index. A file that nothing names any more is removed
once nobody holds it who found it before.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar
from weakref import finalize

from maru.components.aws_s3.engine.blocks import BLOCK_BYTES, STORED_BYTES, Cipher, block_count
from maru.components.aws_s3.engine.digests import Digests
from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.entry import Segment
from maru.core.clock import Clock
from maru.core.errors import Broken, Unavailable
from maru.core.ids import Ids

WINDOW_BYTES = 4 * BLOCK_BYTES
"""What goes to a thread at once; an upload or a download holds at most three of these."""
PENDING_BYTES_MAX = 256 * 1024 * 1024
"""What all uploads together may hold that is not on its way to the disk yet; beyond it S3 says SlowDown."""
THREADS = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """inline: the stored bytes, where they belong into the index."""

    segment: Segment
    inline: bytes | None


class Contents:
    """The files under `folder`."""

    def __init__(self, folder: Path, clock: Clock, ids: Ids, inline_bytes_max: int) -> None:
        self._folder = folder
        self._clock = clock
        self._ids = ids
        self._inline_bytes_max = inline_bytes_max
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3-content")
        self._held: Counter[int] = Counter()
        self._let_go: deque[tuple[int, ...]] = deque()  # what an end of life, on whatever thread, puts down
        self._looks: Counter[int] = Counter()
        self._pending: dict[int, int] = {}  # bytes by the number of an upload
        self._pending_bytes = 0
        self._discards = 0
        self._unwanted: deque[tuple[int, int]] = deque()
        self._has_unwanted = asyncio.Event()
        self._fresh: set[int] = set()
        self._next_id = 0

    async def open(self, id_min: int) -> None:
        """id_min: over every id there is; what was being written when the last process ended goes."""
        self._next_id = max(id_min, int(self._clock.now().timestamp() * 1e6) * 1000)
        await self._on_thread(self._open_blocking)

    async def close(self) -> None:
        """What is unwanted goes now."""
        await self._on_thread(self._remove_blocking, [number for _, number in self._unwanted])
        self._threads.shutdown(wait=False)

    async def write(self, pieces: AsyncIterator[bytes], data_key: bytes, digests: Digests) -> Written:
        """Take in `pieces` to their end and make them durable; `digests` has seen them all.

        The file is kept from collection until `settle` is called with the segment.
        """
        number = self._new_id()
        salt = self._ids.secret(16)
        cipher = Cipher(data_key, salt)
        piece, pending = b"", bytearray()
        sink: _Sink | None = None
        write: asyncio.Future[None] | None = None
        try:
            async for piece in pieces:
                pending += piece
                self._note_pending(number, len(pending))
                if len(pending) <= WINDOW_BYTES:
                    continue
                if write is not None:
                    await write
                if sink is None:
                    sink = await self._on_thread(_Sink, self._incoming(number), cipher, digests)
                window, pending = bytes(pending[: _whole(len(pending))]), pending[_whole(len(pending)) :]
                write = asyncio.ensure_future(self._on_thread(sink.append_blocking, window))
            if write is not None:
                await write
            if sink is None and len(pending) <= self._inline_bytes_max:
                digests.update(bytes(pending))
                return Written(Segment(number, len(pending), salt, True), cipher.seal(0, bytes(pending), is_last=True))
            if sink is None:
                sink = await self._on_thread(_Sink, self._incoming(number), cipher, digests)
            size_bytes = await self._on_thread(sink.finish_blocking, bytes(pending), self._path(number))
            return Written(Segment(number, size_bytes, salt), None)
        except BaseException:
            self._fresh.discard(number)
            if write is not None:
                await asyncio.wait([write])
            if sink is not None:
                self._threads.submit(sink.drop_blocking)
            raise
        finally:
            self._note_pending(number, 0)
            pending.clear()  # an error holds this frame until it is collected
            piece = b""

    def settle(self, segments: Iterable[Segment]) -> None:
        """The index names them now, or never will: they may be collected."""
        for segment in segments:
            self._fresh.discard(segment.id)

    def opened(self, segment: Segment, data_key: bytes, stored: bytes) -> bytes:
        """The bytes of content that stands in the index."""
        return Cipher(data_key, segment.salt).open(0, stored, is_last=True)

    def read(
        self, segment: Segment, data_key: bytes, stored: bytes | None, start: int, end: int
    ) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end` (exclusive) of one content; stored: its bytes from the index, if there."""
        cipher = Cipher(data_key, segment.salt)
        if stored is not None:
            return _once(cipher.open(0, stored, is_last=True)[start:end])
        return self._read_file(segment, cipher, start, end)

    async def _read_file(self, segment: Segment, cipher: Cipher, start: int, end: int) -> AsyncIterator[bytes]:
        if start >= end:
            return
        source = await self._on_thread(self._source_blocking, segment)
        ahead: asyncio.Future[bytes] | None = None
        try:
            last = block_count(segment.size_bytes) - 1
            block, final = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
            step = WINDOW_BYTES // BLOCK_BYTES

            def ask(first: int) -> asyncio.Future[bytes]:
                count = min(step, final - first + 1)
                return asyncio.ensure_future(self._on_thread(_read_blocking, source, cipher, (first, count, last)))

            ahead = ask(block)
            while ahead is not None:
                plain = await ahead
                begins = block * BLOCK_BYTES
                block += step
                ahead = ask(block) if block <= final else None
                is_whole = begins >= start and begins + len(plain) <= end
                yield plain if is_whole else plain[max(0, start - begins) : end - begins]
        finally:
            if ahead is not None:
                await asyncio.wait([ahead])
            source.close()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """What is discarded from now on stays until the end: one who looks may find it, and hold it."""
        began = self._discards
        self._looks[began] += 1
        try:
            yield
        finally:
            self._looks[began] -= 1
            if not self._looks[began]:
                del self._looks[began]

    def hold(self, owner: object, segments: Iterable[Segment]) -> None:
        """Keep the files of `segments` as long as `owner` lives."""
        self._count_let_go()
        numbers = tuple(segment.id for segment in segments if not segment.is_inline)
        if numbers:
            self._held.update(numbers)
            finalize(owner, self._let_go.append, numbers).atexit = False

    def discard(self, numbers: Iterable[int]) -> None:
        """Nothing names these files any more."""
        for number in numbers:
            self._discards += 1
            self._unwanted.append((self._discards, number))
        if self._unwanted:
            self._has_unwanted.set()

    async def wait_unwanted(self) -> None:
        """Return once there is something to sweep."""
        await self._has_unwanted.wait()

    async def sweep(self) -> None:
        """Remove what is unwanted, nobody holds, and nobody who looks may have found."""
        self._count_let_go()
        looked_at = min(self._looks, default=self._discards)
        going: list[int] = []
        for _ in range(len(self._unwanted)):
            order, number = self._unwanted.popleft()
            if order <= looked_at and number not in self._held:
                going.append(number)
            else:
                self._unwanted.append((order, number))
        if not self._unwanted:
            self._has_unwanted.clear()
        if going:
            await self._on_thread(self._remove_blocking, going)

    async def folders(self) -> Sequence[Path]:
        """The folders that hold files, for collection."""
        return await self._on_thread(lambda: sorted(self._folder.glob("[0-9a-f][0-9a-f]")))

    async def numbers_in(self, folder: Path) -> Sequence[int]:
        """The files of one folder that are neither being put nor waiting to be removed."""
        found = await self._on_thread(lambda: [int(name, 16) for name in os.listdir(folder)])  # noqa: PTH208 - names alone
        waiting = {number for _, number in self._unwanted}
        return [number for number in found if number not in self._fresh and number not in waiting]

    def _note_pending(self, number: int, size_bytes: int) -> None:
        """Raises SlowDown when all uploads together hold too much."""
        self._pending_bytes += size_bytes - self._pending.pop(number, 0)
        if size_bytes:
            self._pending[number] = size_bytes
        if size_bytes and self._pending_bytes > PENDING_BYTES_MAX:
            raise refusal("SlowDown")

    def _count_let_go(self) -> None:
        while self._let_go:
            for number in self._let_go.popleft():
                self._held[number] -= 1
                if not self._held[number]:
                    del self._held[number]

    def _new_id(self) -> int:
        self._next_id += 1
        self._fresh.add(self._next_id)
        return self._next_id

    def _path(self, number: int) -> Path:
        return self._folder / f"{number % 256:02x}" / f"{number:x}"

    def _incoming(self, number: int) -> Path:
        return self._folder / "incoming" / f"{number:x}"

    def _open_blocking(self) -> None:
        incoming = self._folder / "incoming"
        incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in incoming.iterdir():
            path.unlink()

    def _source_blocking(self, segment: Segment) -> BinaryIO:
        try:
            return self._path(segment.id).open("rb", buffering=0)
        except OSError as error:
            why = f"file {self._path(segment.id)} cannot be read: {error.strerror}"
            raise Broken(what="content of an object", why=why, fix="restore it from a backup") from error

    def _remove_blocking(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._path(number).unlink(missing_ok=True)

    async def _on_thread(self, work: Callable[..., T], *arguments: object) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        except OSError as error:
            why = f"the disk refused: {error.strerror}"
            raise Unavailable(what="content of an object", why=why, fix="check the disk and its free space") from error


class _Sink:
    """One file on its way. Windows are whole blocks, but for the last."""

    def __init__(self, path: Path, cipher: Cipher, digests: Digests) -> None:
        self._path = path
        self._cipher = cipher
        self._digests = digests
        self._file = path.open("wb", buffering=0)
        self._blocks = 0
        self._size_bytes = 0

    def append_blocking(self, window: bytes) -> None:
        self._digests.update(window)
        self._write(window, is_last=False)

    def finish_blocking(self, rest: bytes, path: Path) -> int:
        """Write the last block (never empty unless it is the only one), make it durable, put it in place."""
        self._digests.update(rest)
        self._write(rest, is_last=True)
        os.fsync(self._file.fileno())
        self._file.close()
        is_new = not path.parent.exists()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._path.rename(path)
        _sync_folder_blocking(path.parent)
        if is_new:
            _sync_folder_blocking(path.parent.parent)
        return self._size_bytes

    def drop_blocking(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _write(self, window: bytes, *, is_last: bool) -> None:
        view = memoryview(window)
        sealed = []
        for start in range(0, max(len(window), 1), BLOCK_BYTES):
            is_final = is_last and start + BLOCK_BYTES >= len(window)
            sealed.append(self._cipher.seal(self._blocks, view[start : start + BLOCK_BYTES], is_last=is_final))
            self._blocks += 1
        left = memoryview(b"".join(sealed))
        while left:
            left = left[self._file.write(left) :]
        self._size_bytes += len(window)


def _sync_folder_blocking(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _whole(size_bytes: int) -> int:
    """As many whole blocks as leave something behind for the last one."""
    return (size_bytes - 1) // BLOCK_BYTES * BLOCK_BYTES


def _read_blocking(source: BinaryIO, cipher: Cipher, blocks: tuple[int, int, int]) -> bytes:
    """blocks: the first, how many, and the number of the content's last one."""
    first, count, last = blocks
    stored = memoryview(os.pread(source.fileno(), count * STORED_BYTES, first * STORED_BYTES))
    plain = [
        cipher.open(
            first + number, stored[number * STORED_BYTES : (number + 1) * STORED_BYTES], is_last=first + number == last
        )
        for number in range(count)
    ]
    return plain[0] if count == 1 else b"".join(plain)


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    if piece:
        yield piece
