"""sleep: events are held up for a while; only the pipeline of this filter waits.

Source: Logstash reference, "Sleep filter plugin".
"""

from __future__ import annotations

from datetime import datetime

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Batch, Filter, decoration_of
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Plugin


class SleepOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """time: s, or a field's name in %{}; with replay, a factor of the time between events. every: nth event sleeps."""

    time: str = ""
    every: int | str = 1
    replay: bool = False


def build(plugin: Plugin, ground: Ground) -> Filter:
    """Raises Invalid: no time and no replay."""
    options = options_of(plugin, SleepOptions, "filter")
    if not options.time and not options.replay:
        raise Invalid(what="sleep", why="Missing required parameter 'time' when replay is false", fix='time => "1"')
    decoration = decoration_of(options)
    count = 0
    before: datetime | None = None

    async def run(batch: Batch) -> Batch:
        nonlocal count
        for event in batch:
            count += 1
            every = int(event.sprintf(str(options.every)))
            wait_s = _replayed(event) if options.replay else _number(event, options.time)
            if wait_s > 0 and count % max(every, 1) == 0:
                await ground.clock.sleep(wait_s)
            decoration.apply(event)
        return batch

    def _replayed(event: Event) -> float:
        nonlocal before
        moment, last = event.timestamp, before
        before = moment
        if moment is None or last is None:
            return 0.0
        factor = _number(event, options.time) if options.time else 1.0
        return (moment - last).total_seconds() / factor if factor > 0 else 0.0

    return run


def _number(event: Event, written: str) -> float:
    try:
        return float(event.sprintf(written))
    except ValueError:
        return 0.0
