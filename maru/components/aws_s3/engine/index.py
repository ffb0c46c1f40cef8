"""The index: one SQLite file, one thread that writes in group commits, a few that read.

WAL with synchronous=FULL: a change that was acknowledged survives kill -9 and power loss. Changes that wait
while a commit is on its way to the disk go together in the next one, each in a savepoint of its own, so that
one that is refused leaves no trace. Source: SQLite, "Write-Ahead Logging".
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import LifoQueue
from typing import TypeVar

from maru.core.errors import Broken, Invalid, MaruError, Unavailable

BATCH_MAX = 256
READERS = 3
QUEUE_MAX = 20_000
_FORMAT = 1
_LOCK_WAIT_S = 2.0
_CHECKPOINT_PAGES = 8192  # 32 MiB of 4 KiB pages: puts rewrite the same pages, which then go to the file once
_TABLES = """
CREATE TABLE versions (
  bucket TEXT NOT NULL, key TEXT NOT NULL, rank INTEGER NOT NULL, id TEXT NOT NULL,
  latest INTEGER NOT NULL, marker INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified INTEGER NOT NULL, owner TEXT NOT NULL, class TEXT NOT NULL, sums TEXT NOT NULL,
  about BLOB NOT NULL,
  PRIMARY KEY (bucket, key, rank)
) WITHOUT ROWID;
CREATE UNIQUE INDEX current ON versions (bucket, key) WHERE latest = 1 AND marker = 0;
CREATE TABLE contents (id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, bytes BLOB);
CREATE TABLE uploads (
  bucket TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL, started INTEGER NOT NULL, about BLOB NOT NULL,
  PRIMARY KEY (bucket, key, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX upload ON uploads (id);
CREATE TABLE parts (
  upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified INTEGER NOT NULL, about BLOB NOT NULL,
  PRIMARY KEY (upload, number)
) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID
"""

T = TypeVar("T")
Rows = sqlite3.Connection
_Waiting = tuple[Callable[[Rows], object], "asyncio.Future[object]"]


class Index:
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="s3-index")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="s3-read")
        self._idle: LifoQueue[Rows] = LifoQueue()
        self._waiting: deque[_Waiting] = deque()
        self._rows: Rows | None = None
        self._is_draining = False

    async def open(self) -> None:
        """Take the file, made if it is not there. Raises Unavailable, Broken, Invalid (another format)."""
        loop = asyncio.get_running_loop()
        try:
            self._rows = await loop.run_in_executor(self._writer, self._open_blocking)
        except sqlite3.Error as error:
            raise translated(self._path, error) from error

    async def close(self) -> None:
        """What waits is committed first."""
        loop = asyncio.get_running_loop()
        while self._is_draining:
            await loop.run_in_executor(self._writer, _nothing)
        await loop.run_in_executor(self._writer, self._close_blocking)
        self._readers.shutdown(wait=False)
        self._writer.shutdown(wait=False)

    async def read(self, work: Callable[[Rows], T]) -> T:
        """Do `work` on a reading thread; it sees all that was acknowledged."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._read_blocking, work)
        except sqlite3.Error as error:
            raise translated(self._path, error) from error

    async def change(self, work: Callable[[Rows], T], ended: Callable[[], None] | None = None) -> T:
        """Do `work` on the writing thread; returns once it is durable. What it raises undoes it alone.

        ended: called when it is done or refused, before the caller goes on, and also if the caller went away.
        """
        if len(self._waiting) >= QUEUE_MAX:
            if ended is not None:
                ended()
            raise Unavailable(what="Please reduce your request rate.", why="", code="SlowDown", status=503)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if ended is not None:
            future.add_done_callback(lambda _: ended())
        self._waiting.append((work, future))  # type: ignore[arg-type] # a future of what work gives
        if not self._is_draining:
            self._is_draining = True
            self._writer.submit(self._drain_blocking, loop)
        # A caller that goes away does not undo its change: it may be on the disk already.
        return await asyncio.shield(future)

    def _drain_blocking(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            batch: list[_Waiting] = []
            while self._waiting and len(batch) < BATCH_MAX:
                batch.append(self._waiting.popleft())
            results = self._commit_blocking([work for work, _ in batch])
            loop.call_soon_threadsafe(self._deliver, [future for _, future in batch], results)
        loop.call_soon_threadsafe(self._rest, loop)

    def _rest(self, loop: asyncio.AbstractEventLoop) -> None:
        """The writing thread saw nothing more to do; something may have come since."""
        if self._waiting:
            self._writer.submit(self._drain_blocking, loop)
        else:
            self._is_draining = False

    def _deliver(self, futures: list[asyncio.Future[object]], results: list[object]) -> None:
        for future, result in zip(futures, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _commit_blocking(self, works: list[Callable[[Rows], object]]) -> list[object]:
        rows = self._rows
        assert rows is not None, "the index is open"
        results: list[object] = []
        try:
            rows.execute("BEGIN IMMEDIATE")
            results.extend(_tried(rows, work) for work in works)
            rows.execute("COMMIT")
        except sqlite3.Error as error:
            if rows.in_transaction:
                rows.execute("ROLLBACK")
            return [translated(self._path, error)] * len(works)
        return results

    def _read_blocking(self, work: Callable[[Rows], T]) -> T:
        rows = self._idle.get_nowait() if not self._idle.empty() else self._connect_blocking()
        try:
            rows.execute("BEGIN")  # one moment of the index for all that `work` asks
            try:
                return work(rows)
            finally:
                rows.execute("COMMIT")
        finally:
            self._idle.put(rows)

    def _connect_blocking(self) -> Rows:
        rows = sqlite3.connect(
            self._path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        rows.execute("PRAGMA synchronous = FULL")
        rows.execute("PRAGMA cache_size = -4096")
        rows.execute("PRAGMA temp_store = MEMORY")
        return rows

    def _open_blocking(self) -> Rows:
        self._path.touch(mode=0o600)
        rows = self._connect_blocking()
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA journal_size_limit = 67108864")
        rows.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        (found,) = rows.execute("PRAGMA user_version").fetchone()
        if found == 0:
            rows.execute("BEGIN IMMEDIATE")
            for statement in _TABLES.split(";"):
                rows.execute(statement)
            rows.execute(f"PRAGMA user_version = {_FORMAT}")
            rows.execute("COMMIT")
        elif found != _FORMAT:
            why = f"its format is {found}, this version reads {_FORMAT}"
            raise Invalid(what=f"index {self._path}", why=why, fix="start the version of maru that wrote it")
        return rows

    def _close_blocking(self) -> None:
        while not self._idle.empty():
            self._idle.get_nowait().close()
        if self._rows is not None:
            self._rows.close()
            self._rows = None


def _tried(rows: Rows, work: Callable[[Rows], object]) -> object:
    """What `work` gives, or the refusal that it raised, its changes undone."""
    rows.execute("SAVEPOINT one")
    try:
        result = work(rows)
    except MaruError as error:
        rows.execute("ROLLBACK TO one")
        rows.execute("RELEASE one")
        return error
    rows.execute("RELEASE one")
    return result


def _nothing() -> None:
    """A turn on the thread."""


def translated(path: Path, error: sqlite3.Error) -> MaruError:
    """The error in our words. Source: SQLite, "Result and Error Codes"."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Broken(what=f"index {path}", why=f"the file is damaged: {error}", fix="restore it from a backup")
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(what=f"index {path}", why="the disk is full, nothing was written", fix="free space on it")
    return Unavailable(what=f"index {path}", why=f"SQLite: {error}", fix="check the disk and the folder's permissions")
