"""Indexing: batches of documents go into indices and data streams, each with its own outcome.

Source: Elasticsearch's Bulk API, whose item results these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class IndexItem:
    """One document. index: an index, alias or data stream; it is made if it is not there.

    source: its JSON object; id "": a new one; is_create: only if there is none of that id (data streams take
    nothing else); pipeline: an ingest pipeline, "" for the index's own; routing "": by id.
    """

    index: str
    source: bytes
    id: str = ""
    is_create: bool = False
    pipeline: str = ""
    routing: str = ""


@dataclass(frozen=True, slots=True)
class IndexOutcome:
    """status: as HTTP has it: 200, 201; 400 and 409 are for good, 429 and 503 may be well later.

    error, reason: "" where it went well, else Elasticsearch's type (mapper_parsing_exception) and words.
    """

    status: int
    error: str = ""
    reason: str = ""

    @property
    def is_done(self) -> bool:
        return self.status < 300


class Indexer(Protocol):
    """Given by the search component."""

    async def index(self, items: Sequence[IndexItem]) -> Sequence[IndexOutcome]:
        """Outcomes in the order of `items` (1..10_000); what is done is on disk when this returns.

        Raises Unavailable (disk full, closing): then nothing of it can be relied upon, and it may come again.
        """
        ...
