"""Pipeline aggregations: over the buckets that others made.

Scripts are arithmetic and comparisons over parameters; Painless beyond that is refused. Source: Elasticsearch
reference, "Pipeline aggregations".
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence

from maru.components.search.engine.aggregations import metrics, ordering
from maru.components.search.engine.aggregations.tree import Aggregation
from maru.components.search.errors import failure, illegal
from maru.wire.elastic.json import Json, Object, as_text

_SIBLINGS = (
    "avg_bucket",
    "sum_bucket",
    "min_bucket",
    "max_bucket",
    "stats_bucket",
    "extended_stats_bucket",
    "percentiles_bucket",
)


def in_order(found: Sequence[Aggregation]) -> list[Aggregation]:
    """Those that others stand on first."""
    left = list(found)
    ordered: list[Aggregation] = []
    while left:
        names = {one.name for one in left}
        ready = [one for one in left if not _stands_on(one) & (names - {one.name})] or left[:1]
        for one in sorted(ready, key=lambda one: one.kind in ("bucket_selector", "bucket_sort")):
            ordered.append(one)
            left.remove(one)
    return ordered


def _stands_on(one: Aggregation) -> set[str]:
    paths = one.params.get("buckets_path", "")
    given = paths.values() if isinstance(paths, dict) else paths if isinstance(paths, list) else [paths]
    return {re.split(r"[>.\[]", str(path))[0] for path in given}


def run(one: Aggregation, found: Object, tree: Sequence[Aggregation]) -> None:
    """A sibling: its result beside the others. One within a parent is run by `inside` when the parent is there."""
    if one.kind in _SIBLINGS:
        found[one.name] = _sibling(one, found)


def inside(parent: Aggregation, told: Object) -> None:
    """Run the pipelines below `parent` over its buckets, in place."""
    wanted = in_order([one for one in parent.below if one.is_pipeline and one.kind not in _SIBLINGS])
    if not wanted or "buckets" not in told:
        return
    buckets = told["buckets"] if isinstance(told["buckets"], list) else list(told["buckets"].values())
    for one in wanted:
        if one.kind == "bucket_selector":
            kept = [bucket for bucket in buckets if _script(one, bucket)]
            buckets = kept
        elif one.kind == "bucket_sort":
            buckets = _sorted(one, buckets)
        elif one.kind == "bucket_script":
            for bucket in buckets:
                value = _script(one, bucket)
                if value is not None:
                    bucket[one.name] = {"value": float(value)}
        else:
            _series(one, buckets)
    if isinstance(told["buckets"], dict):
        ids = {id(bucket) for bucket in buckets}
        told["buckets"] = {key: bucket for key, bucket in told["buckets"].items() if id(bucket) in ids}
    else:
        told["buckets"] = buckets


def _sibling(one: Aggregation, found: Object) -> Object:
    path = one.params.get("buckets_path")
    if path is None:
        raise illegal(f"Required [buckets_path] for [{one.kind}]")
    path = path[0] if isinstance(path, list) else str(path)
    head, _, tail = path.partition(">")
    head = head.partition("[")[0]
    if head not in found:
        raise failure(
            400, "action_request_validation_exception", f"Validation Failed: 1: No aggregation found for path [{path}];"
        )
    buckets = found[head].get("buckets", [])
    pairs = []
    for bucket in buckets if isinstance(buckets, list) else [{"key": key, **value} for key, value in buckets.items()]:
        value = ordering.metric_at(bucket, tail) if tail else bucket["doc_count"]
        if isinstance(value, int | float) and not (
            bucket["doc_count"] == 0 and one.params.get("gap_policy", "skip") == "skip" and tail not in ("", "_count")
        ):
            pairs.append((bucket.get("key_as_string", as_text(bucket["key"])), float(value)))
    values = [value for _, value in pairs]
    if one.kind == "avg_bucket":
        return {"value": sum(values) / len(values) if values else None}
    if one.kind == "sum_bucket":
        return {"value": float(sum(values))}
    if one.kind in ("min_bucket", "max_bucket"):
        best = (min if one.kind == "min_bucket" else max)(values) if values else None
        return {"value": best, "keys": [key for key, value in pairs if value == best]}
    told = metrics.stats_of(len(values), sum(values), min(values, default=None), max(values, default=None))
    if one.kind == "stats_bucket":
        return told
    if one.kind == "extended_stats_bucket":
        return metrics.extended_of(told, sum(value * value for value in values), float(one.params.get("sigma", 2)))
    ordered = sorted(values)
    percents = [float(percent) for percent in one.params.get("percents", metrics.PERCENTS)]
    shown = {
        as_text(percent): ordered[
            min(
                len(ordered) - 1, max(0, round(percent / 100 * len(ordered)) - 0 if percent < 100 else len(ordered) - 1)
            )
        ]
        if ordered
        else None
        for percent in percents
    }
    return {"values": shown}


def _series(one: Aggregation, buckets: Sequence[Object]) -> None:
    path = str(one.params.get("buckets_path") or "")
    if not path:
        raise illegal(f"Required [buckets_path] for [{one.kind}]")
    values: list[float | None] = []
    for bucket in buckets:
        value = ordering.metric_at(bucket, path)
        is_gap = value is None or (bucket["doc_count"] == 0 and path != "_count")
        values.append((0.0 if one.params.get("gap_policy") == "insert_zeros" else None) if is_gap else float(value))
    for bucket, result in zip(buckets, _SERIES[one.kind](one, values, buckets), strict=True):
        if result is not None:
            bucket[one.name] = result


def _derivative(one: Aggregation, values: Sequence[float | None], buckets: Sequence[Object]) -> list[Object | None]:
    results: list[Object | None] = []
    before: tuple[float, float] | None = None
    unit = one.params.get("unit")
    for value, bucket in zip(values, buckets, strict=True):
        if value is None:
            results.append(None)
            continue
        if before is None:
            results.append(None)
        else:
            told: Object = {"value": value - before[0]}
            if unit:
                from maru.wire.elastic.units import duration_s

                width = {"day": 86400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0, "week": 604800.0}.get(
                    str(unit)
                ) or duration_s(unit)
                told["normalized_value"] = (value - before[0]) / ((float(bucket["key"]) - before[1]) / 1000 / width)
            results.append(told)
        before = (value, float(bucket["key"]) if isinstance(bucket["key"], int | float) else 0.0)
    return results


def _cumulative(one: Aggregation, values: Sequence[float | None], buckets: Sequence[Object]) -> list[Object | None]:
    total = 0.0
    results: list[Object | None] = []
    for value in values:
        total += value or 0.0
        results.append({"value": total})
    return results


def _difference(one: Aggregation, values: Sequence[float | None], buckets: Sequence[Object]) -> list[Object | None]:
    lag = int(one.params.get("lag", 1))
    results: list[Object | None] = []
    for index, value in enumerate(values):
        earlier = values[index - lag] if index >= lag else None
        results.append({"value": value - earlier} if value is not None and earlier is not None else None)
    return results


def _moving(one: Aggregation, values: Sequence[float | None], buckets: Sequence[Object]) -> list[Object | None]:
    if "window" not in one.params and one.kind == "moving_fn":
        raise illegal("Required [window]")
    window, shift = int(one.params.get("window", 5)), int(one.params.get("shift", 0))
    if window <= 0:
        raise illegal("[window] must be a positive, non-zero integer.")
    script = one.params.get("script", "MovingFunctions.unweightedAvg(values)")
    text = str(script.get("source", "") if isinstance(script, dict) else script)
    found = re.search(r"MovingFunctions\.(\w+)\(", text)
    function = _MOVING.get(found[1]) if found else None
    if function is None:
        raise failure(
            400,
            "script_exception",
            f"the script [{text}] is not one of MovingFunctions, others are not supported by Maru",
            is_of_shard=True,
        )
    results: list[Object | None] = []
    known: list[float] = []
    places: list[int] = []
    for value in values:
        places.append(len(known))
        if value is not None:
            known.append(value)
    for place, value in zip(places, values, strict=True):
        if value is None:
            results.append(None)
            continue
        start, end = max(0, place - window + shift), max(0, place + shift)
        part = known[start:end]
        result = function(part)
        results.append({"value": result if not math.isnan(result) else None})
    return results


def _normalized(one: Aggregation, values: Sequence[float | None], buckets: Sequence[Object]) -> list[Object | None]:
    known = [value for value in values if value is not None]
    low, high, total = min(known, default=0.0), max(known, default=0.0), sum(known)
    mean = total / len(known) if known else 0.0
    deviation = math.sqrt(sum((value - mean) ** 2 for value in known) / len(known)) if known else 0.0
    method = str(one.params.get("method", "percent_of_sum"))
    change: Mapping[str, Callable[[float], float]] = {
        "rescale_0_1": lambda value: (value - low) / (high - low or 1),
        "rescale_0_100": lambda value: 100 * (value - low) / (high - low or 1),
        "percent_of_sum": lambda value: value / (total or 1),
        "mean": lambda value: (value - mean) / (high - low or 1),
        "z-score": lambda value: (value - mean) / (deviation or 1),
        "softmax": lambda value: math.exp(value) / sum(math.exp(one) for one in known),
    }
    if method not in change:
        raise illegal(f"invalid method [{method}]")
    return [{"value": change[method](value)} if value is not None else None for value in values]


_SERIES: Mapping[str, Callable[[Aggregation, Sequence[float | None], Sequence[Object]], list[Object | None]]] = {
    "derivative": _derivative,
    "cumulative_sum": _cumulative,
    "serial_diff": _difference,
    "moving_fn": _moving,
    "moving_avg": _moving,
    "normalize": _normalized,
    "cumulative_cardinality": _cumulative,
}


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _linear(values: Sequence[float]) -> float:
    weights = range(1, len(values) + 1)
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / (sum(weights) or 1)


_MOVING: Mapping[str, Callable[[Sequence[float]], float]] = {
    "unweightedAvg": lambda values: sum(values) / len(values) if values else math.nan,
    "max": lambda values: max(values, default=math.nan),
    "min": lambda values: min(values, default=math.nan),
    "sum": lambda values: float(sum(values)),
    "stdDev": lambda values: _deviation(values) if values else math.nan,
    "linearWeightedAvg": lambda values: _linear(values) if values else math.nan,
}


def _sorted(one: Aggregation, buckets: Sequence[Object]) -> list[Object]:
    result = list(buckets)
    given = one.params.get("sort") or []
    for spec in reversed(given if isinstance(given, list) else [given]):
        path, params = next(iter(spec.items())) if isinstance(spec, dict) else (str(spec), "asc")
        order = params.get("order", "asc") if isinstance(params, dict) else params
        if path != "_key":
            result = [bucket for bucket in result if ordering.metric_at(bucket, path) is not None]
        result.sort(
            key=lambda bucket: bucket["key"] if path == "_key" else ordering.metric_at(bucket, path),
            reverse=str(order) == "desc",
        )
    start = int(one.params.get("from", 0))
    return result[start : start + int(one.params["size"])] if "size" in one.params else result[start:]


def _script(one: Aggregation, bucket: Object) -> Json:
    paths = one.params.get("buckets_path") or {}
    if isinstance(paths, str):
        paths = {"_value": paths}
    values = {}
    for name, path in paths.items():
        value = ordering.metric_at(bucket, str(path))
        if value is None or (
            bucket["doc_count"] == 0 and path != "_count" and one.params.get("gap_policy", "skip") == "skip"
        ):
            return None
        values[name] = value
    script = one.params.get("script", "")
    text = str(script.get("source", "") if isinstance(script, dict) else script)
    params = {**(script.get("params") or {} if isinstance(script, dict) else {}), **values}
    return evaluate(text, params)


_OPERATORS: Mapping[type, Callable[..., Json]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}


def evaluate(text: str, params: Object) -> Json:
    """Arithmetic, comparisons, && and ||, Math.*, over params.NAME. Raises script_exception for more."""
    source = text.strip().rstrip(";").removeprefix("return ").replace("&&", " and ").replace("||", " or ")
    source = re.sub(r"!(?!=)", " not ", source)
    try:
        return _value(ast.parse(source, mode="eval").body, params)
    except ZeroDivisionError:
        return math.nan
    except (SyntaxError, KeyError, ValueError, TypeError) as error:
        cause = {"type": "illegal_argument_exception", "reason": f"{error}"}
        raise failure(
            400,
            "script_exception",
            "compile error",
            is_of_shard=True,
            script_stack=[],
            script=text,
            lang="painless",
            caused_by=cause,
        ) from error


def _value(node: ast.expr, params: Object) -> Json:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, params), _value(node.right, params))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.operand, params))
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _OPERATORS:
        return _OPERATORS[type(node.ops[0])](_value(node.left, params), _value(node.comparators[0], params))
    if isinstance(node, ast.BoolOp):
        results = (bool(_value(one, params)) for one in node.values)
        return all(results) if isinstance(node.op, ast.And) else any(results)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "params":
        return params[node.attr]
    if isinstance(node, ast.Name):
        return params[node.id]
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "Math"
    ):
        function = {
            "abs": abs,
            "max": max,
            "min": min,
            "sqrt": math.sqrt,
            "log": math.log,
            "log10": math.log10,
            "pow": pow,
            "round": round,
            "floor": math.floor,
            "ceil": math.ceil,
        }[node.func.attr]
        return function(*(_value(one, params) for one in node.args))  # type: ignore[operator]
    raise ValueError(f"[{ast.unparse(node)}] is not supported by Maru")
