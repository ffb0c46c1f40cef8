"""The table of queries, and the way into it.

Source: Elasticsearch reference, "Query DSL".
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from maru.components.search.engine.queries import compound, fulltext, scoring, spans, special, strings, terms
from maru.components.search.engine.queries.context import Compile, Context
from maru.components.search.errors import failure, parsing
from maru.wire.elastic.json import Json, Object, token_of

if TYPE_CHECKING:
    import tantivy

DEPTH_MAX = 100

_SPANS = (
    "span_term",
    "span_near",
    "span_or",
    "span_not",
    "span_first",
    "span_multi",
    "span_containing",
    "span_within",
    "field_masking_span",
)


def _span(kind: str) -> Compile:
    return lambda context, body: special.span(context, kind, body)


QUERIES: Mapping[str, Compile] = {
    "match_all": compound.match_all,
    "match_none": compound.match_none,
    "bool": compound.bool_query,
    "constant_score": compound.constant_score,
    "dis_max": compound.dis_max,
    "boosting": compound.boosting,
    "nested": compound.nested,
    "function_score": scoring.function_score,
    "script_score": scoring.script_score,
    "term": terms.term,
    "terms": terms.terms,
    "terms_set": terms.terms_set,
    "range": spans.range_query,
    "exists": terms.exists,
    "ids": terms.ids,
    "prefix": terms.prefix,
    "wildcard": terms.wildcard,
    "regexp": terms.regexp,
    "fuzzy": terms.fuzzy,
    "match": fulltext.match,
    "match_phrase": fulltext.match_phrase,
    "match_phrase_prefix": fulltext.match_phrase_prefix,
    "match_bool_prefix": fulltext.match_bool_prefix,
    "multi_match": fulltext.multi_match,
    "combined_fields": fulltext.combined_fields,
    "query_string": strings.query_string,
    "simple_query_string": strings.simple_query_string,
    "kql": strings.kql,
    "geo_distance": special.geo_distance,
    "geo_bounding_box": special.geo_bounding_box,
    "geo_polygon": special.geo_polygon,
    "more_like_this": special.more_like_this,
    "distance_feature": special.distance_feature,
    "rank_feature": special.rank_feature,
    "has_child": special.has_child,
    "has_parent": special.has_parent,
    "parent_id": special.parent_id,
    "pinned": special.pinned,
    "wrapper": special.wrapper,
    "intervals": special.intervals,
    **{kind: _span(kind) for kind in _SPANS},
}

_UNDONE = (
    "script",
    "percolate",
    "geo_shape",
    "knn",
    "neural",
    "text_expansion",
    "sparse_vector",
    "semantic",
    "rule",
    "weighted_tokens",
    "shape",
)


def compile_query(context: Context, query: Json) -> tantivy.Query:
    """Any query object. Raises parsing_exception for one there is not, and what a shard says."""
    kind, body = _only(query)
    found = QUERIES.get(kind)
    if found is None:
        raise _unknown(kind)
    try:
        compiled = found(context, body)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise parsing(f"[{kind}] query malformed: {error!r}") from error
    except RecursionError as error:
        raise failure(
            400,
            "illegal_argument_exception",
            (
                "The nested depth of the query exceeds the maximum nested depth for queries set in "
                "[indices.query.bool.max_nested_depth]"
            ),
        ) from error
    return compiled


def named_queries(query: Json) -> list[tuple[str, Object]]:
    """(name, query) of every query with a _name, at any depth."""
    found: list[tuple[str, Object]] = []
    if isinstance(query, list):
        for one in query:
            found += named_queries(one)
    elif isinstance(query, dict):
        for kind, body in query.items():
            if isinstance(body, dict):
                name = body.get("_name")
                if name is None and len(body) == 1:
                    inner = next(iter(body.values()))
                    name = inner.get("_name") if isinstance(inner, dict) and kind in QUERIES else None
                if name is not None and kind in QUERIES:
                    found.append((str(name), {kind: body}))
            found += named_queries(body)
    return found


def nested_queries(query: Json) -> list[Object]:
    """The bodies of nested queries with inner_hits, at any depth."""
    found: list[Object] = []
    if isinstance(query, list):
        for one in query:
            found += nested_queries(one)
    elif isinstance(query, dict):
        for kind, body in query.items():
            if kind == "nested" and isinstance(body, dict) and "inner_hits" in body:
                found.append(body)
            found += nested_queries(body)
    return found


def _only(query: Json) -> tuple[str, Json]:
    if not isinstance(query, dict):
        raise parsing(
            "[_na] query malformed, must start with start_object"
            if query is not None
            else f"[_na] query malformed, no start_object after query name [{token_of(query)}]"
        )
    if not query:
        raise failure(400, "illegal_argument_exception", "query malformed, empty clause found at [1:1]")
    kinds = list(query)
    if len(kinds) > 1:
        raise parsing(f"[{kinds[0]}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]")
    kind = kinds[0]
    body = query[kind]
    if not isinstance(body, dict):
        if kind in QUERIES or kind in _UNDONE:
            raise parsing(f"[{kind}] query malformed, no start_object after query name")
        raise parsing(f"[{kind}] query malformed, no start_object after query name")
    return kind, body


def _unknown(kind: str) -> Exception:
    if kind in _UNDONE:
        return failure(400, "parsing_exception", f"the query [{kind}] is not supported by Maru", line=1, col=1)
    near = get_close_matches(kind, QUERIES, n=1, cutoff=0.75)
    hint = f" did you mean [{near[0]}]?" if near else ""
    cause = {"type": "named_object_not_found_exception", "reason": f"[1:{len(kind) + 14}] unknown field [{kind}]{hint}"}
    return failure(
        400, "parsing_exception", f"unknown query [{kind}]{hint}", line=1, col=len(kind) + 14, caused_by=cause
    )
