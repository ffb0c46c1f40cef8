"""Rows in groups, and a group as a bucket.

Within nested objects each object is grouped by itself. Source: Elasticsearch reference, "Bucket aggregations".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from maru.components.search.engine.aggregations.tree import Aggregation, Scope, Work, objects_at
from maru.components.search.engine.searching.rows import Row
from maru.components.search.model.mapping.columns import SEQ
from maru.wire.elastic.json import Json, Object

RunAll = Callable[[Work, Sequence[Aggregation], Sequence[Row], Scope], Object]


Maker = Callable[[Work, Aggregation, Sequence[Row], Scope, RunAll], Object]


def bucket_of(work: Work, one: Aggregation, head: Object, rows: Sequence[Row], tail: tuple[Scope, RunAll]) -> Object:
    """A bucket: its head, its count, and what is below."""
    scope, run_all = tail
    told = {**head, "doc_count": count_of(rows, scope)}
    return {**told, **run_all(work, one.below, rows, scope)} if one.below else told


def count_of(rows: Sequence[Row], scope: Scope) -> int:
    """Documents, or nested objects where those are what is counted."""
    if scope.path:
        return sum(len(scope.objects.get((row.place.order, row.seq), [])) for row in rows)
    return len(rows)


def grouped(
    work: Work, rows: Sequence[Row], scope: Scope, keys: Callable[[Row, Scope], Iterable[Json]]
) -> dict[Json, tuple[list[Row], Scope]]:
    """Rows by key; within nested objects each object is grouped by itself."""
    groups: dict[Json, tuple[list[Row], Scope]] = {}
    for row in rows:
        spot = (row.place.order, row.seq)
        if not scope.path:
            for key in dict.fromkeys(keys(row, scope)):
                groups.setdefault(key, ([], scope))[0].append(row)
            continue
        for inner in scope.objects.get(spot, []):
            single = Scope(scope.path, {spot: [inner]})
            for key in dict.fromkeys(keys(row, single)):
                members, own = groups.setdefault(key, ([], Scope(scope.path)))
                if not members or members[-1] is not row:
                    members.append(row)
                own.objects.setdefault(spot, []).append(inner)
    return groups


def matching(work: Work, query: Json, rows: Sequence[Row], path: str = "") -> list[Row]:
    """Those of `rows` that a query matches."""
    found: set[tuple[int, int]] = set()
    for context in work.contexts:
        own = [row.seq for row in rows if row.place.order == context.place.order]
        if own:
            compiled = context.both(context.compile(query), context.constant(context.terms(SEQ, own), 0.0))
            found |= {(row.place.order, row.seq) for row in context.rows(compiled)}
    return [row for row in rows if (row.place.order, row.seq) in found]


def filtered_rows(work: Work, query: Json, rows: Sequence[Row], scope: Scope) -> tuple[list[Row], Scope]:
    """The rows that a query takes, and the scope that is left to look at in them."""
    if not scope.path:
        return matching(work, query, rows), scope
    kept = Scope(scope.path)
    members = []
    from dataclasses import replace

    from maru.components.search.engine.queries.compound import nested_rows

    for context in work.contexts:
        own = [row for row in rows if row.place.order == context.place.order]
        if not own:
            continue
        firsts: dict[int, int] = {}
        everyone = nested_rows(replace(context), scope.path, {"match_all": {}})
        for found in everyone:
            firsts[found.seq] = min(firsts.get(found.seq, 1 << 60), found.offset)
        offsets: dict[int, set[int]] = {}
        for found in nested_rows(context, scope.path, query):
            offsets.setdefault(found.seq, set()).add(found.offset - firsts[found.seq])
        for row in own:
            every = objects_at(row, scope.path)
            wanted = [every[offset] for offset in sorted(offsets.get(row.seq, ())) if offset < len(every)]
            wanted = [inner for inner in wanted if inner in scope.objects.get((row.place.order, row.seq), [])]
            if wanted:
                members.append(row)
                kept.objects[row.place.order, row.seq] = wanted
    return members, kept
