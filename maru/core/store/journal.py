"""The journal: documents made durable in one SQLite file.

WAL with synchronous=FULL: a commit that returned survives kill -9 and power loss. The file is held
by an exclusive lock, so that no two processes write it. The newest revision is the greatest one in
the documents, or in `meta` when the newest change was a deletion. Checkpoints run as part of every
thousandth page, and `tidy` truncates the log and gives free pages back in small steps. Every body
carries a checksum; some are sealed (sealing.py). Source: SQLite, "Write-Ahead Logging", "Result Codes".
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from maru.core.document import Document, Key
from maru.core.errors import Broken, Invalid, MaruError, Unavailable
from maru.core.store.engine import FIRST_VERSION, Write
from maru.core.store.sealing import Seal, Sealing

_CLEAR_FORMAT = 1  # no row is sealed
_SEALING_FORMAT = 2  # all that should be sealed is, but pages that are free may hold what was there before
_SEALED_FORMAT = 3  # nothing of what is sealed stands in the file in the clear
_FORMATS = (_CLEAR_FORMAT, _SEALING_FORMAT, _SEALED_FORMAT)
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
_CLOSE = "UPDATE documents SET checksum = ?, body = ? WHERE storage = ? AND namespace = ? AND name = ?"

T = TypeVar("T")


class SqliteJournal:
    """The journal in `path`. All SQLite calls run on one thread of its own.

    sealing: which bodies stand sealed in the file; with None it seals nothing and reads no file that is sealed.
    """

    def __init__(self, path: Path, sealing: Sealing | None = None) -> None:
        self._path = path
        self._sealing = sealing
        self._seal: Seal | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._database: sqlite3.Connection | None = None

    async def open(self) -> tuple[int, Sequence[Document]]:
        """Take the file (made if it is not there) and read it: the newest revision and all documents.

        Bodies that should be sealed and are not are sealed now, and no trace of them is left in the file.
        Raises Unavailable (another process has it, no access, disk full) or Broken (damaged, or the key is
        missing or another one).
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
        with _transaction(database):
            found = self._ensure_tables(database)
        self._seal = self._read_key_blocking(found)
        version, documents, owed = self._read_blocking(database)
        self._close_blocking(database, found, owed)
        return version, documents

    def _ensure_tables(self, database: sqlite3.Connection) -> int:
        """Make them if there are none; the format of the file."""
        found: int = database.execute("PRAGMA user_version").fetchone()[0]
        if found in _FORMATS:
            return found
        if found != 0:
            raise Invalid(
                what=f"store {self._path}",
                why=f"its format is {found}, this version reads {_FORMATS[0]} to {_FORMATS[-1]}",
                fix="start the version of maru that wrote it",
            )
        for statement in filter(str.strip, _TABLES.split(";")):
            database.execute(statement)
        database.execute("INSERT INTO meta VALUES (0, ?)", (FIRST_VERSION,))
        database.execute(f"PRAGMA user_version = {_CLEAR_FORMAT}")
        return _CLEAR_FORMAT

    def _read_key_blocking(self, found: int) -> Seal | None:
        if self._sealing is not None:
            return Seal(self._sealing.storages, self._sealing.read_key_blocking(found == _CLEAR_FORMAT))
        if found != _CLEAR_FORMAT:
            raise Broken(
                what=f"store {self._path}", why="it is sealed, and no key was given", fix="open it with its key"
            )
        return None

    def _close_blocking(self, database: sqlite3.Connection, found: int, owed: Sequence[Document]) -> None:
        """Seal the bodies of `owed`, and clear the file of what they and their forerunners left on free pages."""
        if self._seal is None or (found == _SEALED_FORMAT and not owed):
            return
        with _transaction(database):
            for document in owed:
                key = document.key
                stored = self._seal.closed(key, document.version, document.body)
                database.execute(_CLOSE, (zlib.crc32(stored), stored, key.storage, key.namespace, key.name))
            database.execute(f"PRAGMA user_version = {_SEALING_FORMAT}")
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        database.execute(f"PRAGMA user_version = {_SEALED_FORMAT}")

    def _read_blocking(self, database: sqlite3.Connection) -> tuple[int, Sequence[Document], Sequence[Document]]:
        """The newest revision, all documents, and those of them that should be sealed and are not."""
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _broken(self._path, str(verdict))
        (version,) = database.execute("SELECT version FROM meta").fetchone()
        documents: list[Document] = []
        owed: list[Document] = []
        intern = sys.intern
        seal = self._seal
        for storage, namespace, name, written_at, checksum, stored in database.execute(_READ):
            if zlib.crc32(stored) != checksum:
                raise _broken(self._path, f"the checksum of {storage}/{namespace}/{name} is wrong")
            key = Key(intern(storage), intern(namespace), name)
            body = seal.opened(key, written_at, stored) if seal is not None else stored
            documents.append(Document(key, body, written_at))
            if seal is not None and seal.is_owed(key, stored):
                owed.append(documents[-1])
            version = max(version, written_at)
        return version, documents, owed

    def _commit_blocking(self, writes: Sequence[Write]) -> None:
        database = self._database
        assert database is not None, "the journal is open while the engine runs"
        last = {write.document.key: write for write in writes}
        seal = self._seal
        puts: list[tuple[str, str, str, int, int, bytes]] = []
        deletes: list[tuple[str, str, str]] = []
        for key, write in last.items():
            place = (key.storage, key.namespace, key.name)
            if write.is_delete:
                deletes.append(place)
            else:
                version, body = write.document.version, write.document.body
                stored = seal.closed(key, version, body) if seal is not None else body
                puts.append((*place, version, zlib.crc32(stored), stored))
        with _transaction(database):
            if puts:
                database.executemany(_PUT, puts)
            if deletes:
                database.executemany(_DELETE, deletes)
                database.execute(_SET_VERSION, (writes[-1].document.version,))

    def _tidy_blocking(self) -> None:
        database = self._database
        assert database is not None, "the journal is open while the engine runs"
        # A script, as `execute` ends this statement after the first page.
        database.executescript(f"PRAGMA incremental_vacuum({_FREE_PAGES_STEP})")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Commit what the scope did, or nothing of it."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite has often ended it itself
            database.execute("ROLLBACK")
        raise


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
