"""Buckets that choose documents: filters, missing, global, nested, samples.

Source: Elasticsearch reference, "Bucket aggregations".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.search.engine.aggregations.grouping import (
    Maker,
    RunAll,
    bucket_of,
    filtered_rows,
    grouped,
    matching,
)
from maru.components.search.engine.aggregations.tree import Aggregation, Scope, Work, objects_at
from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import illegal, parsing
from maru.wire.elastic.json import Json, Object


def _filter(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    members, inner = filtered_rows(work, one.params, rows, scope)
    return bucket_of(work, one, {}, members, (inner, run_all))


def _filters(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    given = one.params.get("filters")
    if not given:
        raise illegal("[filters] cannot be empty.")
    pairs = list(given.items()) if isinstance(given, dict) else list(enumerate(given))
    told, seen = [], set()
    for key, query in pairs:
        members, inner = filtered_rows(work, query, rows, scope)
        seen |= {(row.place.order, row.seq) for row in members}
        told.append((key, bucket_of(work, one, {}, members, (inner, run_all))))
    other = one.params.get("other_bucket_key") or (
        "_other_" if one.params.get("other_bucket") in (True, "true") else None
    )
    if other:
        rest = [row for row in rows if (row.place.order, row.seq) not in seen]
        told.append((other, bucket_of(work, one, {}, rest, (scope, run_all))))
    if isinstance(given, dict) and one.params.get("keyed", True) not in (False, "false"):
        return {"buckets": dict(told)}
    if isinstance(given, dict):
        return {"buckets": [{"key": key, **bucket} for key, bucket in told]}
    return {"buckets": [bucket for _, bucket in told]}


def _adjacency(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    separator = str(one.params.get("separator", "&"))
    single = {name: matching(work, query, rows) for name, query in sorted((one.params.get("filters") or {}).items())}
    buckets = []
    names = list(single)
    for index, name in enumerate(names):
        for other in names[index:]:
            seqs = {(row.place.order, row.seq) for row in single[other]}
            members = [row for row in single[name] if (row.place.order, row.seq) in seqs]
            if members:
                buckets.append(
                    bucket_of(
                        work,
                        one,
                        {"key": name if name == other else f"{name}{separator}{other}"},
                        members,
                        (scope, run_all),
                    )
                )
    return {"buckets": sorted(buckets, key=lambda bucket: bucket["key"])}


def _missing(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    work.field(one)
    name = str(one.params["field"])
    if one.params.get("missing") is not None:
        return bucket_of(work, one, {}, [], (scope, run_all))
    groups = grouped(work, rows, scope, lambda row, inner: [] if work.values(row, name, inner) else [1])
    members, inner = groups.get(1, ([], Scope(scope.path)))
    return bucket_of(work, one, {}, members, (inner, run_all))


def _global(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    everyone = [row for context in work.contexts for row in context.rows(context.root(context.everything()))]
    return bucket_of(work, one, {}, everyone, (Scope(), run_all))


def _nested(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    path = str(one.params.get("path", ""))
    if not path:
        raise parsing(f"Missing [path] field for nested aggregation [{one.name}]")
    inner = Scope(path, {})
    members = []
    for row in rows:
        found = objects_at(row, path)
        if found and any(
            node.nested == path for node in [row.place.target.mapping.objects.get(path)] if node is not None
        ):
            inner.objects[row.place.order, row.seq] = found
            members.append(row)
    return bucket_of(work, one, {}, members, (inner, run_all))


def _reverse(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    if not scope.path:
        raise illegal(f"Reverse nested aggregation [{one.name}] can only be used inside a [nested] aggregation")
    path = str(one.params.get("path", ""))
    if path:
        return _nested(work, Aggregation(one.name, "nested", {"path": path}, one.below), rows, Scope(), run_all)
    return bucket_of(work, one, {}, rows, (Scope(), run_all))


def _sampler(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    if one.kind == "random_sampler":
        return {
            **bucket_of(work, one, {}, rows, (scope, run_all)),
            "probability": 1.0,
            "seed": int(one.params.get("seed", 0)),
        }
    best = sorted(rows, key=lambda row: (-row.score, row.place.order, row.seq))
    if one.kind == "diversified_sampler":
        most = int(one.params.get("max_docs_per_value", 1))
        seen: dict[Json, int] = {}
        kept = []
        for row in best:
            values = work.values(row, str(one.params.get("field")), scope)
            key = values[0] if values else None
            seen[key] = seen.get(key, 0) + 1
            if seen[key] <= most:
                kept.append(row)
        best = kept
    return bucket_of(work, one, {}, best[: int(one.params.get("shard_size", 100))], (scope, run_all))


FILTERING: Mapping[str, Maker] = {
    "filter": _filter,
    "filters": _filters,
    "adjacency_matrix": _adjacency,
    "missing": _missing,
    "global": _global,
    "nested": _nested,
    "reverse_nested": _reverse,
    "sampler": _sampler,
    "diversified_sampler": _sampler,
    "random_sampler": _sampler,
}
"""By the name of their aggregation."""
