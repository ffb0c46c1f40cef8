"""throttle: events that come too rarely, or too often, get what the filter adds (a tag, mostly).

Counted by key over a period of the events' own time; before_count and after_count are the bounds.
Source: Logstash reference, "Throttle filter plugin".
"""

from __future__ import annotations

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Plugin

KEYS_MAX = 100_000
USUAL_AGE_S = 3600


class ThrottleOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """period, max_age: s; before_count, after_count: -1 for none; max_counters: the oldest key gives way."""

    key: str
    before_count: int = -1
    after_count: int = -1
    period: int | str = "60"
    max_age: int = USUAL_AGE_S
    max_counters: int = KEYS_MAX


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: neither bound, more counters than there may be."""
    options = options_of(plugin, ThrottleOptions, "filter")
    if options.before_count < 0 and options.after_count < 0:
        raise Invalid(what="throttle", why="neither before_count nor after_count is given", fix="after_count => 3")
    kept_max = min(options.max_counters if options.max_counters > 0 else KEYS_MAX, KEYS_MAX)
    counts: dict[tuple[str, int], int] = {}
    newest = [0.0]

    def is_successful(event: Event) -> bool:
        moment = (event.timestamp or tools.now()).timestamp()
        newest[0] = max(newest[0], moment)
        if moment < newest[0] - options.max_age:
            return False
        try:
            period_s = max(int(float(event.sprintf(str(options.period)))), 1)
        except (ValueError, OverflowError):
            return False
        key = (event.sprintf(options.key), int(moment // period_s))
        counts[key] = counts.get(key, 0) + 1
        if len(counts) > kept_max:
            del counts[next(iter(counts))]
        count = counts.get(key, 1)
        is_before = options.before_count >= 0 and count < options.before_count
        return is_before or (options.after_count >= 0 and count > options.after_count)

    return per_event(options, is_successful)
