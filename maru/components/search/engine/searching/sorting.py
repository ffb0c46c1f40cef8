"""Sort keys: what a request names, what a row weighs in each, and how rows of several indices are merged.

Source: Elasticsearch reference, "Sort search results".
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.search.engine.queries.context import shard_failure
from maru.components.search.engine.searching.rows import Place, Row
from maru.components.search.errors import illegal, parsing, unsupported
from maru.components.search.model.mapping.fields import Field, family_of
from maru.components.search.model.mapping.mapping import Mapping
from maru.components.search.model.mapping.values import distance_m, point
from maru.wire.elastic.dates import DateError, Format, math
from maru.wire.elastic.json import Json, as_text
from maru.wire.elastic.units import metres

SHARD_BITS = 44
LONG_MAX, LONG_MIN = (1 << 63) - 1, -(1 << 63)


@dataclass(frozen=True, slots=True)
class Key:
    """One sort key. missing: _last, _first or a value. mode: min, max, sum, avg or median; "" for the usual."""

    field: str
    is_descending: bool
    missing: Json = "_last"
    mode: str = ""
    unmapped: str = ""
    format: str = ""
    points: tuple[tuple[float, float], ...] = ()
    unit: str = "m"
    nested: Json = None

    @property
    def is_score(self) -> bool:
        return self.field == "_score"

    @property
    def is_doc(self) -> bool:
        return self.field in ("_doc", "_shard_doc")


def parse_sort(given: Json) -> tuple[Key, ...]:
    """Raises parsing_exception or illegal_argument."""
    keys = []
    for one in given if isinstance(given, list) else [given]:
        if isinstance(one, str):
            name, _, order = one.partition(":")
            keys.append(Key(name, _is_descending(order, name)))
            continue
        if not isinstance(one, dict):
            raise parsing("malformed sort format, within the sort array, an object, or an actual string are allowed")
        for name, params in one.items():
            keys.append(_key(name, params))
    return tuple(keys)


def _key(name: str, params: Json) -> Key:
    if isinstance(params, str):
        return Key(name, _is_descending(params, name))
    if not isinstance(params, dict):
        raise parsing(f"[{name}] malformed sort")
    if name == "_script":
        raise unsupported("sorting by a script")
    if name == "_geo_distance":
        known = ("order", "unit", "mode", "distance_type", "ignore_unmapped", "nested", "validation_method", "reverse")
        field = next((key for key in params if key not in known), "")
        given = params.get(field)
        try:
            many = given if isinstance(given, list) and given and not isinstance(given[0], int | float) else [given]
            points = tuple(point(one) for one in many)
        except ValueError as error:
            raise parsing(str(error)) from error
        return Key(
            field,
            _is_descending(params.get("order", "asc"), name),
            points=points,
            unit=str(params.get("unit", "m")),
            mode=str(params.get("mode", "")),
        )
    for option in params:
        if option not in (
            "order",
            "mode",
            "missing",
            "unmapped_type",
            "nested",
            "numeric_type",
            "format",
            "nested_path",
            "nested_filter",
            "reverse",
        ):
            raise parsing(f"[field_sort] unknown field [{option}]")
    return Key(
        name,
        _is_descending(params.get("order", ""), name),
        params.get("missing", "_last"),
        str(params.get("mode", "")),
        str(params.get("unmapped_type", "")),
        str(params.get("format", "")),
        nested=params.get("nested"),
    )


def _is_descending(order: Json, name: str) -> bool:
    text = str(order).lower()
    if text not in ("", "asc", "desc"):
        raise illegal(f"Unknown SortOrder [{order}]")
    return text == "desc" or (not text and name == "_score")


def field_for(key: Key, mapping: Mapping) -> Field | None:
    """The field of a key; None where it is unmapped and that is allowed. Raises the shard's failure."""
    known = mapping.find(key.field)
    if known is None:
        if key.unmapped:
            return None
        inner = mapping.flattened(key.field)
        if inner is not None:
            return Field(key.field, "keyword", {}, key.field)
        raise shard_failure(f"No mapping found for [{key.field}] in order to sort on")
    check_values(known)
    return known


def check_values(known: Field) -> None:
    """Raises what the server says of fields without values in columns."""
    if known.is_text and known.params.get("fielddata") not in (True, "true"):
        raise shard_failure(
            f"Fielddata is disabled on [{known.path}] in [_doc]. Text fields are not optimised for operations "
            "that require per-document "
            "field data like aggregations and sorting, so these operations are disabled by default. Please "
            "use a keyword field instead. "
            f"Alternatively, set fielddata=true on [{known.path}] in order to load field data by uninverting "
            "the inverted index. Note that this can use "
            "significant memory.",
            "illegal_argument_exception",
        )
    if not known.has_values and not known.is_text:
        raise shard_failure(
            (
                f"Can't load fielddata on [{known.path}] because fielddata is unsupported on fields of type "
                f"[{known.kind}]. Use doc values instead."
            ),
            "illegal_argument_exception",
        )


