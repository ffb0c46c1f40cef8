"""Compound queries: bool, constant_score, dis_max, boosting, function_score, nested, and what stands alone.

Source: Elasticsearch reference, "Compound queries", "Joining queries", "Function score query".
"""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from maru.components.search.engine.queries.context import Context, boost_of, least_matching, options, shard_failure
from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import illegal, parsing, unsupported
from maru.components.search.model.mapping.columns import NESTED, SEQ
from maru.components.search.model.mapping.fields import Field, family_of
from maru.components.search.model.mapping.values import distance_m, point
from maru.core.errors import MaruError
from maru.wire.elastic.dates import DateError, Format
from maru.wire.elastic.dates import math as date_math
from maru.wire.elastic.json import Json, Object, as_text, token_of
from maru.wire.elastic.units import duration_s, metres

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
        return {"sum": sum, "min": min, "max": max}[mode](scores)
    return sum(scores) / len(scores)


def function_score(context: Context, body: Json) -> tantivy.Query:
    """Scores changed by functions of each document."""
    if not isinstance(body, dict):
        raise parsing("[function_score] query malformed, no start_object after query name")
    functions = body.get("functions")
    single = {name: body[name] for name in _FUNCTIONS if name in body}
    options(
        body,
        "function_score",
        ("query", "functions", "score_mode", "boost_mode", "max_boost", "min_score", *_FUNCTIONS),
    )
    if functions is not None and single and set(single) != {"weight"}:
        raise parsing(
            f"failed to parse [function_score] query. already found [functions] array, now encountering [{next(iter(single))}]. did you mean [boost] instead?"
        )
    wanted: list[Object] = functions if functions is not None else ([single] if single else [])
    base = context.compile(body.get("query", {"match_all": {}}))
    rows = context.rows(context.root(base) if not context.nested else base)
    applied = []
    for function in wanted:
        kind = next((name for name in function if name in _FUNCTIONS and name != "weight"), "weight")
        if kind == "weight" and "weight" not in function:
            raise parsing("failed to parse [function_score] query. an entry in functions list is missing a function.")
        matching = (
            {row.seq for row in context.rows(context.compile(function["filter"]))} if "filter" in function else None
        )
        applied.append((_function(context, kind, function), float(function.get("weight", 1.0)), matching))
    scores = []
    for row in rows:
        factors = [
            (make(row) * weight, weight)
            for make, weight, matching in applied
            if matching is None or row.seq in matching
        ]
        factor = _together(factors, str(body.get("score_mode", "multiply")))
        factor = min(factor, float(body.get("max_boost", 3.4e38)))
        score = (
            _mixed(row.score, factor, str(body.get("boost_mode", "multiply"))) if factors or not applied else row.score
        )
        if score < 0 or math.isnan(score):
            raise illegal(f"function score query returned an invalid score: {as_text(score)} for doc: 0")
        if score >= float(body.get("min_score", -1)):
            scores.append((row.seq, score))
    return context.boosted(context.chosen(scores), boost_of(body))


def _together(factors: list[tuple[float, float]], mode: str) -> float:
    values = [value for value, _ in factors]
    if not values:
        return 1.0
    if mode == "multiply":
        return math.prod(values)
    if mode == "avg":
        return sum(values) / (sum(weight for _, weight in factors) or 1)
    if mode == "first":
        return values[0]
    if mode in ("sum", "min", "max"):
        return {"sum": sum, "min": min, "max": max}[mode](values)
    raise illegal(f"illegal score_mode [{mode}]")


def _mixed(score: float, factor: float, mode: str) -> float:
    if mode == "replace":
        return factor
    if mode == "multiply":
        return score * factor
    if mode == "sum":
        return score + factor
    if mode == "avg":
        return (score + factor) / 2
    if mode in ("min", "max"):
        return {"min": min, "max": max}[mode](score, factor)
    raise illegal(f"illegal boost_mode [{mode}]")


_FUNCTIONS = ("weight", "random_score", "field_value_factor", "gauss", "exp", "linear", "script_score")


def _function(context: Context, kind: str, function: Object):  # type: ignore[no-untyped-def]
    """A function of a row, without its weight."""
    if kind == "weight":
        return lambda row: 1.0
    if kind == "script_score":
        raise unsupported("a script in function_score")
    if kind == "random_score":
        seed = as_text((function[kind] or {}).get("seed", context.now))
        return lambda row: zlib.crc32(f"{seed}:{row.seq}".encode()) / (1 << 32)
    if kind == "field_value_factor":
        return _factor(context, function[kind])
    return _decay(context, kind, function[kind])


