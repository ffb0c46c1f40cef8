"""Ranges: of numbers, dates, addresses, words, and of fields that hold ranges.

Source: Elasticsearch reference, "Range query".
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from maru.components.search.engine.queries.context import (
    CLAUSES_MAX,
    Context,
    boost_of,
    field_of,
    one_field,
    options,
    shard_failure,
    value_of,
)
from maru.components.search.errors import parsing
from maru.components.search.model.mapping.columns import SEQ
from maru.components.search.model.mapping.fields import NUMERIC, Field, family_of
from maru.components.search.model.mapping.parsing import bounds_of_range
from maru.core.errors import MaruError
from maru.wire.elastic.dates import DateError, Format, math, zone_of
from maru.wire.elastic.json import Json, as_text

if TYPE_CHECKING:
    import tantivy


def range_query(context: Context, body: Json) -> tantivy.Query:
    """gt, gte, lt, lte (or from, to), with date math, formats and time zones."""
    name, given = one_field(body, "range")
    if not isinstance(given, dict):
        raise parsing("[range] query malformed, no start_object after query name")
    options(
        given,
        "range",
        ("gt", "gte", "lt", "lte", "from", "to", "include_lower", "include_upper", "format", "time_zone", "relation"),
    )
    low, has_low = (given["gt"], False) if given.get("gt") is not None else (given.get("gte", given.get("from")), True)
    high, has_high = (given["lt"], False) if given.get("lt") is not None else (given.get("lte", given.get("to")), True)
    has_low = has_low and given.get("include_lower", True) is not False
    has_high = has_high and given.get("include_upper", True) is not False
    zone = str(given.get("time_zone", "UTC"))
    query = between(
        context,
        name,
        (low, high, has_low, has_high),
        (str(given.get("format", "")), zone, str(given.get("relation", "intersects"))),
    )
    return context.boosted(query, boost_of(given) * boost_of(body))


def between(
    context: Context,
    name: str,
    bounds: tuple[Json, Json, bool, bool],
    shape: tuple[str, str, str] = ("", "UTC", "intersects"),
) -> tantivy.Query:
    """bounds: low, high (None: open), and whether each belongs to it. shape: format, time zone, relation."""
    low, high, has_low, has_high = bounds
    if name == "_seq_no":
        return context.between(SEQ, low, high, has_low=has_low, has_high=has_high)
    known = field_of(context, name)
    if known is None:
        return context.nothing()
    family = family_of(known.kind)
    if family in ("text", "keyword") or known.kind in ("keyed", "flattened"):
        return _between_words(context, known, bounds)
    must_be_indexed(known)
    if family == "range":
        return _overlaps(context, known, bounds, shape[2])
    if family == "date":
        zone = zone_of(shape[1])
        form = Format(shape[0]) if shape[0] else known.format
        try:
            start = math(as_text(low), context.now, form, round_up=not has_low, zone=zone) if low is not None else None
            end = math(as_text(high), context.now, form, round_up=has_high, zone=zone) if high is not None else None
        except DateError as error:
            raise _bad_date(error) from error
        return context.between(known.column, start, end, has_low=has_low, has_high=has_high)
    if family == "ip":
        first = value_of(known, low) if low is not None else None
        last = value_of(known, high) if high is not None else None
        return context.between(known.column, first, last, has_low=has_low, has_high=has_high)
    if family in {"whole", "unsigned"}:
        return _between_whole(context, known, bounds)
    if family in ("decimal", "boolean"):
        first = value_of(known, low) if low is not None else None
        last = value_of(known, high) if high is not None else None
        return context.between(known.column, first, last, has_low=has_low, has_high=has_high)
    raise shard_failure(
        f"Field [{name}] of type [{known.kind}] does not support range queries", "illegal_argument_exception"
    )


def date_bound(context: Context, known: Field, value: Json, *, round_up: bool = False) -> int:
    """A date or date math as milliseconds. Raises the shard's failure."""
    try:
        return math(as_text(value), context.now, known.format, round_up=round_up)
    except DateError as error:
        raise _bad_date(error) from error


