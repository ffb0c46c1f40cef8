"""bytes: "10 MB" becomes 10485760.

Source: Logstash reference, "Bytes filter plugin".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

_SIZE = re.compile(r"\s*(?P<number>[\d.,]+)\s*(?P<prefix>[kKmMgGtTpPeE]?)(?P<binary>i?)(?P<unit>[bB]?)\s*")
_PREFIXES = " kmgtpe"


class BytesOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """conversion_method: binary (kB is 1024) or metric (kB is 1000, kiB is 1024)."""

    source: str = "message"
    target: str
    conversion_method: str = "binary"
    decimal_separator: str = "."
    tag_on_failure: Sequence[str] = ("_bytesparsefailure",)


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: a method there is not."""
    options = options_of(plugin, BytesOptions, "filter")
    if options.conversion_method not in ("binary", "metric"):
        raise Invalid(what="bytes", why=f"no method {options.conversion_method!r}", fix="binary or metric")
    source, target = parse_reference(options.source), parse_reference(options.target)

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        match = _SIZE.fullmatch(text_of(value)) if value is not None else None
        try:
            event.put(target, _count(match, options))
        except ValueError:
            for tag in options.tag_on_failure:
                event.tag(tag)
            return False
        return True

    return per_event(options, is_successful)


def _count(match: re.Match[str] | None, options: BytesOptions) -> int:
    if match is None:
        raise ValueError("no size")
    other = "," if options.decimal_separator == "." else "."
    number = float(match["number"].replace(other, "").replace(options.decimal_separator, "."))
    base = 1000 if options.conversion_method == "metric" and not match["binary"] else 1024
    return int(number * base ** max(_PREFIXES.find(match["prefix"].lower() or " "), 0))