def weight(key: Key, row: Row, cache: dict[tuple[int, str], Field | None]) -> Json:
    """What the row weighs in a key; None if it has no value."""
    if key.is_score:
        return row.score
    if key.is_doc:
        return row.place.order << SHARD_BITS | row.seq
    if key.field == "_id":
        return row.id
    if key.field == "_index":
        return row.index
    if key.field in ("_seq_no", "_version"):
        return row.seq if key.field == "_seq_no" else row.record.version
    spot = (row.place.order, key.field)
    if spot not in cache:
        cache[spot] = field_for(key, row.place.target.mapping)
    known = cache[spot]
    if known is None:
        return None
    if key.points:
        found = row.values(known)
        away = [distance_m(one, other) for one in found for other in key.points]
        return (
            (max(away) if key.mode == "max" or (key.is_descending and not key.mode) else min(away))
            / metres(f"1{key.unit}")
            if away
            else None
        )
    found = row.values(known)
    if known.is_text and known.analyzer is not None:
        found = [token.text for value in found for token in known.analyzer.tokens(value)]
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    mode = key.mode or ("max" if key.is_descending else "min")
    if mode == "sum":
        return sum(found)
    if mode == "avg":
        return sum(found) / len(found)
    if mode == "median":
        ordered = sorted(found)
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return max(found) if mode == "max" else min(found)


def compare(keys: Sequence[Key], one: Sequence[Json], other: Sequence[Json]) -> int:
    """-1, 0 or 1: which comes first."""
    for key, left, right in zip(keys, one, other, strict=False):
        if left == right:
            continue
        if left is None or right is None:
            is_first = key.missing == "_first"
            return (-1 if is_first else 1) if left is None else (1 if is_first else -1)
        try:
            is_less = left < right
        except TypeError:
            is_less = as_text(left) < as_text(right)
        return -1 if is_less != key.is_descending else 1
    return 0


def sort_rows(keys: Sequence[Key], rows: list[Row]) -> None:
    """Weigh and sort in place; equal rows stay in the order of index and document."""
    cache: dict[tuple[int, str], Field | None] = {}
    filled = [key for key in keys if key.missing not in ("_last", "_first")]
    for row in rows:
        values = [weight(key, row, cache) for key in keys]
        if filled:
            values = [
                _missing(key) if value is None and key in filled else value
                for key, value in zip(keys, values, strict=True)
            ]
        row.sort = tuple(values)

    def order(one: Row, other: Row) -> int:
        first = compare(keys, one.sort, other.sort)
        return first or (-1 if (one.place.order, one.seq) < (other.place.order, other.seq) else 1)

    rows.sort(key=functools.cmp_to_key(order))


def _missing(key: Key) -> Json:
    return key.missing


def after_values(keys: Sequence[Key], given: Json, places: Sequence[Place], now: int) -> tuple[Json, ...]:
    """search_after's values as rows weigh. Raises illegal_argument."""
    if not isinstance(given, list) or not given:
        raise illegal(
            "Values must contains at least one value." if isinstance(given, list) else "[search_after] must be an array"
        )
    if len(given) != len(keys):
        raise illegal(f"search_after has {len(given)} value(s) but sort has {len(keys)}.")
    values: list[Json] = []
    for key, value in zip(keys, given, strict=True):
        known = places[0].target.mapping.find(key.field) if places else None
        if value is None or known is None or key.points:
            if key.is_score or key.is_doc:
                try:
                    values.append(float(value) if key.is_score else int(value))
                except (TypeError, ValueError) as error:
                    raise illegal(f"Failed to parse search_after value for field [{key.field}].") from error
                continue
            values.append(value)
            continue
        if isinstance(value, int) and value in (LONG_MAX, LONG_MIN) and family_of(known.kind) in ("date", "whole"):
            values.append(None)
            continue
        try:
            if family_of(known.kind) == "date" and isinstance(value, str):
                values.append(math(value, now, Format(key.format or known.format.spelled)))
            else:
                values.append(known.scalar(value) if not known.is_text else value)
        except (ValueError, DateError) as error:
            raise illegal(f"Failed to parse search_after value for field [{key.field}].") from error
    return tuple(values)


def shown(key: Key, value: Json, row: Row) -> Json:
    """A sort value as the answer has it."""
    if key.is_score or key.is_doc or key.points:
        return value
    known = row.place.target.mapping.find(key.field)
    family = family_of(known.kind) if known is not None else ""
    if value is None:
        if family in ("date", "whole", "boolean") and key.missing in ("_last", "_first"):
            is_high = (key.missing == "_last") != key.is_descending
            return LONG_MAX if is_high else LONG_MIN
        if family == "decimal":
            return "Infinity" if (key.missing == "_last") != key.is_descending else "-Infinity"
        return None
    if family == "date":
        if key.format:
            return Format(key.format).write(value)
        return value
    return value
