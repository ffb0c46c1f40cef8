"""Searches: _search, _msearch, _count, scroll, point in time, _validate, _explain, _field_caps.

Source: Elasticsearch reference, "Search APIs".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House, shards_of
from maru.components.search.engine.searching.executing import Search, all_shards_failed
from maru.components.search.engine.searching.request import SearchRequest, parse_request
from maru.components.search.engine.searching.rows import Target
from maru.components.search.engine.searching.sorting import Key
from maru.components.search.errors import answer_body, failure, illegal
from maru.core.errors import MaruError
from maru.wire.elastic.json import BodyError, Json, Object, decode
from maru.wire.elastic.units import duration_s

CONTEXTS_MAX = 500
KEEP_MAX_S = 86400.0


@dataclass
class _Open:
    """A scroll or a point in time. after: where the scroll stands."""

    targets: Sequence[Target]
    until_s: float
    keep_s: float
    request: SearchRequest | None = None
    after: Json = None
    shards: int = 1


class SearchApi:
    """The edges of searching."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._open: dict[str, _Open] = {}

    def routes(self) -> Sequence[Route]:
        both = ("/{action}", "/{index}/{action}")
        pairs = (("_search", self.search), ("_msearch", self.msearch), ("_pit", self.open_pit))
        routes = []
        for name, action in pairs:
            for path in both:
                methods = "POST" if name == "_pit" else "GET POST"
                if name != "_pit" or "index" in path:
                    routes.append(Route(methods, path.replace("{action}", name), action))
        return [
            *routes,
            Route("GET POST", "/_search/scroll", self.scroll),
            Route("GET POST", "/_search/scroll/{scroll_id}", self.scroll),
            Route("DELETE", "/_search/scroll", self.clear_scroll),
            Route("DELETE", "/_search/scroll/{scroll_id}", self.clear_scroll),
            Route("DELETE", "/_pit", self.close_pit),
            Route("POST", "/{index}/_search/point_in_time", self.open_pit),
            Route("DELETE", "/_search/point_in_time", self.close_pit),
            Route("DELETE", "/_search/point_in_time/_all", self.close_pit),
        ]

    async def search(self, call: Call) -> Reply:
        return Reply(await self.answered(call, call.part("index"), call.object()))

    async def answered(self, call: Call, expression: str, body: Object) -> Object:
        """The answer to one search."""
        began_s = self._house.clock.monotonic_s()
        body = with_parameters(call, body)
        scroll = call.arg("scroll")
        request = parse_request(
            body,
            is_scroll=bool(scroll),
            is_typed=call.flag("typed_keys"),
            has_total_int=call.flag("rest_total_hits_as_int"),
        )
        pit = body.get("pit")
        if pit is not None:
            if expression:
                raise failure(
                    400,
                    "action_request_validation_exception",
                    (
                        "Validation Failed: 1: [indices] cannot be used with point in time. Do not specify any "
                        "index with point in time.;"
                    ),
                )
            context = self._context(str(pit.get("id", "")))
            if "keep_alive" in pit:
                context.keep_s = duration_s(pit["keep_alive"])
            context.until_s = self._house.clock.monotonic_s() + context.keep_s
            targets, shards = context.targets, context.shards
        else:
            named = self._house.find(call, expression=expression)
            targets = await self._house.indices.targets(named, call.arg("routing"))
            shards = sum(one.index.shards for one in named)
        targets = _weighted(targets, body.get("indices_boost"))
        if scroll:
            request = _scrolled(request)
        request = replace(request, may_cache=call.flag("request_cache", default=True))
        answer, is_late = await self._in_time(targets, request)
        told: Object = {}
        if pit is not None:
            told["pit_id"] = str(pit["id"])
        if scroll:
            context = _Open(targets, 0.0, _keep_s(scroll), request, shards=shards)
            _advance(context, answer)
            told["_scroll_id"] = self._keep(context)
        took = int((self._house.clock.monotonic_s() - began_s) * 1000)
        told |= {"took": took, "timed_out": is_late, "_shards": shards_of(shards), **answer}
        if body.get("profile") in (True, "true"):
            told["profile"] = _profile(targets, request, took)
        return told

    async def _in_time(self, targets: Sequence[Target], request: SearchRequest) -> tuple[Object, bool]:
        """The answer, and whether `timeout` passed before there was one: then it is an empty part of it."""
        limit_s = _timeout_s(request.body)
        try:
            async with asyncio.timeout(limit_s):
                return await self._run(targets, request), False
        except TimeoutError as error:
            if request.body.get("allow_partial_search_results") in (False, "false"):
                raise failure(504, "search_phase_execution_exception", "Time exceeded") from error
        hits: Object = {"max_score": None, "hits": []}
        if request.total_max != 0:
            hits["total"] = 0 if request.has_total_int else {"value": 0, "relation": "gte"}
        return {"hits": hits}, True

    async def _run(self, targets: Sequence[Target], request: SearchRequest) -> Object:
        search = Search(targets, request, self._house.around())
        name = targets[0].name if targets else ""
        try:
            return await asyncio.to_thread(search.run_blocking)
        except MaruError as error:
            if error.details.get("facts", {}).get("is_of_shard"):
                raise all_shards_failed(error, "query", name) from error
            raise

    async def msearch(self, call: Call) -> Reply:
        return await self.several(call, lambda body: body)

    async def several(self, call: Call, filled: Callable[[Object], Object]) -> Reply:
        """Searches of a body in lines; `filled` makes each one's body of what stands there."""
        began_s = self._house.clock.monotonic_s()
        if not call.body.strip():
            raise failure(400, "parse_exception", "request body is required")
        if not call.body.endswith(b"\n"):
            raise illegal("The msearch request must be terminated by a newline [\\n]")
        lines = call.body.split(b"\n")[:-1]
        while lines and not lines[-1].strip():
            lines.pop()
        responses: list[Object] = []
        for at in range(0, len(lines), 2):
            try:
                head: Object = decode(lines[at]) if lines[at].strip() else {}
                body: Object = decode(lines[at + 1]) if at + 1 < len(lines) else {}
            except BodyError as error:
                raise failure(400, "x_content_parse_exception", error.reason) from error
            for name in head:
                if name not in (
                    "index",
                    "search_type",
                    "ignore_unavailable",
                    "allow_no_indices",
                    "expand_wildcards",
                    "routing",
                    "preference",
                    "request_cache",
                    "type",
                    "ccs_minimize_roundtrips",
                    "allow_partial_search_results",
                ):
                    raise illegal(f"key [{name}] is not supported in the metadata section")
            given = head.get("index", call.part("index"))
            expression = ",".join(given) if isinstance(given, list) else str(given or "")
            inner = _inner_call(call, head)
            try:
                answer = await self.answered(inner, expression, filled(body))
                responses.append({**answer, "status": 200})
            except MaruError as error:
                responses.append(answer_body(error))
        return Reply({"took": int((self._house.clock.monotonic_s() - began_s) * 1000), "responses": responses})

    # Scrolls and points in time.

    async def scroll(self, call: Call) -> Reply:
        body = call.object()
        scroll_id = str(body.get("scroll_id", call.part("scroll_id") or call.arg("scroll_id")))
        if not scroll_id:
            raise failure(400, "action_request_validation_exception", "Validation Failed: 1: scrollId is missing;")
        context = self._context(scroll_id)
        assert context.request is not None
        keep = body.get("scroll", call.arg("scroll"))
        if keep:
            context.keep_s = duration_s(keep)
        context.until_s = self._house.clock.monotonic_s() + context.keep_s
        began_s = self._house.clock.monotonic_s()
        request = replace(
            context.request,
            after=context.after,
            aggs={},
            has_total_int=call.flag("rest_total_hits_as_int") or context.request.has_total_int,
        )
        if context.after is None:
            answer: Object = {"hits": {"total": {"value": 0, "relation": "eq"}, "max_score": None, "hits": []}}
        else:
            answer = await self._run(context.targets, request)
        _advance(context, answer)
        took = int((self._house.clock.monotonic_s() - began_s) * 1000)
        return Reply(
            {"_scroll_id": scroll_id, "took": took, "timed_out": False, "_shards": shards_of(context.shards), **answer}
        )

    async def clear_scroll(self, call: Call) -> Reply:
        body = call.object()
        given = body.get("scroll_id", call.part("scroll_id") or call.arg("scroll_id"))
        ids = given if isinstance(given, list) else [one for one in str(given).split(",") if one]
        if not ids:
            raise failure(400, "action_request_validation_exception", "Validation Failed: 1: no scroll ids specified;")
        if ids == ["_all"]:
            ids = [key for key, one in self._open.items() if one.request is not None]
            freed = len([self._open.pop(one) for one in ids])
            return Reply({"succeeded": True, "num_freed": freed})
        freed = sum(self._open.pop(str(one), None) is not None for one in ids)
        return Reply({"succeeded": True, "num_freed": freed}, 200 if freed else 404)

    async def open_pit(self, call: Call) -> Reply:
        keep = call.arg("keep_alive")
        if not keep:
            raise failure(
                400, "action_request_validation_exception", "Validation Failed: 1: [keep_alive] is not specified;"
            )
        named = self._house.find(call)
        targets = await self._house.indices.targets(named)
        shards = sum(one.index.shards for one in named)
        pit_id = self._keep(_Open(targets, 0.0, duration_s(keep), shards=shards))
        told: Object = {"id": pit_id, "_shards": shards_of(shards)}
        if "point_in_time" in call.request.path:
            told = {"pit_id": pit_id, "_shards": shards_of(shards), "creation_time": self._house.indices.now()}
        return Reply(told)

    async def close_pit(self, call: Call) -> Reply:
        body = call.object()
        if call.request.path.endswith("/_all"):
            ids = [key for key, one in self._open.items() if one.request is None]
        else:
            given = body.get("id", body.get("pit_id"))
            if given is None:
                raise (
                    failure(
                        400,
                        "action_request_validation_exception",
                        "Validation Failed: 1: no point in time ids specified;",
                    )
                    if False
                    else illegal("point in time id is required")
                )
            ids = given if isinstance(given, list) else [given]
        freed = sum(self._open.pop(str(one), None) is not None for one in ids)
        if "point_in_time" in call.request.path:
            return Reply({"pits": [{"successful": True, "pit_id": one} for one in ids]})
        return Reply({"succeeded": True, "num_freed": freed}, 200 if freed else 404)

    def _keep(self, context: _Open) -> str:
        self._sweep()
        if len(self._open) >= CONTEXTS_MAX:
            raise failure(
                429,
                "exception",
                (
                    f"Trying to create too many scroll contexts. Must be less than or equal to: [{CONTEXTS_MAX}]. "
                    "This limit can be set by changing the [search.max_open_scroll_context] setting."
                ),
            )
        context.until_s = self._house.clock.monotonic_s() + context.keep_s
        key = self._house.ids.secret(48)
        self._open[key] = context
        return key

    def _sweep(self) -> None:
        now_s = self._house.clock.monotonic_s()
        for key in [key for key, one in self._open.items() if one.until_s < now_s]:
            del self._open[key]

    def _context(self, key: str) -> _Open:
        self._sweep()
        found = self._open.get(key)
        if found is None:
            cause = {
                "type": "search_context_missing_exception",
                "reason": f"No search context found for id [{key[:16]}]",
            }
            raise failure(
                404,
                "search_phase_execution_exception",
                "all shards failed",
                root_cause=[cause],
                phase="query",
                grouped=True,
                failed_shards=[{"shard": -1, "index": None, "reason": cause}],
                caused_by=cause,
            )
        return found


