"""One search over some indices: the query phase, sorting, collapsing, aggregations, and the answer.

Runs in a thread. Rows up to SMALL are sorted by all keys at once; more are ordered by the index on the first
key, and the rest decides among equals. Source: Elasticsearch reference, "Search API", "Paginate search results".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maru.components.search.engine.aggregations.running import aggregate
from maru.components.search.engine.partition import count_of
from maru.components.search.engine.queries.compiling import compile_query
from maru.components.search.engine.queries.context import Context, shard_failure
from maru.components.search.engine.searching.caching import cache_key, cached, keep
from maru.components.search.engine.searching.hits import Fetcher
from maru.components.search.engine.searching.request import SearchRequest, check_window
from maru.components.search.engine.searching.rows import Place, Row, Target, places_of, rows_of, too_many
from maru.components.search.engine.searching.sorting import Key, after_values, compare, field_for, sort_rows
from maru.components.search.engine.searching.suggesting import suggest
from maru.components.search.errors import failure, illegal
from maru.components.search.model.mapping.columns import ROUTING, SEQ
from maru.components.search.model.mapping.fields import family_of
from maru.core.errors import MaruError
from maru.wire.elastic.json import Json, Object

if TYPE_CHECKING:
    import tantivy

SMALL = 5_000
TIES_MAX = 50_000


@dataclass(frozen=True)
class Surroundings:
    """now: milliseconds. docs_max: the breaker. other: a document of another index. buckets_max: of aggregations."""

    now: int
    docs_max: int
    other: Callable[[str, str], Object | None]
    buckets_max: int = 65_536


@dataclass
class Found:
    """rows: of this page, in order. total: how many match; max_score: None where scores are not kept.

    counts: what the query itself finds in each place, None where something else was counted.
    """

    rows: list[Row]
    total: int
    max_score: float | None
    counts: Sequence[int] | None = None


class Search:
    """One request over its targets. Raises MaruError: a shard's failure is wrapped by the edge."""

    def __init__(self, targets: Sequence[Target], request: SearchRequest, around: Surroundings) -> None:
        self.targets = targets
        self.request = request
        self.around = around
        self.places = places_of(targets)
        self.contexts = [
            Context(place, around.now, compile_query, around.docs_max, around.other) for place in self.places
        ]

    def run_blocking(self) -> Object:
        """The answer, without took and shards."""
        key = cache_key(self.targets, self.request)
        answer = cached(self.targets, key)
        if answer is None:
            answer = self._answer()
            keep(self.targets, key, answer)
        return answer

    def _answer(self) -> Object:
        request = self.request
        for target in self.targets:
            check_window(request, target.name, int(target.settings.get("index.max_result_window", 10_000)))
        queries = [self._root(context, request.query) for context in self.contexts]
        answer: Object = {}
        most = int(request.body.get("terminate_after", 0))
        if most:
            queries, answer["terminated_early"] = self._first_of_each(queries, most)
        found = self._find(queries)
        answer["hits"] = self._hits(found)
        if request.aggs:
            answer["aggregations"] = aggregate(
                self.contexts,
                queries,
                request.aggs,
                self.around.buckets_max,
                counts=found.counts,
                is_typed=request.is_typed,
            )
        if request.body.get("suggest"):
            answer["suggest"] = suggest(self.contexts, request.body["suggest"], is_typed=request.is_typed)
        return answer

    def count_blocking(self) -> int:
        """How many documents match."""
        return sum(self._count(context, self._root(context, self.request.query)) for context in self.contexts)

    def rows_blocking(self, limit: int) -> list[Row]:
        """Up to `limit` rows in order of index and document."""
        rows: list[Row] = []
        for context in self.contexts:
            query = self._root(context, self.request.query)
            if len(rows) < limit and context.place.searcher.num_docs:
                rows += _in_order(context.place, query, limit - len(rows))
        return rows

    # The query phase.

    def _root(self, context: Context, query: Json) -> tantivy.Query:
        compiled = context.compile(query) if query is not None else context.everything()
        compiled = context.root(compiled)
        target = context.place.target
        filters = []
        if target.filter is not None:
            filters.append(context.constant(context.compile(target.filter), 0.0))
        if target.routings:
            filters.append(context.constant(context.terms(ROUTING, list(target.routings)), 0.0))
        if self.request.body.get("slice"):
            filters.append(self._slice(context))
        if filters:
            compiled = context.both(compiled, *filters)
        return context.boosted(compiled, target.boost)

    def _first_of_each(self, queries: Sequence[tantivy.Query], most: int) -> tuple[list[tantivy.Query], bool]:
        """Queries that find the first `most` documents of each index only, and whether there are more."""
        kept: list[tantivy.Query] = []
        left: dict[str, int] = {}
        is_early = False
        for context, query in zip(self.contexts, queries, strict=True):
            name = context.place.target.name
            least = left.setdefault(name, most)
            count = count_of(context.place.searcher, query)
            left[name] = max(0, least - count)
            if count <= least:
                kept.append(query)
                continue
            is_early = True
            last = _in_order(context.place, query, least)[-1].seq if least else -1
            kept.append(context.both(query, context.constant(context.between(SEQ, None, last), 0.0)))
        return kept, is_early

    def _slice(self, context: Context) -> tantivy.Query:
        told = self.request.body["slice"]
        number, most = int(told["id"]), int(told["max"])
        if most <= 1:
            raise illegal("max must be greater than 1")
        if number >= most:
            raise illegal("max must be greater than id")
        rows = context.rows(context.everything())
        return context.constant(context.terms(SEQ, [row.seq for row in rows if row.seq % most == number]), 0.0)

    def _find(self, queries: Sequence[tantivy.Query]) -> Found:
        request = self.request
        filtered = list(queries)
        if request.post_filter is not None:
            filtered = [
                context.both(query, context.constant(context.compile(request.post_filter), 0.0))
                for context, query in zip(self.contexts, queries, strict=True)
            ]
        least = request.body.get("min_score")
        if least is not None:
            return self._at_least(filtered, float(least))
        is_by_score = not request.sort and request.size > 0 and not request.body.get("collapse")
        counts: list[int] = []
        rows: list[Row] = []
        if is_by_score:
            rows, counts = self._by_score(filtered, max(request.start + request.size, self._rescore_window()))
        else:
            counts = [self._count(context, query) for context, query in zip(self.contexts, filtered, strict=True)]
        total = sum(counts)
        for key in request.sort:
            for place in self.places:
                if not (key.is_score or key.is_doc or key.field.startswith("_")):
                    field_for(key, place.target.mapping)
        own_counts = counts if request.post_filter is None else None
        if request.size == 0:
            return Found([], total, None, own_counts)
        wanted = request.start + request.size
        if request.body.get("collapse"):
            rows = self._collapsed(self._all(filtered, total))
        elif request.sort and (total <= SMALL or not self._can_order()):
            rows = self._sorted(self._all(filtered, total))
        elif request.sort:
            rows = self._ordered(filtered, wanted)
        top = (
            max((row.score for row in rows), default=None)
            if not request.sort or request.body.get("track_scores")
            else None
        )
        return Found(rows[request.start : wanted], total, top, own_counts)

    def _count(self, context: Context, query: tantivy.Query) -> int:
        if self._is_everything(context):
            return int(context.place.searcher.num_docs)
        return count_of(context.place.searcher, query)

    def _is_everything(self, context: Context) -> bool:
        """Whether every document of the place is found."""
        request, target = self.request, context.place.target
        body = request.body
        is_narrowed = (
            request.post_filter or body.get("slice") or body.get("terminate_after") or target.filter or target.routings
        )
        return request.query in (None, {"match_all": {}}) and not is_narrowed and not context.mapping.has_nested

    def _at_least(self, queries: Sequence[tantivy.Query], least: float) -> Found:
        rows = [row for row in self._all(queries, 0) if row.score >= least]
        rows.sort(key=lambda row: -row.score)
        if self.request.sort:
            rows = self._sorted(rows)
        start = self.request.start
        return Found(rows[start : start + self.request.size], len(rows), max((row.score for row in rows), default=None))

    def _all(self, queries: Sequence[tantivy.Query], total: int) -> list[Row]:
        if total > self.around.docs_max:
            raise too_many(self.around.docs_max)
        return [row for context, query in zip(self.contexts, queries, strict=True) for row in context.rows(query)]

    def _by_score(self, queries: Sequence[tantivy.Query], wanted: int) -> tuple[list[Row], list[int]]:
        """The best of each place, in order, and how many there are in each: found in one go."""
        rows: list[Row] = []
        counts: list[int] = []
        for context, query in zip(self.contexts, queries, strict=True):
            counts.append(0)
            if context.place.searcher.num_docs:
                result = context.place.searcher.search(query, wanted, count=True)
                rows += rows_of(context.place, result.hits)
                counts[-1] = int(result.count)  # type: ignore[attr-defined] # its stub forgets it
        if self.request.body.get("rescore"):
            rows = self._rescored(rows)
        rows.sort(key=lambda row: (-row.score, row.place.order, row.address.segment_ord, row.address.doc))
        return rows, counts

    def _sorted(self, rows: list[Row]) -> list[Row]:
        keys = self.request.sort
        sort_rows(keys, rows)
        if self.request.after is not None:
            after = after_values(keys, self.request.after, self.places, self.around.now)
            rows = [row for row in rows if compare(keys, row.sort, after) > 0]
        return rows

    # Many rows: the index orders by the first key.

    def _can_order(self) -> bool:
        key = self.request.sort[0]
        if key.is_doc:
            return True
        if key.is_score:
            return self.request.after is None and key.is_descending
        if key.points or key.mode or key.missing != "_last" or key.nested is not None:
            return False
        for place in self.places:
            known = place.target.mapping.find(key.field)
            if known is None:
                continue
            if (
                family_of(known.kind) not in ("whole", "decimal", "date", "keyword", "boolean")
                or known.column not in place.partition.columns
            ):
                return False
            if family_of(known.kind) == "keyword" and self.request.after is not None:
                return False
        return True

    def _ordered(self, queries: Sequence[tantivy.Query], wanted: int) -> list[Row]:
        key = self.request.sort[0]
        rows: list[Row] = []
        for context, query in zip(self.contexts, queries, strict=True):
            if not context.place.searcher.num_docs:
                continue
            if key.is_score:
                rows += rows_of(context.place, context.place.searcher.search(query, wanted, count=False).hits)
            elif key.is_doc:
                rows += self._in_order_after(context, query, wanted, is_descending=key.is_descending)
            else:
                rows += self._first_of(context, query, key, wanted)
        return self._sorted(rows)

    def _in_order_after(self, context: Context, query: tantivy.Query, wanted: int, *, is_descending: bool) -> list[Row]:
        if self.request.after is not None:
            place, seq = int(self.request.after[0]) >> 44, int(self.request.after[0]) & ((1 << 44) - 1)
            if context.place.order < place:
                return []
            if context.place.order == place:
                query = context.both(query, context.between(SEQ, seq, None, has_low=False))
        return _in_order(context.place, query, wanted)

    def _first_of(self, context: Context, query: tantivy.Query, key: Key, wanted: int) -> list[Row]:
        import tantivy

        known = context.mapping.find(key.field)
        if known is None:
            return context.rows(query)
        if self.request.after is not None:
            after = after_values(self.request.sort, self.request.after, self.places, self.around.now)[0]
            if after is None:
                return context.rows(context.without(query, context.exists(known)))
            low, high = (None, after) if key.is_descending else (after, None)
            rest = context.between(known.column, low, high)
            query = context.both(
                query,
                context.constant(
                    context.either([rest, context.without(context.everything(), context.exists(known))]), 0.0
                ),
            )
        order = tantivy.Order.Desc if key.is_descending else tantivy.Order.Asc
        hits = context.place.searcher.search(query, wanted, count=False, order_by_field=known.column, order=order).hits
        rows = rows_of(context.place, hits)
        if len(hits) == wanted:
            last = hits[-1][0]
            seen = {row.seq for row in rows}
            ties = (
                context.without(query, context.exists(known))
                if last is None
                else context.both(query, context.constant(context.term(known.column, last), 0.0))
            )
            more = context.place.searcher.search(ties, TIES_MAX, count=False).hits
            rows += [row for row in rows_of(context.place, more) if row.seq not in seen]
        return rows

    # Refinements.

    def _collapsed(self, rows: list[Row]) -> list[Row]:
        collapse = self.request.body["collapse"]
        name = str(collapse.get("field", ""))
        for target in self.targets:
            known = target.mapping.find(name)
            if known is None:
                raise shard_failure(
                    f"no mapping found for `{name}` in order to collapse on", "illegal_argument_exception"
                )
            if family_of(known.kind) not in ("keyword", "whole", "decimal", "date", "boolean", "ip"):
                raise shard_failure(
                    f"unknown type for collapse field `{name}`, only keywords and numbers are accepted",
                    "illegal_argument_exception",
                )
        rows = (
            self._sorted(rows)
            if self.request.sort
            else sorted(rows, key=lambda row: (-row.score, row.place.order, row.seq))
        )
        seen: set[Json] = set()
        kept = []
        for row in rows:
            known = row.place.target.mapping.find(name)
            values = row.values(known) if known is not None else []
            value = values[0] if values else None
            if value not in seen:
                seen.add(value)
                kept.append(row)
        return kept

    def _rescore_window(self) -> int:
        given = self.request.body.get("rescore") or []
        return max(
            (int(one.get("window_size", 10)) for one in (given if isinstance(given, list) else [given])), default=0
        )

    def _rescored(self, rows: list[Row]) -> list[Row]:
        given = self.request.body["rescore"]
        for one in given if isinstance(given, list) else [given]:
            told = one.get("query")
            if told is None or "rescore_query" not in told:
                raise illegal("missing rescore type" if told is None else "Required [rescore_query]")
            rows.sort(key=lambda row: -row.score)
            window = rows[: int(one.get("window_size", 10))]
            scores: dict[tuple[int, int], float] = {}
            for context in self.contexts:
                seqs = [row.seq for row in window if row.place is context.place]
                if seqs:
                    query = context.both(
                        context.compile(told["rescore_query"]), context.constant(context.terms(SEQ, seqs), 0.0)
                    )
                    scores |= {(row.place.order, row.seq): row.score for row in context.rows(query)}
            first, second = float(told.get("query_weight", 1.0)), float(told.get("rescore_query_weight", 1.0))
            for row in window:
                extra = scores.get((row.place.order, row.seq))
                row.score = (
                    _mixed(row.score * first, extra * second, str(told.get("score_mode", "total")))
                    if extra is not None
                    else row.score * first
                )
        return rows

    # The answer.

    def _hits(self, found: Found) -> Object:
        request = self.request
        hits: Object = {}
        if request.total_max != 0:
            is_more = 0 < request.total_max < found.total
            value = request.total_max if is_more else found.total
            hits["total"] = (
                {"value": value, "relation": "gte" if is_more else "eq"} if not request.has_total_int else found.total
            )
        elif request.has_total_int:
            hits["total"] = -1
        hits["max_score"] = found.max_score
        fetcher = Fetcher(request, self.contexts, self._inner)
        hits["hits"] = fetcher.hits(found.rows)
        return hits

    def _inner(self, body: Object, query: Json, row: Row | None = None) -> Object:
        """A search within: inner hits of a collapsed group."""
        inner = replace(
            self.request,
            body=body,
            query=query,
            start=int(body.get("from", 0)),
            size=int(body.get("size", 3)),
            aggs={},
            after=None,
        )
        from maru.components.search.engine.searching.sorting import parse_sort

        inner = replace(
            inner, sort=parse_sort(body["sort"]) if body.get("sort") else (), total_max=-1, post_filter=None
        )
        search = Search(self.targets, inner, self.around)
        queries = [search._root(context, query) for context in search.contexts]
        return {"hits": search._hits(search._find(queries))}


