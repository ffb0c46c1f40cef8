"""Scores changed by functions of each document.

Source: Elasticsearch reference, "Function score query".
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from maru.components.search.engine.queries.context import Context, boost_of, options, shard_failure
from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import illegal, parsing, unsupported
from maru.components.search.model.mapping.fields import Field, family_of
from maru.components.search.model.mapping.values import distance_m, point
from maru.wire.elastic.dates import DateError, Format
from maru.wire.elastic.dates import math as date_math
from maru.wire.elastic.json import Json, Object, as_text
from maru.wire.elastic.units import duration_s, metres

if TYPE_CHECKING:
    import tantivy


Weigh = Callable[[Row], float]
"""What a function makes of a row."""


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
            "failed to parse [function_score] query. already found [functions] array, now encountering "
            f"[{next(iter(single))}]. did you mean [boost] instead?"
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
        return float(sum(values) if mode == "sum" else min(values) if mode == "min" else max(values))
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


def _function(context: Context, kind: str, function: Object) -> Weigh:
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


_MODIFIERS: Mapping[str, Callable[[float], float]] = {
    "none": lambda value: value,
    "log": math.log10,
    "log1p": lambda value: math.log10(value + 1),
    "log2p": lambda value: math.log10(value + 2),
    "ln": math.log,
    "ln1p": math.log1p,
    "ln2p": lambda value: math.log(value + 2),
    "square": lambda value: value * value,
    "sqrt": math.sqrt,
    "reciprocal": lambda value: 1 / value,
}


def _factor(context: Context, body: Object) -> Weigh:
    known = context.mapping.find(str(body.get("field")))
    if known is None and "missing" not in body:
        raise shard_failure(
            f"Unable to find a field mapper for field [{body.get('field')}]. No 'missing' value defined."
        )
    modifier = _MODIFIERS.get(str(body.get("modifier", "none")).lower())
    if modifier is None:
        enum = "org.elasticsearch.common.lucene.search.function.FieldValueFactorFunction.Modifier"
        raise illegal(f"No enum constant {enum}.{str(body['modifier']).upper()}")

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


def _decay(context: Context, kind: str, body: Object) -> Weigh:
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


def _measures(context: Context, known: Field, params: Object) -> tuple[Callable[[Json], float], float, float]:
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
        middle = float(params["origin"])
        return (lambda one: abs(one - middle)), float(params["scale"]), float(params.get("offset", 0))
    except (ValueError, KeyError, DateError) as error:
        raise shard_failure(
            f"failed to parse the decay function of [{known.path}]: {error}", "illegal_argument_exception"
        ) from error


def script_score(context: Context, body: Json) -> tantivy.Query:
    """Painless is not run here."""
    raise unsupported("the query [script_score]")
