"""Counters, gauges and histograms, and their text for a Prometheus scrape.

A component declares its metrics in its metrics.py from the process's one `Meter`. Labels come from
bounded sets; should one not be, what is over the bound is counted together as "other".
Source: Prometheus text exposition format 0.0.4; OpenMetrics naming.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from maru.core.errors import Broken
from maru.core.limits import METER_SERIES_MAX

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds for durations in seconds."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")

Labels = tuple[str, ...]
M = TypeVar("M", bound="Metric")


class Metric:
    """What all kinds share: a name, a help line, label names, and one series per set of label values."""

    kind = ""

    def __init__(self, name: str, help_text: str, label_names: Sequence[str] = ()) -> None:
        self.name = name
        self.help_text = help_text
        self.label_names = tuple(label_names)

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """(name suffix, labels in braces or empty, value), in a stable order."""
        raise NotImplementedError

    def _place(self, series: dict[Labels, S], labels: Labels) -> Labels:
        assert len(labels) == len(self.label_names), f"{self.name} has the labels {self.label_names}"
        if labels in series or len(series) < METER_SERIES_MAX:
            return labels
        return ("other",) * len(labels)

    def _braces(self, labels: Labels, extra: str = "") -> str:
        pairs = [f'{name}="{_escaped(label)}"' for name, label in zip(self.label_names, labels, strict=True)]
        pairs += [extra] if extra else []
        return "{" + ",".join(pairs) + "}" if pairs else ""


S = TypeVar("S")


class Counter(Metric):
    """Only grows; its name ends in _total."""

    kind = "counter"

    def __init__(self, name: str, help_text: str, label_names: Sequence[str] = ()) -> None:
        super().__init__(name, help_text, label_names)
        self._series: dict[Labels, float] = {} if label_names else {(): 0.0}

    def add(self, amount: float = 1.0, *labels: str) -> None:
        """Count `amount` (0 or more)."""
        place = self._place(self._series, labels)
        self._series[place] = self._series.get(place, 0.0) + amount

    def value(self, *labels: str) -> float:
        """What has been counted."""
        return self._series.get(labels, 0.0)

    def samples(self) -> Iterator[tuple[str, str, float]]:
        for labels, value in sorted(self._series.items()):
            yield "", self._braces(labels), value


class Gauge(Metric):
    """Goes up and down; or is read when it is asked for."""

    kind = "gauge"

    def __init__(self, name: str, help_text: str, label_names: Sequence[str] = ()) -> None:
        super().__init__(name, help_text, label_names)
        self._series: dict[Labels, float] = {}
        self._read: Callable[[], float] | None = None

    def set(self, value: float, *labels: str) -> None:
        """It is `value` now."""
        self._series[self._place(self._series, labels)] = value

    def read_with(self, read: Callable[[], float]) -> None:
        """Ask `read` at every scrape (for a gauge without labels)."""
        self._read = read

    def value(self, *labels: str) -> float:
        """What it is now; 0 if it was never set."""
        return self._read() if self._read is not None else self._series.get(labels, 0.0)

    def samples(self) -> Iterator[tuple[str, str, float]]:
        if self._read is not None:
            yield "", "", self._read()
            return
        for labels, value in sorted(self._series.items()):
            yield "", self._braces(labels), value


class Histogram(Metric):
    """How observations are spread over buckets; `bounds` are their upper bounds, ascending."""

    kind = "histogram"

    def __init__(
        self, name: str, help_text: str, label_names: Sequence[str] = (), bounds: Sequence[float] = SECONDS
    ) -> None:
        super().__init__(name, help_text, label_names)
        self._bounds = tuple(bounds)
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}  # counts per bucket; [sum]

    def observe(self, value: float, *labels: str) -> None:
        """Count one observation."""
        place = self._place(self._series, labels)
        series = self._series.get(place)
        if series is None:
            series = self._series[place] = ([0] * (len(self._bounds) + 1), [0.0])
        series[0][bisect_left(self._bounds, value)] += 1
        series[1][0] += value

    def count(self, *labels: str) -> int:
        """How many observations there were."""
        series = self._series.get(labels)
        return sum(series[0]) if series is not None else 0

    def samples(self) -> Iterator[tuple[str, str, float]]:
        for labels, (counts, (total,)) in sorted(self._series.items()):
            running = 0
            for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
                running += count
                yield "_bucket", self._braces(labels, f'le="{_number(bound)}"'), running
            yield "_sum", self._braces(labels), total
            yield "_count", self._braces(labels), running


class Meter:
    """The metrics of one process."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def counter(self, name: str, help_text: str, label_names: Sequence[str] = ()) -> Counter:
        """A new counter. Raises Broken when the name is taken or is no name."""
        return self._declare(Counter(name, help_text, label_names))

    def gauge(self, name: str, help_text: str, label_names: Sequence[str] = ()) -> Gauge:
        """A new gauge. Raises Broken when the name is taken or is no name."""
        return self._declare(Gauge(name, help_text, label_names))

    def histogram(
        self, name: str, help_text: str, label_names: Sequence[str] = (), bounds: Sequence[float] = SECONDS
    ) -> Histogram:
        """A new histogram. Raises Broken when the name is taken or is no name."""
        return self._declare(Histogram(name, help_text, label_names, bounds))

    def exposition(self) -> bytes:
        """All metrics as a scrape wants them (CONTENT_TYPE), ascending by name."""
        lines: list[str] = []
        for name, metric in sorted(self._metrics.items()):
            lines += (f"# HELP {name} {_escaped_help(metric.help_text)}", f"# TYPE {name} {metric.kind}")
            lines += (f"{name}{suffix}{labels} {_number(value)}" for suffix, labels, value in metric.samples())
        return ("\n".join(lines) + "\n").encode() if lines else b""

    def _declare(self, metric: M) -> M:
        if metric.name in self._metrics or not _NAME.match(metric.name):
            raise Broken(what=f"metric {metric.name}", why="the name is taken or is no name", fix="choose another")
        self._metrics[metric.name] = metric
        return metric


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
