"""clone: further events like this one, told apart by their type or a tag.

Source: Logstash reference, "Clone filter plugin".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.pipelines.model.filters.shape import Batch, Filter, Tools, decoration_of
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.wire.logstash.syntax import Plugin


class CloneOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """clones: one event for each. ecs_compatibility disabled: the name is its type, else a tag."""

    clones: Sequence[str]
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: no clones."""
    options = options_of(plugin, CloneOptions, "filter")
    decoration = decoration_of(options)

    def run(batch: Batch) -> Batch:
        out: Batch = []
        for event in batch:
            out.append(event)
            for name in options.clones:
                clone = event.copy()
                if options.ecs_compatibility == "disabled":
                    clone.fields["type"] = name
                else:
                    clone.tag(name)
                decoration.apply(clone)
                out.append(clone)
        return out

    return run
