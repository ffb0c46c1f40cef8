"""The store: committed documents in memory, a journal that makes writes durable, watches on top.

A write is checked against what is committed and what is queued before it, gets its revisions, and
waits in line; whatever is in line when the journal is free becomes one durable commit. Only then do
the changes become visible, watchers hear of them and writers get their answer, all in one step of
the loop. When the disk refuses, everything in line fails with it, as later writes were checked
against earlier ones. Source of the model: etcd v3 API guarantees; DESIGN, "Data".
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from maru.core.clock import Clock
from maru.core.document import Decoded, Document, Key, Value
from maru.core.errors import AlreadyExists, Conflict, Invalid, MaruError, NotFound, Throttled, TooLarge, Unavailable
from maru.core.limits import (
    DECODED_BYTES_MAX,
    DOCUMENT_BYTES_MAX,
    JOURNAL_BATCH_MAX,
    JOURNAL_COMPACT_ROWS_MAX,
    JOURNAL_QUEUE_MAX,
    JOURNAL_TIDY_S,
)
from maru.core.store.history import History, undo
from maru.core.store.interface import ABSENT, Change, Event, Listing
from maru.core.store.shelf import Shelf
from maru.core.store.watch import QueueWatch

FIRST_VERSION = 1
"""The revision of a new store: clients read resourceVersion 0 as "any"."""

_NEWS_MAX = 512  # newest documents whose encoded watch lines are kept


@dataclass(frozen=True, slots=True)
class Write:
    """One change that has its revision. document: the new one, or what a DELETED event shows."""

    document: Document
    is_delete: bool


class Journal(Protocol):
    """Makes writes durable. One commit at a time."""

    async def commit(self, writes: Sequence[Write]) -> None:
        """All or none, durable on return. Raises Unavailable (nothing was written) or Broken."""
        ...

    async def tidy(self) -> None:
        """Give disk space back, in a small step. Raises Unavailable or Broken."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """One call of `write` in line."""

    writes: Sequence[Write]
    done: asyncio.Future[None]


class Engine:
    """A `Store` over `journal`; with None it lives in memory alone and commits within the call.

    documents: what the journal held, in any order; version: its newest revision.
    With a journal, `run` must be running for writes to be answered.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal | None = None,
        *,
        version: int = FIRST_VERSION,
        documents: Sequence[Document] = (),
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._shelves: dict[str, Shelf] = {}
        self._version = version  # newest committed
        self._assigned = version  # newest given to a queued write
        self._history = History(version)
        self._watches: dict[str, set[QueueWatch]] = {}
        self._line: deque[_Entry] = deque()
        self._pending: dict[Key, Write] = {}  # the last queued write of a key
        self._news: deque[Document] = deque()  # keep their watch lines, for the watchers to share
        self._arrived = asyncio.Event()
        self._closed = False
        self._decoded = Decoded(DECODED_BYTES_MAX)
        for document in sorted(documents, key=lambda document: document.key):
            document.bound_by(self._decoded)
            self._shelf(document.key.storage).put(document)

    @property
    def version(self) -> int:
        """As `interface.Store.version`."""
        return self._version

    def get(self, key: Key) -> Document | None:
        """As `interface.Store.get`."""
        shelf = self._shelves.get(key.storage)
        return shelf.get(key.namespace, key.name) if shelf is not None else None

    def list(self, storage: str, namespace: str = "") -> Listing:
        """As `interface.Store.list`."""
        shelf = self._shelves.get(storage)
        return Listing(shelf.listing(namespace) if shelf is not None else (), self._version)

    def list_at(self, storage: str, namespace: str, version: int) -> Listing:
        """As `interface.Store.list_at`; Invalid for a revision that is still to come."""
        self._check_version(version)
        events = self._history.since(storage, version)
        if namespace:
            events = [event for event in events if event.document.key.namespace == namespace]
        return Listing(undo(self.list(storage, namespace).documents, events), version)

    def count(self, storage: str) -> int:
        """As `interface.Store.count`."""
        shelf = self._shelves.get(storage)
        return len(shelf) if shelf is not None else 0

    def storages(self) -> Sequence[str]:
        """As `interface.Store.storages`."""
        return sorted(storage for storage, shelf in self._shelves.items() if len(shelf))

    async def write(self, changes: Sequence[Change]) -> Sequence[Document]:
        """As `interface.Store.write`; Throttled when too many writes wait for the disk."""
        if self._closed:
            raise Unavailable(what="store", why="it is closing", fix="try again when it is up")
        if len(self._line) >= JOURNAL_QUEUE_MAX:
            raise Throttled(what="store", why="too many writes wait for the disk", fix="slow down", retry_after_s=1)
        writes = self._prepare(changes)
        if self._journal is None:
            self._publish([writes])
        elif writes:
            self._pending.update((write.document.key, write) for write in writes)
            entry = _Entry(writes, asyncio.get_running_loop().create_future())
            self._line.append(entry)
            self._arrived.set()
            await entry.done
        return [write.document for write in writes]

    def watch(self, storage: str, namespace: str = "", since: int | None = None) -> QueueWatch:
        """As `interface.Store.watch`."""
        if since is not None:
            self._check_version(since)
        backlog = self._history.since(storage, since) if since is not None else ()
        watches = self._watches.setdefault(storage, set())
        watch = QueueWatch(namespace, backlog, self._clock, lambda: self._version, watches.discard)
        watches.add(watch)
        return watch

    async def compact(self, version: int) -> None:
        """As `interface.Store.compact`."""
        version = min(version, self._version)
        while not self._history.trim(version, JOURNAL_COMPACT_ROWS_MAX):
            await self._clock.sleep(0)

    async def run(self) -> None:
        """Commit what is in line until `close`. Raises Broken when the journal is; writers hear of it too."""
        assert self._journal is not None, "a store in memory has nothing to run"
        try:
            while self._line or not self._closed:
                if self._line:
                    await self._commit(self._journal)
                else:
                    self._arrived.clear()
                    await self._arrived.wait()
        finally:
            self._closed = True
            self._fail_line(Unavailable(what="store", why="it was closed meanwhile", fix="read what came of it"))

    async def run_tidy(self) -> None:
        """Let the journal tidy up while there is something to tidy, for ever."""
        assert self._journal is not None, "a store in memory has nothing to tidy"
        tidied = 0
        while True:
            await self._clock.sleep(JOURNAL_TIDY_S)
            if self._version != tidied:
                tidied = self._version
                try:
                    await self._journal.tidy()
                except Unavailable:
                    tidied = 0

    def close(self) -> None:
        """End all watches and refuse further writes; `run` returns once those in line are done. Idempotent."""
        self._closed = True
        self._arrived.set()
        for watches in self._watches.values():
            for watch in list(watches):
                watch.close()

    async def _commit(self, journal: Journal) -> None:
        batch: list[_Entry] = []
        size = 0
        while self._line and (not batch or size + len(self._line[0].writes) <= JOURNAL_BATCH_MAX):
            entry = self._line.popleft()
            batch.append(entry)
            size += len(entry.writes)
        try:
            await journal.commit([write for entry in batch for write in entry.writes])
        except Unavailable as error:
            self._line.extendleft(reversed(batch))
            self._fail_line(error)
            return
        except (MaruError, asyncio.CancelledError) as error:
            self._line.extendleft(reversed(batch))
            if isinstance(error, MaruError):
                self._fail_line(error)
            raise
        self._publish([entry.writes for entry in batch])
        for entry in batch:
            if not entry.done.done():
                entry.done.set_result(None)

    def _fail_line(self, error: MaruError) -> None:
        line, self._line = self._line, deque()
        self._pending.clear()
        for entry in line:
            if not entry.done.done():
                entry.done.set_exception(error)

    def _prepare(self, changes: Sequence[Change]) -> Sequence[Write]:
        """Check `changes` against all that stands before them and give them their revisions."""
        ahead: dict[Key, Document | None] = {}
        version = self._assigned
        writes: list[Write] = []
        for change in changes:
            current = self._ahead(change.key, ahead)
            _check(change, current)
            version += 1
            if change.value is not None:
                document = self._encoded(_canonical(change.key, current), change.value, version)
                ahead[change.key] = document
            else:
                assert current is not None, "a delete of what is not there was refused"
                last = change.last if change.last is not None else msgspec.json.decode(current.body)
                document = self._encoded(current.key, last, version)
                ahead[change.key] = None
            writes.append(Write(document, is_delete=change.value is None))
        self._assigned = version
        return writes

    def _encoded(self, key: Key, value: Value, version: int) -> Document:
        value["metadata"]["resourceVersion"] = str(version)
        body = msgspec.json.encode(value)
        if len(body) > DOCUMENT_BYTES_MAX:
            raise TooLarge(
                what=str(key),
                why=f"it has {len(body)} bytes, the most is {DOCUMENT_BYTES_MAX}",
                fix="split or shorten it",
            )
        return Document(key, body, version, value, self._decoded)

    def _ahead(self, key: Key, ahead: dict[Key, Document | None]) -> Document | None:
        if key in ahead:
            return ahead[key]
        pending = self._pending.get(key)
        if pending is not None:
            return None if pending.is_delete else pending.document
        return self.get(key)

    def _publish(self, entries: Sequence[Sequence[Write]]) -> None:
        """Make durable writes visible and tell the watchers; no await in here."""
        told: dict[str, list[Event]] = {}
        for writes in entries:
            for write in writes:
                event = self._take_over(write)
                self._history.append(event)
                self._share_lines(event.document)
                told.setdefault(write.document.key.storage, []).append(event)
                self._version = write.document.version
        for storage, events in told.items():
            for watch in list(self._watches.get(storage, ())):
                watch.push(events)

    def _take_over(self, write: Write) -> Event:
        document = write.document
        self._decoded.keep(document)
        key = document.key
        shelf = self._shelf(key.storage)
        if write.is_delete:
            event = Event("DELETED", document, shelf.remove(key.namespace, key.name))
        else:
            previous = shelf.put(document)
            event = Event("ADDED" if previous is None else "MODIFIED", document, previous)
        if self._pending.get(key) is write:
            del self._pending[key]
        return event

    def _share_lines(self, document: Document) -> None:
        document.keep_lines(is_news=True)
        self._news.append(document)
        if len(self._news) > _NEWS_MAX:
            self._news.popleft().keep_lines(is_news=False)

    def _shelf(self, storage: str) -> Shelf:
        shelf = self._shelves.get(storage)
        if shelf is None:
            shelf = self._shelves[storage] = Shelf()
        return shelf

    def _check_version(self, version: int) -> None:
        if version > self._version:
            raise Invalid(
                what=f"revision {version}",
                why=f"it lies in the future, the store is at {self._version}",
                fix="watch from a resourceVersion that a list answered",
            )


def _check(change: Change, current: Document | None) -> None:
    expect = change.expect
    if expect == ABSENT and current is not None:
        raise AlreadyExists(what=str(change.key), why="it is there already", fix="")
    if current is None:
        if change.value is None or (expect is not None and expect != ABSENT):
            raise NotFound(what=str(change.key), why="it is not there", fix="")
    elif expect is not None and expect != current.version:
        raise Conflict(
            what=str(change.key),
            why=f"it is at version {current.version} and {expect} was expected",
            fix="read it again and make the change on top",
        )


def _canonical(key: Key, current: Document | None) -> Key:
    """A key whose repeated parts are shared, as ten thousand documents keep theirs."""
    if current is not None:
        return current.key
    return Key(sys.intern(key.storage), sys.intern(key.namespace), key.name)
