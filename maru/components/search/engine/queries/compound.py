"""Compound queries: bool, constant_score, dis_max, boosting, function_score, nested, and what stands alone.

Source: Elasticsearch reference, "Compound queries", "Joining queries", "Function score query".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from maru.components.search.engine.queries.context import Context, boost_of, least_matching, options, shard_failure
from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import illegal, parsing
from maru.components.search.model.mapping.columns import NESTED
from maru.core.errors import MaruError
from maru.wire.elastic.json import Json, token_of

if TYPE_CHECKING:
    import tantivy

DEPTH_MAX = 30


def match_all(context: Context, body: Json) -> tantivy.Query:
    """Everything."""
    if not isinstance(body, dict):
        raise parsing("[match_all] query malformed, no start_object after query name")
    options(body, "match_all", ())
    return context.everything(boost_of(body))


def match_none(context: Context, body: Json) -> tantivy.Query:
    """Nothing."""
    return context.nothing()


def bool_query(context: Context, body: Json) -> tantivy.Query:
    """must, filter, should, must_not."""
    import tantivy

    if not isinstance(body, dict):
        raise parsing("[bool] query malformed, no start_object after query name")
    for name in body:
        if name not in (
            "must",
            "filter",
            "should",
            "must_not",
            "mustNot",
            "minimum_should_match",
            "adjust_pure_negative",
            "boost",
            "_name",
        ):
            raise parsing(
                f"unknown field [{name}]"
                if not isinstance(body[name], dict | list)
                else f"[bool] query does not support [{name}]"
            )
    must = [context.compile(one) for one in _many(body.get("must"))]
    filters = [context.compile(one) for one in _many(body.get("filter"))]
    should = [context.compile(one) for one in _many(body.get("should"))]
    unwanted = [context.compile(one) for one in _many(body.get("must_not", body.get("mustNot")))]
    pairs = [(tantivy.Occur.Must, one) for one in must]
    pairs += [(tantivy.Occur.Must, context.constant(one, 0.0)) for one in filters]
    default = None if not pairs else 0
    given = body.get("minimum_should_match", default)
    least = min(least_matching(given, len(should)), len(should) + 1) if should else 0
    if should and least > 0:
        pairs.append((tantivy.Occur.Must, context.either(should, least)))
    else:
        pairs += [(tantivy.Occur.Should, one) for one in should]
    if not any(occur == tantivy.Occur.Must for occur, _ in pairs):
        pairs.append((tantivy.Occur.Must, context.everything(1.0 if not unwanted and not should else 0.0)))
    pairs += [(tantivy.Occur.MustNot, one) for one in unwanted]
    return context.boosted(context.kit.boolean_query(pairs), boost_of(body))


def constant_score(context: Context, body: Json) -> tantivy.Query:
    """One weight for all that match."""
    if not isinstance(body, dict) or "filter" not in body:
        raise parsing("[constant_score] requires a 'filter' element")
    options(body, "constant_score", ("filter",))
    return context.constant(context.compile(body["filter"]), boost_of(body))


def dis_max(context: Context, body: Json) -> tantivy.Query:
    """The best of several."""
    if not isinstance(body, dict) or not body.get("queries"):
        raise parsing("[dis_max] requires 'queries' field with at least one clause")
    options(body, "dis_max", ("queries", "tie_breaker"))
    parts = [context.compile(one) for one in _many(body["queries"])]
    return context.boosted(
        context.kit.disjunction_max_query(parts, float(body.get("tie_breaker", 0.0))), boost_of(body)
    )


def boosting(context: Context, body: Json) -> tantivy.Query:
    """positive, with less weight where negative matches too."""
    if not isinstance(body, dict) or "positive" not in body:
        raise parsing("[boosting] query requires 'positive' query to be set'")
    if "negative" not in body:
        raise parsing("[boosting] query requires 'negative' query to be set'")
    if float(body.get("negative_boost", -1)) < 0:
        raise parsing("[boosting] query requires 'negative_boost' to be set to be a positive value'")
    positive, negative = context.compile(body["positive"]), context.compile(body["negative"])
    low = context.both(context.boosted(positive, float(body["negative_boost"])), context.constant(negative, 0.0))
    high = context.without(positive, negative)
    return context.boosted(context.either([high, low]), boost_of(body))


def nested(context: Context, body: Json) -> tantivy.Query:
    """Documents that have a nested object which matches."""
    if not isinstance(body, dict) or "path" not in body:
        raise (
            parsing("[nested] requires 'path' field")
            if isinstance(body, dict)
            else parsing("[nested] query malformed, no start_object after query name")
        )
    if "query" not in body:
        raise parsing("[nested] requires 'query' field")
    options(body, "nested", ("path", "query", "score_mode", "ignore_unmapped", "inner_hits"))
    path = str(body["path"])
    node = context.mapping.objects.get(path)
    if node is None or node.nested != path:
        if body.get("ignore_unmapped") in (True, "true"):
            return context.nothing()
        reason = (
            f"failed to find nested object under path [{path}]"
            if node is None
            else f"[nested] nested object under path [{path}] is not of nested type"
        )
        raise shard_failure(f"[nested] {reason}" if node is None else reason)
    mode = str(body.get("score_mode", "avg"))
    if mode not in ("avg", "sum", "min", "max", "none"):
        raise illegal(f"illegal score_mode for nested query [{mode}]")
    inner = replace(context, nested=path)
    query = inner.both(inner.compile(body["query"]), inner.constant(inner.term(NESTED, path), 0.0))
    scores: dict[int, list[float]] = {}
    for row in inner.rows(query):
        scores.setdefault(row.seq, []).append(row.score)
    return context.boosted(context.chosen((seq, _joined(found, mode)) for seq, found in scores.items()), boost_of(body))


def nested_rows(context: Context, path: str, query: Json) -> list[Row]:
    """The nested objects that match, for inner hits."""
    inner = replace(context, nested=path)
    return inner.rows(inner.both(inner.compile(query), inner.constant(inner.term(NESTED, path), 0.0)))


def _joined(scores: list[float], mode: str) -> float:
    if mode == "none":
        return 0.0
    if mode in ("sum", "min", "max"):
        return float(sum(scores) if mode == "sum" else min(scores) if mode == "min" else max(scores))
    return sum(scores) / len(scores)


def _many(given: Json) -> list[Json]:
    if given is None:
        return []
    if isinstance(given, list):
        return given
    if not isinstance(given, dict):
        raise parsing(f"[bool] query malformed, expected [START_OBJECT] but found [{token_of(given)}]")
    return [given]


def failed(error: MaruError) -> bool:
    """Whether a shard said so."""
    return bool(error.details.get("facts", {}).get("is_of_shard"))
