"""Codecs of records: csv, es_bulk, cloudtrail, graphite.

Source: Logstash reference, the codec plugins of these names; Graphite's plaintext protocol.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from maru.components.pipelines.model.codecs.reading import FAILURE_TAG, MESSAGE, Lines, TextOptions
from maru.components.pipelines.model.codecs.shape import MakeReading, Write
from maru.components.pipelines.model.event import METADATA, TIMESTAMP, Event, text_of
from maru.components.pipelines.model.filters.csv import CsvOptions, Rows
from maru.components.pipelines.model.options import Options, options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

BULK_ACTIONS = frozenset(["index", "create", "update", "delete"])
METRIC = "*"  # stands for a metric's name in metrics_format


class CsvCodecOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the filter's; include_headers: what is written begins with the columns' names."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    columns: Sequence[str] = ()
    separator: str = ","
    quote_char: str = '"'
    convert: Mapping[str, str] = {}
    autodetect_column_names: bool = False
    autogenerate_column_names: bool = True
    skip_empty_columns: bool = False
    include_headers: bool = False
    charset: str = "UTF-8"
    target: str = ""
    ecs_compatibility: str = "v8"


class GraphiteOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """metrics: name to value. fields_are_metrics: each field is one, by include_metrics and exclude_metrics."""

    metrics: Mapping[str, str] = {}
    fields_are_metrics: bool = False
    include_metrics: Sequence[str] = (".*",)
    exclude_metrics: Sequence[str] = ("%\\{[^}]+\\}",)
    metrics_format: str = METRIC
    charset: str = "UTF-8"


class _Csv(Lines):
    def __init__(self, options: CsvCodecOptions) -> None:
        super().__init__(TextOptions(charset=options.charset))
        self._rows = Rows(
            CsvOptions(
                columns=options.columns, separator=options.separator, quote_char=options.quote_char,
                convert=options.convert, autodetect_column_names=options.autodetect_column_names,
                autogenerate_column_names=options.autogenerate_column_names,
                skip_empty_columns=options.skip_empty_columns, target=options.target,
            )
        )  # fmt: skip

    def _read(self, line: bytes) -> Sequence[Value]:
        event = Event({})
        try:
            self._rows.put(event, line.decode(self._charset, "replace"))
        except csv.Error:
            return [{MESSAGE: line.decode(self._charset, "replace"), "tags": ["_csvparsefailure"]}]
        return () if event.is_cancelled else [event.fields]


def read_csv(plugin: Plugin) -> MakeReading:
    """csv."""
    options = options_of(plugin, CsvCodecOptions, "codec")
    return lambda: _Csv(options)


def write_csv(plugin: Plugin) -> Write:
    """csv: the columns named, or else all fields."""
    options = options_of(plugin, CsvCodecOptions, "codec")
    is_begun = False

    def write(event: Event) -> bytes:
        nonlocal is_begun
        names = options.columns or list(event.fields)
        out = io.StringIO()
        writer = csv.writer(out, delimiter=options.separator, quotechar=options.quote_char, lineterminator="\n")
        if options.include_headers and not is_begun:
            writer.writerow(names)
        is_begun = True
        values = [event.get(parse_reference(name)) for name in names]
        writer.writerow(["" if value is None else text_of(value) for value in values])
        return out.getvalue().encode(options.charset, "replace")

    return write


class BulkLines(Lines):
    """A line says what is done, the next one with what."""

    def __init__(self, options: TextOptions) -> None:
        super().__init__(options)
        self._is_legacy = options.ecs_compatibility == "disabled"
        self._about: Value | None = None

    def _read(self, line: bytes) -> Sequence[Value]:
        if not line.strip():
            return ()
        try:
            read = msgspec.json.decode(line, type=dict)
        except msgspec.DecodeError:
            self._about = None
            return [{MESSAGE: line.decode(self._charset, "replace"), "tags": [FAILURE_TAG]}]
        action = next(iter(read), "")
        if self._about is None and len(read) == 1 and action in BULK_ACTIONS and isinstance(read[action], dict):
            self._about = {"action": action, **read[action]}
            return [self._event({})] if action == "delete" else ()
        return [self._event(read)]

    def _event(self, fields: Value) -> Value:
        about, self._about = self._about or {}, None
        return {**fields, METADATA: about if self._is_legacy else {"codec": {"es_bulk": about}}}


class CloudTrail:
    """A file of CloudTrail: one event for each of its records."""

    def __init__(self, options: TextOptions) -> None:
        self._charset = options.charset
        self._content = b""

    def feed(self, chunk: bytes) -> Sequence[Value]:
        self._content += chunk
        try:
            records = msgspec.json.decode(self._content, type=dict).get("Records", [])
        except msgspec.DecodeError:
            return ()
        self._content = b""
        return [self._event(record) for record in records if isinstance(record, dict)]

    def end(self) -> Sequence[Value]:
        content, self._content = self._content, b""
        return [{MESSAGE: content.decode(self._charset, "replace"), "tags": [FAILURE_TAG]}] if content else ()

    def _event(self, record: Value) -> Value:
        fields = {name: value for name, value in record.items() if name != "eventTime"}
        return {**fields, TIMESTAMP: record["eventTime"]} if "eventTime" in record else fields


class GraphiteLines(Lines):
    """`name value seconds` on a line."""

    def _read(self, line: bytes) -> Sequence[Value]:
        text = line.decode(self._charset, "replace")
        try:
            name, value, seconds = text.split()
            moment = datetime.fromtimestamp(float(seconds), UTC)
            return [{name: float(value), TIMESTAMP: moment}]
        except (ValueError, OverflowError, OSError):
            return [{MESSAGE: text, "tags": ["_graphiteparsefailure"]}]


def write_graphite(plugin: Plugin) -> Write:
    """graphite. Raises Invalid as `graphite_lines`."""
    return graphite_lines(options_of(plugin, GraphiteOptions, "codec"))


def graphite_lines(options: GraphiteOptions) -> Write:
    """The lines of one event. Raises Invalid: neither metrics nor fields, a pattern that cannot be compiled."""
    if not options.metrics and not options.fields_are_metrics:
        raise Invalid(what="graphite", why="there is nothing to send", fix='metrics => { "name" => "%{value}" }')
    try:
        include, exclude = ([re.compile(each) for each in each_of] for each_of in
                            (options.include_metrics, options.exclude_metrics))  # fmt: skip
    except re.error as error:
        raise Invalid(what="graphite", why=str(error), fix="correct the pattern") from error

    def write(event: Event) -> bytes:
        seconds = int(event.timestamp.timestamp()) if event.timestamp is not None else 0
        pairs = [(event.sprintf(name), event.sprintf(value)) for name, value in options.metrics.items()]
        if options.fields_are_metrics:
            pairs += [(name, text_of(value)) for name, value in event.fields.items() if name != TIMESTAMP]
            pairs = [
                (name, value) for name, value in pairs
                if any(each.search(name) for each in include) and not any(each.search(name) for each in exclude)
            ]  # fmt: skip
        lines = []
        for name, value in pairs:
            try:
                number = float(value)
            except ValueError:
                continue
            lines.append(f"{options.metrics_format.replace(METRIC, name)} {number:.15g} {seconds}\n")
        return "".join(lines).encode(options.charset, "replace")

    return write
