"""Bucket aggregations over rows.

Each makes its buckets in order and runs what is below over the rows of each. Source: Elasticsearch reference,
"Bucket aggregations".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial

from maru.components.search.engine.aggregations import intervals, ordering, ranges
from maru.components.search.engine.aggregations.filtering import (
    FILTERING,
)
from maru.components.search.engine.aggregations.grouping import (
    Maker,
    RunAll,
    bucket_of,
    count_of,
    grouped,
)
from maru.components.search.engine.aggregations.tree import Aggregation, Scope, Work, key_text
from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import illegal, parsing
from maru.components.search.model.mapping.fields import Field, family_of
from maru.components.search.model.mapping.values import geohash
from maru.wire.elastic.json import Json, Object, as_text


def _terms(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    known = work.field(one)
    name, params = str(one.params["field"]), one.params
    missing = params.get("missing")
    if missing is not None and known is not None:
        missing = known.scalar(missing)
    groups = grouped(work, rows, scope, lambda row, inner: work.values(row, name, inner, missing))
    return terms_shown(work, one, known, {key: (count_of(*found), found) for key, found in groups.items()}, run_all)


def terms_shown(
    work: Work,
    one: Aggregation,
    known: Field | None,
    groups: dict[Json, tuple[int, tuple[list[Row], Scope]]],
    run_all: RunAll,
) -> Object:
    """Groups as the buckets of `terms`: filtered, ordered, cut."""
    params = one.params
    size = int(params.get("size", 10))
    if size <= 0:
        raise illegal(f"[size] must be greater than 0. Found [{size}] in [{one.name}]")
    least = int(params.get("min_doc_count", 1))
    if least == 0 and known is not None and family_of(known.kind) == "keyword":
        for context in work.contexts:
            for term in context.expand(known.column, lambda term: True):
                groups.setdefault(term, (0, ([], Scope())))
    keep = ordering.inclusion(params)
    chosen = {key: found for key, found in groups.items() if found[0] >= least and keep(term_key(known, key))}
    heads = [(key, count, found) for key, (count, found) in chosen.items()]
    orders = ordering.parse_order(params.get("order"))
    buckets = []
    if ordering.needs_below(orders):
        for key, _, found in heads:
            buckets.append(
                bucket_of(work, one, head_of(known, key, str(params.get("format", ""))), found[0], (found[1], run_all))
            )
        ordering.sort(buckets, orders)
        rest = buckets[size:]
        buckets = buckets[:size]
        others = sum(bucket["doc_count"] for bucket in rest)
    else:
        plain = [
            {"key": term_key(known, key), "doc_count": count, "found": (key, found)} for key, count, found in heads
        ]
        ordering.sort(plain, orders)
        others = sum(bucket["doc_count"] for bucket in plain[size:])
        for entry in plain[:size]:
            key, found = entry["found"]
            buckets.append(
                bucket_of(work, one, head_of(known, key, str(params.get("format", ""))), found[0], (found[1], run_all))
            )
    work.count_buckets(len(buckets))
    told: Object = {"doc_count_error_upper_bound": 0, "sum_other_doc_count": others, "buckets": buckets}
    if params.get("show_term_doc_count_error"):
        for bucket in buckets:
            bucket["doc_count_error_upper_bound"] = 0
    return told


def term_key(known: Field | None, key: Json) -> Json:
    """A key as the bucket shows it."""
    return float(key) if known is not None and family_of(known.kind) == "decimal" else key


def head_of(known: Field | None, key: Json, form: str = "") -> Object:
    """The key and its text."""
    head: Object = {"key": term_key(known, key)}
    text = key_text(known, key, form)
    if text is not None:
        head["key_as_string"] = text
    return head


def _rare(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    known = work.field(one)
    most = int(one.params.get("max_doc_count", 1))
    keep = ordering.inclusion(one.params)
    groups = grouped(
        work,
        rows,
        scope,
        lambda row, inner: work.values(row, str(one.params["field"]), inner, one.params.get("missing")),
    )
    kept = [(key, found) for key, found in groups.items() if count_of(*found) <= most and keep(key)]
    kept.sort(key=lambda pair: (count_of(*pair[1]), as_text(pair[0])))
    return {
        "buckets": [bucket_of(work, one, head_of(known, key), found[0], (found[1], run_all)) for key, found in kept]
    }


def _multi(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    specs = one.params.get("terms") or []
    if len(specs) < 2:
        raise illegal(
            "The [terms] parameter in the aggregation ["
            + one.name
            + "] must be present and have at least 2 fields or scripts."
        )

    def keys(row: Row, inner: Scope) -> Iterable[Json]:
        found: list[tuple[Json, ...]] = [()]
        for spec in specs:
            values = work.values(row, str(spec["field"]), inner, spec.get("missing"))
            found = [(*before, value) for before in found for value in values]
        return found

    fields = [work.find(str(spec["field"])) for spec in specs]
    buckets = []
    for key, (members, inner) in grouped(work, rows, scope, keys).items():
        shown = [
            key_text(known, value) or value
            if known is not None and family_of(known.kind) == "date"
            else bool(value)
            if known is not None and known.kind == "boolean"
            else value
            for known, value in zip(fields, key, strict=True)
        ]
        head = {
            "key": shown,
            "key_as_string": "|".join(
                key_text(known, value) or as_text(value) for known, value in zip(fields, key, strict=True)
            ),
        }
        buckets.append(bucket_of(work, one, head, members, (inner, run_all)))
    ordering.sort(buckets, ordering.parse_order(one.params.get("order")))
    size = int(one.params.get("size", 10))
    return {
        "doc_count_error_upper_bound": 0,
        "sum_other_doc_count": sum(bucket["doc_count"] for bucket in buckets[size:]),
        "buckets": buckets[:size],
    }


def _significant(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    known = work.field(one)
    name = str(one.params["field"])
    background = [row for context in work.contexts for row in context.rows(context.root(context.everything()))]
    if "background_filter" in one.params:
        background = [
            row
            for context in work.contexts
            for row in context.rows(context.root(context.compile(one.params["background_filter"])))
        ]
    before = {
        key: len(found[0])
        for key, found in grouped(work, background, Scope(), lambda row, inner: work.values(row, name, inner)).items()
    }
    total, subset = len(background), len(rows)
    buckets = []
    for key, (members, inner) in grouped(work, rows, scope, lambda row, own: work.values(row, name, own)).items():
        if len(members) < int(one.params.get("min_doc_count", 3)):
            continue
        front, back = len(members) / subset, before.get(key, 0) / total if total else 0
        if front <= back or back == 0:
            continue
        score = (front - back) * (front / back)
        head = {**head_of(known, key), "score": score, "bg_count": before[key]}
        buckets.append(bucket_of(work, one, head, members, (inner, run_all)))
    buckets.sort(key=lambda bucket: -bucket["score"])
    return {"doc_count": subset, "bg_count": total, "buckets": buckets[: int(one.params.get("size", 10))]}


def _date_histogram(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    known = work.field(one)
    if known is not None and family_of(known.kind) not in ("date", "whole"):
        work.field(one, numeric=True)
    grid = intervals.date_grid(one.params, one.name)
    missing = one.params.get("missing")
    if missing is not None and known is not None:
        missing = known.scalar(missing)
    name = str(one.params["field"])
    groups = grouped(
        work, rows, scope, lambda row, inner: [grid.floor(value) for value in work.values(row, name, inner, missing)]
    )
    return histogram_shown(
        work, one, known, grid, ({key: (count_of(*found), found) for key, found in groups.items()}, run_all)
    )


def histogram_shown(
    work: Work,
    one: Aggregation,
    known: Field | None,
    grid: intervals.Grid,
    groups: tuple[dict[Json, tuple[int, tuple[list[Row], Scope]]], RunAll],
) -> Object:
    """Groups as the buckets of a histogram: gaps filled, ordered."""
    found, run_all = groups
    keys = intervals.filled(sorted(found), grid, one.params, work.buckets_max)
    work.count_buckets(len(keys))
    form = str(one.params.get("format", ""))
    buckets = []
    for key in keys:
        _, (members, inner) = found.get(key, (0, ([], Scope())))
        head = grid.head(known, key, form)
        buckets.append(bucket_of(work, one, head, members, (inner, run_all)))
    return finished(one, buckets)


def finished(one: Aggregation, buckets: list[Object]) -> Object:
    """Ordered, without those of too few, keyed where asked for."""
    least = int(one.params.get("min_doc_count", 0))
    buckets = [bucket for bucket in buckets if bucket["doc_count"] >= least]
    if one.params.get("order") is not None:
        ordering.sort(buckets, ordering.parse_order(one.params["order"]))
    if one.params.get("keyed") in (True, "true"):
        return {"buckets": {bucket.get("key_as_string", as_text(bucket["key"])): bucket for bucket in buckets}}
    return {"buckets": buckets}


def _histogram(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    known = work.field(one, numeric=True)
    grid = intervals.number_grid(one.params, one.name)
    name = str(one.params["field"])
    groups = grouped(
        work,
        rows,
        scope,
        lambda row, inner: [grid.floor(value) for value in work.values(row, name, inner, one.params.get("missing"))],
    )
    return histogram_shown(
        work, one, known, grid, ({key: (count_of(*found), found) for key, found in groups.items()}, run_all)
    )


def _auto_date(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    work.field(one)
    name = str(one.params["field"])
    values = [value for row in rows for value in work.values(row, name, scope)]
    told, interval = intervals.automatic(values, int(one.params.get("buckets", 10)))
    inner = Aggregation(
        one.name,
        "date_histogram",
        {**{key: value for key, value in one.params.items() if key not in ("buckets", "minimum_interval")}, **told},
        one.below,
    )
    return {**_date_histogram(work, inner, rows, scope, run_all), "interval": interval}


def _range(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    known = work.field(one)
    spans = ranges.spans_of(work, one, known)
    name = str(one.params["field"])
    buckets = []
    missing = one.params.get("missing")

    def inside(row: Row, inner: Scope, span: ranges.Span) -> Iterable[Json]:
        return [1] if any(span.holds(value) for value in work.values(row, name, inner, missing)) else []

    for span in spans:
        groups = grouped(work, rows, scope, partial(inside, span=span))
        members, inner = groups.get(1, ([], Scope(scope.path)))
        buckets.append(bucket_of(work, one, span.head, members, (inner, run_all)))
    if one.params.get("keyed") in (True, "true"):
        return {
            "buckets": {
                bucket["key"]: {name: value for name, value in bucket.items() if name != "key"} for bucket in buckets
            }
        }
    return {"buckets": buckets}


def _geo_distance(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    away = ranges.distance_of(one)
    buckets = []
    for span in ranges.spans_of(work, one, None):
        members = [
            row
            for row in rows
            if any(span.holds(away(value)) for value in work.values(row, str(one.params["field"]), scope))
        ]
        buckets.append(bucket_of(work, one, span.head, members, (scope, run_all)))
    if one.params.get("keyed") in (True, "true"):
        return {
            "buckets": {
                bucket["key"]: {name: value for name, value in bucket.items() if name != "key"} for bucket in buckets
            }
        }
    return {"buckets": buckets}


def _geohash(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    precision = int(one.params.get("precision", 5 if one.kind == "geohash_grid" else 7))
    cell = ranges.tile if one.kind == "geotile_grid" else geohash
    groups = grouped(
        work,
        rows,
        scope,
        lambda row, inner: [
            cell(lat, lon, precision) for lat, lon in work.values(row, str(one.params["field"]), inner)
        ],
    )
    buckets = [bucket_of(work, one, {"key": key}, found[0], (found[1], run_all)) for key, found in groups.items()]
    buckets.sort(key=lambda bucket: (-bucket["doc_count"], bucket["key"]))
    return {"buckets": buckets[: int(one.params.get("size", 10_000))]}


def _composite(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope, run_all: RunAll) -> Object:
    sources = one.params.get("sources")
    if not sources:
        raise (
            illegal("Composite [sources] cannot be null or empty")
            if "sources" in one.params
            else parsing("Required [sources]")
        )
    parts = [ranges.composite_source(work, name, spec) for source in sources for name, spec in source.items()]
    names = [part.name for part in parts]
    if len(set(names)) != len(names):
        raise illegal(
            "Composite source names must be unique, found duplicates: "
            f"[{next(name for name in names if names.count(name) > 1)}]"
        )

    def keys(row: Row, inner: Scope) -> Iterable[Json]:
        found: list[tuple[Json, ...]] = [()]
        for part in parts:
            values = part.values(row, inner)
            found = [(*before, value) for before in found for value in values]
        return found

    after = one.params.get("after")
    start = None
    if after is not None:
        if set(after) != set(names):
            raise illegal(f"[after] has {len(after)} value(s) but [sources] has {len(names)}")
        start = tuple(part.read(after[part.name]) for part in parts)
    groups = grouped(work, rows, scope, keys)
    ordered = sorted(groups, key=ranges.composite_order(parts))
    if start is not None:
        weight = ranges.composite_order(parts)
        ordered = [key for key in ordered if weight(key) > weight(start)]
    page = ordered[: int(one.params.get("size", 10))]
    work.count_buckets(len(page))
    buckets = []
    for key in page:
        shown = {part.name: part.shown(value) for part, value in zip(parts, key, strict=True)}
        members, inner = groups[key]
        buckets.append(bucket_of(work, one, {"key": shown}, members, (inner, run_all)))
    told: Object = {"buckets": buckets}
    return {"after_key": buckets[-1]["key"], **told} if buckets else told


def fits(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern with asterisks."""
    return fnmatchcase(name, pattern)


BUCKETS: dict[str, Maker] = {
    "terms": _terms,
    "rare_terms": _rare,
    "multi_terms": _multi,
    "significant_terms": _significant,
    "date_histogram": _date_histogram,
    "histogram": _histogram,
    "auto_date_histogram": _auto_date,
    "range": _range,
    "date_range": _range,
    "ip_range": _range,
    "geo_distance": _geo_distance,
    "geohash_grid": _geohash,
    "geotile_grid": _geohash,
    **FILTERING,
    "composite": _composite,
}
