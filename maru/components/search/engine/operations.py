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
    """Partitions as they stood at one refresh, and the files to read their documents from."""

    partitions: Sequence[tuple[Partition, tantivy.Searcher]]
    files: Files
    columns: dict[str, Column] = field(default_factory=dict)

    def record(self, location: int) -> Record:
        """The stored document."""
        return self.files.read(location)


ParseBytes = Callable[[bytes, str], Parsed | Flat]


MakeIds = Callable[[int], Sequence[str]]


def conflict(doc_id: str, reason: str) -> MaruError:
    """version_conflict_engine_exception."""
    return failure(409, "version_conflict_engine_exception", f"[{doc_id}]: version conflict, {reason}")
