"""Aggregations that the index itself computes over its columns, for many documents.

terms, histogram, date_histogram, range, and the sums that metrics are made of; a tree with anything else, or over
fields of several values where that would count twice, is left to the rows. Results of several partitions are added.
Source: tantivy's aggregation module.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.engine.aggregations import buckets, intervals, metrics, ordering, pipelines
from maru.components.search.engine.aggregations.tree import Aggregation, Work
from maru.components.search.model.mapping.fields import Field, family_of
from maru.wire.elastic.dates import to_moment
from maru.wire.elastic.json import Json, Object

_SUMS = ("avg", "sum", "min", "max", "stats", "extended_stats", "value_count")
_TERMS_MAX = 65_000


class _CannotFault(Exception):
    """This tree is not one the index can compute."""


def run(work: Work, tree: Sequence[Aggregation]) -> Object | None:
    """What `run_all` would give, without pipelines of this level; None where the index cannot."""
    try:
        asked = {one.name: _asked(work, one) for one in tree if not one.is_pipeline}
        if not asked:
            return None
        merged: Object = {}
        for context, query in zip(work.contexts, work.queries, strict=True):
            if not context.place.searcher.num_docs:
                continue
            if not all(context.has(field) for spec in asked.values() for field in _fields(spec)):
                raise _CannotFault
            told = context.place.searcher.aggregate(query, asked)
            for one in tree:
                if not one.is_pipeline:
                    merged[one.name] = _added(one, merged.get(one.name), _read(work, one, told[one.name]))
        return {
            one.name: _shown(work, one, merged[one.name]) for one in tree if not one.is_pipeline and one.name in merged
        }
    except (_CannotFault, ValueError):
        return None


def _fields(spec: Json) -> list[str]:
    found = []
    for name, value in spec.items():
        if name == "field":
            found.append(value)
        elif isinstance(value, dict):
            found += _fields(value)
    return found


def _asked(work: Work, one: Aggregation) -> Object:
    """The request in the index's own form. Raises _CannotFault."""
    known = work.field(one) if "field" in one.params else None
    if known is None or known.nested or "missing" in one.params or not known.columns:
        raise _CannotFault
    family = family_of(known.kind)
    below = {inner.name: _asked(work, inner) for inner in one.below if not inner.is_pipeline}
    body = _body(work, one, known, family)
    return {**body, **({"aggs": below} if below else {})}


def _body(work: Work, one: Aggregation, known: Field, family: str) -> Object:
    field = {"field": known.column}
    if one.kind in _SUMS:
        if one.kind == "value_count" and family == "keyword":
            return {"value_count": field}
        if family not in ("whole", "decimal", "date", "boolean"):
            raise _CannotFault
        return {"extended_stats" if one.kind == "extended_stats" else "stats": field}
    if one.kind == "terms":
        if family not in ("keyword", "whole", "boolean", "date") or known.kind in ("flattened", "flat_object"):
            raise _CannotFault
        if int(one.params.get("min_doc_count", 1)) == 0:
            raise _CannotFault
        return {"terms": {**field, "size": _TERMS_MAX, "segment_size": _TERMS_MAX}}
    if one.kind == "histogram":
        if family not in ("whole", "decimal", "date") or "hard_bounds" in one.params:
            raise _CannotFault
        grid = intervals.number_grid(one.params, one.name)
        return {"histogram": {**field, "interval": grid.width, "offset": grid.offset % grid.width, "min_doc_count": 1}}
    if one.kind == "date_histogram":
        if family != "date" or "hard_bounds" in one.params:
            raise _CannotFault
        grid = intervals.date_grid(one.params, one.name)
        width = grid.width or {"s": 1e3, "m": 6e4, "h": 3.6e6, "d": 8.64e7}.get(grid.unit, 0.0)
        if width and _is_steady(grid):
            shift = _shift_of(grid)
            return {
                "histogram": {
                    **field,
                    "interval": float(width),
                    "offset": (grid.offset - shift) % width,
                    "min_doc_count": 1,
                }
            }
        return {"range": {**field, "ranges": _calendar(work, known, grid)}}
    if one.kind == "range" and family in ("whole", "decimal"):
        from maru.components.search.engine.aggregations.ranges import spans_of

        spans = spans_of(work, one, known)
        return {
            "range": {
                **field,
                "ranges": [
                    {
                        "key": str(index),
                        **({"from": span.low} if span.low is not None else {}),
                        **({"to": span.high} if span.high is not None else {}),
                    }
                    for index, span in enumerate(spans)
                ],
            }
        }
    raise _CannotFault


def _is_steady(grid: intervals.Grid) -> bool:
    return getattr(grid.zone, "key", None) is None


def _shift_of(grid: intervals.Grid) -> float:
    offset = to_moment(0, grid.zone).utcoffset()
    return offset.total_seconds() * 1000 if offset else 0.0


def _calendar(work: Work, known: Field, grid: intervals.Grid) -> list[Object]:
    """Edges over what the field holds."""
    low = high = None
    for context, query in zip(work.contexts, work.queries, strict=True):
        if context.has(known.column) and context.place.searcher.num_docs:
            told = context.place.searcher.aggregate(query, {"s": {"stats": {"field": known.column}}})["s"]
            if told["count"]:
                low = told["min"] if low is None else min(low, told["min"])
                high = told["max"] if high is None else max(high, told["max"])
    if low is None or high is None:
        raise _CannotFault
    edges = []
    key = grid.floor(low)
    while key <= high:
        following = grid.after(key)
        edges.append({"key": str(key), "from": float(key), "to": float(following)})
        key = following
        if len(edges) > work.buckets_max:
            raise _CannotFault
    return edges


