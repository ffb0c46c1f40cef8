"""Moments and durations as Docker's clients write and read them.

`since` and `until` are seconds since 1970 with a fraction, RFC 3339, or a duration back from now
("10m"); durations in bodies are nanoseconds; what people read is "Up 5 minutes".
Source: moby api/types/time, docker/go-units duration.go.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

ZERO = "0001-01-01T00:00:00Z"

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?")


def parse_duration(text: str) -> float:
    """Seconds of "1h30m". Raises ValueError."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'time: invalid duration "{text}"')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def duration_text(seconds: float) -> str:
    """As Go prints one: 1h0m0s, 1.5s, 500ms."""
    nanos = round(seconds * 1e9)
    if nanos < 1_000_000_000:
        count, unit = (nanos / 1e6, "ms") if nanos >= 1_000_000 else (nanos / 1e3, "µs")
        return f"{count:.6f}".rstrip("0").rstrip(".") + unit if nanos else "0s"
    minutes, rest = divmod(nanos, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1e9:.9f}".rstrip("0").rstrip(".") + "s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


def parse_moment(text: str, now: datetime) -> datetime:
    """The moment that a since or an until names. Raises ValueError."""
    if _NUMBER.fullmatch(text):
        seconds, _, fraction = text.partition(".")
        micros = int((fraction + "000000")[:6]) if fraction else 0
        return datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=micros)
    if _LOCAL.fullmatch(text):
        return datetime.fromisoformat(text if "T" not in text or ":" in text else f"{text}:00").replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now - timedelta(seconds=parse_duration(text))
    return moment.astimezone(UTC)


def moment_of(stamp: str) -> datetime | None:
    """A stamp with nanoseconds, to microseconds; None for never."""
    if not stamp or stamp.startswith("0001-"):
        return None
    whole, dot, rest = stamp.partition(".")
    if not dot:
        return datetime.fromisoformat(stamp).astimezone(UTC)
    digits = re.match(r"\d+", rest)
    taken = digits[0] if digits else ""
    return datetime.fromisoformat(f"{whole}.{(taken + '000000')[:6]}{rest[len(taken) :]}").astimezone(UTC)


def nanoseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def human(seconds: float) -> str:
    """How long, as `docker ps` words it."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = whole // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for bound, divisor, word in ((48, 1, "hours"), (336, 24, "days"), (1440, 168, "weeks"), (17520, 720, "months")):
        if hours < bound:
            return f"{hours // divisor} {word}"
    return f"{hours // 8760} years"
