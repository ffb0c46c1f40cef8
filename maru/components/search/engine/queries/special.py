"""Queries about places, likeness, rank and families.

Source: Elasticsearch reference, "Geo queries", "Specialized queries", "Joining queries", "Span queries",
"Intervals query".
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import TYPE_CHECKING

from maru.components.search.engine.queries.context import Context, boost_of, field_of, one_field, options, shard_failure
from maru.components.search.errors import illegal, parsing
from maru.components.search.model.mapping.columns import ID, column_name
from maru.components.search.model.mapping.extract import values_at
from maru.components.search.model.mapping.fields import Field, family_of
from maru.components.search.model.mapping.values import distance_m, point
from maru.wire.elastic.dates import DateError
from maru.wire.elastic.dates import math as date_math
from maru.wire.elastic.json import BodyError, Json, Object, as_text, decode
from maru.wire.elastic.units import duration_s, metres

if TYPE_CHECKING:
    import tantivy

_DEGREE_M = 111_195.0


def geo_distance(context: Context, body: Json) -> tantivy.Query:
    """Within a distance of a point."""
    known = [
        name
        for name in body
        if name
        not in (
            "distance",
            "distance_type",
            "validation_method",
            "ignore_unmapped",
            "boost",
            "_name",
            "unit",
            "optimize_bbox",
        )
    ]
    if "distance" not in body or len(known) != 1:
        raise parsing("geo_distance requires 'distance' to be specified" if known else "geo_distance requires a field")
    field = _geo(context, known[0], body)
    if field is None:
        return context.nothing()
    try:
        centre, radius = point(body[known[0]]), metres(body["distance"])
    except ValueError as error:
        raise parsing(f"failed to parse geo_distance: {error}") from error
    latitudes = radius / _DEGREE_M
    longitudes = latitudes / max(0.01, math.cos(math.radians(min(89.0, abs(centre[0]) + latitudes))))
    box = _box(
        context, field, (centre[0] + latitudes, centre[1] - longitudes, centre[0] - latitudes, centre[1] + longitudes)
    )
    rows = context.rows(box)
    hits = [(row.seq, 1.0) for row in rows if any(distance_m(centre, one) <= radius for one in row.values(field))]
    return context.boosted(context.chosen(hits), boost_of(body))


def geo_bounding_box(context: Context, body: Json) -> tantivy.Query:
    """Within a box."""
    names = [name for name in body if name not in ("type", "validation_method", "ignore_unmapped", "boost", "_name")]
    if len(names) != 1:
        raise parsing("failed to parse bounding box")
    field = _geo(context, names[0], body)
    if field is None:
        return context.nothing()
    given = body[names[0]]
    try:
        if "top_left" in given:
            (top, left), (bottom, right) = point(given["top_left"]), point(given["bottom_right"])
        elif "top_right" in given:
            (top, right), (bottom, left) = point(given["top_right"]), point(given["bottom_left"])
        else:
            top, left, bottom, right = (float(given[name]) for name in ("top", "left", "bottom", "right"))
    except (ValueError, KeyError) as error:
        raise parsing(f"failed to parse bounding box: {error}") from error
    return context.boosted(_box(context, field, (top, left, bottom, right)), boost_of(body))


def geo_polygon(context: Context, body: Json) -> tantivy.Query:
    """Within a polygon of points."""
    name, given = one_field(
        {key: one for key, one in body.items() if key not in ("validation_method", "ignore_unmapped")}, "geo_polygon"
    )
    field = _geo(context, name, body)
    if field is None:
        return context.nothing()
    corners = [point(one) for one in given.get("points", [])]
    if len(corners) < 3:
        raise illegal("too few points defined for geo_polygon query")
    box = (
        max(c[0] for c in corners),
        min(c[1] for c in corners),
        min(c[0] for c in corners),
        max(c[1] for c in corners),
    )
    rows = context.rows(_box(context, field, box))
    return context.boosted(
        context.chosen((row.seq, 1.0) for row in rows if any(_is_inside(one, corners) for one in row.values(field))),
        boost_of(body),
    )


def more_like_this(context: Context, body: Json) -> tantivy.Query:
    """Documents with the rare words of given ones."""
    if not isinstance(body, dict) or "like" not in body:
        raise parsing("more_like_this requires 'like' to be specified")
    likes = body["like"] if isinstance(body["like"], list) else [body["like"]]
    paths = body.get("fields") or [path for path, known in context.mapping.matching("*") if known.is_text]
    counts: dict[tuple[str, str], int] = {}
    own: list[str] = []
    for like in likes:
        source = (
            like
            if isinstance(like, str)
            else (like.get("doc") or context.other(str(like.get("_index", "")), str(like.get("_id", ""))) or {})
        )
        own += [as_text(like["_id"])] if isinstance(like, dict) and "_id" in like else []
        for path in paths:
            known = context.mapping.find(path)
            if known is None or known.search_analyzer is None:
                continue
            for text in [source] if isinstance(source, str) else values_at(source, known.source):
                for token in known.search_analyzer.tokens(as_text(text)):
                    counts[known.column, token.text] = counts.get((known.column, token.text), 0) + 1
    docs = max(1, int(context.place.searcher.num_docs))
    scored = []
    for (column, word), count in counts.items():
        seen = context.place.searcher.doc_freq(column, word) if context.has(column) else 0
        if count >= int(body.get("min_term_freq", 2)) and seen >= int(body.get("min_doc_freq", 5)) and seen:
            scored.append((count * (1 + math.log(docs / (seen + 1))), column, word))
    best = sorted(scored, reverse=True)[: int(body.get("max_query_terms", 25))]
    from maru.components.search.engine.queries.context import least_matching

    parts = [context.term(column, word) for _, column, word in best]
    query = context.either(parts, max(1, least_matching(body.get("minimum_should_match", "30%"), len(parts))))
    if own and body.get("include") not in (True, "true"):
        query = context.without(query, context.terms(ID, own))
    return context.boosted(query, boost_of(body))


def distance_feature(context: Context, body: Json) -> tantivy.Query:
    """The nearer to an origin, the more."""
    options(body, "distance_feature", ("field", "origin", "pivot"))
    known = context.mapping.find(str(body.get("field")))
    if known is None:
        return context.nothing()
    is_place = family_of(known.kind) == "geo"
    try:
        origin: Json = (
            point(body["origin"]) if is_place else date_math(as_text(body["origin"]), context.now, known.format)
        )
        pivot = metres(body["pivot"]) if is_place else duration_s(body["pivot"]) * 1000
    except (ValueError, KeyError, DateError) as error:
        raise shard_failure(f"failed to parse [distance_feature]: {error}", "illegal_argument_exception") from error
    boost = boost_of(body)
    scores = []
    for row in context.rows(context.root(context.exists(known))):
        away = [distance_m(origin, one) if is_place else abs(one - origin) for one in row.values(known)]
        if away:
            scores.append((row.seq, boost * pivot / (pivot + min(away))))
    return context.chosen(scores)


def rank_feature(context: Context, body: Json) -> tantivy.Query:
    """A number of the document as its weight."""
    options(body, "rank_feature", ("field", "saturation", "log", "sigmoid", "linear"))
    known = context.mapping.find(str(body.get("field")))
    if known is None:
        return context.nothing()
    rows = [row for row in context.rows(context.root(context.exists(known))) if row.values(known)]
    numbers = [float(row.values(known)[0]) for row in rows]
    middle = math.exp(sum(math.log(max(one, 1e-9)) for one in numbers) / len(numbers)) if numbers else 1.0

    def weight(number: float) -> float:
        if "log" in body:
            return math.log(float(body["log"]["scaling_factor"]) + number)
        if "sigmoid" in body:
            pivot, power = float(body["sigmoid"]["pivot"]), float(body["sigmoid"]["exponent"])
            return float(number**power / (number**power + pivot**power))
        if "linear" in body:
            return number
        pivot = float((body.get("saturation") or {}).get("pivot", middle))
        return number / (number + pivot)

    boost = boost_of(body)
    return context.chosen((row.seq, boost * weight(number)) for row, number in zip(rows, numbers, strict=True))


def has_child(context: Context, body: Json) -> tantivy.Query:
    """Parents of children that match."""
    join = _join_field(context, body)
    if join is None:
        return context.nothing()
    inner = context.both(
        context.compile(body["query"]), context.constant(context.term(join.column, str(body.get("type"))), 0.0)
    )
    scores: dict[str, list[float]] = {}
    for row in context.rows(inner):
        for value in values_at(row.source, join.path + ".parent"):
            scores.setdefault(as_text(value), []).append(row.score)
    least, most = int(body.get("min_children", 1)), int(body.get("max_children", 1 << 31))
    mode = str(body.get("score_mode", "none"))
    parts: dict[float, list[str]] = {}
    for parent, found in scores.items():
        if least <= len(found) <= most:
            parts.setdefault(_total(found, mode), []).append(parent)
    return context.boosted(
        context.either([context.constant(context.terms(ID, parents), score) for score, parents in parts.items()]),
        boost_of(body),
    )


def _total(scores: list[float], mode: str) -> float:
    if mode == "none":
        return 1.0
    if mode in ("sum", "min", "max"):
        return float(sum(scores) if mode == "sum" else min(scores) if mode == "min" else max(scores))
    return sum(scores) / len(scores)


def has_parent(context: Context, body: Json) -> tantivy.Query:
    """Children of parents that match."""
    join = _join_field(context, {**body, "type": body.get("parent_type")})
    if join is None:
        return context.nothing()
    inner = context.both(
        context.compile(body["query"]), context.constant(context.term(join.column, str(body.get("parent_type"))), 0.0)
    )
    parents = [row.id for row in context.rows(inner)]
    return context.boosted(context.terms(column_name(f"{join.path}#parent"), parents), boost_of(body))


def parent_id(context: Context, body: Json) -> tantivy.Query:
    """Children of one parent."""
    join = _join_field(context, body)
    if join is None:
        return context.nothing()
    return context.both(
        context.terms(column_name(f"{join.path}#parent"), [as_text(body.get("id"))]),
        context.constant(context.term(join.column, str(body.get("type"))), 0.0),
    )


def pinned(context: Context, body: Json) -> tantivy.Query:
    """Some documents first, then those of a query."""
    ids = [as_text(one) for one in body.get("ids") or [doc.get("_id") for doc in body.get("docs", [])]]
    first = [context.constant(context.terms(ID, [one]), 1.7e38 - index * 1e32) for index, one in enumerate(ids)]
    return context.kit.disjunction_max_query([*first, context.compile(body["organic"])], 0.0)


def wrapper(context: Context, body: Json) -> tantivy.Query:
    """A query in base64."""
    try:
        return context.compile(decode(base64.b64decode(str(body.get("query", "")))))
    except (binascii.Error, BodyError) as error:
        raise parsing(f"[wrapper] query malformed: {error}") from error


def span(context: Context, kind: str, body: Json) -> tantivy.Query:
    """Span queries of terms, as phrases."""
    if kind == "span_term":
        name, given = one_field(body, kind)
        known = field_of(context, name)
        return (
            context.term(
                known.column, as_text(given.get("value", given.get("term")) if isinstance(given, dict) else given)
            )
            if known is not None
            else context.nothing()
        )
    if kind == "span_or":
        return context.either([context.compile(one) for one in body.get("clauses", [])])
    if kind == "span_multi":
        return context.compile(body["match"])
    if kind == "span_not":
        return context.without(context.compile(body["include"]), context.compile(body["exclude"]))
    if kind == "span_first":
        raise shard_failure("[span_first] is not supported by Maru", "illegal_argument_exception")
    if kind in ("span_containing", "span_within"):
        return context.both(context.compile(body["big"]), context.constant(context.compile(body["little"]), 0.0))
    if kind == "field_masking_span":
        return context.compile(body["query"])
    words: list[str | tuple[int, str]] = []
    column = ""
    for clause in body.get("clauses", []):
        if "span_term" not in clause:
            return context.both(*(context.compile(one) for one in body["clauses"]))
        name, given = one_field(clause["span_term"], "span_term")
        known = field_of(context, name)
        column = known.column if known is not None else ""
        words.append(as_text(given.get("value") if isinstance(given, dict) else given))
    if not column or not context.has(column):
        return context.nothing()
    if len(words) < 2:
        return context.term(column, words[0]) if words else context.nothing()
    slop = int(body.get("slop", 0))
    queries = [context.kit.phrase_query(context.schema, column, words, slop)]
    if body.get("in_order", True) in (False, "false"):
        queries.append(context.kit.phrase_query(context.schema, column, words[::-1], slop))
    return context.either(queries)


def intervals(context: Context, body: Json) -> tantivy.Query:
    """Rules over one field: match, prefix, wildcard, any_of, all_of."""
    from maru.components.search.engine.queries import fulltext, terms

    name, rule = one_field(body, "intervals")

    def compiled(one: Object) -> tantivy.Query:
        if "match" in one:
            params = one["match"]
            if params.get("ordered") in (True, "true") or int(params.get("max_gaps", -1)) >= 0:
                return fulltext.phrase_field(
                    context, name, str(params["query"]), {"slop": max(0, int(params.get("max_gaps", 1000)))}
                )
            return fulltext.match_field(context, name, str(params["query"]), {"operator": "and"})
        if "any_of" in one:
            return context.either([compiled(inner) for inner in one["any_of"]["intervals"]])
        if "all_of" in one:
            return context.both(*(compiled(inner) for inner in one["all_of"]["intervals"]))
        for kind, query, key in (
            ("prefix", terms.prefix, "prefix"),
            ("wildcard", terms.wildcard, "pattern"),
            ("fuzzy", terms.fuzzy, "term"),
        ):
            if kind in one:
                return query(context, {name: {"value": one[kind][key]}})
        raise parsing(
            f"Unknown interval type [{next(iter(one), '')}], expecting one of [match, any_of, all_of, prefix, wildcard]"
        )

    return compiled(rule)


def _geo(context: Context, name: str, body: Object) -> Field | None:
    known = context.mapping.find(name)
    if known is None:
        if body.get("ignore_unmapped") in (True, "true"):
            return None
        raise shard_failure(f"failed to find geo field [{name}]")
    if family_of(known.kind) != "geo":
        raise shard_failure(f"field [{name}] is not a geo_point field")
    return known


def _box(context: Context, field: Field, box: tuple[float, float, float, float]) -> tantivy.Query:
    top, left, bottom, right = box
    if top < bottom:
        raise illegal(f"top is below bottom corner: {top} vs. {bottom}")
    high = context.between(field.columns[0].name, bottom, top)
    column = field.columns[1].name
    if left > right:
        wide = context.either([context.between(column, left, None), context.between(column, None, right)])
    else:
        wide = context.between(column, left, right)
    return context.constant(context.both(high, wide))


def _is_inside(one: tuple[float, float], corners: list[tuple[float, float]]) -> bool:
    inside = False
    for (lat1, lon1), (lat2, lon2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (lat1 > one[0]) != (lat2 > one[0]) and one[1] < (lon2 - lon1) * (one[0] - lat1) / (lat2 - lat1) + lon1:
            inside = not inside
    return inside


def _join_field(context: Context, body: Object) -> Field | None:
    for field in context.mapping.fields.values():
        if field.kind == "join":
            return field
    if body.get("ignore_unmapped") in (True, "true"):
        return None
    raise shard_failure("[has_child] no join field has been configured")
