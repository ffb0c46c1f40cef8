"""Cron schedules: five fields or a macro, and the next times they name in a time zone.

Day of month and day of week are alternatives when both are restricted. A time that a clock change
leaves out does not come; one that comes twice comes twice.
Source: crontab(5); github.com/robfig/cron/v3 ParseStandard, which the real CronJob controller uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from maru.core.errors import Invalid

DAYS_MAX = 5 * 366  # how far ahead a time is looked for
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True)
class Schedule:
    """minutes 0..59, hours 0..23, days 1..31, months 1..12, weekdays 0..6 from Sunday; every_s for @every."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = True
    any_weekday: bool = True
    every_s: float = 0.0

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The first time after `after`, in UTC; None when there is none within five years."""
        if self.every_s:
            whole = after.replace(microsecond=0)
            return whole + timedelta(seconds=max(1.0, self.every_s // 1))
        day = after.astimezone(zone).date()
        for _ in range(DAYS_MAX):
            if self._has_day(day):
                found = min((moment for moment in self._moments(day, zone) if moment > after), default=None)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _has_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_day and by_weekday if self.any_day or self.any_weekday else by_day or by_weekday

    def _moments(self, day: date, zone: tzinfo) -> Iterator[datetime]:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                for fold in (0, 1):
                    local = datetime(day.year, day.month, day.day, hour, minute, fold=fold, tzinfo=zone)
                    moment = local.astimezone(UTC)
                    exists = moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None, fold=0)
                    if exists:
                        yield moment


def parse(text: str) -> Schedule:
    """The schedule that `text` names. Raises Invalid."""
    written = text.strip()
    if written.startswith("@every "):
        return Schedule(every_s=_duration_s(written.removeprefix("@every "), text))
    if written.startswith("@") and written not in _MACROS:
        raise _invalid(text, f"unrecognized descriptor: {written}")
    fields = _MACROS.get(written, written).split()
    if len(fields) != 5:
        raise _invalid(text, f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = fields
    return Schedule(
        minutes=_field(minutes, 0, 59, (), text),
        hours=_field(hours, 0, 23, (), text),
        days=_field(days, 1, 31, (), text),
        months=_field(months, 1, 12, _MONTHS, text),
        weekdays=_field(weekdays, 0, 6, _WEEKDAYS, text),
        any_day=_is_any(days),
        any_weekday=_is_any(weekdays),
    )


def _is_any(field: str) -> bool:
    return any(part in ("*", "?") or (part.startswith(("*/", "?/")) and part[2:] == "1") for part in field.split(","))


def _field(field: str, low: int, high: int, names: tuple[str, ...], text: str) -> frozenset[int]:
    values: set[int] = set()
    for part in field.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, (), 0, text) if slash else 1
        if step == 0:
            raise _invalid(text, f"step of range should be a positive number: {part}")
        if span in ("*", "?"):
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, names, low, text)
            last = _number(end, names, low, text) if dash else (high if slash else first)
        if first < low:
            raise _invalid(text, f"beginning of range ({first}) below minimum ({low}): {part}")
        if last > high:
            raise _invalid(text, f"end of range ({last}) above maximum ({high}): {part}")
        if first > last:
            raise _invalid(text, f"beginning of range ({first}) beyond end of range ({last}): {part}")
        values.update(range(first, last + 1, step))
    return frozenset(values)


def _number(word: str, names: tuple[str, ...], low: int, text: str) -> int:
    if word.lower() in names:
        return names.index(word.lower()) + low
    if not (word.isascii() and word.isdigit()):
        why = f'strconv.Atoi: parsing "{word}": invalid syntax'
        raise _invalid(text, f"failed to parse int from {word}: {why}")
    return int(word)


def _duration_s(written: str, text: str) -> float:
    total_s, number = 0.0, ""
    position = 0
    while position < len(written):
        character = written[position]
        if character.isdigit() or character == ".":
            number += character
            position += 1
            continue
        unit = "ms" if written.startswith("ms", position) else character
        if not number or unit not in _UNITS_S:
            raise _invalid(text, f"{written!r} is not a duration")
        total_s += float(number) * _UNITS_S[unit]
        number = ""
        position += len(unit)
    if number or total_s <= 0:
        raise _invalid(text, f"{written!r} is not a duration")
    return total_s


def _invalid(text: str, why: str) -> Invalid:
    return Invalid(what=f"schedule {text!r}", why=why, fix="see crontab(5)")