def _timeout_s(body: Object) -> float | None:
    """Raises illegal_argument_exception."""
    if body.get("timeout") is None:
        return None
    try:
        found_s = duration_s(body["timeout"], "timeout")
    except ValueError as error:
        raise illegal(str(error)) from error
    return found_s if found_s >= 0 else None


def _scrolled(request: SearchRequest) -> SearchRequest:
    """In an order that a next page can be asked for."""
    if not request.sort:
        keys = (
            (Key("_doc", False),)
            if request.query is None or "match_all" in request.query
            else (Key("_score", True), Key("_doc", False))
        )
        return replace(request, sort=keys, is_sort_shown=False)
    return request if request.sort[-1].is_doc else replace(request, sort=(*request.sort, Key("_doc", False)))


def _keep_s(keep: str) -> float:
    try:
        keep_s = duration_s(keep)
    except ValueError as error:
        raise illegal(str(error)) from error
    if keep_s > KEEP_MAX_S:
        raise illegal(
            f"Keep alive for request ({keep}) is too large. It must be less than (1d). This limit can be set "
            "by changing "
            "the [search.max_keep_alive] cluster level setting."
        )
    return keep_s


def _advance(context: _Open, answer: Object) -> None:
    """Remember where the page ended; a sort that nobody asked for is not shown."""
    hits = answer["hits"]["hits"]
    context.after = hits[-1].get("sort") if hits else None
    assert context.request is not None
    if not context.request.is_sort_shown:
        for hit in hits:
            hit.pop("sort", None)
            hit["_score"] = hit["_score"] if hit["_score"] is not None else 1.0


