"""The grids of histograms: numbers, fixed intervals of time, and those of the calendar.

Source: Elasticsearch reference, "Date histogram aggregation", "Histogram aggregation".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from maru.components.search.engine.aggregations.tree import key_text
from maru.components.search.errors import failure, illegal
from maru.components.search.model.mapping.fields import Field, family_of
from maru.wire.elastic.dates import DateError, Format, add, floor, to_millis, to_moment, zone_of
from maru.wire.elastic.json import Json, Object

_CALENDAR = {
    "second": "s",
    "1s": "s",
    "minute": "m",
    "1m": "m",
    "hour": "h",
    "1h": "h",
    "day": "d",
    "1d": "d",
    "week": "w",
    "1w": "w",
    "month": "M",
    "1M": "M",
    "quarter": "q",
    "1q": "q",
    "year": "y",
    "1y": "y",
}
_FIXED = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LADDER = (
    ("1s", 1),
    ("5s", 5),
    ("10s", 10),
    ("30s", 30),
    ("1m", 60),
    ("5m", 300),
    ("10m", 600),
    ("30m", 1800),
    ("1h", 3600),
    ("3h", 10800),
    ("12h", 43200),
    ("1d", 86400),
    ("7d", 604800),
)


@dataclass(frozen=True)
class Grid:
    """floor: the key of a value. after: the next key. width: of a fixed grid in its unit, 0 for the calendar's."""

    floor: Callable[[float], Json]
    after: Callable[[Json], Json]
    width: float
    offset: float
    zone: tzinfo
    is_date: bool
    unit: str = ""

    def head(self, known: Field | None, key: Json, form: str) -> Object:
        """The key of a bucket and its text."""
        if not self.is_date:
            head: Object = {"key": float(key)}
            if form:
                head["key_as_string"] = key_text(known, float(key), form) or str(key)
            return head
        spelled = (
            Format(form)
            if form
            else known.format
            if known is not None and family_of(known.kind) == "date"
            else Format("strict_date_optional_time")
        )
        return {"key_as_string": spelled.write(key, self.zone), "key": key}


