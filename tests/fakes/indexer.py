"""An Indexer in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence

from maru.contracts.indexer import IndexItem, IndexOutcome


class FakeIndexer:
    """documents: by index and id. fails_next: outcomes to answer before anything else, in order."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, dict[str, object]]] = {}
        self.fails_next: list[IndexOutcome] = []

    async def index(self, items: Sequence[IndexItem]) -> Sequence[IndexOutcome]:
        return [self.fails_next.pop(0) if self.fails_next else self._put(item) for item in items]

    def _put(self, item: IndexItem) -> IndexOutcome:
        try:
            source = json.loads(item.source)
        except ValueError as error:
            return IndexOutcome(400, "document_parsing_exception", str(error))
        documents = self.documents.setdefault(item.index, {})
        doc_id = item.id or f"made-{len(documents)}"
        is_there = doc_id in documents
        if is_there and item.is_create:
            return IndexOutcome(409, "version_conflict_engine_exception", f"[{doc_id}]: document already exists")
        documents[doc_id] = source
        return IndexOutcome(200 if is_there else 201)
