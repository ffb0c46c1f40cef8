"""Spans of range aggregations, and the sources of composite ones.

Source: Elasticsearch reference, "Range aggregation", "Date range aggregation", "Composite aggregation".
"""

from __future__ import annotations

import functools
import ipaddress
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maru.components.search.engine.aggregations import intervals
from maru.components.search.engine.aggregations.tree import Aggregation, Scope, Work, key_text
from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import failure, illegal, parsing
from maru.components.search.model.mapping.fields import Field, family_of
from maru.components.search.model.mapping.values import distance_m, point
from maru.wire.elastic.dates import DateError, Format, zone_of
from maru.wire.elastic.dates import math as date_math
from maru.wire.elastic.json import Json, Object, as_text
from maru.wire.elastic.units import metres


@dataclass(frozen=True)
class Span:
    """From (in it) to (not in it)."""

    low: Json
    high: Json
    head: Object
    is_address: bool = False

    def holds(self, value: Json) -> bool:
        """Whether the value lies in it."""
        if self.is_address:
            value = int(ipaddress.ip_address(value))
        return (self.low is None or value >= self.low) and (self.high is None or value < self.high)


def spans_of(work: Work, one: Aggregation, known: Field | None) -> list[Span]:
    """The spans of a range aggregation, in order. Raises parsing_exception or illegal_argument."""
    given = one.params.get("ranges")
    if not given:
        raise illegal(f"No [ranges] specified for the [{one.name}] aggregation")
    if one.kind == "ip_range":
        return [_address_span(spec) for spec in given]
    is_date = one.kind == "date_range" or (known is not None and family_of(known.kind) == "date")
    spans = [
        _date_span(work, one, known, spec) if is_date else _number_span(spec, str(one.params.get("format", "")))
        for spec in given
    ]
    return sorted(
        spans,
        key=lambda span: (-math.inf if span.low is None else span.low, math.inf if span.high is None else span.high),
    )


def _number_span(spec: Object, form: str) -> Span:
    for name in spec:
        if name not in ("from", "to", "key", "mask"):
            raise parsing(f"[range] unknown field [{name}]")
    low = float(spec["from"]) if spec.get("from") is not None else None
    high = float(spec["to"]) if spec.get("to") is not None else None
    ends = ["*" if end is None else key_text(_ANY, end, form) or as_text(end) for end in (low, high)]
    text = "-".join(ends)
    head: Object = {"key": str(spec.get("key", text))}
    for name, value in (("from", low), ("to", high)):
        if value is not None:
            head[name] = value
            if form:
                head[f"{name}_as_string"] = key_text(_ANY, value, form)
    return Span(low, high, head)


_ANY = Field("", "double", {}, "")


def _date_span(work: Work, one: Aggregation, known: Field | None, spec: Object) -> Span:
    form = (
        Format(str(one.params["format"]))
        if "format" in one.params
        else known.format
        if known is not None
        else Format("strict_date_optional_time||epoch_millis")
    )
    zone = zone_of(str(one.params.get("time_zone", "UTC")))
    now = work.contexts[0].now if work.contexts else 0

    def read(value: Json) -> int | None:
        if value is None:
            return None
        try:
            return date_math(as_text(value), now, form, zone=zone) if not isinstance(value, int | float) else int(value)
        except DateError as error:
            cause = {"type": "illegal_argument_exception", "reason": str(error)}
            raise failure(400, "parse_exception", f"{error}: [{error}]", is_of_shard=True, caused_by=cause) from error

    low, high = read(spec.get("from")), read(spec.get("to"))
    texts = [form.write(value, zone) if value is not None else "*" for value in (low, high)]
    head: Object = {"key": str(spec.get("key", "-".join(texts)))}
    if low is not None:
        head |= {"from": float(low), "from_as_string": texts[0]}
    if high is not None:
        head |= {"to": float(high), "to_as_string": texts[1]}
    return Span(low, high, head)


