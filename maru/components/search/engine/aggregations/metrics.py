"""Metric aggregations: one or several numbers from the values of rows.

Source: Elasticsearch reference, "Metrics aggregations".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from maru.components.search.engine.aggregations.tree import Aggregation, Scope, Work, key_text
from maru.components.search.engine.searching.rows import Row
from maru.components.search.engine.searching.sorting import compare, parse_sort, shown, sort_rows
from maru.components.search.errors import illegal
from maru.components.search.model.mapping.extract import filtered
from maru.components.search.model.mapping.fields import Field, family_of
from maru.wire.elastic.json import Json, Object, as_text

PERCENTS = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)


def _numbers(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> tuple[Field | None, list[float]]:
    known = work.field(one, numeric=True)
    missing = one.params.get("missing")
    if missing is not None and known is not None:
        missing = known.scalar(missing)
    name = str(one.params.get("field"))
    return known, [value for row in rows for value in work.values(row, name, scope, missing)]


def value_of(known: Field | None, value: float | None, form: str = "") -> Object:
    """A single value, with its text where it has one."""
    told: Object = {"value": value}
    text = key_text(known, value, form) if value is not None else None
    if text is not None:
        told["value_as_string"] = text
    return told


def stats_of(count: int, total: float, low: float | None, high: float | None, known: Field | None = None) -> Object:
    """The stats of what has been summed up."""
    told: Object = {
        "count": count,
        "min": low,
        "max": high,
        "avg": total / count if count else None,
        "sum": float(total),
    }
    if known is not None and family_of(known.kind) == "date" and count:
        for name in ("min", "max", "avg", "sum"):
            told[f"{name}_as_string"] = key_text(known, told[name])
    return told


def extended_of(told: Object, squares: float, sigma: float) -> Object:
    """Stats with variance and deviation."""
    count = told["count"]
    if not count:
        empty = dict.fromkeys(
            (
                "variance",
                "variance_population",
                "variance_sampling",
                "std_deviation",
                "std_deviation_population",
                "std_deviation_sampling",
            )
        )
        bounds = dict.fromkeys(
            ("upper", "lower", "upper_population", "lower_population", "upper_sampling", "lower_sampling")
        )
        return {**told, "sum_of_squares": None, **empty, "std_deviation_bounds": bounds}
    mean = told["avg"]
    population = max(0.0, (squares - told["sum"] * mean) / count)
    sampling = max(0.0, (squares - told["sum"] * mean) / (count - 1)) if count > 1 else None
    deviation = math.sqrt(population)
    sampled = math.sqrt(sampling) if sampling is not None else None
    return {
        **told,
        "sum_of_squares": squares,
        "variance": population,
        "variance_population": population,
        "variance_sampling": sampling if sampling is not None else "NaN",
        "std_deviation": deviation,
        "std_deviation_population": deviation,
        "std_deviation_sampling": sampled if sampled is not None else "NaN",
        "std_deviation_bounds": {
            "upper": mean + sigma * deviation,
            "lower": mean - sigma * deviation,
            "upper_population": mean + sigma * deviation,
            "lower_population": mean - sigma * deviation,
            "upper_sampling": mean + sigma * sampled if sampled is not None else "NaN",
            "lower_sampling": mean - sigma * sampled if sampled is not None else "NaN",
        },
    }


def _avg(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    known, found = _numbers(work, one, rows, scope)
    return value_of(known, sum(found) / len(found) if found else None, str(one.params.get("format", "")))


def _sum(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    known, found = _numbers(work, one, rows, scope)
    return value_of(
        known if known is None or family_of(known.kind) != "boolean" else None,
        float(math.fsum(found)),
        str(one.params.get("format", "")),
    )


def _min(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    known, found = _numbers(work, one, rows, scope)
    return value_of(known, float(min(found)) if found else None, str(one.params.get("format", "")))


def _max(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    known, found = _numbers(work, one, rows, scope)
    return value_of(known, float(max(found)) if found else None, str(one.params.get("format", "")))


def _stats(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    known, found = _numbers(work, one, rows, scope)
    return stats_of(
        len(found), math.fsum(found), float(min(found)) if found else None, float(max(found)) if found else None, known
    )


def _extended(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    sigma = float(one.params.get("sigma", 2))
    if sigma < 0:
        raise illegal(f"[sigma] must be greater than or equal to 0. Found [{as_text(sigma)}] in [{one.name}]")
    known, found = _numbers(work, one, rows, scope)
    told = stats_of(
        len(found), math.fsum(found), float(min(found)) if found else None, float(max(found)) if found else None, known
    )
    return extended_of(told, math.fsum(value * value for value in found), sigma)


def _count(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    work.field(one)
    name = str(one.params["field"])
    return {"value": sum(len(work.values(row, name, scope, one.params.get("missing"))) for row in rows)}


def _cardinality(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    threshold = one.params.get("precision_threshold", 3000)
    if int(threshold) < 0:
        raise illegal(f"[precision_threshold] must be greater than or equal to 0. Found [{threshold}] in [{one.name}]")
    work.field(one)
    name = str(one.params["field"])
    return {"value": len({value for row in rows for value in work.values(row, name, scope, one.params.get("missing"))})}


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """By interpolation between the nearest ranks, as a t-digest of few values does."""
    if not ordered:
        return None
    place = percent / 100 * len(ordered) - 0.5
    low = math.floor(place)
    if low < 0:
        return float(ordered[0])
    if low >= len(ordered) - 1:
        return float(ordered[-1])
    return float(ordered[low] + (ordered[low + 1] - ordered[low]) * (place - low))


def _percentiles(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    percents = [float(value) for value in one.params.get("percents", PERCENTS)]
    if any(not 0 <= value <= 100 for value in percents):
        bad = next(value for value in percents if not 0 <= value <= 100)
        raise illegal(f"percent must be in [0,100], got [{as_text(bad)}]: [{one.name}]")
    compression = (one.params.get("tdigest") or {}).get("compression", 100)
    if float(compression) < 0:
        raise illegal(f"[compression] must be greater than or equal to 0. Found [{as_text(float(compression))}]")
    known, found = _numbers(work, one, rows, scope)
    return keyed_values(one, known, [(percent, percentile(sorted(found), percent)) for percent in percents])


def keyed_values(one: Aggregation, known: Field | None, pairs: Sequence[tuple[float, float | None]]) -> Object:
    """Values by percent, keyed or in a list."""
    if one.params.get("keyed", True) in (False, "false"):
        return {"values": [{"key": percent, **value_of(known, value)} for percent, value in pairs]}
    values: Object = {}
    for percent, value in pairs:
        values[as_text(float(percent))] = value
        text = key_text(known, value) if value is not None else None
        if text is not None:
            values[f"{as_text(float(percent))}_as_string"] = text
    return {"values": values}


def _ranks(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    _known, found = _numbers(work, one, rows, scope)
    pairs = []
    for value in one.params.get("values", []):
        number = float(value)
        below = sum(entry <= number for entry in found)
        pairs.append((number, below * 100.0 / len(found) if found else None))
    return keyed_values(one, None, pairs)


def _deviation(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    _, found = _numbers(work, one, rows, scope)
    middle = percentile(sorted(found), 50)
    return {"value": percentile(sorted(abs(value - middle) for value in found), 50) if middle is not None else None}


def _boxplot(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    _, found = _numbers(work, one, rows, scope)
    ordered = sorted(found)
    if not ordered:
        return {
            "min": "Infinity",
            "max": "-Infinity",
            "q1": "NaN",
            "q2": "NaN",
            "q3": "NaN",
            "lower": "NaN",
            "upper": "NaN",
        }
    q1, q2, q3 = (percentile(ordered, percent) for percent in (25, 50, 75))
    assert q1 is not None and q3 is not None
    reach = 1.5 * (q3 - q1)
    inside = [value for value in ordered if q1 - reach <= value <= q3 + reach]
    return {
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        "q1": q1,
        "q2": q2,
        "q3": q3,
        "lower": float(inside[0]),
        "upper": float(inside[-1]),
    }


def _weighted(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    value, weight = one.params["value"], one.params["weight"]
    total = weights = 0.0
    for row in rows:
        values = work.values(row, str(value["field"]), scope, value.get("missing"))
        factor = work.values(row, str(weight["field"]), scope, weight.get("missing"))
        if values and factor:
            total += sum(values) * float(factor[0])
            weights += float(factor[0]) * len(values)
    return {"value": total / weights if weights else None}


def _strings(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    work.field(one)
    found = [
        str(value)
        for row in rows
        for value in work.values(row, str(one.params["field"]), scope, one.params.get("missing"))
    ]
    if not found:
        return {"count": 0, "min_length": None, "max_length": None, "avg_length": None, "entropy": 0.0}
    letters: dict[str, int] = {}
    for text in found:
        for letter in text:
            letters[letter] = letters.get(letter, 0) + 1
    total = sum(letters.values())
    entropy = -sum(count / total * math.log2(count / total) for count in letters.values())
    told: Object = {
        "count": len(found),
        "min_length": min(map(len, found)),
        "max_length": max(map(len, found)),
        "avg_length": total / len(found),
        "entropy": entropy,
    }
    if one.params.get("show_distribution"):
        told["distribution"] = {
            letter: count / total for letter, count in sorted(letters.items(), key=lambda pair: -pair[1])
        }
    return told


def _bounds(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    points = [value for row in rows for value in work.values(row, str(one.params.get("field")), scope)]
    if not points:
        return {}
    top, bottom = max(lat for lat, _ in points), min(lat for lat, _ in points)
    left, right = min(lon for _, lon in points), max(lon for _, lon in points)
    return {"bounds": {"top_left": {"lat": top, "lon": left}, "bottom_right": {"lat": bottom, "lon": right}}}


def _centroid(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    points = [value for row in rows for value in work.values(row, str(one.params.get("field")), scope)]
    if not points:
        return {"count": 0}
    count = len(points)
    return {
        "location": {"lat": sum(lat for lat, _ in points) / count, "lon": sum(lon for _, lon in points) / count},
        "count": count,
    }


def _top_hits(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    from maru.components.search.engine.searching.hits import Fetcher
    from maru.components.search.engine.searching.request import parse_request

    body = {name: value for name, value in one.params.items() if name not in ("size", "from")}
    start, size = int(one.params.get("from", 0)), int(one.params.get("size", 3))
    if start + size > 100:
        raise illegal(
            f"Top hits result window is too large, the top hits aggregator [{one.name}]'s from + size must be "
            f"less than or equal to: [100] but was [{start + size}]. This limit can be set by changing the "
            "[index.max_inner_result_window] index level setting."
        )
    request = parse_request({**body, "size": size})
    found = list(rows)
    if request.sort:
        sort_rows(request.sort, found)
    else:
        found.sort(key=lambda row: (-row.score, row.place.order, row.seq))
    page = found[start : start + size]
    top = max((row.score for row in found), default=None) if not request.sort else None
    hits = Fetcher(request, work.contexts, lambda inner, query, row: {}).hits(page)
    if scope.path:
        hits = [
            hit for row, shown_hit in zip(page, hits, strict=True) for hit in _nested_hits(row, shown_hit, scope, body)
        ][:size]
    return {"hits": {"total": {"value": len(found), "relation": "eq"}, "max_score": top, "hits": hits}}


def _nested_hits(row: Row, hit: Object, scope: Scope, body: Object) -> list[Object]:
    from maru.components.search.engine.searching.hits import source_filter

    _, includes, excludes = source_filter(body.get("_source"))
    objects = scope.objects.get((row.place.order, row.seq), [])
    return [
        {**hit, "_nested": {"field": scope.path, "offset": offset}, "_source": filtered(inner, includes, excludes)}
        for offset, inner in enumerate(objects)
    ]


def _top_metrics(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    keys = parse_sort(one.params["sort"])
    found = list(rows)
    sort_rows(keys, found)
    wanted = one.params["metrics"] if isinstance(one.params["metrics"], list) else [one.params["metrics"]]
    top = []
    for row in found[: int(one.params.get("size", 1))]:
        values: Object = {}
        for metric in wanted:
            name = str(metric["field"])
            known = work.find(name)
            given = work.values(row, name, scope)
            values[name] = shown_value(known, given[0]) if given else None
        sort = [shown(key, value, row) for key, value in zip(keys, row.sort, strict=True)]
        known_key = work.find(keys[0].field)
        if known_key is not None and family_of(known_key.kind) == "date" and row.sort[0] is not None:
            sort = [known_key.format.write(row.sort[0])]
        top.append({"sort": sort, "metrics": values})
    return {"top": top}


def shown_value(known: Field | None, value: Json) -> Json:
    """A value as top_metrics shows it."""
    return known.format.write(value) if known is not None and family_of(known.kind) == "date" else value


def _rate(work: Work, one: Aggregation, rows: Sequence[Row], scope: Scope) -> Object:
    if "field" in one.params:
        _, found = _numbers(work, one, rows, scope)
        return {"value": float(len(found) if one.params.get("mode") == "value_count" else math.fsum(found))}
    return {"value": float(len(rows))}


Metric = Callable[[Work, Aggregation, Sequence[Row], Scope], Object]
METRICS: dict[str, Metric] = {
    "avg": _avg,
    "sum": _sum,
    "min": _min,
    "max": _max,
    "stats": _stats,
    "extended_stats": _extended,
    "value_count": _count,
    "cardinality": _cardinality,
    "percentiles": _percentiles,
    "percentile_ranks": _ranks,
    "median_absolute_deviation": _deviation,
    "boxplot": _boxplot,
    "weighted_avg": _weighted,
    "string_stats": _strings,
    "geo_bounds": _bounds,
    "geo_centroid": _centroid,
    "top_hits": _top_hits,
    "top_metrics": _top_metrics,
    "rate": _rate,
}
ORDER = compare
