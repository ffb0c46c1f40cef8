"""Aggregations over what a search found: parsed, run over rows (or by the index itself), and shown.

Small results are worked out document by document, exactly; many documents are counted by the index where it can.
Source: Elasticsearch reference, "Aggregations".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from maru.components.search.engine.aggregations import buckets, metrics, native, pipelines
from maru.components.search.engine.aggregations.tree import Aggregation, Scope, Work, parse_aggregations
from maru.components.search.engine.partition import count_of
from maru.components.search.engine.queries.context import Context, shard_failure
from maru.components.search.engine.searching.rows import Row
from maru.wire.elastic.json import Object

if TYPE_CHECKING:
    import tantivy

NATIVE_FROM = 2_000


def aggregate(
    contexts: Sequence[Context],
    queries: Sequence[tantivy.Query],
    aggs: Object,
    buckets_max: int,
    *,
    counts: Sequence[int] | None = None,
    is_typed: bool = False,
) -> Object:
    """The `aggregations` of an answer. counts: how many documents each query finds, where that is known already."""
    tree = parse_aggregations(aggs)
    work = Work(contexts, queries, buckets_max, is_typed)
    if counts is None:
        counts = [count_of(context.place.searcher, query) for context, query in zip(contexts, queries, strict=True)]
    if sum(counts) >= NATIVE_FROM:
        found = native.run(work, tree)
        if found is not None:
            return shown(found, tree, work)
    rows = [
        row
        for context, query, count in zip(contexts, queries, counts, strict=True)
        if count
        for row in context.rows(query)
    ]
    return run_all(work, tree, rows)


def run_all(work: Work, tree: Sequence[Aggregation], rows: Sequence[Row], scope: Scope | None = None) -> Object:
    """All aggregations of one level over `rows`, pipelines last."""
    scope = scope or Scope()
    found: Object = {}
    for one in tree:
        if one.is_pipeline:
            continue
        found[one.name] = _run(work, one, rows, scope)
    return shown(found, tree, work)


def shown(found: Object, tree: Sequence[Aggregation], work: Work) -> Object:
    """With pipelines, and with types in the names where that was asked for."""
    for one in pipelines.in_order([one for one in tree if one.is_pipeline]):
        pipelines.run(one, found, tree)
    for one in tree:
        if one.meta is not None and one.name in found:
            found[one.name] = {"meta": one.meta, **found[one.name]}
    if work.is_typed:
        return {f"{typed(one, found[one.name], work)}#{one.name}": found[one.name] for one in tree if one.name in found}
    return found


def _run(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    maker = buckets.BUCKETS.get(one.kind)
    if maker is not None:
        told = maker(work, one, rows, scope, run_all)
        pipelines.inside(one, told)
        return told
    metric = metrics.METRICS.get(one.kind)
    if metric is None:
        raise shard_failure(f"Unknown aggregation type [{one.kind}]", "parsing_exception")
    return metric(work, one, rows, scope)


def typed(one: Aggregation, found: Object, work: Work) -> str:
    """The name of the type as `typed_keys` puts it before an aggregation's name."""
    field = str(one.params.get("field", ""))
    known = next((context.mapping.find(field) for context in work.contexts if context.mapping.find(field)), None)
    if one.kind == "terms":
        if known is None:
            return "umterms" if field else "sterms"
        return {"whole": "lterms", "date": "lterms", "boolean": "lterms", "decimal": "dterms"}.get(
            _family(known.kind), "sterms"
        )
    if one.kind == "percentiles":
        return "tdigest_percentiles"
    if one.kind == "percentile_ranks":
        return "tdigest_percentile_ranks"
    if one.kind in ("significant_terms", "significant_text"):
        return "sigsterms"
    if one.kind == "rare_terms":
        return "srareterms"
    if one.kind in ("derivative",):
        return "derivative"
    if one.kind in ("cumulative_sum", "bucket_script", "moving_fn", "serial_diff"):
        return "simple_value"
    if one.kind in ("max_bucket", "min_bucket"):
        return "bucket_metric_value"
    if one.kind in ("avg_bucket", "sum_bucket"):
        return "simple_value"
    return one.kind


def _family(kind: str) -> str:
    from maru.components.search.model.mapping.fields import family_of

    return family_of(kind)