def _inner_call(call: Call, head: Object) -> Call:
    inner = Call(call.request, call.parts, b"")
    for name in ("ignore_unavailable", "allow_no_indices", "expand_wildcards", "routing", "search_type"):
        if name in head:
            value = head[name]
            inner._query[name] = (
                ",".join(value)
                if isinstance(value, list)
                else str(value).lower()
                if isinstance(value, bool)
                else str(value)
            )
    return inner


def with_parameters(call: Call, body: Object) -> Object:
    """The body with what the query string says."""
    merged = dict(body)
    if call.has("q"):
        query: Object = {"query": call.arg("q")}
        for name, key in (
            ("df", "default_field"),
            ("default_operator", "default_operator"),
            ("analyzer", "analyzer"),
            ("lenient", "lenient"),
            ("analyze_wildcard", "analyze_wildcard"),
        ):
            if call.has(name):
                query[key] = call.arg(name)
        merged["query"] = {"query_string": query}
    for name in (
        "from",
        "size",
        "terminate_after",
        "timeout",
        "version",
        "seq_no_primary_term",
        "explain",
        "track_scores",
        "stored_fields",
    ):
        if call.has(name):
            merged[name] = call.arg(name) or "true"
    if call.has("track_total_hits"):
        merged["track_total_hits"] = call.arg("track_total_hits")
    if call.has("sort"):
        merged["sort"] = call.arg("sort").split(",")
    if call.has("docvalue_fields"):
        merged["docvalue_fields"] = call.arg("docvalue_fields").split(",")
    if call.has("_source_includes") or call.has("_source_excludes"):
        merged["_source"] = {
            "includes": call.arg("_source_includes").split(",") if call.has("_source_includes") else [],
            "excludes": call.arg("_source_excludes").split(",") if call.has("_source_excludes") else [],
        }
    elif call.has("_source"):
        merged["_source"] = call.arg("_source")
    if call.has("suggest_field"):
        merged["suggest"] = {
            call.arg("suggest_field"): {
                "text": call.arg("suggest_text"),
                "term": {"field": call.arg("suggest_field"), "suggest_mode": call.arg("suggest_mode", "missing")},
            }
        }
    return merged


