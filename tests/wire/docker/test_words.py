"""What Docker's clients write in queries and bodies is read as dockerd reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from maru.wire.docker.binds import Bind, parse_bind
from maru.wire.docker.detach import KeyWatch, parse_keys
from maru.wire.docker.filters import boolean, has_labels, parse_filters
from maru.wire.docker.moments import duration_text, human, moment_of, nanoseconds, parse_duration, parse_moment
from maru.wire.docker.names import is_name, name_for
from maru.wire.docker.ports import parse_host_ports, parse_port
from maru.wire.docker.signals import parse_signal
from maru.wire.docker.versions import split_version

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_filters_come_in_two_forms_and_unknown_ones_are_named() -> None:
    assert parse_filters('{"label": ["a=b"]}', {"label"}) == {"label": ["a=b"]}
    assert parse_filters('{"label": {"a=b": true, "c": false}}', {"label"}) == {"label": ["a=b"]}
    assert parse_filters("", {"label"}) == {}
    with pytest.raises(ValueError, match="invalid filter 'nope'"):
        parse_filters('{"nope": ["x"]}', {"label"})
    with pytest.raises(ValueError, match="invalid filter"):
        parse_filters("[", {"label"})


def test_booleans_and_labels_of_filters() -> None:
    assert boolean({"dangling": ["true"]}, "dangling") is True
    assert boolean({}, "dangling") is None
    with pytest.raises(ValueError, match="dangling=maybe"):
        boolean({"dangling": ["maybe"]}, "dangling")
    assert has_labels({"a": "b"}, ["a", "a=b"])
    assert not has_labels({"a": "b"}, ["a=c"])


def test_versions_are_taken_off_the_path_and_wrong_ones_refused() -> None:
    assert split_version("/v1.44/info") == ((1, 44), "/info")
    assert split_version("/info")[1] == "/info"
    with pytest.raises(ValueError, match="too new"):
        split_version("/v1.99/info")
    with pytest.raises(ValueError, match="is too old"):
        split_version("/v1.10/info")


def test_moments_are_seconds_dates_or_durations() -> None:
    assert parse_moment("1767323045.5", NOW) == NOW + timedelta(seconds=0.5)
    assert parse_moment("2026-01-02T03:04:05.000000001Z", NOW) == NOW
    assert parse_moment("2026-01-02", NOW) == datetime(2026, 1, 2, tzinfo=UTC)
    assert parse_moment("10m", NOW) == NOW - timedelta(minutes=10)
    assert parse_duration("1h30m") == 5400
    with pytest.raises(ValueError, match="invalid duration"):
        parse_moment("yesterday", NOW)
    assert moment_of("2026-01-02T03:04:05.123456789Z") == NOW + timedelta(microseconds=123456)
    assert moment_of("0001-01-01T00:00:00Z") is None
    assert nanoseconds(NOW + timedelta(microseconds=7)) == 1767323045000007000


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (61, "About a minute"),
        (150, "2 minutes"),
        (3700, "About an hour"),
        (47 * 3600, "47 hours"),
        (49 * 3600, "2 days"),
        (15 * 86400, "2 weeks"),
        (70 * 86400, "2 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_read_as_docker_ps_words_them(seconds: float, words: str) -> None:
    assert human(seconds) == words


def test_ports_and_ranges() -> None:
    assert parse_port("80") == (80, 80, "tcp")
    assert parse_port("8000-8010/udp") == (8000, 8010, "udp")
    assert parse_host_ports("") == (0, 0)
    assert parse_host_ports("9000-9002") == (9000, 9002)
    for wrong in ("x/tcp", "70000", "80/icmp"):
        with pytest.raises(ValueError, match="invalid"):
            parse_port(wrong)


def test_signals_by_number_and_name() -> None:
    assert [parse_signal(text) for text in ("9", "KILL", "SIGTERM", "sigrtmin+3")] == [9, 9, 15, 37]
    with pytest.raises(ValueError, match="invalid signal: NOPE"):
        parse_signal("NOPE")


def test_names_are_made_and_checked() -> None:
    assert is_name("web_1.a-b")
    assert is_name("/web")
    assert not is_name("a")
    assert not is_name("with space")
    made = {name_for(place / 1000, 0) for place in range(1000)}
    assert len(made) == 1000
    assert all(is_name(name) for name in made)
    assert name_for(0.5, 3).endswith("3")


def test_binds_name_paths_volumes_and_options() -> None:
    assert parse_bind("/a:/b:ro,rslave") == Bind("/a", "/b", True, "rslave", True, "ro,rslave")
    assert parse_bind("data:/var").is_volume
    assert parse_bind("/anonymous") == Bind("", "/anonymous")
    assert parse_bind("data:/var:nocopy").is_copied is False
    for wrong in ("a:b:c:d", "/a:relative", "/a:/b:odd", "/a:/"):
        with pytest.raises(ValueError, match="invalid"):
            parse_bind(wrong)


def test_detach_keys_are_seen_across_chunks_and_else_passed_on() -> None:
    assert parse_keys("") == b"\x10\x11"
    assert parse_keys("a,ctrl-@") == b"a\x00"
    with pytest.raises(ValueError, match="Unknown character"):
        parse_keys("ctrl-")
    watch = KeyWatch(b"\x10\x11")
    assert watch.feed(b"ab\x10") == (b"ab", False)
    assert watch.feed(b"c") == (b"\x10c", False)
    assert watch.feed(b"\x10\x10") == (b"\x10", False)
    assert watch.feed(b"\x11rest") == (b"", True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (1.5, "1.5s"), (30, "30s"), (90, "1m30s"), (3600, "1h0m0s"), (0.00025, "250µs")],
)
def test_durations_are_printed_as_go_prints_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert parse_duration(text) == pytest.approx(seconds)
