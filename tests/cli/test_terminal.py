"""Tables align also in colour, log lines read well, and a log is followed when it is moved away."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from maru.cli.commands.logs import Followed
from maru.cli.log_lines import fields_of, for_people
from maru.cli.terminal import GREEN, colour, complain, duration, table, width_of
from maru.core.errors import Unavailable


@pytest.fixture
def in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)


def rows() -> list[tuple[str, str]]:
    return [(colour("ready", GREEN), "1"), ("starting", "2")]


def test_tables_align_without_colour() -> None:
    assert table(("STATE", "N"), rows()) == "STATE      N\nready      1\nstarting   2"


@pytest.mark.usefixtures("in_colour")
def test_tables_align_in_colour() -> None:
    lines = table(("STATE", "N"), rows()).splitlines()
    assert lines[1] == "\x1b[32mready\x1b[0m      1"
    assert {width_of(line) for line in lines} == {12}


@pytest.mark.usefixtures("in_colour")
def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert colour("ready", GREEN) == "ready"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (99, "99s"), (100, "1m40s"), (6000, "1h40m"), (200_000, "2d7h")]
)
def test_spans_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_complaint_is_two_lines_however_long_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    complain(Unavailable(what="it", why="one\n  two", fix="do\nthat"))
    assert capsys.readouterr().err == "maru: it: one two\n  to mend it: do that\n"


def test_a_log_line_shows_time_level_component_message_and_facts() -> None:
    line = '{"at":"2026-01-02T03:04:05.678+00:00","level":"info","component":"dns","message":"ready","took_s":1}'
    assert for_people(line) == "03:04:05.678 info    dns          ready took_s=1"
    assert fields_of(line)["component"] == "dns"


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "[1]", "", "{"])
def test_a_line_that_is_not_ours_stays_as_it_is(line: str) -> None:
    assert for_people(line) == line


def test_a_followed_log_is_read_on_when_it_is_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text('{"at":"1","message":"a"}\n  trace\nhalf')
    log = Followed(path)
    assert list(log.kept()) == [("1", '{"at":"1","message":"a"}'), ("1", "  trace")]
    with path.open("a", buffering=1) as file:
        file.write(" and half\n")
        assert list(log.more()) == ["half and half"]
        path.replace(tmp_path / "a.log.1")
        assert list(log.more()) == []
        file.write("late\n")
    path.write_text("fresh\n")
    assert list(log.more()) == ["late", "fresh"]
    assert list(log.more()) == []
    assert [line for _, line in Followed(path).kept()][-2:] == ["late", "fresh"]