def date_grid(params: Object, name: str) -> Grid:
    """calendar_interval or fixed_interval with time_zone and offset. Raises illegal_argument."""
    given = [key for key in ("calendar_interval", "fixed_interval", "interval") if key in params]
    if not given:
        raise illegal("Invalid interval specified, must be non-null and non-empty")
    try:
        zone = zone_of(str(params.get("time_zone", "UTC")))
        offset = _offset(params.get("offset", 0))
    except (DateError, ValueError) as error:
        raise illegal(str(error)) from error
    text = str(params[given[0]])
    unit = _CALENDAR.get(text)
    if given[0] == "calendar_interval" and unit is None:
        raise illegal(f"The supplied interval [{text}] could not be parsed as a calendar interval.")
    if unit is not None and given[0] != "fixed_interval":

        def down(value: float) -> int:
            return to_millis(floor(to_moment(value - offset, zone), unit)) + int(offset)

        def after(key: Json) -> int:
            return to_millis(add(to_moment(key - offset, zone), 1, unit)) + int(offset)

        return Grid(down, after, 0.0, offset, zone, True, unit)
    found = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
    if found is None or int(found[1]) == 0:
        raise illegal(
            f"failed to parse setting [{name}.{given[0].replace('_i', 'I')}] with value [{text}] as a time "
            "value: unit is missing or unrecognized"
            if found is None
            else "Zero or negative time interval not supported"
        )
    width = int(found[1]) * _FIXED[found[2]]

    def fixed(value: float) -> int:
        shift = _shift(value, zone)
        return int((value + shift - offset) // width * width + offset - shift)

    return Grid(fixed, lambda key: key + width, float(width), offset, zone, True)


def _shift(value: float, zone: tzinfo) -> int:
    offset = to_moment(value, zone).utcoffset()
    return int(offset.total_seconds() * 1000) if offset else 0


def _offset(given: Json) -> float:
    if isinstance(given, int | float):
        return float(given)
    found = re.fullmatch(r"([+-]?)(\d+)(ms|s|m|h|d)", str(given))
    if found is None:
        raise ValueError(f"failed to parse offset [{given}]")
    return float(f"{found[1]}{int(found[2]) * _FIXED[found[3]]}")


def number_grid(params: Object, name: str) -> Grid:
    """interval and offset. Raises illegal_argument."""
    width, offset = float(params.get("interval", 0)), float(params.get("offset", 0))
    if width <= 0:
        raise illegal(f"[interval] must be >0 for histogram aggregation [{name}]")
    zone = zone_of("UTC")
    return Grid(
        lambda value: math.floor((value - offset) / width) * width + offset,
        lambda key: key + width,
        width,
        offset,
        zone,
        False,
    )


def filled(keys: Sequence[Json], grid: Grid, params: Object, most: int) -> list[Json]:
    """Keys with those between them, and out to the bounds that were asked for. Raises too_many_buckets_exception."""
    least = int(params.get("min_doc_count", 0))
    bounds = params.get("extended_bounds") or {}
    hard = params.get("hard_bounds") or {}
    low = keys[0] if keys else None
    high = keys[-1] if keys else None
    if bounds and least == 0:
        first, last = (_bound(bounds.get(name), grid, params) for name in ("min", "max"))
        if first is not None and last is not None and first > last:
            raise illegal(
                f"[extended_bounds.min][{bounds.get('min')}] cannot be greater than "
                f"[extended_bounds.max][{bounds.get('max')}] for histogram aggregation "
                f"[{params.get('field')}]"
            )
        if first is not None:
            first = grid.floor(first)
            low = first if low is None else min(low, first)
        if last is not None:
            last = grid.floor(last)
            high = last if high is None else max(high, last)
    if hard:
        first, last = (_bound(hard.get(name), grid, params) for name in ("min", "max"))
        keys = [key for key in keys if (first is None or key >= grid.floor(first)) and (last is None or key < last)]
        low, high = (keys[0], keys[-1]) if keys else (None, None)
    if least > 0 or low is None or high is None:
        return list(keys)
    result = []
    key = low
    while key <= high:
        result.append(key)
        if len(result) > most:
            raise failure(
                400,
                "too_many_buckets_exception",
                (
                    f"Trying to create too many buckets. Must be less than or equal to: [{most}] but was "
                    f"[{len(result)}]. This limit can be set by changing the [search.max_buckets] cluster level "
                    "setting."
                ),
                is_of_shard=True,
                max_buckets=most,
            )
        following = grid.after(key)
        key = grid.floor(following + grid.width / 2) if grid.width and not grid.is_date else following
    known = set(result)
    return sorted(known | set(keys)) if any(one not in known for one in keys) else result


def _bound(value: Json, grid: Grid, params: Object) -> Json:
    if value is None or not grid.is_date or isinstance(value, int | float):
        return value
    form = Format(str(params["format"])) if "format" in params else Format("strict_date_optional_time||epoch_millis")
    try:
        return form.parse(str(value), zone=grid.zone)
    except DateError as error:
        raise illegal(str(error)) from error


def automatic(values: Sequence[float], wanted: int) -> tuple[Object, str]:
    """The finest interval that makes at most `wanted` buckets, as parameters and as a name."""
    if not values:
        return {"fixed_interval": "1s"}, "1s"
    seconds = (max(values) - min(values)) / 1000
    for name, width in _LADDER:
        if seconds / width + 1 <= wanted:
            return ({"calendar_interval": "1d"} if name == "1d" else {"fixed_interval": name}), name
    for name, unit, width in (("1M", "1M", 2_678_400), ("3M", "1q", 8_035_200), ("1y", "1y", 31_622_400)):
        if seconds / width + 1 <= wanted:
            return {"calendar_interval": unit}, name
    return {"calendar_interval": "1y"}, "1y"
