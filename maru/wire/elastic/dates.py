"""Dates as Elasticsearch reads and writes them: named formats, Java patterns, epochs, and date math.

A date is milliseconds since 1970 in UTC. Parsing fills missing parts with the first moment, or (for the
upper end of a range) with the last one. Source: Elasticsearch reference, "format" and "Date math";
java.time.format.DateTimeFormatter.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT = "strict_date_optional_time||epoch_millis"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NAMED: dict[str, str] = {
    "basic_date": "yyyyMMdd",
    "basic_date_time": "yyyyMMdd'T'HHmmss.SSSZ",
    "basic_date_time_no_millis": "yyyyMMdd'T'HHmmssZ",
    "basic_time": "HHmmss.SSSZ",
    "basic_time_no_millis": "HHmmssZ",
    "basic_ordinal_date": "yyyyDDD",
    "date": "yyyy-MM-dd",
    "date_hour": "yyyy-MM-dd'T'HH",
    "date_hour_minute": "yyyy-MM-dd'T'HH:mm",
    "date_hour_minute_second": "yyyy-MM-dd'T'HH:mm:ss",
    "date_hour_minute_second_millis": "yyyy-MM-dd'T'HH:mm:ss.SSS",
    "date_hour_minute_second_fraction": "yyyy-MM-dd'T'HH:mm:ss.SSS",
    "date_time": "yyyy-MM-dd'T'HH:mm:ss.SSSZZZZZ",
    "date_time_no_millis": "yyyy-MM-dd'T'HH:mm:ssZZZZZ",
    "hour": "HH",
    "hour_minute": "HH:mm",
    "hour_minute_second": "HH:mm:ss",
    "hour_minute_second_millis": "HH:mm:ss.SSS",
    "ordinal_date": "yyyy-DDD",
    "time": "HH:mm:ss.SSSZZZZZ",
    "time_no_millis": "HH:mm:ssZZZZZ",
    "year": "yyyy",
    "year_month": "yyyy-MM",
    "year_month_day": "yyyy-MM-dd",
    "rfc1123": "EEE, dd MMM yyyy HH:mm:ss z",
}
_OPTIONAL = ("date_optional_time", "strict_date_optional_time", "strict_date_optional_time_nanos", "iso8601")
_ISO = re.compile(
    r"(?P<year>[+-]?\d{4,9})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?"
    r"(?:[T](?:(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?)?)?"
    r"(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = (
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PIECE = re.compile(r"'([^']*)'|([A-Za-z])\2*|\[|\]|.", re.DOTALL)


class DateError(ValueError):
    """Text that is no date in the format, or a format that is none."""


@dataclass(frozen=True, slots=True)
class Format:
    """One or more formats separated by ||: the first that fits reads, the first of all writes."""

    spelled: str

    def parse(self, text: str, *, round_up: bool = False, zone: tzinfo = UTC) -> int:
        """Milliseconds. zone: where text without one stands. Raises DateError."""
        for name in self.spelled.split("||"):
            found = _reader(name)(text, round_up, zone)
            if found is not None:
                return found
        raise DateError(f"failed to parse date field [{text}] with format [{self.spelled}]")

    def write(self, millis: float, zone: tzinfo = UTC) -> str:
        """As the first format spells it."""
        return _write(self.spelled.split("||")[0], millis, zone)


def check_format(spelled: str) -> None:
    """Raises DateError for a format that cannot be read."""
    for name in spelled.split("||"):
        _reader(name)


def zone_of(name: str) -> tzinfo:
    """A time zone by offset (+02:00) or name. Raises DateError."""
    if name in ("Z", "UTC", "utc", "GMT"):
        return UTC
    offset = re.fullmatch(r"([+-])(\d{1,2})(?::?(\d{2}))?", name)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DateError(f"Unknown time-zone ID: {name}") from error


def to_moment(millis: float, zone: tzinfo = UTC) -> datetime:
    """The moment in `zone`. Raises DateError out of the years 1 to 9999."""
    try:
        return (EPOCH + timedelta(milliseconds=millis)).astimezone(zone)
    except OverflowError as error:
        raise DateError(f"date [{millis}] is out of range") from error


def to_millis(moment: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def iso(millis: float, zone: tzinfo = UTC) -> str:
    """As strict_date_optional_time writes: 2024-01-02T03:04:05.678Z."""
    moment = to_moment(millis, zone)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.").rjust(20, "0") + f"{moment.microsecond // 1000:03d}"
    return text + _offset(moment)


def math(expression: str, now: int, form: Format, *, round_up: bool = False, zone: tzinfo = UTC) -> int:
    """`now-1d/d`, `2024-01-01||+1M`, or a plain date; milliseconds. Raises DateError."""
    if expression.startswith("now"):
        base, rest = now, expression[3:]
    elif "||" in expression:
        anchor, _, rest = expression.partition("||")
        base = form.parse(anchor, zone=zone)
    else:
        return form.parse(expression, round_up=round_up, zone=zone)
    return _calculate(base, rest, expression, round_up, zone)


def floor(moment: datetime, unit: str) -> datetime:
    """The beginning of the year, quarter, month, week, day, hour, minute or second that `moment` lies in.

    unit: y, q, M, w, d, h (or H), m, s.
    """
    moment = moment.replace(microsecond=0)
    if unit == "s":
        return moment
    moment = moment.replace(second=0)
    if unit == "m":
        return moment
    moment = moment.replace(minute=0)
    if unit in "hH":
        return moment
    moment = moment.replace(hour=0, fold=0)
    if unit == "d":
        return moment
    if unit == "w":
        return moment - timedelta(days=moment.weekday())
    moment = moment.replace(day=1)
    if unit == "M":
        return moment
    if unit == "q":
        return moment.replace(month=(moment.month - 1) // 3 * 3 + 1)
    return moment.replace(month=1)


def add(moment: datetime, amount: int, unit: str) -> datetime:
    """`moment` later by `amount` units of the calendar."""
    if unit in ("y", "M", "q"):
        months = amount * {"y": 12, "q": 3, "M": 1}[unit] + moment.year * 12 + moment.month - 1
        year, month = divmod(months, 12)
        return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))
    if unit in ("d", "w"):
        return moment + timedelta(days=amount * (7 if unit == "w" else 1))
    seconds = {"h": 3600, "H": 3600, "m": 60, "s": 1}[unit] * amount
    return (moment.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(moment.tzinfo)


def _calculate(base: int, rest: str, expression: str, round_up: bool, zone: tzinfo) -> int:
    moment = to_moment(base, zone)
    at = 0
    step = re.compile(r"([+-])(\d*)([yMwdhHmsq])|/([yMwdhHmsq])")
    is_rounded = False
    try:
        while at < len(rest):
            found = step.match(rest, at)
            if found is None:
                raise DateError(f"operator not supported for date math [{rest[at:]}]")
            at = found.end()
            if found[4]:
                moment, is_rounded = floor(moment, found[4]), True
                if round_up:
                    moment = add(moment, 1, found[4]) - timedelta(milliseconds=1)
            else:
                amount = int(found[2] or 1)
                moment = add(moment, -amount if found[1] == "-" else amount, found[3])
    except (OverflowError, ValueError) as error:
        raise DateError(f"failed to parse date field [{expression}]: {error}") from error
    return to_millis(moment) if is_rounded or rest else base


Reader = Callable[[str, bool, tzinfo], "int | None"]


@lru_cache(maxsize=256)
def _reader(name: str) -> Reader:
    plain = name.removeprefix("strict_") if name not in _OPTIONAL else name
    if name in ("epoch_millis", "epoch_second"):
        factor = 1 if name == "epoch_millis" else 1000

        def read_epoch(text: str, round_up: bool, zone: tzinfo) -> int | None:
            return int(float(text) * factor) if re.fullmatch(r"-?\d{1,19}(\.\d+)?", text) else None

        return read_epoch
    if name in _OPTIONAL or plain in _OPTIONAL:
        is_strict = name.startswith("strict")
        return lambda text, round_up, zone: _read_iso(text, round_up, zone, is_strict)
    pattern, groups = _compiled(NAMED.get(plain, NAMED.get(name, name)))

    def read(text: str, round_up: bool, zone: tzinfo) -> int | None:
        found = pattern.fullmatch(text)
        if found is None:
            return None
        parts = {}
        for index, part in enumerate(groups):
            value = found.group(index + 1)
            if value is not None:
                parts[part] = value
        return _assemble(parts, round_up, zone)

    return read


def _read_iso(text: str, round_up: bool, zone: tzinfo, is_strict: bool) -> int | None:
    found = _ISO.match(text)
    if found is None:
        return None
    parts = {name: value for name, value in found.groupdict().items() if value is not None}
    if is_strict and any(
        len(parts[name]) != 2 for name in ("month", "day", "hour", "minute", "second") if name in parts
    ):
        return None
    return _assemble(parts, round_up, zone)


def _assemble(parts: dict[str, str], round_up: bool, zone: tzinfo) -> int | None:
    try:
        year = int(parts.get("year", "1970"))
        if "short_year" in parts:
            year = 2000 + int(parts["short_year"])
        month = _month(parts) or (12 if round_up and "day_of_year" not in parts else 1)
        last = monthrange(year, month)[1] if 1 <= year <= 9999 else 31
        day = int(parts["day"]) if "day" in parts else (last if round_up else 1)
        hour = int(parts["hour"]) if "hour" in parts else (23 if round_up else 0)
        if "half" in parts:
            hour = hour % 12 + (12 if parts["half"].lower() == "pm" else 0)
        minute = int(parts["minute"]) if "minute" in parts else (59 if round_up else 0)
        second = int(parts["second"]) if "second" in parts else (59 if round_up else 0)
        fraction = parts.get("fraction", "999" if round_up else "0")
        micro = int(fraction.ljust(6, "0")[:6])
        if "zone" in parts:
            zone = zone_of(parts["zone"])
        extra = timedelta(0)
        if hour == 24:
            hour, extra = 0, timedelta(days=1)
        moment = datetime(year, month, day, hour, minute, second, micro, tzinfo=zone) + extra
        if "day_of_year" in parts:
            moment += timedelta(days=int(parts["day_of_year"]) - 1)
    except (ValueError, OverflowError):
        return None
    return to_millis(moment)


def _month(parts: dict[str, str]) -> int:
    if "month" in parts:
        return int(parts["month"])
    if "month_name" in parts:
        return _MONTHS.index(parts["month_name"].lower()[:3]) + 1
    return 0


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A Java pattern as an expression, and what its groups mean."""
    out: list[str] = []
    groups: list[str] = []
    for piece in _PIECE.finditer(pattern):
        text = piece.group(0)
        if piece.group(1) is not None:
            out.append(re.escape(piece.group(1)) if piece.group(1) else "'")
        elif text == "[":
            out.append("(?:")
        elif text == "]":
            out.append(")?")
        elif piece.group(2):
            form, part = _letter(text, pattern)
            out.append(form if not part else f"({form})")
            groups += [part] if part else []
        else:
            out.append(re.escape(text))
    return re.compile("".join(out), re.IGNORECASE), tuple(groups)


