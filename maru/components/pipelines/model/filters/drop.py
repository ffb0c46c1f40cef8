"""drop: the event goes no further; with a percentage, that many of a hundred.

Source: Logstash reference, "Drop filter plugin".
"""

from __future__ import annotations

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.wire.logstash.syntax import Plugin

WHOLE = 100


class DropOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """percentage: 0..100."""

    percentage: int = WHOLE


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid as options do."""
    options = options_of(plugin, DropOptions, "filter")

    def is_successful(event: Event) -> bool:
        if options.percentage >= WHOLE or tools.fraction() * WHOLE < options.percentage:
            event.is_cancelled = True
        return True

    return per_event(options, is_successful)
