"""Codecs that write: json, json_lines, line, plain, rubydebug, dots.

Source: Logstash reference, "Rubydebug", "Json_lines", "Line", "Plain", "Dots" codec plugins; awesome_print.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from maru.components.pipelines.model.codecs.shape import Write
from maru.components.pipelines.model.event import METADATA, TIMESTAMP, Event, text_of, written_moment
from maru.components.pipelines.model.options import Options, options_of
from maru.wire.logstash.syntax import Plugin
from maru.wire.logstash.templates import compile_template

INDENT = 4


class WritingOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """format: of a line, "" for time, host and message. metadata: rubydebug shows it, too."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["target", "ecs_compatibility"])

    charset: str = "UTF-8"
    delimiter: str = "\n"
    format: str = ""
    metadata: bool = False
    target: str = ""
    ecs_compatibility: str = "v8"


def json(plugin: Plugin) -> Write:
    """json."""
    options_of(plugin, WritingOptions, "codec")
    return Event.to_json


def json_lines(plugin: Plugin) -> Write:
    """json_lines."""
    end = options_of(plugin, WritingOptions, "codec").delimiter.encode()
    return lambda event: event.to_json() + end


def plain(plugin: Plugin) -> Write:
    """plain."""
    options = options_of(plugin, WritingOptions, "codec")
    return lambda event: _formatted(event, options).encode(options.charset, "replace")


def line(plugin: Plugin) -> Write:
    """line."""
    options = options_of(plugin, WritingOptions, "codec")
    return lambda event: (_formatted(event, options) + options.delimiter).encode(options.charset, "replace")


def dots(plugin: Plugin) -> Write:
    """dots."""
    options_of(plugin, WritingOptions, "codec")
    return lambda _event: b"."


def rubydebug(plugin: Plugin) -> Write:
    """rubydebug."""
    options = options_of(plugin, WritingOptions, "codec")

    def write(event: Event) -> bytes:
        fields = {**event.fields, METADATA: event.metadata} if options.metadata else event.fields
        return (debug_text(fields) + "\n").encode()

    return write


def _formatted(event: Event, options: WritingOptions) -> str:
    if options.format:
        return event.formatted(compile_template(options.format))
    host = event.get(("host", "hostname")) or event.get(("host", "name"))
    moment = event.timestamp
    host = host if host is not None else event.get(("host",))
    message = event.get(("message",))
    return " ".join(
        (
            written_moment(moment) if moment is not None else f"%{{{TIMESTAMP}}}",
            "%{host}" if host is None else text_of(host),
            "%{message}" if message is None else text_of(message),
        )
    )


def debug_text(value: object, depth: int = 0) -> str:
    """A value as Ruby's awesome_print shows it: keys right-aligned, nested things indented."""
    pad = " " * (INDENT * (depth + 1))
    end = " " * (INDENT * depth)
    if isinstance(value, dict):
        if not value:
            return "{}"
        names = {name: msgspec.json.encode(str(name)).decode() for name in value}
        width = max(len(text) for text in names.values())
        lines = [f"{pad}{names[name]:>{width}} => {debug_text(inner, depth + 1)}" for name, inner in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{end}}}"
    if isinstance(value, list):
        if not value:
            return "[]"
        width = len(str(len(value) - 1))
        lines = [f"{pad}[{number:>{width}}] {debug_text(inner, depth + 1)}" for number, inner in enumerate(value)]
        return "[\n" + ",\n".join(lines) + f"\n{end}]"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, datetime):
        return written_moment(value)
    return "nil" if value is None else text_of(value)