def _letter(text: str, pattern: str) -> tuple[str, str]:
    letter, count = text[0], len(text)
    if letter in "yuY":
        return (r"\d{2}", "short_year") if count == 2 else (r"[+-]?\d{4,9}", "year")
    if letter in "ML":
        if count >= 3:
            names = _MONTHS if count == 3 else _LONG_MONTHS
            return "|".join(names), "month_name"
        return (r"\d{2}" if count == 2 else r"\d{1,2}"), "month"
    numbers = {"d": "day", "H": "hour", "h": "hour", "k": "hour", "m": "minute", "s": "second"}
    if letter in numbers:
        return (r"\d{2}" if count == 2 else r"\d{1,2}"), numbers[letter]
    if letter in "SAn":
        return (rf"\d{{{count}}}" if count != 3 else r"\d{1,9}"), "fraction"
    if letter == "D":
        return r"\d{1,3}", "day_of_year"
    if letter == "a":
        return "am|pm", "half"
    if letter in "Ee":
        return r"[a-z]+", ""
    if letter in "ZXxVzO":
        return r"Z|[+-]\d{2}:?\d{2}|[+-]\d{2}|[A-Z][A-Za-z_/]+", "zone"
    raise DateError(f"Invalid format: [{pattern}]: Unknown pattern letter: {letter}")


