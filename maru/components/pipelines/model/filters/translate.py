"""translate: a value is looked up in a dictionary, given in place or in a file (JSON, YAML, CSV).

Source: Logstash reference, "Translate filter plugin".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import ryaml

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, formatted_value, per_event
from maru.components.pipelines.model.grok.compiling import respelled
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin

FILE_CODE_POINTS = 128 << 20  # Logstash's bound of a YAML file; here a file is bounded by its bytes


class TranslateOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference. refresh_interval: s between two looks at the file, 0 for none.

    field and destination: the former names of source and target.
    """

    without_effect: ClassVar[frozenset[str]] = frozenset(["yaml_load_strategy", "yaml_dictionary_code_point_limit"])

    source: str = ""
    field: str = ""
    target: str = ""
    destination: str = ""
    dictionary: Mapping[str, object] = {}
    dictionary_path: str = ""
    exact: bool = True
    regex: bool = False
    override: bool | None = None
    fallback: str = ""
    iterate_on: str = ""
    refresh_interval: int = 300
    refresh_behaviour: str = "merge"
    yaml_load_strategy: str = "one_shot"
    yaml_dictionary_code_point_limit: int = FILE_CODE_POINTS
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: no source, both a dictionary and a file, a file that cannot be read."""
    options = options_of(plugin, TranslateOptions, "filter")
    if options.dictionary and options.dictionary_path:
        raise Invalid(what="translate", why="dictionary and dictionary_path exclude each other", fix="give one")
    if options.refresh_behaviour not in ("merge", "replace"):
        raise Invalid(
            what="translate", why=f"no refresh_behaviour {options.refresh_behaviour!r}", fix="merge or replace"
        )
    if not (options.source or options.field):
        raise Invalid(what="translate", why="Missing a required setting: source", fix='source => "status"')
    book = _Book(options, tools)
    source = parse_reference(options.source or options.field)
    usual = "translation" if options.ecs_compatibility == "disabled" or options.field else ""
    written = options.target or options.destination or usual
    target = parse_reference(written) if written else source
    overrides = options.override if options.override is not None else target == source

    def is_successful(event: Event) -> bool:
        value = event.get(parse_reference(options.iterate_on) if options.iterate_on else source)
        if value is None or (event.has(target) and not overrides):
            return False
        if options.iterate_on and isinstance(value, list):
            return _each(event, value, book, (source, target))
        key = value[0] if isinstance(value, list) and value else value
        found = book.find(text_of(key))
        if found is None and not options.fallback:
            return False
        event.put(target, found if found is not None else event.sprintf(options.fallback))
        return True

    return per_event(options, is_successful)


class _Book:
    def __init__(self, options: TranslateOptions, tools: Tools) -> None:
        self._options = options
        self._tools = tools
        self._read_at = tools.now()
        self._entries = dict(options.dictionary) or self._read()
        self._patterns = self._compiled()
        self._anywhere = self._union()

    def find(self, key: str) -> object:
        """What stands for `key`, None if nothing does."""
        self._refresh()
        options = self._options
        if options.exact and options.regex:
            for pattern, value in self._patterns:
                if pattern.search(key) is not None:
                    return value
            return None
        if options.exact:
            return self._entries.get(key)
        if self._anywhere is None:
            return None
        replaced = self._anywhere.sub(lambda match: text_of(self._entries[match[0]]), key)
        return replaced if replaced != key else None

    def _refresh(self) -> None:
        options = self._options
        if not options.dictionary_path or options.refresh_interval <= 0:
            return
        if (self._tools.now() - self._read_at).total_seconds() < options.refresh_interval:
            return
        self._read_at = self._tools.now()
        try:
            read = self._read()
        except Invalid:
            return  # the old dictionary goes on, as in Logstash
        self._entries = {**self._entries, **read} if options.refresh_behaviour == "merge" else read
        self._patterns = self._compiled()
        self._anywhere = self._union()

    def _union(self) -> re.Pattern[str] | None:
        """All entries as one pattern, for what is not exact: each place is translated once."""
        if self._options.exact or not self._entries:
            return None
        return re.compile("|".join(map(re.escape, self._entries)))

    def _read(self) -> dict[str, object]:
        if not self._options.dictionary_path:
            return {}
        path = Path(self._options.dictionary_path)
        text = self._tools.read_file(path).decode()
        try:
            return _entries(text, path.suffix)
        except (ValueError, TypeError) as error:
            raise Invalid(what=f"dictionary {path}", why=str(error), fix="make it a flat mapping") from error

    def _compiled(self) -> Sequence[tuple[re.Pattern[str], object]]:
        if not self._options.regex:
            return ()
        try:
            return [(re.compile(respelled(source)), value) for source, value in self._entries.items()]
        except re.error as error:
            raise Invalid(what="translate", why=str(error), fix="correct the pattern in the dictionary") from error


def _entries(text: str, suffix: str) -> dict[str, object]:
    if suffix == ".csv":
        return {row[0]: row[1] for row in csv.reader(text.splitlines()) if len(row) > 1}
    if suffix not in (".json", ".yml", ".yaml"):
        raise ValueError(f"a file named {suffix!r} has no valid format: .yml, .yaml, .json or .csv")
    try:
        read = msgspec.json.decode(text) if suffix == ".json" else ryaml.loads(text)
    except ryaml.InvalidYamlError as error:
        raise ValueError(str(error)) from error
    if not isinstance(read, dict):
        raise TypeError("it is no mapping")
    return {str(key): value for key, value in read.items()}


def _each(event: Event, elements: Sequence[object], book: _Book, places: tuple[Reference, Reference]) -> bool:
    """iterate_on: a list of objects with source and target within, or a list of plain values."""
    source, target = places
    changed = False
    for number, element in enumerate(elements):
        if isinstance(element, dict):
            inner = Event(element)
            found = book.find(text_of(inner.get(source))) if inner.has(source) else None
            if found is not None:
                inner.put(target, found)
                changed = True
        else:
            found = book.find(text_of(element))
            values = event.get(target)
            results = list(values) if isinstance(values, list) and number else []
            results.append(formatted_value(event, found))
            event.put(target, results)
            changed = changed or found is not None
    return changed
