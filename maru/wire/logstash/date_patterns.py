"""Date patterns of Joda-Time, as the date filter and `%{+...}` have them: read, and written.

A pattern becomes a list of fields. Writing is direct; for reading it becomes one regular expression
whose groups are turned into a moment; names of months and days are of the pattern's language. ISO8601, UNIX and
UNIX_MS are names of the date filter, not patterns, and stand there.
Source: Joda-Time, DateTimeFormat (pattern letters); Logstash reference, "Date filter plugin".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from maru.wire.logstash.calendar_names import CALENDARS, Calendar

KEPT = 1_000  # compiled patterns kept

ENGLISH = "en"
MONTHS, DAYS = CALENDARS[ENGLISH].months, CALENDARS[ENGLISH].days
_PIECE = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
_FRACTION_DIGITS_MAX = 9
_PIVOT_BACK, _CENTURY = 50, 100  # a year of two digits lies from 50 years ago to 49 years on


class BadPattern(ValueError):
    """The pattern has a letter that Joda does not know; or the text does not fit it."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """letter: of a field, "" for literal text. count: how often it stands, or the literal."""

    letter: str
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class DatePattern:
    """A compiled pattern; see `compile_pattern`."""

    pattern: str
    _pieces: tuple[_Piece, ...]
    _reader: re.Pattern[str]
    _calendar: Calendar

    def write(self, moment: datetime) -> str:
        """The text of an aware moment, in its own zone."""
        return "".join(_written(piece, moment) for piece in self._pieces)

    def read(self, text: str, zone: tzinfo, now: datetime) -> datetime:
        """The moment that `text` says, in UTC; `zone` where the text has none, the year of `now` where it has no year.

        Raises BadPattern.
        """
        match = self._reader.fullmatch(text)
        if match is None:
            raise BadPattern(f'Invalid format: "{text}"')
        fields: dict[str, str] = {}
        for name, value in match.groupdict().items():
            if value is not None:
                fields[name[0]] = value
        if "M" in fields and not fields["M"].isdigit():
            fields["M"] = str(_month_number(fields["M"], self._calendar))
        return _moment(fields, zone, now, text)


@lru_cache(maxsize=KEPT)
def compile_pattern(pattern: str, language: str = ENGLISH) -> DatePattern:
    """language: of the names in it, one of CALENDARS. Raises BadPattern."""
    calendar = CALENDARS[language]
    pieces: list[_Piece] = []
    position = 0
    for match in _PIECE.finditer(pattern):
        if match.start() != position:
            raise BadPattern(f"Illegal pattern: {pattern}")
        position = match.end()
        if match[2] is None:
            text = match[0] if match[1] is None else match[1].replace("''", "'") or "'"
            pieces.append(_Piece("", 0, text))
        elif match[2] in _READERS:
            pieces.append(_Piece(match[2], len(match[0]), match[0]))
        else:
            raise BadPattern(f"Illegal pattern component: {match[2]}")
    if position != len(pattern):
        raise BadPattern(f"Illegal pattern: {pattern}")
    return DatePattern(pattern, tuple(pieces), _reader(pieces, calendar), calendar)


def _reader(pieces: list[_Piece], calendar: Calendar) -> re.Pattern[str]:
    parts: list[str] = []
    for index, piece in enumerate(pieces):
        if not piece.letter:
            parts.append(re.escape(piece.text))
            continue
        is_tight = index + 1 < len(pieces) and pieces[index + 1].letter not in ("", "Z", "z")
        reads = _READERS[piece.letter](piece.count, is_tight)
        if piece.letter == "E":
            reads = _names(calendar.days, calendar.short_days)
        elif piece.letter == "M" and piece.count >= 3:
            reads = _names(calendar.months, calendar.short_months)
        parts.append(f"(?P<{piece.letter}{index}>{reads})")
    return re.compile("".join(parts), re.IGNORECASE)


def _digits(count: int, is_tight: bool) -> str:
    return rf"\d{{{count}}}" if is_tight else rf"\d{{1,{max(count, 2)}}}"


def _year(count: int, is_tight: bool) -> str:
    if count == 2:
        return r"\d{2}"
    return rf"\d{{{count}}}" if is_tight else r"[+-]?\d{1,9}"


def _names(names: Sequence[str], short: Sequence[Sequence[str]]) -> str:
    shorts = {rf"{re.escape(each)}\.?" for several in short for each in several}
    return "|".join(sorted({*map(re.escape, names), *shorts}, key=len, reverse=True))


def _month_number(name: str, calendar: Calendar) -> int:
    sought = name.rstrip(".").lower()
    for number, (month, short) in enumerate(zip(calendar.months, calendar.short_months, strict=True), 1):
        if sought == month.lower() or sought in map(str.lower, short):
            return number
    raise BadPattern(f"{name} is no month")


_READERS: dict[str, Callable[[int, bool], str]] = {
    "y": _year,
    "Y": _year,
    "x": _year,
    "M": _digits,  # as names: see _reader
    "d": _digits,
    "D": lambda _count, is_tight: r"\d{3}" if is_tight else r"\d{1,3}",
    "w": _digits,
    "e": lambda _count, _is_tight: r"\d",
    "E": lambda _count, _is_tight: "",  # see _reader
    "a": lambda _count, _is_tight: "AM|PM",
    "H": _digits,
    "k": _digits,
    "K": _digits,
    "h": _digits,
    "m": _digits,
    "s": _digits,
    "S": lambda count, is_tight: rf"\d{{{count}}}" if is_tight else rf"\d{{1,{_FRACTION_DIGITS_MAX}}}",
    "Z": lambda count, _: r"[A-Za-z]+(?:/[A-Za-z_]+)+|UTC" if count >= 3 else r"[+-]\d{2}:?\d{2}(?::?\d{2})?|Z",
    "z": lambda _count, _is_tight: r"[A-Z]{1,5}",
    "G": lambda _count, _is_tight: "AD|BC|CE|BCE",
}


def _written(piece: _Piece, moment: datetime) -> str:
    count = piece.count
    match piece.letter:
        case "":
            return piece.text
        case "y" | "Y":
            return f"{moment.year % 100:02}" if count == 2 else f"{moment.year:0{count}}"
        case "x":
            year = moment.isocalendar().year
            return f"{year % 100:02}" if count == 2 else f"{year:0{count}}"
        case "M":
            return MONTHS[moment.month - 1][: None if count > 3 else 3] if count >= 3 else f"{moment.month:0{count}}"
        case "E":
            return DAYS[moment.weekday()][: None if count > 3 else 3]
        case "a":
            return "AM" if moment.hour < 12 else "PM"
        case "S":
            return f"{moment.microsecond:06}".ljust(count, "0")[:count]
        case "Z" | "z":
            return _zone_written(piece, moment)
        case "G":
            return "AD"
        case letter:
            return f"{_number(letter, moment):0{count}}"


def _number(letter: str, moment: datetime) -> int:
    match letter:
        case "d":
            return moment.day
        case "D":
            return moment.timetuple().tm_yday
        case "w":
            return moment.isocalendar().week
        case "e":
            return moment.isoweekday()
        case "H":
            return moment.hour
        case "k":
            return moment.hour or 24
        case "K":
            return moment.hour % 12
        case "h":
            return moment.hour % 12 or 12
        case "m":
            return moment.minute
        case _:
            return moment.second


def _zone_written(piece: _Piece, moment: datetime) -> str:
    if piece.letter == "z":
        return moment.tzname() or "UTC"
    if piece.count >= 3:
        return str(moment.tzinfo)
    offset = moment.utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    colon = ":" if piece.count == 2 else ""
    return f"{sign}{minutes // 60:02}{colon}{minutes % 60:02}"


def _moment(fields: dict[str, str], zone: tzinfo, now: datetime, text: str) -> datetime:
    local = now.astimezone(zone)
    try:
        offset = _zone_read(fields, zone)
        year = _year_read(fields, local)
        if "w" in fields:
            first = datetime.fromisocalendar(year or local.year, int(fields["w"]), int(fields.get("e", 1)))
        else:
            first = datetime(year or local.year, int(fields.get("M", 1)), int(fields.get("d", 1)))
        moment = first.replace(tzinfo=offset) + timedelta(
            hours=_hour_read(fields),
            minutes=_within(fields.get("m", "0"), 59),
            seconds=_within(fields.get("s", "0"), 59),
            microseconds=int(fields.get("S", "0").ljust(6, "0")[:6]),
        )
        if "D" in fields:
            moment += timedelta(days=int(fields["D"]) - 1)
    except (ValueError, KeyError, OverflowError) as error:
        raise BadPattern(f'Cannot parse "{text}": {error}') from error
    if year is None:
        moment = _nearest_year(moment, local)
    return moment.astimezone(UTC)


def _nearest_year(moment: datetime, local: datetime) -> datetime:
    """Without a year, December seen in January is last year's, January seen in December next year's."""
    if local.month == 1 and moment.month == 12:
        return moment.replace(year=moment.year - 1)
    if local.month == 12 and moment.month == 1:
        return moment.replace(year=moment.year + 1)
    return moment


def _year_read(fields: dict[str, str], local: datetime) -> int | None:
    text = fields.get("y") or fields.get("Y") or fields.get("x")
    if text is None:
        return None
    if len(text) == 2:
        first = local.year - _PIVOT_BACK
        return first + (int(text) - first) % _CENTURY
    return int(text)


def _hour_read(fields: dict[str, str]) -> int:
    if "H" in fields:
        return _within(fields["H"], 23)
    if "k" in fields:
        return _within(fields["k"], 24) % 24
    half = _within(fields.get("h", fields.get("K", "0")), 12) % 12
    return half + (12 if fields.get("a", "AM").upper() == "PM" else 0)


def _within(text: str, highest: int) -> int:
    number = int(text)
    if number > highest:
        raise ValueError(f"{number} is over {highest}")
    return number


def _zone_read(fields: dict[str, str], zone: tzinfo) -> tzinfo:
    text = fields.get("Z") or fields.get("z")
    if text is None:
        return zone
    if text in ("Z", "UTC", "GMT", "z"):
        return UTC
    if text[0] in "+-":
        digits = text[1:].replace(":", "")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:] or 0))
        return timezone(-offset if text[0] == "-" else offset)
    return ZoneInfo(_ABBREVIATIONS.get(text, text))


_ABBREVIATIONS = {
    "EST": "America/New_York", "EDT": "America/New_York", "CST": "America/Chicago", "CDT": "America/Chicago",
    "MST": "America/Denver", "MDT": "America/Denver", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
    "CET": "Europe/Paris", "CEST": "Europe/Paris", "WET": "Europe/Lisbon", "EET": "Europe/Helsinki",
    "BST": "Europe/London", "JST": "Asia/Tokyo", "KST": "Asia/Seoul", "IST": "Asia/Kolkata",
}  # fmt: skip
