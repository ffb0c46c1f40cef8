"""Cron schedules and their next times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from maru.core.errors import Invalid
from maru.kinds.cron import parse

NOON = datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC)  # a Friday


def nexts(schedule: str, count: int = 1, after: datetime = NOON, zone: str = "UTC") -> list[str]:
    found, moment = [], after
    for _ in range(count):
        following = parse(schedule).next(moment, ZoneInfo(zone))
        assert following is not None
        moment = following
        found.append(moment.strftime("%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", ["01-02 12:01", "01-02 12:02"]),
        ("*/20 * * * *", ["01-02 12:20", "01-02 12:40"]),
        ("0 0 * * *", ["01-03 00:00", "01-04 00:00"]),
        ("15 9-17/4 * * mon-fri", ["01-02 13:15", "01-02 17:15"]),
        ("0 0 1 jan,jul *", ["07-01 00:00", "01-01 00:00"]),
        ("0 12 13 * 5", ["01-09 12:00", "01-13 12:00"]),
        ("0 0 * * 0", ["01-04 00:00", "01-11 00:00"]),
        ("@hourly", ["01-02 13:00", "01-02 14:00"]),
        ("5/30 3 ? * *", ["01-03 03:05", "01-03 03:35"]),
    ],
)
def test_the_next_times(schedule: str, expected: list[str]) -> None:
    assert nexts(schedule, 2) == expected


def test_a_time_zone_moves_the_times() -> None:
    assert nexts("0 9 * * *", zone="Asia/Seoul") == ["01-03 00:00"]


def test_a_time_that_the_clocks_leave_out_does_not_come() -> None:
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert nexts("30 2 * * *", 2, before, "Europe/Berlin") == ["03-30 00:30", "03-31 00:30"]


def test_an_hour_that_comes_twice_counts_twice() -> None:
    before = datetime(2026, 10, 24, 23, 59, tzinfo=UTC)
    assert nexts("0 * * * *", 3, before, "Europe/Berlin") == ["10-25 00:00", "10-25 01:00", "10-25 02:00"]


def test_every_counts_from_the_last_time() -> None:
    following = parse("@every 1h30m").next(NOON)
    assert following == NOON + timedelta(minutes=90)


def test_a_day_that_never_comes_has_no_next_time() -> None:
    assert parse("0 0 31 2 *").next(NOON) is None


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* * * * mun",
        "*/0 * * * *",
        "5-1 * * * *",
        "@never",
        "@every x",
        "* * * * * *",
        "²3 * * * *",
    ],
)
def test_what_is_no_schedule_is_invalid(schedule: str) -> None:
    with pytest.raises(Invalid):
        parse(schedule)
