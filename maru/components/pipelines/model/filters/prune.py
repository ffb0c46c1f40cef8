"""prune: fields go, or stay, by patterns of their names and values.

Of a list, its elements are looked at one by one; a list that nothing is left of goes.
Source: Logstash reference, "Prune filter plugin".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from maru.components.pipelines.model.event import METADATA, TIMESTAMP, VERSION, Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.grok.compiling import respelled
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.syntax import Plugin

KEPT = 1_000  # patterns with events' fields in them


class PruneOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names and values are patterns. interpolate: with the event's fields in them, which costs time."""

    whitelist_names: Sequence[str] = ()
    blacklist_names: Sequence[str] = ("%\\{[^}]+\\}",)
    whitelist_values: Mapping[str, str] = {}
    blacklist_values: Mapping[str, str] = {}
    interpolate: bool = False


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid for a pattern that cannot be compiled."""
    options = options_of(plugin, PruneOptions, "filter")
    if not options.interpolate:
        values = (*options.whitelist_values.values(), *options.blacklist_values.values())
        for source in (*options.whitelist_names, *options.blacklist_names, *values):
            _compiled(source)

    def is_successful(event: Event) -> bool:
        try:
            prune(event)
        except Invalid:  # with the event's fields in it, a pattern that is none
            event.tag("_prunefailure")
            return False
        return True

    def prune(event: Event) -> None:
        spelled: Callable[[str], str] = event.sprintf if options.interpolate else str
        stays = [_compiled(spelled(source)) for source in options.whitelist_names]
        goes = [_compiled(spelled(source)) for source in options.blacklist_names]
        for name in [name for name in event.fields if name not in (TIMESTAMP, VERSION, METADATA)]:
            if (stays and not _fits(stays, name)) or _fits(goes, name):
                del event.fields[name]
        for name, source in options.whitelist_values.items():
            _keep(event, spelled(name), _compiled(spelled(source)), fitting=True)
        for name, source in options.blacklist_values.items():
            _keep(event, spelled(name), _compiled(spelled(source)), fitting=False)

    return per_event(options, is_successful)


def _keep(event: Event, name: str, pattern: re.Pattern[str], *, fitting: bool) -> None:
    """Of the field's value or values, those that fit (or do not)."""
    if name not in event.fields:
        return
    value = event.fields[name]
    elements = value if isinstance(value, list) else [value]
    left = [each for each in elements if each is not None and (pattern.search(text_of(each)) is not None) == fitting]
    if not left:
        del event.fields[name]
    elif isinstance(value, list):
        event.fields[name] = left


def _fits(patterns: Sequence[re.Pattern[str]], text: str) -> bool:
    return any(pattern.search(text) is not None for pattern in patterns)


@lru_cache(maxsize=KEPT)
def _compiled(source: str) -> re.Pattern[str]:
    try:
        return re.compile(respelled(source))
    except re.error as error:
        raise Invalid(what=f"prune pattern {source!r}", why=str(error), fix="correct the pattern") from error
