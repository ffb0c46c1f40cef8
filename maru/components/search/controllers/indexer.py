"""The contract Indexer over this component's own writes."""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.controllers.outcomes import Write
from maru.components.search.controllers.writing import Writing
from maru.components.search.errors import body_of, status_of
from maru.contracts.indexer import Indexer, IndexItem, IndexOutcome


class OwnIndexer(Indexer):
    """As the contract says."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    async def index(self, items: Sequence[IndexItem]) -> Sequence[IndexOutcome]:
        writes = [
            Write(
                "create" if one.is_create else "index",
                one.index,
                one.id,
                one.source,
                one.routing,
                pipeline=one.pipeline,
            )
            for one in items
        ]
        results = []
        for outcome in await self._writing.many(writes):
            if outcome.error is not None:
                told = body_of(outcome.error)
                results.append(IndexOutcome(status_of(outcome.error), str(told["type"]), str(told["reason"])))
            else:
                assert outcome.written is not None
                results.append(IndexOutcome(201 if outcome.written.result == "created" else 200))
        return results
