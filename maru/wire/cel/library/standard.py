"""size, conversions, matches, optional values and sets.

Source: cel-spec, doc/langdef.md, "List of Standard Definitions"; cel-go ext (optional, sets).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.functions import Entry, function, method
from maru.wire.cel.library.patterns import search
from maru.wire.cel.library.times import duration_text, parse_duration, parse_timestamp, timestamp_text
from maru.wire.cel.values import NANO, NONE, Duration, Optional, Timestamp, TypeValue, UInt, contains, kind_of, whole


def entries() -> Iterable[Entry]:
    """All of them."""
    for kind in ("string", "bytes", "list<A>", "map<A,B>"):
        yield function("size", kind, "int", len)
        yield method("size", kind, "int", len)
    yield from _conversions()
    yield function("dyn", "A", "dyn", lambda value: value)
    yield function("type", "A", "type", lambda value: TypeValue(kind_of(value)))
    yield method("contains", "string,string", "bool", lambda text, part: part in text)
    yield method("startsWith", "string,string", "bool", str.startswith)
    yield method("endsWith", "string,string", "bool", str.endswith)
    yield method("matches", "string,string", "bool", search)
    yield function("matches", "string,string", "bool", search)
    yield from _optionals()
    yield function("sets.contains", "list<A>,list<A>", "bool", _has_all)
    yield function(
        "sets.equivalent", "list<A>,list<A>", "bool", lambda one, two: _has_all(one, two) and _has_all(two, one)
    )
    yield function(
        "sets.intersects", "list<A>,list<A>", "bool", lambda one, two: any(contains(two, item) for item in one)
    )


def text_of(value: object) -> str:
    """string(value)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Timestamp):
        return timestamp_text(value)
    if isinstance(value, Duration):
        return duration_text(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
    return str(value)


def _conversions() -> Iterable[Entry]:
    for kind in ("string", "int", "uint", "double", "bool", "bytes", "timestamp", "duration"):
        yield function("string", kind, "string", text_of)
    for kind in ("int", "uint", "double", "string"):
        yield function("int", kind, "int", _int)
        yield function("uint", kind, "uint", _uint)
        yield function("double", kind, "double", _double)
    yield function("int", "timestamp", "int", lambda value: value.nanos // NANO)
    yield function("int", "duration", "int", lambda value: value.nanos)
    yield function("bool", "bool", "bool", bool)
    yield function("bool", "string", "bool", _bool)
    yield function("bytes", "string", "bytes", str.encode)
    yield function("bytes", "bytes", "bytes", bytes)
    yield function("timestamp", "string", "timestamp", parse_timestamp)
    yield function("timestamp", "int", "timestamp", lambda value: Timestamp(value * NANO))
    yield function("timestamp", "timestamp", "timestamp", lambda value: value)
    yield function("duration", "string", "duration", parse_duration)
    yield function("duration", "int", "duration", Duration)
    yield function("duration", "duration", "duration", lambda value: value)


def _int(value: float | str) -> int:
    try:
        return whole(int(value))
    except (ValueError, OverflowError):
        raise EvaluationError(f"type conversion error from '{kind_of(value)}' to 'int'") from None


def _uint(value: float | str) -> int:
    try:
        return whole(int(value), "uint")
    except (ValueError, OverflowError):
        raise EvaluationError(f"type conversion error from '{kind_of(value)}' to 'uint'") from None


def _double(value: float | str) -> float:
    try:
        return float(value)
    except ValueError:
        raise EvaluationError("type conversion error from 'string' to 'double'") from None


def _bool(text: str) -> bool:
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise EvaluationError("type conversion error from 'string' to 'bool'")


def _optionals() -> Iterable[Entry]:
    yield function("optional.of", "A", "optional<A>", lambda value: Optional(True, value))
    yield function("optional.none", "", "optional<dyn>", lambda: NONE)
    yield function(
        "optional.ofNonZeroValue", "A", "optional<A>", lambda value: Optional(True, value) if _counts(value) else NONE
    )
    yield method("hasValue", "optional<A>", "bool", lambda held: held.has_value)
    yield method("value", "optional<A>", "A", _value)
    yield method("or", "optional<A>,optional<A>", "optional<A>", lambda held, other: held if held.has_value else other)
    yield method("orValue", "optional<A>,A", "A", lambda held, other: held.value if held.has_value else other)


def _counts(value: object) -> bool:
    if isinstance(value, (Timestamp, Duration)):
        return value.nanos != 0
    return bool(value)


def _value(held: Optional) -> object:
    if not held.has_value:
        raise EvaluationError("optional.none() dereference")
    return held.value


def _has_all(items: Sequence[object], wanted: Sequence[object]) -> bool:
    return all(contains(items, one) for one in wanted)


def as_unsigned(value: int) -> UInt:
    """A number of the API's own as an unsigned one."""
    return UInt(value)
