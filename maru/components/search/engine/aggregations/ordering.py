"""The order of buckets, and which terms are included. Source: Elasticsearch reference, "Terms aggregation", "Order"."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence

from maru.components.search.engine.queries.terms import lucene_expression
from maru.components.search.errors import failure, parsing
from maru.wire.elastic.json import Json, Object, as_text

Order = tuple[str, bool]
"""(what, descending); what is _count, _key or a path to a metric."""


def parse_order(given: Json) -> tuple[Order, ...]:
    """By count and then key, where nothing is said. Raises parsing_exception."""
    if given is None:
        return (("_count", True), ("_key", False))
    orders = []
    for one in given if isinstance(given, list) else [given]:
        if not isinstance(one, dict) or len(one) != 1:
            raise parsing("Must specify at least one field for [order]")
        name, way = next(iter(one.items()))
        if str(way).lower() not in ("asc", "desc"):
            raise parsing(f"Unknown order direction [{way}]")
        orders.append(("_key" if name in ("_term", "_time") else str(name), str(way).lower() == "desc"))
    if not any(name == "_key" for name, _ in orders):
        orders.append(("_key", False))
    return tuple(orders)


def needs_below(orders: Sequence[Order]) -> bool:
    """Whether what is below a bucket decides."""
    return any(name not in ("_count", "_key") for name, _ in orders)


def sort(buckets: list[Object], orders: Sequence[Order]) -> None:
    """In place."""
    for name, is_descending in reversed(orders):
        buckets.sort(key=lambda bucket: _weight(bucket, name), reverse=is_descending)


def _weight(bucket: Object, name: str) -> tuple[int, float, str]:
    if name == "_count":
        return 0, float(bucket["doc_count"]), ""
    value = bucket["key"] if name == "_key" else metric_at(bucket, name)
    if isinstance(value, list):
        return 1, 0.0, "\0".join(as_text(one) for one in value)
    if value is None:
        return -1, 0.0, ""
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, as_text(value))


def metric_at(bucket: Object, path: str) -> Json:
    """The number at a path such as stats.avg, histo>sum or percentiles[95]. Raises aggregation_execution_exception."""
    level: Json = bucket
    if path == "_count":
        return bucket["doc_count"]
    parts = path.split(">")
    for index, part in enumerate(parts):
        name, key = part, ""
        found = re.fullmatch(r"(.+?)\[(.+)\]", part)
        if found:
            name, key = found[1], found[2].strip("'\"")
        elif part not in level and "." in part:
            name, _, key = part.partition(".")
        if name == "_count":
            return level["doc_count"]
        if name not in level:
            raise failure(
                400,
                "illegal_argument_exception",
                (
                    f"Invalid aggregation order path [{path}]. The provided aggregation [{name}] either does not "
                    "exist, or is a pipeline aggregation and cannot be used to sort the buckets."
                ),
                is_of_shard=True,
            )
        level = level[name]
        if index == len(parts) - 1:
            return _number(level, key)
        if key:
            level = (
                level["buckets"][key]
                if isinstance(level.get("buckets"), dict)
                else next((one for one in level["buckets"] if as_text(one["key"]) == key), {})
            )
    return None


def _number(told: Object, key: str) -> Json:
    if not key or key == "value":
        return told.get("value", told.get("doc_count"))
    if key in told:
        return told[key]
    values = told.get("values", {})
    if isinstance(values, dict):
        return values.get(key, values.get(as_text(float(key)) if re.fullmatch(r"[\d.]+", key) else key))
    return next((one["value"] for one in values if float(one["key"]) == float(key)), None)


def inclusion(params: Object) -> Callable[[Json], bool]:
    """include and exclude: expressions, lists or partitions."""
    include, exclude = params.get("include"), params.get("exclude")
    if include is None and exclude is None:
        return lambda key: True
    if isinstance(include, dict):
        number, count = int(include["partition"]), int(include["num_partitions"])
        return lambda key: zlib.crc32(as_text(key).encode()) % count == number

    def fits(spec: Json, key: Json) -> bool:
        if isinstance(spec, list):
            return as_text(key) in {as_text(one) for one in spec} or key in spec
        return re.fullmatch(lucene_expression(str(spec)).replace("(?s:.)", "."), as_text(key)) is not None

    return lambda key: (include is None or fits(include, key)) and not (exclude is not None and fits(exclude, key))