def _between_words(context: Context, known: Field, bounds: tuple[Json, Json, bool, bool]) -> tantivy.Query:
    low, high, has_low, has_high = bounds
    column, mark = known.column, ""
    if known.kind == "keyed":
        column, mark = known.params["column"], f"{known.params['key']}\0"
    first = None if low is None else known.keyed(as_text(low))
    last = None if high is None else known.keyed(as_text(high))

    def keep(text: str) -> bool:
        text = text[len(mark) :]
        above = first is None or text > first or (has_low and text == first)
        return above and (last is None or text < last or (has_high and text == last))

    words = context.expand(column, keep, mark, CLAUSES_MAX * 16)
    return context.terms(column, words)


def _between_whole(context: Context, known: Field, bounds: tuple[Json, Json, bool, bool]) -> tantivy.Query:
    low, high, has_low, has_high = bounds

    def number(value: Json) -> float | int:
        if isinstance(value, str):
            value_of(known, value)
            return int(value) if re.fullmatch(r"[+-]?\d+", value.strip()) else float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise shard_failure(f'failed to create query: For input string: "{as_text(value)}"')
        return value

    least, most = (0, (1 << 64) - 1) if known.kind == "unsigned_long" else (-(1 << 63), (1 << 63) - 1)
    first = last = None
    if low is not None:
        given = number(low)
        first = int(given) if given == int(given) else int(given // 1) + 1
        first += 0 if has_low or given != int(given) else 1
        if first > most:
            return context.nothing()
        first = max(first, least)
    if high is not None:
        given = number(high)
        last = int(given // 1)
        last -= 0 if has_high or given != int(given) else 1
        if last < least:
            return context.nothing()
        last = min(last, most)
    if first is not None and last is not None and first > last:
        return context.nothing()
    return context.between(known.column, first, last)


def contains(context: Context, known: Field, value: Json) -> tantivy.Query:
    """Ranges in the column that hold `value`. Raises shard_failure."""
    try:
        low, high = bounds_of_range(known, {"gte": value, "lte": value})
    except (ValueError, TypeError) as error:
        raise shard_failure(f"failed to create query: {error}") from error
    return context.constant(
        context.both(
            context.between(known.columns[0].name, None, low), context.between(known.columns[1].name, high, None)
        )
    )


def _overlaps(context: Context, known: Field, bounds: tuple[Json, Json, bool, bool], relation: str) -> tantivy.Query:
    low, high, has_low, has_high = bounds
    given = {("gte" if has_low else "gt"): low} if low is not None else {}
    given |= {("lte" if has_high else "lt"): high} if high is not None else {}
    try:
        first, last = bounds_of_range(known, given)
    except (ValueError, TypeError) as error:
        raise shard_failure(f"failed to create query: {error}") from error
    starts, ends = known.columns[0].name, known.columns[1].name
    relation = relation.lower()
    if relation == "within":
        parts = (
            context.between(starts, first, None, has_low=has_low),
            context.between(ends, None, last, has_high=has_high),
        )
    elif relation == "contains":
        parts = (context.between(starts, None, first), context.between(ends, last, None))
    else:
        parts = (
            context.between(starts, None, last, has_high=has_high),
            context.between(ends, first, None, has_low=has_low),
        )
    return context.constant(context.both(*parts))


def in_network(context: Context, known: Field, value: str) -> tantivy.Query:
    """Addresses of a network, as 10.0.0.0/8. Raises shard_failure."""
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise shard_failure(f"failed to create query: '{value}' is not an IP string literal.") from error
    return context.between(known.column, str(network[0]), str(network[-1]))


def is_fraction(value: Json) -> bool:
    """Whether no whole number equals it."""
    if isinstance(value, float):
        return not value.is_integer()
    return isinstance(value, str) and bool(re.fullmatch(r"-?\d+\.\d*[1-9]\d*", value))


def must_be_indexed(known: Field) -> None:
    """Raises shard_failure for a field that nothing is found by."""
    if not known.is_indexed and not (known.kind in NUMERIC and known.has_values):
        raise shard_failure(
            f"failed to create query: Cannot search on field [{known.path}] since it is not indexed.",
            caused_by={
                "type": "illegal_argument_exception",
                "reason": f"Cannot search on field [{known.path}] since it is not indexed.",
            },
        )


def _bad_date(error: DateError) -> MaruError:
    return shard_failure(
        f"{error}", "parse_exception", caused_by={"type": "illegal_argument_exception", "reason": str(error)}
    )
