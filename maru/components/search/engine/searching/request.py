"""A search request, checked. Source: Elasticsearch reference, "Search API"; SearchSourceBuilder."""

from __future__ import annotations

from dataclasses import dataclass

from maru.components.search.engine.searching.sorting import Key, parse_sort
from maru.components.search.errors import failure, illegal, parsing, unsupported
from maru.wire.elastic.json import Json, Object, token_of

WINDOW_MAX = 10_000
TOTAL_HITS = 10_000
_KNOWN = {
    "query",
    "from",
    "size",
    "sort",
    "aggs",
    "aggregations",
    "_source",
    "fields",
    "docvalue_fields",
    "stored_fields",
    "highlight",
    "track_total_hits",
    "track_scores",
    "search_after",
    "collapse",
    "rescore",
    "suggest",
    "explain",
    "version",
    "seq_no_primary_term",
    "profile",
    "min_score",
    "post_filter",
    "timeout",
    "terminate_after",
    "indices_boost",
    "script_fields",
    "runtime_mappings",
    "pit",
    "slice",
    "knn",
    "ext",
    "stats",
    "retriever",
    "rank",
    "preference",
    "allow_partial_search_results",
    "sub_searches",
}


@dataclass(frozen=True)
class SearchRequest:
    """body: as it came; the rest of it that is read in one place only is read there.

    total_max: count up to here exactly; -1 all, 0 not at all. size -1 is never.
    """

    body: Object
    query: Json
    start: int
    size: int
    sort: tuple[Key, ...]
    aggs: Object
    total_max: int
    after: Json = None
    is_scroll: bool = False
    post_filter: Json = None
    is_typed: bool = False
    has_total_int: bool = False
    is_sort_shown: bool = True
    may_cache: bool = True

    @property
    def keeps_scores(self) -> bool:
        """Whether hits have a score to show."""
        return (
            not self.sort or any(key.is_score for key in self.sort) or self.body.get("track_scores") in (True, "true")
        )


def parse_request(
    body: Object, *, is_scroll: bool = False, is_typed: bool = False, has_total_int: bool = False
) -> SearchRequest:
    """Raises parsing_exception, illegal_argument_exception or action_request_validation_exception."""
    for name, value in body.items():
        if name not in _KNOWN:
            raise parsing(f"Unknown key for a {token_of(value)} in [{name}].")
    if _number(body, "terminate_after", 0) < 0:
        raise illegal("terminateAfter must be > 0")
    for name in ("runtime_mappings", "knn", "retriever", "rank", "sub_searches"):
        if body.get(name):
            raise unsupported(f"[{name}] in a search")
    if any("script" in one for one in (body.get("script_fields") or {}).values() if isinstance(one, dict)):
        raise unsupported("[script_fields] in a search")
    start, size = _number(body, "from", 0), _number(body, "size", 10)
    if start < 0:
        raise illegal(f"[from] parameter cannot be negative but was [{start}]")
    if size < 0:
        raise illegal(f"[size] parameter cannot be negative, found [{size}]")
    sort = parse_sort(body["sort"]) if body.get("sort") else ()
    if len(sort) == 1 and sort[0].is_score and sort[0].is_descending:
        sort = ()
    if "pit" in body and sort and not any(key.is_doc for key in sort):
        sort = (*sort, Key("_shard_doc", False))
    elif "pit" in body and not sort:
        sort = (
            (Key("_score", True), Key("_shard_doc", False))
            if "query" in body and body.get("search_after") is not None
            else (Key("_shard_doc", False),)
        )
    after = body.get("search_after")
    _check_together(body, sort, (start, size), is_scroll=is_scroll)
    aggs = body.get("aggs") or body.get("aggregations") or {}
    if not isinstance(aggs, dict):
        raise parsing(f"Unknown key for a {token_of(aggs)} in [aggs].")
    tracked = body.get("track_total_hits", True if is_scroll or has_total_int else TOTAL_HITS)
    total = -1 if tracked in (True, "true") else 0 if tracked in (False, "false") else int(tracked)
    if total < -1:
        raise illegal(f"[track_total_hits] parameter must be positive or equals to -1, got {total}")
    return SearchRequest(
        body,
        body.get("query"),
        start,
        size,
        sort,
        aggs,
        total,
        after,
        is_scroll,
        body.get("post_filter"),
        is_typed,
        has_total_int,
    )


def _check_together(body: Object, sort: tuple[Key, ...], page: tuple[int, int], *, is_scroll: bool) -> None:
    """Raises for options that contradict each other."""
    start, size = page
    after = body.get("search_after")
    if after is not None and start > 0:
        raise _invalid("`from` parameter must be set to 0 when `search_after` is used")
    if after is not None and is_scroll:
        raise _invalid("`search_after` cannot be used in a scroll context")
    if after is not None and not sort:
        raise illegal("Sort must contain at least one field.")
    if is_scroll and start > 0:
        raise _invalid("using [from] is not allowed in a scroll context")
    if is_scroll and size == 0:
        raise _invalid("[size] cannot be [0] in a scroll context")
    if is_scroll and body.get("collapse"):
        raise _invalid("cannot use `collapse` in a scroll context")
    if body.get("rescore") and sort:
        raise _invalid("Cannot use [sort] option in conjunction with [rescore].")


def check_window(request: SearchRequest, index: str, limit: int) -> None:
    """Raises what a shard says of from + size over index.max_result_window."""
    if request.start + request.size <= limit:
        return
    if request.is_scroll:
        reason = (
            f"Batch size is too large, size must be less than or equal to: [{limit}] but was "
            f"[{request.size}]. Scroll batch sizes cost as much memory as "
            "result windows so they are controlled by the [index.max_result_window] index level setting."
        )
    else:
        reason = (
            f"Result window is too large, from + size must be less than or equal to: [{limit}] but was "
            f"[{request.start + request.size}]. See the scroll "
            "api for a more efficient way to request large data sets. This limit can be set by changing the "
            "[index.max_result_window] index level setting."
        )
    raise failure(400, "illegal_argument_exception", reason, is_of_shard=True, index=index)


def _number(body: Object, name: str, default: int) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise parsing(f"Unknown key for a {token_of(value)} in [{name}].")
    try:
        return int(value)
    except ValueError as error:
        raise illegal(
            f"Failed to parse int parameter [{name}] with value [{value}]",
            caused_by={"type": "number_format_exception", "reason": f'For input string: "{value}"'},
        ) from error


def _invalid(reason: str) -> Exception:
    return failure(400, "action_request_validation_exception", f"Validation Failed: 1: {reason};")