_MODIFIERS = {
    "none": lambda value: value, "log": math.log10, "log1p": lambda value: math.log10(value + 1), "log2p": lambda value: math.log10(value + 2),
    "ln": math.log, "ln1p": math.log1p, "ln2p": lambda value: math.log(value + 2), "square": lambda value: value * value, "sqrt": math.sqrt,
    "reciprocal": lambda value: 1 / value,
}  # fmt: skip


def _factor(context: Context, body: Object):  # type: ignore[no-untyped-def]
    known = context.mapping.find(str(body.get("field")))
    if known is None and "missing" not in body:
        raise shard_failure(
            f"Unable to find a field mapper for field [{body.get('field')}]. No 'missing' value defined."
        )
    modifier = _MODIFIERS.get(str(body.get("modifier", "none")).lower())
    if modifier is None:
        raise illegal(
            f"No enum constant org.elasticsearch.common.lucene.search.function.FieldValueFactorFunction.Modifier.{str(body['modifier']).upper()}"
        )

    def value(row: Row) -> float:
        found = row.values(known) if known is not None else []
        if not found and "missing" not in body:
            raise shard_failure(f"Missing value for field [{body['field']}]", "exception")
        number = float(found[0] if found else body["missing"]) * float(body.get("factor", 1))
        try:
            return float(modifier(number))
        except (ValueError, ZeroDivisionError) as error:
            raise shard_failure(
                f"Result of field modification [{body.get('modifier')}({number})] must be a number",
                "illegal_argument_exception",
            ) from error

    return value


def _decay(context: Context, kind: str, body: Object):  # type: ignore[no-untyped-def]
    names = [name for name in body if name != "multi_value_mode"]
    if len(names) != 1:
        raise parsing("malformed score function score parameters")
    params = body[names[0]]
    known = context.mapping.find(names[0])
    if known is None:
        raise parsing(f"unknown field [{names[0]}]")
    if "scale" not in params:
        raise parsing("[scale] must be set")
    distance, scale, offset = _measures(context, known, params)
    decay = float(params.get("decay", 0.5))

    def value(row: Row) -> float:
        found = row.values(known)
        if not found:
            return 1.0
        away = max(0.0, min(distance(one) for one in found) - offset)
        if kind == "gauss":
            return math.exp(-(away**2) / (2 * (-(scale**2) / (2 * math.log(decay)))))
        if kind == "exp":
            return math.exp(math.log(decay) / scale * away)
        edge = scale / (1 - decay)
        return max(0.0, (edge - away) / edge)

    return value


def _measures(context: Context, known: Field, params: Object):  # type: ignore[no-untyped-def]
    """(distance of a value from the origin, scale, offset) in the field's own unit."""
    family = family_of(known.kind)
    try:
        if family == "date":
            origin = date_math(as_text(params.get("origin", "now")), context.now, Format(known.format.spelled))
            return (
                (lambda one: abs(one - origin)),
                duration_s(params["scale"]) * 1000,
                duration_s(params.get("offset", "0ms")) * 1000,
            )
        if family == "geo":
            centre = point(params["origin"])
            return (lambda one: distance_m(centre, one)), metres(params["scale"]), metres(params.get("offset", 0))
        origin = float(params["origin"])
        return (lambda one: abs(one - origin)), float(params["scale"]), float(params.get("offset", 0))
    except (ValueError, KeyError, DateError) as error:
        raise shard_failure(
            f"failed to parse the decay function of [{known.path}]: {error}", "illegal_argument_exception"
        ) from error


def script_score(context: Context, body: Json) -> tantivy.Query:
    """Painless is not run here."""
    raise unsupported("the query [script_score]")


def _many(given: Json) -> list[Json]:
    if given is None:
        return []
    if isinstance(given, list):
        return given
    if not isinstance(given, dict):
        raise parsing(f"[bool] query malformed, expected [START_OBJECT] but found [{token_of(given)}]")
    return [given]


def seq_query(context: Context, seqs: list[int]) -> tantivy.Query:
    """Documents by sequence number."""
    return context.root(context.terms(SEQ, seqs))


def failed(error: MaruError) -> bool:
    """Whether a shard said so."""
    return bool(error.details.get("facts", {}).get("is_of_shard"))
