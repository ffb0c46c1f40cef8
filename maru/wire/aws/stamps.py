"""Timestamps in the three forms of the AWS protocols: iso8601, rfc822 (http-date) and unixTimestamp.

Source: Smithy specification, "timestampFormat trait".
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from maru.wire.aws.faults import unreadable

ISO, HTTP, UNIX = "iso8601", "rfc822", "unixTimestamp"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def iso(moment: datetime, *, has_millis: bool = False) -> str:
    """2026-01-02T03:04:05Z, with thousandths where the service sends them."""
    utc = moment.astimezone(UTC)
    if has_millis:
        return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
    return f"{utc:%Y-%m-%dT%H:%M:%SZ}"


def http_date(moment: datetime) -> str:
    """Fri, 02 Jan 2026 03:04:05 GMT."""
    utc = moment.astimezone(UTC)
    return f"{_DAYS[utc.weekday()]}, {utc.day:02d} {_MONTHS[utc.month - 1]} {utc:%Y %H:%M:%S} GMT"


def unix(moment: datetime) -> float | int:
    """Seconds since 1970 to the thousandth; whole where it is."""
    seconds = round(moment.timestamp(), 3)
    return int(seconds) if seconds == int(seconds) else seconds


def written(moment: datetime, form: str, *, has_millis: bool = False) -> str:
    """As text in the form."""
    if form == HTTP:
        return http_date(moment)
    if form == UNIX:
        return str(unix(moment))
    return iso(moment, has_millis=has_millis)


def parse(value: object) -> datetime:
    """A moment from a number of seconds or text in any of the forms, in UTC. Raises Fault."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _of_seconds(float(value))
    if isinstance(value, str):
        text = value.strip()
        try:
            return _of_seconds(float(text))
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except ValueError:
            pass
        try:
            return parsedate_to_datetime(text).astimezone(UTC)
        except (ValueError, TypeError):
            pass
    raise unreadable(f"{value!r} is not a timestamp")


def _of_seconds(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise unreadable(f"{seconds!r} is not a timestamp") from error
