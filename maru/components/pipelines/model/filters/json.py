"""json: a text field becomes fields.

Without a target the text's object is laid over the event; an `@timestamp` in it that is no time becomes
`_@timestamp` and a tag, as in Logstash.
Source: Logstash reference, "JSON filter plugin".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from maru.components.pipelines.model.event import TIMESTAMP, Event, text_of
from maru.components.pipelines.model.filters.date import iso8601
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.document import Value
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

BAD_TIME_TAG = "_timestampparsefailure"
BAD_TIME_FIELD = "_@timestamp"


class JsonOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    source: str
    target: str = ""
    skip_on_invalid_json: bool = False
    tag_on_failure: Sequence[str] = ("_jsonparsefailure",)
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: no source."""
    options = options_of(plugin, JsonOptions, "filter")
    source = parse_reference(options.source)
    target = parse_reference(options.target) if options.target else None

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        if value is None:
            return False
        try:
            read = msgspec.json.decode(text_of(value).encode("utf-8", "surrogatepass"))
            if target is None and not isinstance(read, dict):
                raise ValueError("not an object")
        except (msgspec.DecodeError, ValueError, RecursionError):
            if not options.skip_on_invalid_json:
                for tag in options.tag_on_failure:
                    event.tag(tag)
            return False
        if target is not None:
            event.put(target, read)
        else:
            lay_over(event, read, tools.now())
        return True

    return per_event(options, is_successful)


def lay_over(event: Event, fields: Value, now: datetime) -> None:
    """All of `fields` become the event's; an `@timestamp` among them is read."""
    written = fields.get(TIMESTAMP)
    if written is not None and not isinstance(written, datetime):
        fields = dict(fields)
        try:
            fields[TIMESTAMP] = iso8601(text_of(written), UTC)
        except ValueError:
            fields[BAD_TIME_FIELD] = written
            fields[TIMESTAMP] = event.timestamp or now
            event.fields.update(fields)
            event.tag(BAD_TIME_TAG)
            return
    event.fields.update(fields)
