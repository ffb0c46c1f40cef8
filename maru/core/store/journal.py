"""The journal: documents made durable in one SQLite file.

WAL with synchronous=FULL: a commit that returned survives kill -9 and power loss. The file is held
by an exclusive lock, so that no two processes write it. The newest revision is the greatest one in
the documents, or in `meta` when the newest change was a deletion. Checkpoints run as part of every
thousandth page, and `tidy` truncates the log and gives free pages back in small steps. Every body
carries a checksum. Source: SQLite, "Write-Ahead Logging" and "Result and Error Codes".
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from maru.core.document import Document, Key
from maru.core.errors import Broken, Invalid, MaruError, Unavailable
from maru.core.store.engine import FIRST_VERSION, Write

_FORMAT = 1
_WAL_PAGES = 1000  # pages in the log after which a commit checkpoints it
_WAL_BYTES_KEPT = 8 * 1024 * 1024
_FREE_PAGES_STEP = 256  # pages given back to the file system in one step
_LOCK_WAIT_S = 2.0

_TABLES = """
CREATE TABLE documents (
  storage TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  version INTEGER NOT NULL, checksum INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (storage, namespace, name)
);
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 0), version INTEGER NOT NULL);
"""
_PUT = """
INSERT INTO documents (storage, namespace, name, version, checksum, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (storage, namespace, name) DO UPDATE
SET version = excluded.version, checksum = excluded.checksum, body = excluded.body
"""
_DELETE = "DELETE FROM documents WHERE storage = ? AND namespace = ? AND name = ?"
_SET_VERSION = "UPDATE meta SET version = ?"
_READ = "SELECT storage, namespace, name, version, checksum, body FROM documents"

T = TypeVar("T")


class SqliteJournal:
    """The journal in `path`. All SQLite calls run on one thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._database: sqlite3.Connection | None = None

    async def open(self) -> tuple[int, Sequence[Document]]:
        """Take the file (made if it is not there) and read it: the newest revision and all documents.

        Raises Unavailable (another process has it, no access, disk full) or Broken (damaged).
        """
        try:
            return await self._on_thread(self._open_blocking)
        except BaseException:
            await self.close()
            raise

    async def commit(self, writes: Sequence[Write]) -> None:
        """As `engine.Journal.commit`."""
        await self._on_thread(lambda: self._commit_blocking(writes))

    async def tidy(self) -> None:
        """As `engine.Journal.tidy`."""
        await self._on_thread(self._tidy_blocking)

    async def close(self) -> None:
        """Give the file free; what is in the log is checkpointed into it. Idempotent."""
        if self._database is not None:
            database, self._database = self._database, None
            await asyncio.get_running_loop().run_in_executor(self._thread, database.close)
        self._thread.shutdown(wait=False)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise _translated(self._path, error) from error

    def _open_blocking(self) -> tuple[int, Sequence[Document]]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)  # its log takes over the mode
        except OSError as error:
            raise Unavailable(what=f"store {self._path}", why=str(error), fix="make the folder writable") from error
        database = sqlite3.connect(
            self._path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        self._database = database
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        if pages == 0:  # it can be chosen only now, and setting it writes, which a full disk refuses
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {_WAL_PAGES}",
            f"journal_size_limit = {_WAL_BYTES_KEPT}",
            "cache_size = -4096",
            "temp_store = MEMORY",
        ):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN IMMEDIATE")
        try:
            self._ensure_tables(database)
            database.execute("COMMIT")
        except BaseException:
            _roll_back(database)
            raise
        return self._read_blocking(database)

    def _ensure_tables(self, database: sqlite3.Connection) -> None:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found == _FORMAT:
            return
        if found != 0:
            raise Invalid(
                what=f"store {self._path}",
                why=f"its format is {found}, this version reads {_FORMAT}",
                fix="start the version of maru that wrote it",
            )
        for statement in filter(str.strip, _TABLES.split(";")):
            database.execute(statement)
        database.execute("INSERT INTO meta VALUES (0, ?)", (FIRST_VERSION,))
        database.execute(f"PRAGMA user_version = {_FORMAT}")

    def _read_blocking(self, database: sqlite3.Connection) -> tuple[int, Sequence[Document]]:
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _broken(self._path, str(verdict))
        (version,) = database.execute("SELECT version FROM meta").fetchone()
        documents: list[Document] = []
        intern = sys.intern
        for storage, namespace, name, written_at, checksum, body in database.execute(_READ):
            if zlib.crc32(body) != checksum:
                raise _broken(self._path, f"the checksum of {storage}/{namespace}/{name} is wrong")
            documents.append(Document(Key(intern(storage), intern(namespace), name), body, written_at))
            version = max(version, written_at)
        return version, documents

    def _commit_blocking(self, writes: Sequence[Write]) -> None:
        database = self._database
        assert database is not None, "the journal is open while the engine runs"
        last = {write.document.key: write for write in writes}
        puts: list[tuple[str, str, str, int, int, bytes]] = []
        deletes: list[tuple[str, str, str]] = []
        for key, write in last.items():
            place = (key.storage, key.namespace, key.name)
            if write.is_delete:
                deletes.append(place)
            else:
                body = write.document.body
                puts.append((*place, write.document.version, zlib.crc32(body), body))
        database.execute("BEGIN IMMEDIATE")
        try:
            if puts:
                database.executemany(_PUT, puts)
            if deletes:
                database.executemany(_DELETE, deletes)
                database.execute(_SET_VERSION, (writes[-1].document.version,))
            database.execute("COMMIT")
        except BaseException:
            _roll_back(database)
            raise

    def _tidy_blocking(self) -> None:
        database = self._database
        assert database is not None, "the journal is open while the engine runs"
        # A script, as `execute` ends this statement after the first page.
        database.executescript(f"PRAGMA incremental_vacuum({_FREE_PAGES_STEP})")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _roll_back(database: sqlite3.Connection) -> None:
    """End the transaction that failed; SQLite has often done so itself."""
    if database.in_transaction:
        database.execute("ROLLBACK")


def _translated(path: Path, error: sqlite3.Error) -> MaruError:
    """The error in our words. Source: SQLite, "Result and Error Codes"; the low byte is the class."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _broken(path, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable(what=f"store {path}", why="another process has it open", fix="end it first: maru down")
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(
            what=f"store {path}", why="the disk is full, nothing was written", fix="free space on it; reading works"
        )
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return Unavailable(
            what=f"store {path}", why=f"the disk refused: {error}", fix="check the disk and the folder's permissions"
        )
    return Broken(what=f"store {path}", why=f"SQLite: {error}", fix="")


def _broken(path: Path, why: str) -> Broken:
    return Broken(
        what=f"store {path}",
        why=f"the file is damaged: {why}",
        fix="restore it from a backup, or start anew: maru reset",
    )
