"""Timestamps and durations: how they are written and what can be asked of them.

Source: cel-spec, doc/langdef.md, "Timestamps", "Durations"; RFC 3339; Go's time.ParseDuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.functions import Entry, method
from maru.wire.cel.values import NANO, Duration, Timestamp, whole

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)")
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": NANO, "m": 60 * NANO, "h": 3600 * NANO}


def parse_timestamp(text: str) -> Timestamp:
    """From RFC 3339. Raises EvaluationError."""
    match = _STAMP.fullmatch(text)
    if match is None:
        raise EvaluationError(f'invalid timestamp: "{text}"')
    day, time, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        raise EvaluationError(f'invalid timestamp: "{text}"') from None
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1))
    return Timestamp(seconds * NANO + int((fraction or "").ljust(9, "0")))


def parse_duration(text: str) -> Duration:
    """From 1h30m, 1.5s, -3ms. Raises EvaluationError."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return Duration(0)
    nanos, place = 0, 0
    while place < len(body):
        match = _PART.match(body, place)
        if match is None:
            break
        whole_part, _, fraction = match[1].partition(".")
        unit = _UNITS[match[2]]
        nanos += int(whole_part or "0") * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        place = match.end()
    if not body or place < len(body):
        raise EvaluationError(f'time: invalid duration "{text}"')
    return Duration(whole(-nanos if text[0] == "-" else nanos))


def timestamp_text(value: Timestamp) -> str:
    """As RFC 3339 in UTC."""
    shown = value.at().strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{value.nanos % NANO:09d}".rstrip("0")
    return f"{shown}.{fraction}Z" if fraction else f"{shown}Z"


def duration_text(value: Duration) -> str:
    """In seconds: 90s, 1.5s."""
    sign = "-" if value.nanos < 0 else ""
    seconds, nanos = divmod(abs(value.nanos), NANO)
    fraction = f"{nanos:09d}".rstrip("0")
    return f"{sign}{seconds}.{fraction}s" if fraction else f"{sign}{seconds}s"


def entries() -> Iterable[Entry]:
    """The getters."""
    parts: dict[str, Callable[[datetime], int]] = {
        "getFullYear": lambda one: one.year,
        "getMonth": lambda one: one.month - 1,
        "getDate": lambda one: one.day,
        "getDayOfMonth": lambda one: one.day - 1,
        "getDayOfWeek": lambda one: one.isoweekday() % 7,
        "getDayOfYear": lambda one: one.timetuple().tm_yday - 1,
        "getHours": lambda one: one.hour,
        "getMinutes": lambda one: one.minute,
        "getSeconds": lambda one: one.second,
        "getMilliseconds": lambda one: one.microsecond // 1000,
    }
    for name, part in parts.items():
        yield method(name, "timestamp", "int", _getter(part))
        yield method(name, "timestamp,string", "int", _getter(part))
    spans = {"getHours": 3600 * NANO, "getMinutes": 60 * NANO, "getSeconds": NANO, "getMilliseconds": 1_000_000}
    for name, unit in spans.items():
        yield method(name, "duration", "int", _spans(unit))


def _getter(part: Callable[[datetime], int]) -> Callable[..., int]:
    return lambda value, zone="UTC": part(value.at(_zone(zone)))


def _spans(unit: int) -> Callable[[Duration], int]:
    return lambda value: abs(value.nanos) // unit * (-1 if value.nanos < 0 else 1)


def _zone(text: str) -> tzinfo:
    match = re.fullmatch(r"([+-]?)(\d\d):(\d\d)", text)
    if match is not None:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    if text == "UTC":
        return UTC
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {text}") from None
