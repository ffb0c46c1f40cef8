"""What is asked of an engine, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from maru.components.search.engine.log import Files, Record
from maru.components.search.engine.partition import Partition
from maru.components.search.errors import failure
from maru.components.search.model.mapping.columns import Column
from maru.components.search.model.mapping.parsing import Parsed
from maru.components.search.model.mapping.shortcut import Flat
from maru.core.errors import MaruError

if TYPE_CHECKING:
    import tantivy


PRIMARY_TERM = 1


class Operation(msgspec.Struct, gc=False):
    """One wanted write. kind: index, create, delete or nothing. id: "" to have one made.

    version_type: internal, external or external_gte. if_seq: -1 not asked. parsed: what it gives the columns.
    """

    kind: str
    id: str
    source: bytes = b""
    routing: str = ""
    if_seq: int = -1
    if_term: int = 0
    version: int = 0
    version_type: str = "internal"
    parsed: Parsed | Flat | None = None


class Known(msgspec.Struct, frozen=True, gc=False):
    """What a document stands at. location: in the log, -1 for one that is deleted."""

    seq: int
    version: int
    location: int


class Written(msgspec.Struct, frozen=True, gc=False):
    """What became of it. result: created, updated, deleted, not_found or noop."""

    id: str
    seq: int
    term: int
    version: int
    result: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it stands. location: in the log."""

    id: str
    seq: int
    term: int
    version: int
    routing: str
    source: bytes
    location: int


@dataclass
class Snapshot:
    """Partitions as they stood at one refresh, and the files to read their documents from.

    answers: of searches over it that want no hits, which stay right as long as it stands; see searching/caching.py.
    """

    partitions: Sequence[tuple[Partition, tantivy.Searcher]]
    files: Files
    columns: dict[str, Column] = field(default_factory=dict)
    answers: dict[bytes, bytes] = field(default_factory=dict)

    def record(self, location: int) -> Record:
        """The stored document."""
        return self.files.read(location)


ParseBytes = Callable[[bytes, str], Parsed | Flat]


MakeIds = Callable[[int], Sequence[str]]


def conflict(doc_id: str, reason: str) -> MaruError:
    """version_conflict_engine_exception."""
    return failure(409, "version_conflict_engine_exception", f"[{doc_id}]: version conflict, {reason}")


def checked_version(operation: Operation, have: Known | None) -> int:
    """The version it gets. Raises version_conflict_engine_exception."""
    is_there = have is not None and have.location >= 0
    if operation.if_seq >= 0:
        now = (
            f"current document has seqNo [{have.seq}] and primary term [{PRIMARY_TERM}]"
            if have is not None and is_there
            else "but no document was found"
        )
        if not is_there or have is None or have.seq != operation.if_seq or operation.if_term != PRIMARY_TERM:
            raise conflict(
                operation.id, f"required seqNo [{operation.if_seq}], primary term [{operation.if_term}]. {now}"
            )
    current = have.version if have is not None else 0
    if operation.version_type == "internal":
        if operation.kind == "create" and is_there:
            raise conflict(operation.id, f"document already exists (current version [{current}])")
        return current + 1
    is_too_old = (
        operation.version < current if operation.version_type == "external_gte" else operation.version <= current
    )
    if have is not None and is_too_old:
        sign = "greater than" if operation.version_type == "external_gte" else "higher or equal to"
        raise conflict(operation.id, f"current version [{current}] is {sign} the one provided [{operation.version}]")
    return operation.version