def _write(name: str, millis: float, zone: tzinfo) -> str:
    if name == "epoch_millis":
        return str(int(millis))
    if name == "epoch_second":
        return str(int(millis // 1000)) if millis % 1000 == 0 else str(millis / 1000)
    plain = name.removeprefix("strict_")
    if name in _OPTIONAL or plain in _OPTIONAL:
        return iso(millis, zone)
    moment = to_moment(millis, zone)
    out = []
    for piece in _PIECE.finditer(NAMED.get(plain, name)):
        text = piece.group(0)
        if piece.group(1) is not None:
            out.append(piece.group(1))
        elif piece.group(2):
            out.append(_written(text, moment))
        elif text not in "[]":
            out.append(text)
    return "".join(out)


def _written(text: str, moment: datetime) -> str:
    letter, count = text[0], len(text)
    if letter in "yuY":
        return f"{moment.year % 100:02d}" if count == 2 else f"{moment.year:04d}"
    if letter in "ML" and count >= 3:
        name = _MONTHS[moment.month - 1] if count == 3 else _LONG_MONTHS[moment.month - 1]
        return name.capitalize()
    if letter in "Ee":
        name = _LONG_DAYS[moment.weekday()]
        return name[:3] if count <= 3 else name
    if letter == "S":
        return f"{moment.microsecond:06d}000"[:count]
    if letter == "a":
        return "PM" if moment.hour >= 12 else "AM"
    if letter in "ZXxVzO":
        if letter in "Vz":
            return str(moment.tzinfo)
        return _offset(moment) if letter == "X" or count == 5 else _offset(moment, zulu="+0000").replace(":", "")
    numbers = {
        "M": moment.month,
        "L": moment.month,
        "d": moment.day,
        "H": moment.hour,
        "h": (moment.hour - 1) % 12 + 1,
        "m": moment.minute,
        "s": moment.second,
        "D": moment.timetuple().tm_yday,
        "k": moment.hour or 24,
    }
    return f"{numbers.get(letter, 0):0{count}d}"


def _offset(moment: datetime, zulu: str = "Z") -> str:
    offset = moment.utcoffset()
    if not offset:
        return zulu
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