def _read(work: Work, one: Aggregation, told: Object) -> Json:
    """What the index answered, as what can be added: sums, or counts by key with what is below."""
    if one.kind in _SUMS:
        if "sum" not in told:
            return {"count": told["value"], "sum": 0.0, "min": None, "max": None, "squares": 0.0}
        return {
            "count": told["count"],
            "sum": told["sum"],
            "min": told["min"],
            "max": told["max"],
            "squares": told.get("sum_of_squares") or 0.0,
        }
    if told.get("sum_other_doc_count"):
        raise _CannotFault
    found: dict[Json, Object] = {}
    for bucket in told["buckets"]:
        key: Json = bucket["key"]
        if one.kind in ("range", "date_histogram") and isinstance(key, str):
            if not key.lstrip("-").isdigit():
                continue  # what the index adds below and above the ranges that were asked for
            key = int(key)
        elif one.kind == "date_histogram" or (one.kind == "terms" and isinstance(key, float) and key.is_integer()):
            key = int(key)
        below = {inner.name: _read(work, inner, bucket[inner.name]) for inner in one.below if not inner.is_pipeline}
        if bucket["doc_count"] or one.kind == "range":
            found[key] = {"count": bucket["doc_count"], "below": below}
    return found


def _added(one: Aggregation, before: Json, more: Json) -> Json:
    if before is None:
        return more
    if one.kind in _SUMS:
        low = [value for value in (before["min"], more["min"]) if value is not None]
        high = [value for value in (before["max"], more["max"]) if value is not None]
        return {
            "count": before["count"] + more["count"],
            "sum": before["sum"] + more["sum"],
            "min": min(low, default=None),
            "max": max(high, default=None),
            "squares": before["squares"] + more["squares"],
        }
    for key, entry in more.items():
        have = before.get(key)
        if have is None:
            before[key] = entry
        else:
            have["count"] += entry["count"]
            for inner in one.below:
                if not inner.is_pipeline:
                    have["below"][inner.name] = _added(inner, have["below"].get(inner.name), entry["below"][inner.name])
    return before


def _shown(work: Work, one: Aggregation, found: Json) -> Object:
    known = work.find(str(one.params["field"]))
    if one.kind in _SUMS:
        return _metric(one, known, found)
    told: Object
    if one.kind == "terms":
        keep = ordering.inclusion(one.params)
        least = int(one.params.get("min_doc_count", 1))
        listed = [
            _bucket(work, one, buckets.head_of(known, key, str(one.params.get("format", ""))), entry)
            for key, entry in found.items()
            if keep(key) and entry["count"] >= least
        ]
        ordering.sort(listed, ordering.parse_order(one.params.get("order")))
        size = int(one.params.get("size", 10))
        work.count_buckets(min(size, len(listed)))
        told = {
            "doc_count_error_upper_bound": 0,
            "sum_other_doc_count": sum(bucket["doc_count"] for bucket in listed[size:]),
            "buckets": listed[:size],
        }
    elif one.kind == "range":
        from maru.components.search.engine.aggregations.ranges import spans_of

        listed = [
            _bucket(work, one, span.head, found.get(index, {"count": 0, "below": {}}))
            for index, span in enumerate(spans_of(work, one, known))
        ]
        told = (
            {
                "buckets": {
                    bucket["key"]: {name: value for name, value in bucket.items() if name != "key"} for bucket in listed
                }
            }
            if one.params.get("keyed") in (True, "true")
            else {"buckets": listed}
        )
    else:
        grid = (
            intervals.date_grid(one.params, one.name)
            if one.kind == "date_histogram"
            else intervals.number_grid(one.params, one.name)
        )
        entries = {grid.floor(key + (grid.width / 2 if not grid.is_date else 0)): entry for key, entry in found.items()}
        keys = intervals.filled(sorted(entries), grid, one.params, work.buckets_max)
        work.count_buckets(len(keys))
        form = str(one.params.get("format", ""))
        listed = [
            _bucket(work, one, grid.head(known, key, form), entries.get(key, {"count": 0, "below": {}})) for key in keys
        ]
        told = buckets.finished(one, listed)
    pipelines.inside(one, told)
    return told


def _bucket(work: Work, one: Aggregation, head: Object, entry: Object) -> Object:
    bucket = {**head, "doc_count": entry["count"]}
    for inner in one.below:
        if inner.is_pipeline:
            continue
        have = entry["below"].get(inner.name)
        if have is None:
            have = {"count": 0, "sum": 0.0, "min": None, "max": None, "squares": 0.0} if inner.kind in _SUMS else {}
        bucket[inner.name] = _shown(work, inner, have)
    return bucket


def _metric(one: Aggregation, known: Field | None, found: Object) -> Object:
    count, form = int(found["count"]), str(one.params.get("format", ""))
    if one.kind == "value_count":
        return {"value": count}
    if one.kind == "avg":
        return metrics.value_of(known, found["sum"] / count if count else None, form)
    if one.kind in ("sum", "min", "max"):
        return metrics.value_of(known, found[one.kind] if count or one.kind == "sum" else None, form)
    told = metrics.stats_of(
        count, found["sum"], found["min"] if count else None, found["max"] if count else None, known
    )
    return (
        told if one.kind == "stats" else metrics.extended_of(told, found["squares"], float(one.params.get("sigma", 2)))
    )
