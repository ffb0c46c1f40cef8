"""The engine of one index: log first, then partitions; versions, real-time reads, refresh, recovery.

An operation gets its number and version, is appended to the log and kept as pending; `sync` makes it durable,
`refresh` puts what is pending into the partitions and makes it found. After a crash the log is read from where
the last refresh stood; doing an operation twice changes nothing. Calls block and come one at a time for writes
(the caller holds `lock`); writes go on while a refresh commits; a Snapshot is read at any time.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from maru.components.search.engine.log import DELETE, INDEX, NOTHING, OFFSET_BITS, Log, Record, encode, file_of, full_or
from maru.components.search.engine.operations import (
    PRIMARY_TERM,
    Known,
    MakeIds,
    Operation,
    ParseBytes,
    Snapshot,
    Stored,
    Written,
    checked_version,
)
from maru.components.search.engine.partition import Partition, count_of
from maru.components.search.model.mapping.columns import ID, LOCATION, NESTED, Column
from maru.core.errors import MaruError
from maru.wire.elastic.json import Object

REBUILD_DOCS_MAX = 20_000  # a partition up to here is written anew when fields come
PENDING_BYTES_MAX = 8 * 1024 * 1024
PENDING_OPERATIONS_MAX = 20_000
PENDING_TIMES_MAX = 4  # of the two before, while a commit runs
TOMBSTONES_MAX = 100_000
MANIFEST = "manifest.json"


class _Pending(msgspec.Struct, gc=False):
    seq: int
    id: str
    location: int
    texts: tuple[str, ...]  # for a partition; none of a deletion
    overwrites: bool
    bytes: int  # of memory, about


class Shard:
    """parse: a document's bytes and id to columns by the mapping of this moment; columns: that mapping's."""

    def __init__(
        self, folder: Path, writer_bytes: int, parse: ParseBytes, columns: Callable[[], dict[str, Column]]
    ) -> None:
        self.folder = folder
        self.lock = asyncio.Lock()  # writes in the order in which they were parsed
        self.refreshing = asyncio.Lock()  # who asks for a refresh while one runs waits here, not in a thread
        self._guard = threading.RLock()  # numbers, log and what is pending; a cancelled caller's thread still writes
        self._shaping = threading.RLock()  # partitions and their writers; taken before `_guard`, never inside it
        self._looking = threading.Lock()  # the snapshot
        self._writer_bytes = writer_bytes
        self._parse = parse
        self._columns = columns
        self._log = Log(folder / "log")
        self._partitions: list[Partition] = []
        self._number = 0
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        self._recent: dict[str, Known] = {}
        self._committing: dict[str, Known] = {}  # what was recent when the commit that runs now began
        self._is_refreshing = False
        self._tombstones: dict[str, Known] = {}
        self._applied = 0  # operations put into partitions and not committed
        self.seq = -1  # the last number given
        self._checkpoint = 0  # the location of the first record that is not committed
        self.docs_live = 0
        self._has_dead = True  # whether a file of the log may hold what is found no more
        self.deleted_total = 0
        self.indexed_total = 0
        self._snapshot: Snapshot | None = None
        self.replayed = 0

    # Opening and closing.

    def open_blocking(self) -> None:
        """Recover what the log holds. Raises Broken when it is damaged."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        manifest = self.folder / MANIFEST
        told: Object = json.loads(manifest.read_text()) if manifest.exists() else {}
        kept = told.get("partitions", [])
        for path in sorted(self.folder.glob("part-*")):
            if path.name in kept:
                self._partitions.append(Partition.open_blocking(path))
            else:
                shutil.rmtree(path, ignore_errors=True)
        self._number = max((int(name.rpartition("-")[2]) for name in kept), default=0)
        self.seq = told.get("seq", -1)
        self._checkpoint = told.get("checkpoint", 0)
        self._log.open_blocking()
        self._checkpoint = self._checkpoint or (self._log.numbers()[0] << OFFSET_BITS)
        for location, record in self._log.replay_blocking(self._checkpoint):
            self._replay(location, record)
        if self._pending:
            self.refresh_blocking()
        self._recount()

    def close_blocking(self) -> None:
        """Everything is committed and closed."""
        with self._shaping, self._guard:
            with suppress(MaruError):  # the log has it all: the disk may have room when it is opened again
                self.refresh_blocking()
            for partition in self._partitions:
                partition.release_blocking()
            self._log.close_blocking()

    # Writing.

    def write_blocking(self, operations: Sequence[Operation], make_ids: MakeIds) -> list[Written | MaruError]:
        """Number, check and append `operations`; durable only after `sync_blocking`."""
        with self._guard:
            results = self._write_blocking(operations, make_ids)
            load = max(self._pending_bytes / PENDING_BYTES_MAX, len(self._pending) / PENDING_OPERATIONS_MAX)
        # While a commit runs writes go on, up to where memory ends: then they wait for it.
        if load > 1 and self._shaping.acquire(blocking=load > PENDING_TIMES_MAX):
            try:
                self._apply_blocking()
            except (OSError, ValueError):
                self._rewind_blocking()  # the writes are in the log: a refresh will tell what is wrong
            finally:
                self._shaping.release()
        return results

    def _write_blocking(self, operations: Sequence[Operation], make_ids: MakeIds) -> list[Written | MaruError]:
        results: list[Written | MaruError] = []
        records: list[bytes] = []
        made: list[tuple[Operation, int, bool]] = []
        named = [operation.id for operation in operations if operation.id]
        known = self._lookup(named) if named else {}
        ids = iter(make_ids(len(operations) - len(named))) if len(named) < len(operations) else iter(())
        seq = self.seq
        for operation in operations:
            have = None
            if operation.id:
                have = known.get(operation.id)
            else:
                operation.id = next(ids)
            try:
                version = checked_version(operation, have)
            except MaruError as error:
                results.append(error)
                continue
            seq += 1
            is_there = have is not None and have.location >= 0
            if operation.kind == "delete":
                kind, result = DELETE, "deleted" if is_there else "not_found"
            else:
                kind, result = INDEX, "updated" if is_there else "created"
            record = Record(kind, seq, PRIMARY_TERM, version, operation.id, operation.routing, operation.source)
            records.append(encode(record))
            made.append((operation, version, is_there))
            if named:  # one that comes later may have the same id
                known[operation.id] = Known(seq, version, 0 if kind == INDEX else -1)
            results.append(Written(operation.id, seq, PRIMARY_TERM, version, result))
        locations = self._log.append_blocking(records) if records else []
        for (operation, version, is_there), location in zip(made, locations, strict=True):
            self.seq += 1
            parsed = operation.parsed
            texts = (
                parsed.texts(operation.id, self.seq, location, operation.routing)
                if parsed is not None and operation.kind != "delete"
                else ()
            )
            self._accept(_pending(self.seq, operation.id, location, texts, is_there), version)
        return results

    def sync_blocking(self) -> None:
        """Everything written before is on disk. Others may write meanwhile."""
        with self._guard:
            pinned = self._log.pinned()
        pinned.sync_blocking()
        with self._guard:
            self._log.note_synced(pinned)

    def refresh_blocking(self) -> bool:
        """What was written before the call is found from now on. Says whether there was anything.

        Others may write meanwhile. On an error all that is not committed is pending again, and raised is what went
        wrong: failure 429 on a full disk.
        """
        with self._shaping:
            with self._guard:
                if not (self._pending or self._applied):
                    return False
                batch, end, seq = self._take(), self._log.location, self.seq
                self._committing = self._recent
                self._recent = {}
                self._is_refreshing = True
                pinned = self._log.pinned()
            try:
                self._put_blocking(batch)
                pinned.sync_blocking()
                for partition in self._partitions:
                    partition.commit_blocking()
                self._save_blocking(seq, end)
                self._applied = 0
            except (OSError, ValueError, MaruError) as error:
                with self._guard:
                    self._recent = {**self._committing, **self._recent}
                    self._committing, self._is_refreshing = {}, False
                self._rewind_blocking()
                raise full_or(error, self.folder) from error
            with self._guard:
                self._log.note_synced(pinned)
                self._committing, self._is_refreshing = {}, False
            self._forget_snapshot()
            return True

    @property
    def is_dirty(self) -> bool:
        """Whether a refresh would show something new."""
        return bool(self._pending or self._applied or self._is_refreshing)

    def release_blocking(self) -> None:
        """Give writers' memory back while nothing is written."""
        with self._shaping:
            for partition in self._partitions:
                if partition.has_writer() and not partition.written:
                    partition.release_blocking()

    def restore_blocking(self, records: Sequence[Record]) -> None:
        """Documents that were written elsewhere, with the numbers they have; for an empty shard, then `refresh`."""
        with self._shaping, self._guard:
            locations = self._log.append_blocking([encode(record) for record in records])
            for record, location in zip(records, locations, strict=True):
                self.seq = max(self.seq, record.seq)
                self._accept(self._pending_of(record, location, overwrites=False), record.version)
            if self._pending_bytes > PENDING_BYTES_MAX:
                self._apply_blocking()

    # Reading.

    def live_blocking(self) -> Iterator[Record]:
        """Every document that is found."""
        with self._shaping:
            for number in self._log.numbers():
                for location in self._live_in(number):
                    yield self._log.files.read(location)

    def get_blocking(self, doc_id: str) -> Stored | None:
        """The document as of now, refreshed or not."""
        known = self._lookup([doc_id]).get(doc_id)
        if known is None or known.location < 0:
            return None
        record = self._log.files.read(known.location)
        return Stored(record.id, record.seq, record.term, record.version, record.routing, record.source, known.location)

    def snapshot(self) -> Snapshot:
        """What is found now."""
        with self._looking:
            if self._snapshot is None:
                columns = self._columns()
                partitions = self._partitions or [Partition(None, columns)]
                self._snapshot = Snapshot(
                    [(one, one.searcher) for one in partitions], self._log.fork_blocking(), columns
                )
            return self._snapshot

    def forget_snapshot(self) -> None:
        """The mapping changed: an empty index checks queries against the new one."""
        if not self._partitions:
            self._forget_snapshot()

    def bytes_on_disk(self) -> int:
        return self._log.bytes_on_disk() + sum(partition.bytes_on_disk() for partition in self._partitions)

    def segments(self) -> int:
        return sum(partition.segments() for partition in self._partitions)

    # Compaction.

    def compact_blocking(self) -> int:
        """Write what is alive in the emptiest old file anew and remove the file; how many bytes were freed.

        Looks at nothing unless documents were overwritten or deleted since the last look.
        """
        with self._shaping:
            if not self._has_dead:
                return 0
            self.refresh_blocking()
            old = [number for number in self._log.numbers()[:-1] if number < file_of(self._checkpoint)]
            for number in old:
                live = self._live_in(number)
                if len(live) * 2 > self._log.count_blocking(number):
                    continue
                records = [self._log.files.read(location) for location in live]
                with self._guard:
                    locations = self._log.append_blocking([encode(record) for record in records])
                    for record, location in zip(records, locations, strict=True):
                        self._accept(self._pending_of(record, location), record.version)
                self.refresh_blocking()
                return self._log.remove_blocking(number)
            self._has_dead = False
            return 0

    # Own.

    def _rewind_blocking(self) -> None:
        """Writers failed: what the log has since the last commit is pending again, for writers that begin anew."""
        with self._guard:
            for partition in self._partitions:
                partition.drop_writer_blocking()
            log = self._log.replay_blocking(self._checkpoint)
            self._pending = [self._pending_of(record, location) for location, record in log if record.kind != NOTHING]
            self._pending_bytes = sum(one.bytes for one in self._pending)
            self._applied = 0

    def _live_in(self, number: int) -> list[int]:
        """The places of what is found of one file of the log, ascending."""
        import tantivy

        low, high = number << OFFSET_BITS, (number + 1) << OFFSET_BITS
        found: list[int] = []
        for partition in self._partitions:
            if partition.docs:
                kind = tantivy.FieldType.Integer
                query = tantivy.Query.range_query(partition.schema, LOCATION, kind, low, high, True, False)
                hits = partition.searcher.search(query, partition.docs, count=False).hits
                places = partition.searcher.fast_field_values(LOCATION, [address for _, address in hits])
                found += [int(place) for place in places if place is not None]
        return sorted(found)

    def _replay(self, location: int, record: Record) -> None:
        self.replayed += 1
        self.seq = max(self.seq, record.seq)
        if record.kind == NOTHING:
            return
        self._accept(self._pending_of(record, location), record.version)
        if self._pending_bytes > PENDING_BYTES_MAX:
            self._apply_blocking()

    def _pending_of(self, record: Record, location: int, *, overwrites: bool = True) -> _Pending:
        """What is in the log already, for the partitions."""
        texts: tuple[str, ...] = ()
        if record.kind == INDEX:
            parsed = self._parse(record.source, record.id)
            texts = parsed.texts(record.id, record.seq, location, record.routing)
        return _pending(record.seq, record.id, location, texts, overwrites)

    def _accept(self, pending: _Pending, version: int) -> None:
        self._has_dead = self._has_dead or pending.overwrites
        self._pending.append(pending)
        self._pending_bytes += pending.bytes
        if not pending.texts:
            self._recent[pending.id] = self._tombstones[pending.id] = Known(pending.seq, version, -1)
            self.docs_live -= pending.overwrites
            self.deleted_total += 1
            if len(self._tombstones) > TOMBSTONES_MAX:
                self._tombstones.pop(next(iter(self._tombstones)))
        else:
            self._recent[pending.id] = Known(pending.seq, version, pending.location)
            self._tombstones.pop(pending.id, None)
            self.docs_live += not pending.overwrites
            self.indexed_total += 1

    def _lookup(self, ids: Sequence[str]) -> dict[str, Known]:
        """What is known of each id: pending, being committed, deleted a while ago, or in a partition."""
        found: dict[str, Known] = {}
        ask = []
        for doc_id in ids:
            known = self._recent.get(doc_id) or self._committing.get(doc_id) or self._tombstones.get(doc_id)
            if known is not None:
                found[doc_id] = known
            else:
                ask.append(doc_id)
        if not ask or not self._partitions:
            return found
        # tantivy stands behind partitions that exist only.
        import tantivy

        for partition in self._partitions:
            query = (
                tantivy.Query.term_set_query(partition.schema, ID, ask)
                if len(ask) > 1
                else tantivy.Query.term_query(partition.schema, ID, ask[0])
            )
            if partition.docs == 0:
                continue
            searcher = partition.searcher
            addresses = [address for _, address in searcher.search(query, len(ask) * 4 + 16, count=False).hits]
            for location in searcher.fast_field_values(LOCATION, addresses):
                if location is not None and int(location) >= 0:
                    record = self._log.files.read(int(location))
                    found[record.id] = Known(record.seq, record.version, int(location))
        return found

    def _apply_blocking(self) -> None:
        """Put what is pending into partitions, without a commit."""
        with self._guard:
            batch = self._take()
        self._put_blocking(batch)

    def _take(self) -> list[_Pending]:
        batch, self._pending, self._pending_bytes = self._pending, [], 0
        return batch

    def _put_blocking(self, batch: list[_Pending]) -> None:
        if not batch:
            return
        target = self._target_blocking()
        last = {one.id: one.seq for one in batch}
        if len(last) == len(batch) and all(one.texts and not one.overwrites for one in batch):
            target.add_blocking([text for one in batch for text in one.texts], self._writer_bytes)
        else:
            for one in batch:
                if one.overwrites or not one.texts or last[one.id] != one.seq:
                    for partition in self._partitions:
                        partition.delete_blocking(one.id, self._writer_bytes)
                if one.texts and last[one.id] == one.seq:
                    target.add_blocking(one.texts, self._writer_bytes)
        self._applied += len(batch)

    def _target_blocking(self) -> Partition:
        """The partition that takes documents of the mapping of now."""
        columns = self._columns()
        if self._partitions:
            newest = self._partitions[-1]
            if newest.covers(columns):
                return newest
            if newest.docs + newest.written > REBUILD_DOCS_MAX:
                return self._add_partition(columns)
            newest.commit_blocking()
            fresh = self._add_partition(columns)
            for location, record in self._live_of(newest):
                fresh.add_blocking(self._pending_of(record, location).texts, self._writer_bytes)
            fresh.commit_blocking()
            self._partitions = [one for one in self._partitions if one is not newest]  # readers keep the list they have
            self._save_blocking(self._saved_seq(), self._checkpoint)
            self._forget_snapshot()
            newest.remove_blocking()
            return fresh
        return self._add_partition(columns)

    def _add_partition(self, columns: dict[str, Column]) -> Partition:
        self._number += 1
        partition = Partition(self.folder / f"part-{self._number:06d}", columns)
        self._partitions = [*self._partitions, partition]
        return partition

    def _forget_snapshot(self) -> None:
        with self._looking:
            self._snapshot = None

    def _live_of(self, partition: Partition) -> Iterator[tuple[int, Record]]:
        import tantivy

        searcher = partition.searcher
        hits = searcher.search(tantivy.Query.all_query(), max(1, partition.docs), count=False).hits
        locations = searcher.fast_field_values(LOCATION, [address for _, address in hits])
        for location in sorted(
            {int(location) for location in locations if location is not None and int(location) >= 0}
        ):
            yield location, self._log.files.read(location)

    def _recount(self) -> None:
        import tantivy

        total = 0
        for partition in self._partitions:
            total += partition.docs
            if partition.docs:
                total -= count_of(partition.searcher, tantivy.Query.exists_query(NESTED))
        self.docs_live = total

    def _saved_seq(self) -> int:
        manifest = self.folder / MANIFEST
        return int(json.loads(manifest.read_text()).get("seq", -1)) if manifest.exists() else -1

    def _save_blocking(self, seq: int, checkpoint: int) -> None:
        names = [partition.folder.name for partition in self._partitions if partition.folder is not None]
        told = {"partitions": names, "seq": seq, "checkpoint": checkpoint}
        draft = self.folder / f".{MANIFEST}.new"
        with draft.open("wb") as file:
            file.write(json.dumps(told).encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / MANIFEST)
        self._checkpoint = checkpoint


def _pending(seq: int, doc_id: str, location: int, texts: tuple[str, ...], overwrites: bool) -> _Pending:
    return _Pending(seq, doc_id, location, texts, overwrites, 200 + sum(map(len, texts)))
