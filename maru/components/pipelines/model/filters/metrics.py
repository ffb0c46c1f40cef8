"""metrics: how many events and how often, and how values are spread, told by an event of its own every so often.

Rates are moving averages over 1, 5 and 15 minutes, brought forward every five seconds; percentiles are of
a sample in which recent values weigh more.
Source: Logstash reference, "Metrics filter plugin"; Dropwizard Metrics (meters, exponentially decaying reservoirs).
"""

from __future__ import annotations

import heapq
import math
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.pipelines.model.event import TIMESTAMP, VERSION, Event
from maru.components.pipelines.model.filters.shape import TICK_S, Batch, Remembering, Tools, decoration_of
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Plugin

NAMES_MAX = 10_000
SAMPLE_MAX = 1028
SAMPLE_ALPHA = 0.015  # how fast a value of the sample loses weight, per second
RATES = (1, 5, 15)


class MetricsOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """flush_interval, clear_interval: s, multiples of 5, -1 for never. ignore_older_than: s, 0 for never."""

    meter: Sequence[str] = ()
    timer: Mapping[str, str] = {}
    ignore_older_than: float = 0
    flush_interval: float = 5
    clear_interval: float = -1
    rates: Sequence[int] = RATES
    percentiles: Sequence[float] = (1, 5, 10, 90, 95, 99, 100)
    split: bool = False
    split_seperator: str = ","


@dataclass
class Meter:
    """rates: events a second, by minutes; uncounted: since the last tick."""

    count: int = 0
    uncounted: int = 0
    rates: dict[int, float] = field(default_factory=dict)

    def mark(self) -> None:
        """One more."""
        self.count += 1
        self.uncounted += 1

    def tick(self) -> None:
        """TICK_S have gone by."""
        now, self.uncounted = self.uncounted / TICK_S, 0
        for minutes in RATES:
            before = self.rates.get(minutes)
            alpha = 1 - math.exp(-TICK_S / 60 / minutes)
            self.rates[minutes] = now if before is None else before + alpha * (now - before)


@dataclass
class Timer(Meter):
    """sample: a heap of (weight, value)."""

    least: float = math.inf
    most: float = -math.inf
    total: float = 0.0
    squares: float = 0.0
    sample: list[tuple[float, float]] = field(default_factory=list)

    def update(self, value: float, at_s: float, fraction: float) -> None:
        """One value, `at_s` after the timer began; fraction: random."""
        self.mark()
        self.least, self.most = min(self.least, value), max(self.most, value)
        self.total += value
        self.squares += value * value
        entry = (SAMPLE_ALPHA * at_s - math.log(1 - fraction), value)
        if len(self.sample) < SAMPLE_MAX:
            heapq.heappush(self.sample, entry)
        else:
            heapq.heappushpop(self.sample, entry)

    @property
    def deviation(self) -> float:
        """Of the values, as of a sample of them."""
        if self.count < 2:
            return 0.0
        return math.sqrt(max(self.squares - self.total * self.total / self.count, 0.0) / (self.count - 1))

    def percentile(self, share: float) -> float:
        """share: 0..1, between two values as their mean by distance."""
        values = sorted(value for _, value in self.sample)
        place = share * (len(values) + 1)
        if place < 1:
            return values[0]
        if place >= len(values):
            return values[-1]
        lower, upper = values[int(place) - 1], values[int(place)]
        return lower + (place - int(place)) * (upper - lower)


class _Metrics:
    def __init__(self, options: MetricsOptions, tools: Tools) -> None:
        self._options = options
        self._tools = tools
        self._decoration = decoration_of(options)
        self._meters: dict[str, Meter] = {}
        self._timers: dict[str, Timer] = {}
        self._flushed_s = self._cleared_s = 0.0
        self._began_s = tools.monotonic_s()

    def run(self, batch: Batch) -> Batch:
        for event in batch:
            if self._is_old(event):
                continue
            for written in self._options.meter:
                name = event.sprintf(written)
                for part in name.split(self._options.split_seperator) if self._options.split else [name]:
                    if part in self._meters or len(self._meters) < NAMES_MAX:
                        self._meters.setdefault(part, Meter()).mark()
            for written, value in self._options.timer.items():
                self._time(event.sprintf(written), event.sprintf(value))
        return batch

    def flush(self) -> Batch:
        options = self._options
        self._flushed_s += TICK_S
        self._cleared_s += TICK_S
        for meter in (*self._meters.values(), *self._timers.values()):
            meter.tick()
        if self._flushed_s < options.flush_interval or not (self._meters or self._timers):
            return []
        self._flushed_s = 0.0
        event = Event({TIMESTAMP: self._tools.now(), VERSION: "1", "message": socket.gethostname()})
        for name, meter in self._meters.items():
            self._tell(event, name, meter)
        for name, timer in self._timers.items():
            self._tell(event, name, timer)
            event.fields |= {f"{name}.min": timer.least, f"{name}.max": timer.most, f"{name}.stddev": timer.deviation}
            event.fields[f"{name}.mean"] = timer.total / timer.count
            for percentile in options.percentiles:
                event.fields[f"{name}.p{percentile:g}"] = timer.percentile(percentile / 100)
        if 0 < options.clear_interval <= self._cleared_s:
            self._cleared_s = 0.0
            self._meters.clear()
            self._timers.clear()
        self._decoration.apply(event)
        return [event]

    def _is_old(self, event: Event) -> bool:
        limit_s, moment = self._options.ignore_older_than, event.timestamp
        return limit_s > 0 and moment is not None and (self._tools.now() - moment).total_seconds() > limit_s

    def _time(self, name: str, text: str) -> None:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if name in self._timers or len(self._timers) < NAMES_MAX:
            at_s = self._tools.monotonic_s() - self._began_s
            self._timers.setdefault(name, Timer()).update(value, at_s, self._tools.fraction())

    def _tell(self, event: Event, name: str, meter: Meter) -> None:
        event.fields[f"{name}.count"] = meter.count
        for minutes in self._options.rates:
            event.fields[f"{name}.rate_{minutes}m"] = meter.rates.get(minutes, 0.0)


def build(plugin: Plugin, tools: Tools) -> Remembering:
    """Raises Invalid: rates or percentiles there are not."""
    options = options_of(plugin, MetricsOptions, "filter")
    if set(options.rates) - set(RATES):
        raise Invalid(what="metrics", why=f"no rates {list(options.rates)}", fix="of 1, 5 and 15 minutes")
    if not all(0 <= percentile <= 100 for percentile in options.percentiles):
        raise Invalid(what="metrics", why="percentiles lie between 0 and 100", fix="percentiles => [50, 99]")
    metrics = _Metrics(options, tools)
    return Remembering(metrics.run, metrics.flush)