def _mixed(score: float, extra: float, mode: str) -> float:
    if mode == "total":
        return score + extra
    if mode == "multiply":
        return score * extra
    if mode == "avg":
        return (score + extra) / 2
    if mode in ("max", "min"):
        return {"max": max, "min": min}[mode](score, extra)
    raise illegal(f"illegal score_mode [{mode}]")


def _in_order(place: Place, query: tantivy.Query, wanted: int) -> list[Row]:
    import tantivy

    hits = place.searcher.search(query, wanted, count=False, order_by_field=SEQ, order=tantivy.Order.Asc).hits
    return rows_of(place, [(1.0, address) for _, address in hits])


def all_shards_failed(error: MaruError, phase: str, index: str) -> MaruError:
    """The failure of a shard as the answer of a search."""
    facts = {name: value for name, value in error.details.get("facts", {}).items() if name != "is_of_shard"}
    reason = {"type": error.details["kind"], "reason": error.what, **facts}
    if error.details["kind"] == "query_shard_exception":
        reason = {
            "type": error.details["kind"],
            "reason": error.what,
            "index_uuid": facts.get("index_uuid", "_na_"),
            "index": index,
            **facts,
        }
    root = {name: value for name, value in reason.items() if name != "caused_by"}
    return failure(
        int(error.details["status"]),
        "search_phase_execution_exception",
        "all shards failed",
        root_cause=[root],
        phase=phase,
        grouped=True,
        failed_shards=[{"shard": 0, "index": index, "node": "maru", "reason": reason}],
        **(
            {"caused_by": {**reason, "caused_by": root}}
            if error.details["kind"] == "illegal_argument_exception"
            else {}
        ),
    )
