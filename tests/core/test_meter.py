"""Metrics: what is counted, and the text a scrape reads."""

from __future__ import annotations

import pytest

from maru.core.errors import Broken
from maru.core.meter import Meter


def test_exposition_is_what_prometheus_reads() -> None:
    meter = Meter()
    requests = meter.counter("maru_test_requests_total", "Requests, with a \\ and a\nnewline.", ("verb", "code"))
    requests.add(1, "get", "200")
    requests.add(2.5, "get", "200")
    requests.add(1, 'a"b\\c\nd', "500")
    meter.counter("maru_test_plain_total", "Plain.")
    meter.gauge("maru_test_depth", "Depth.").set(-2)
    took = meter.histogram("maru_test_took_seconds", "Took.", bounds=(0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        took.observe(value)
    assert meter.exposition().decode() == (
        "# HELP maru_test_depth Depth.\n"
        "# TYPE maru_test_depth gauge\n"
        "maru_test_depth -2\n"
        "# HELP maru_test_plain_total Plain.\n"
        "# TYPE maru_test_plain_total counter\n"
        "maru_test_plain_total 0\n"
        "# HELP maru_test_requests_total Requests, with a \\\\ and a\\nnewline.\n"
        "# TYPE maru_test_requests_total counter\n"
        'maru_test_requests_total{verb="a\\"b\\\\c\\nd",code="500"} 1\n'
        'maru_test_requests_total{verb="get",code="200"} 3.5\n'
        "# HELP maru_test_took_seconds Took.\n"
        "# TYPE maru_test_took_seconds histogram\n"
        'maru_test_took_seconds_bucket{le="0.1"} 2\n'
        'maru_test_took_seconds_bucket{le="1"} 3\n'
        'maru_test_took_seconds_bucket{le="+Inf"} 4\n'
        "maru_test_took_seconds_sum 7.65\n"
        "maru_test_took_seconds_count 4\n"
    )


def test_empty_meter_has_no_text() -> None:
    assert Meter().exposition() == b""


def test_gauge_can_be_read_when_it_is_asked_for() -> None:
    meter, depth = Meter(), [1.0, 2.0]
    meter.gauge("maru_test_depth", "Depth.").read_with(depth.pop)
    assert b"maru_test_depth 2\n" in meter.exposition()
    assert b"maru_test_depth 1\n" in meter.exposition()


def test_unbounded_labels_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maru.core.meter.METER_SERIES_MAX", 3)
    counter = Meter().counter("maru_test_total", "Test.", ("name",))
    for number in range(10):
        counter.add(1, f"{number}")
    counter.add(1, "0")
    assert (counter.value("0"), counter.value("9"), counter.value("other")) == (2, 0, 7)


@pytest.mark.parametrize("name", ["maru_taken", "Maru", "1x", "maru-x", ""])
def test_taken_and_bad_names_are_refused(name: str) -> None:
    meter = Meter()
    meter.gauge("maru_taken", "Taken.")
    with pytest.raises(Broken):
        meter.counter(name, "Bad.")
