"""csv: separated values become fields.

Source: Logstash reference, "Csv filter plugin"; RFC 4180.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.date import iso8601, zone_of
from maru.components.pipelines.model.filters.mutate import as_boolean
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin


class CsvOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    source: str = "message"
    target: str = ""
    columns: Sequence[str] = ()
    separator: str = ","
    quote_char: str = '"'
    convert: Mapping[str, str] = {}
    autodetect_column_names: bool = False
    autogenerate_column_names: bool = True
    skip_header: bool = False
    skip_empty_columns: bool = False
    skip_empty_rows: bool = False
    ecs_compatibility: str = "v8"


NO_QUOTES = ("\x00", r"\x00")
STAND_IN = "\x1f"  # for a separator of several letters, which the csv module does not know

_CONVERSIONS: Mapping[str, Callable[[str], object]] = {
    "integer": int,
    "float": float,
    "boolean": as_boolean,
    "date": lambda text: iso8601(text, zone_of("+00:00")),
    "date_time": lambda text: iso8601(text, zone_of("+00:00")),
}


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: a conversion there is not, no separator."""
    options = options_of(plugin, CsvOptions, "filter")
    unknown = set(options.convert.values()) - set(_CONVERSIONS)
    if unknown:
        raise Invalid(what="csv", why=f"no conversion {sorted(unknown)}", fix=f"one of {', '.join(_CONVERSIONS)}")
    if not options.separator or (len(options.quote_char) != 1 and options.quote_char not in NO_QUOTES):
        raise Invalid(what="csv", why="there is no separator, or a quote_char of many letters", fix='separator => ";"')
    source = parse_reference(options.source)
    rows = Rows(options)

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        if value is None:
            return False
        try:
            return rows.put(event, text_of(value))
        except csv.Error:
            event.tag("_csvparsefailure")
            return False

    return per_event(options, is_successful)


class Rows:
    """The columns may come from the first row; this is what one filter remembers."""

    def __init__(self, options: CsvOptions) -> None:
        self._options = options
        self._columns: Sequence[str] = options.columns
        self._target = parse_reference(options.target) if options.target else ()

    def put(self, event: Event, text: str) -> bool:
        """Put a row's values into the event; raises csv.Error for quotes that are not closed."""
        options = self._options
        if options.skip_empty_rows and not text.strip():
            event.tag("_csvskippedemptyfield")
            return False
        row = self._row(text)
        if options.autodetect_column_names and not self._columns:
            self._columns = row
            event.is_cancelled = True
            return False
        if options.skip_header and list(self._columns) == row:
            event.is_cancelled = True
            return False
        for number, value in enumerate(row):
            if number >= len(self._columns) and not options.autogenerate_column_names:
                break
            if value == "" and options.skip_empty_columns:
                continue
            name = self._columns[number] if number < len(self._columns) else f"column{number + 1}"
            event.put(self._target + parse_reference(name), _converted(value, options.convert.get(name, "")))
        return True

    def _row(self, text: str) -> list[str]:
        options = self._options
        separator = options.separator
        if len(separator) > 1:
            text, separator = text.replace(separator, STAND_IN), STAND_IN
        if options.quote_char in NO_QUOTES:
            return next(csv.reader([text], delimiter=separator, quoting=csv.QUOTE_NONE), [])
        return next(csv.reader([text], delimiter=separator, quotechar=options.quote_char, strict=True), [])


def _converted(text: str, kind: str) -> object:
    """None for an empty column; what cannot be converted stays."""
    if not text:
        return None
    try:
        return _CONVERSIONS[kind](text) if kind else text
    except ValueError:
        return text
