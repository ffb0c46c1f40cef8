"""date: a field says when the event was.

Formats are tried in order: Joda patterns, and the names ISO8601, UNIX, UNIX_MS and TAI64N. A failed
event keeps its time and gets a tag.
Source: Logstash reference, "Date filter plugin"; ISO 8601; TAI64N (D. J. Bernstein).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.calendar_names import CALENDARS, calendar_of
from maru.wire.logstash.date_patterns import ENGLISH, BadPattern, DatePattern, compile_pattern
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

TAI_EPOCH = 1 << 62
TAI_AHEAD_S = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")

Read = Callable[[object, tzinfo], datetime]
"""A moment out of a value. Raises ValueError."""


class DateOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    match: Sequence[str] = ()
    target: str = "@timestamp"
    timezone: str = ""
    locale: str = ""
    tag_on_failure: Sequence[str] = ("_dateparsefailure",)


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: fewer than a field and a format, a zone or a pattern there is not."""
    options = options_of(plugin, DateOptions, "filter")
    if len(options.match) < 2:
        raise Invalid(
            what=f"filter plugin 'date' at line {plugin.place.line}",
            why="match wants a field and at least one format",
            fix='match => [ "timestamp", "ISO8601" ]',
        )
    if options.locale and calendar_of(options.locale) is None:
        raise Invalid(
            what=f"filter plugin 'date' at line {plugin.place.line}",
            why=f"names of months and days are not known in {options.locale!r}",
            fix=f"one of {', '.join(CALENDARS)}, or translate the names before",
        )
    source, target = parse_reference(options.match[0]), parse_reference(options.target)
    reads = [_read_of(written, options.locale[:2].lower() or ENGLISH, tools) for written in options.match[1:]]
    zone = zone_of(options.timezone) if options.timezone and "%{" not in options.timezone else UTC

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        if value is None:
            return False
        if isinstance(value, list):
            value = value[0] if value else ""
        for read in reads:
            try:
                event.put(target, read(value, _zone_for(event, options.timezone, zone)))
            except (ValueError, OverflowError):
                continue
            return True
        for tag in options.tag_on_failure:
            event.tag(tag)
        return False

    return per_event(options, is_successful)


def zone_of(name: str) -> tzinfo:
    """A zone by its name or offset. Raises Invalid."""
    match = _OFFSET.fullmatch(name)
    if match is not None:
        from datetime import timezone

        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid(
            what=f"time zone {name!r}", why="there is none of that name", fix="as in Europe/Berlin"
        ) from error


def iso8601(text: str, zone: tzinfo) -> datetime:
    """A moment in ISO 8601, `zone` where it has none. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip().replace(",", "."))
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).astimezone(UTC)


def _zone_for(event: Event, written: str, zone: tzinfo) -> tzinfo:
    if "%{" not in written:
        return zone
    try:
        return zone_of(event.sprintf(written))
    except Invalid as error:
        raise ValueError(str(error)) from error


def _read_of(written: str, language: str, tools: Tools) -> Read:
    match written:
        case "ISO8601":
            return lambda value, zone: value if isinstance(value, datetime) else iso8601(text_of(value), zone)
        case "UNIX":
            return lambda value, _: EPOCH + timedelta(seconds=float(text_of(value)))
        case "UNIX_MS":
            return lambda value, _: EPOCH + timedelta(milliseconds=int(text_of(value)))
        case "TAI64N":
            return lambda value, _: _tai64n(text_of(value))
    try:
        pattern: DatePattern = compile_pattern(written, language)
    except BadPattern as error:
        raise Invalid(what=f"date format {written!r}", why=str(error), fix="see Joda's pattern letters") from error
    return lambda value, zone: pattern.read(text_of(value), zone, tools.now())


def _tai64n(text: str) -> datetime:
    digits = text.lstrip("@")
    seconds = int(digits[:16], 16) - TAI_EPOCH - TAI_AHEAD_S
    return EPOCH + timedelta(seconds=seconds, microseconds=int(digits[16:24], 16) // 1000)