def _address_span(spec: Object) -> Span:
    try:
        if "mask" in spec:
            network = ipaddress.ip_network(str(spec["mask"]), strict=False)
            low, high = network[0], network[-1] + 1
            return Span(
                int(low),
                int(high),
                {"key": str(spec.get("key", spec["mask"])), "from": str(low), "to": str(high)},
                True,
            )
        ends = {name: ipaddress.ip_address(str(spec[name])) for name in ("from", "to") if spec.get(name) is not None}
    except ValueError as error:
        raise illegal(f"{error}") from error
    key = spec.get("key", f"{ends.get('from', '*')}-{ends.get('to', '*')}")
    head = {"key": str(key), **{name: str(value) for name, value in ends.items()}}
    return Span(int(ends["from"]) if "from" in ends else None, int(ends["to"]) if "to" in ends else None, head, True)


def distance_of(one: Aggregation) -> Callable[[tuple[float, float]], float]:
    """The distance of a point from the origin, in the unit of the ranges."""
    try:
        origin, unit = point(one.params["origin"]), metres(f"1{one.params.get('unit', 'm')}")
    except (KeyError, ValueError) as error:
        raise parsing(f"failed to parse origin: {error}") from error
    return lambda where: distance_m(origin, where) / unit


def tile(latitude: float, longitude: float, zoom: int) -> str:
    """The map tile zoom/x/y that a point lies in."""
    count = 1 << zoom
    x = int((longitude + 180) / 360 * count)
    clipped = math.radians(max(-85.0511, min(85.0511, latitude)))
    y = int((1 - math.log(math.tan(clipped) + 1 / math.cos(clipped)) / math.pi) / 2 * count)
    return f"{zoom}/{min(x, count - 1)}/{min(y, count - 1)}"


@dataclass(frozen=True)
class Source:
    """One source of a composite aggregation."""

    name: str
    values: Callable[[Row, Scope], Sequence[Json]]
    shown: Callable[[Json], Json]
    read: Callable[[Json], Json]
    is_descending: bool
    is_missing_last: bool


def composite_source(work: Work, name: str, spec: Object) -> Source:
    """Raises parsing_exception for a kind there is not."""
    kind, params = next(iter(spec.items()))
    if kind not in ("terms", "histogram", "date_histogram", "geotile_grid"):
        raise parsing(f"invalid source type: {kind}")
    known = work.field(Aggregation(name, kind, params))
    field = str(params["field"])
    keeps = params.get("missing_bucket") in (True, "true")
    is_descending = str(params.get("order", "asc")).lower() == "desc"
    grid = None
    if kind == "date_histogram":
        grid = intervals.date_grid(params, name)
    elif kind == "histogram":
        grid = intervals.number_grid(params, name)

    def values(row: Row, scope: Scope) -> Sequence[Json]:
        found = work.values(row, field, scope)
        if kind == "geotile_grid":
            found = [tile(lat, lon, int(params.get("precision", 7))) for lat, lon in found]
        elif grid is not None:
            found = [grid.floor(value) for value in found]
        return list(dict.fromkeys(found)) or ([None] if keeps else [])

    form = str(params.get("format", ""))
    is_date = kind == "date_histogram" or (known is not None and family_of(known.kind) == "date")

    def shown(value: Json) -> Json:
        if value is None:
            return None
        if is_date and form:
            return Format(form).write(value, grid.zone if grid is not None else zone_of("UTC"))
        if kind == "histogram":
            return float(value)
        return bool(value) if known is not None and known.kind == "boolean" else value

    def read(value: Json) -> Json:
        if value is None:
            return None
        try:
            if is_date and isinstance(value, str):
                spelled = (
                    Format(form) if form else known.format if known is not None else Format("strict_date_optional_time")
                )
                return spelled.parse(value)
            return known.scalar(value) if known is not None and kind == "terms" else value
        except ValueError as error:
            raise illegal(f"{error}") from error

    return Source(name, values, shown, read, is_descending, params.get("missing_order") == "last")


def composite_order(parts: Sequence[Source]) -> Callable[[tuple[Json, ...]], Json]:
    """A key function: each source in its own order, missing ones first in ascending order."""

    def compare(one: tuple[Json, ...], other: tuple[Json, ...]) -> int:
        for part, left, right in zip(parts, one, other, strict=True):
            if left == right:
                continue
            if left is None or right is None:
                sign = -1 if left is None else 1
                return -sign if part.is_missing_last or part.is_descending else sign
            sign = -1 if left < right else 1
            return -sign if part.is_descending else sign
        return 0

    return functools.cmp_to_key(compare)
