"""Indexer: batches of documents into a named index or data stream, kept when this says so.

What a pipeline pours is asked for here rather than streamed, because its offsets are acknowledged only after
the index took the batch. Source: Elasticsearch reference, "Bulk API".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One document. index: name, alias or data stream; it is made where it is not there.

    source: a JSON object's bytes. id: "" to have one made; the same id twice is one document. is_create: refuse
    rather than replace (data streams want it). pipeline: an ingest pipeline, "" for the index's own.
    """

    index: str
    source: bytes
    id: str = ""
    is_create: bool = False
    pipeline: str = ""
    routing: str = ""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What became of an entry. status: as HTTP; 201 created, 200 replaced, 409 refused, 400 malformed, 429 come again.

    kind, reason: why not, in Elasticsearch's words, empty when it is kept. is_worth_retrying: 429 or 503.
    """

    id: str
    status: int
    kind: str = ""
    reason: str = ""

    @property
    def is_kept(self) -> bool:
        return self.status < 300

    @property
    def is_worth_retrying(self) -> bool:
        return self.status in (429, 503)


class Indexer(Protocol):
    """Takes documents in."""

    async def index(self, entries: Sequence[Entry]) -> Sequence[Indexed]:
        """One result for each entry, in order; what is kept is durable when this returns. entries: 0..10_000.

        Entries fail by themselves, in their results; raises nothing for them.
        """
        ...
