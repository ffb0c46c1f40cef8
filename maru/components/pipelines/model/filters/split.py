"""split: one event for each line of a text, or each element of a list.

Source: Logstash reference, "Split filter plugin".
"""

from __future__ import annotations

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Batch, Filter, Tools, decoration_of
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

FAILURE_TAG = "_split_type_failure"


class SplitOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    field: str = "message"
    target: str = ""
    terminator: str = "\n"


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid as options do."""
    options = options_of(plugin, SplitOptions, "filter")
    source = parse_reference(options.field)
    target = parse_reference(options.target) if options.target else source
    decoration = decoration_of(options)

    def parts_of(event: Event) -> list[object] | None:
        """None: it stays as it is."""
        value = event.get(source)
        if isinstance(value, str):
            value = value.split(options.terminator)
            if len(value) == 1:
                return None
        if isinstance(value, list):
            return [part for part in value if part is not None and part != ""]
        event.tag(FAILURE_TAG)
        return None

    def run(batch: Batch) -> Batch:
        out: Batch = []
        for event in batch:
            parts = parts_of(event)
            if parts is None:
                out.append(event)
                continue
            for number, part in enumerate(parts):
                piece = event if number == len(parts) - 1 else event.copy()
                piece.put(target, part)
                decoration.apply(piece)
                out.append(piece)
        return out

    return run
