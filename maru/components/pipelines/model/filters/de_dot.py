"""de_dot: dots in the names of fields become something else, or nested fields.

Source: Logstash reference, "De_dot filter plugin".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin


class DeDotOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """fields: all at the top, if none is named. recursive: names within fields, too."""

    separator: str = "_"
    nested: bool = False
    recursive: bool = False
    fields: Sequence[str] = ()


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: a separator with a dot in it."""
    options = options_of(plugin, DeDotOptions, "filter")
    if "." in options.separator:
        raise Invalid(what="de_dot", why="a separator with a dot in it changes nothing", fix='separator => "_"')
    named: Sequence[Reference] = [parse_reference(name) for name in options.fields]

    def is_successful(event: Event) -> bool:
        for written in named or [(name,) for name in event.fields]:
            reference = written
            if "." in reference[-1] and event.has(reference):
                value = event.remove(reference)
                parts = tuple(reference[-1].split("."))
                last = parts if options.nested else (options.separator.join(parts),)
                reference = (*reference[:-1], *last)
                event.put(reference, value)
            if options.recursive and event.has(reference):
                event.put(reference, renamed(event.get(reference)))
        return True

    def renamed(value: object) -> object:
        if isinstance(value, list):
            return [renamed(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        inside = Event({})
        for name, inner in value.items():
            parts = tuple(name.split("."))
            inside.put(parts if options.nested else (options.separator.join(parts),), renamed(inner))
        return inside.fields

    return per_event(options, is_successful)