def _weighted(targets: Sequence[Target], boosts: Json) -> Sequence[Target]:
    if not boosts:
        return targets
    pairs = [pair for one in (boosts if isinstance(boosts, list) else [boosts]) for pair in one.items()]
    weighted = []
    for target in targets:
        boost = next((float(weight) for name, weight in pairs if fnmatchcase(target.name, str(name))), 1.0)
        weighted.append(replace(target, boost=boost))
    return weighted


def _profile(targets: Sequence[Target], request: SearchRequest, took_ms: int) -> Object:
    kind = next(iter(request.query), "match_all") if isinstance(request.query, dict) else "match_all"
    shards = []
    for target in targets:
        query = {"type": kind, "description": str(request.query or "*:*"), "time_in_nanos": took_ms * 1_000_000}
        shards.append(
            {
                "id": f"[maru][{target.name}][0]",
                "searches": [{"query": [query], "rewrite_time": 0, "collector": []}],
                "aggregations": [],
            }
        )
    return {"shards": shards}


def lucene_text(query: Json, compiled: object) -> str:
    """About what Lucene would print for the query."""
    if query is None or "match_all" in query:
        return "*:*"
    if "query_string" in query:
        return str(query["query_string"].get("query"))
    if "term" in query and len(query["term"]) == 1:
        name, given = next(iter(query["term"].items()))
        return f"{name}:{given.get('value') if isinstance(given, dict) else given}"
    return str(compiled)
