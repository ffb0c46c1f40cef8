"""Aggregations (first cut)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from maru.components.search.engine.queries.context import Context
from maru.components.search.errors import unsupported
from maru.wire.elastic.json import Object

if TYPE_CHECKING:
    import tantivy


def aggregate(
    contexts: Sequence[Context],
    queries: Sequence[tantivy.Query],
    aggs: Object,
    buckets_max: int,
    *,
    is_typed: bool = False,
) -> Object:
    """The `aggregations` of an answer."""
    raise unsupported("aggregations")
