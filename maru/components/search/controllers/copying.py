"""Copying and changing many documents: reindex, update by query, delete by query, resizing.

Documents are read in order of their numbers from one moment, in batches. Source: Elasticsearch reference,
"Reindex API", "Update By Query API", "Delete By Query API".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from maru.components.search.controllers.index import Index
from maru.components.search.controllers.outcomes import Write
from maru.components.search.controllers.writing import Writing
from maru.components.search.engine.searching.executing import Search, Surroundings
from maru.components.search.engine.searching.request import parse_request
from maru.components.search.engine.searching.rows import Row, Target
from maru.components.search.errors import body_of, status_of
from maru.wire.elastic.json import Json, Object

BATCH = 1000


@dataclass
class Tally:
    """What has been done, as the answer counts it."""

    total: int = 0
    updated: int = 0
    created: int = 0
    deleted: int = 0
    batches: int = 0
    conflicts: int = 0
    noops: int = 0
    failures: list[Object] = field(default_factory=list)


async def batches(
    targets: Sequence[Target], query: Json, around: Surroundings, most: int, size: int
) -> AsyncIterator[list[Row]]:
    """Rows that match, up to `most` (-1: all), `size` at a time."""
    after: list[int] | None = None
    left = most
    while left != 0:
        wanted = size if left < 0 else min(size, left)
        body: Object = {"query": query, "size": wanted, "sort": ["_doc"]}
        if after is not None:
            body["search_after"] = after
        search = Search(targets, parse_request(body), around)
        rows = await asyncio.to_thread(_page_blocking, search)
        if not rows:
            return
        yield rows
        after = [rows[-1].place.order << 44 | rows[-1].seq]
        left = left - len(rows) if left > 0 else left


def _page_blocking(search: Search) -> list[Row]:
    queries = [search._root(context, search.request.query) for context in search.contexts]
    return search._find(queries).rows


async def apply(
    writing: Writing, rows: AsyncIterator[list[Row]], make: Callable[[Row], Write], tally: Tally, *, goes_on: bool
) -> None:
    """Write what `make` says of each row; a conflict ends it unless it `goes_on`."""
    async for batch in rows:
        tally.batches += 1
        outcomes = await writing.many([make(row) for row in batch])
        for outcome in outcomes:
            if outcome.error is not None:
                status = status_of(outcome.error)
                if status == 409:
                    tally.conflicts += 1
                    if goes_on:
                        continue
                tally.failures.append(
                    {"index": outcome.index, "id": outcome.write.id, "cause": body_of(outcome.error), "status": status}
                )
                continue
            assert outcome.written is not None
            result = outcome.written.result
            tally.created += result == "created"
            tally.updated += result == "updated"
            tally.deleted += result == "deleted"
            tally.noops += result == "noop"
        if tally.failures:
            return


async def copy_all(writing: Writing, source: Index, target: Index) -> None:
    """Every document of one index into another."""
    await writing.refresh(source)
    shard = await source.engine()
    targets = [Target(source.name, source.mapping, shard.snapshot())]
    around = Surroundings(0, 1 << 30, lambda name, doc_id: None)
    rows = batches(targets, {"match_all": {}}, around, -1, BATCH)
    tally = Tally()
    await apply(
        writing,
        rows,
        lambda row: Write("index", target.name, row.id, row.record.source, row.record.routing),
        tally,
        goes_on=True,
    )
    await writing.refresh(target)
