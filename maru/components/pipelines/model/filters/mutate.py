"""mutate: rename, update, replace, convert, change letters, split and join fields.

Within one filter the order is fixed, whatever the order in which the options were written: coerce,
rename, update, replace, convert, gsub, uppercase, capitalize, lowercase, strip, split, join, merge, copy.
Source: Logstash reference, "Mutate filter plugin".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from maru.components.pipelines.model.event import Event, copied_leaf, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, formatted_value, per_event
from maru.components.pipelines.model.grok.compiling import respelled
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin

TRUE_WORDS = frozenset(["true", "t", "yes", "y", "1", "1.0"])
FALSE_WORDS = frozenset(["false", "f", "no", "n", "0", "0.0"])
GSUB_STEP = 3
GSUB_KEPT = 256  # patterns made of events' fields
_HEX = re.compile(r"[+-]?0[xX][0-9a-fA-F]+\Z")


class MutateOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    coerce: Mapping[str, object] = {}
    rename: Mapping[str, str] = {}
    update: Mapping[str, object] = {}
    replace: Mapping[str, object] = {}
    convert: Mapping[str, str] = {}
    gsub: Sequence[str] = ()
    uppercase: Sequence[str] = ()
    capitalize: Sequence[str] = ()
    lowercase: Sequence[str] = ()
    strip: Sequence[str] = ()
    split: Mapping[str, str] = {}
    join: Mapping[str, str] = {}
    merge: Mapping[str, object] = {}
    copy: Mapping[str, str] = {}
    tag_on_failure: str = "_mutate_error"


Change = Callable[[Event], None]


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: a conversion there is not, a gsub that is not in threes."""
    options = options_of(plugin, MutateOptions, "filter")
    changes = [*_set_changes(options), *_text_changes(options), *_list_changes(options)]

    def is_successful(event: Event) -> bool:
        try:
            for change in changes:
                change(event)
        except (ValueError, TypeError, OverflowError, InvalidOperation, re.error):
            event.tag(options.tag_on_failure)
            return False
        return True

    return per_event(options, is_successful)


def _set_changes(options: MutateOptions) -> Sequence[Change]:
    changes: list[Change] = []
    changes += [_coerce(parse_reference(name), value) for name, value in options.coerce.items()]
    changes += [_rename(name, to) for name, to in options.rename.items()]
    changes += [_replace(parse_reference(name), value, only_there=True) for name, value in options.update.items()]
    changes += [_replace(parse_reference(name), value, only_there=False) for name, value in options.replace.items()]
    changes += [_convert(name, kind) for name, kind in options.convert.items()]
    return changes


def _text_changes(options: MutateOptions) -> Sequence[Change]:
    if len(options.gsub) % GSUB_STEP:
        raise Invalid(what="mutate", why="gsub wants field, pattern and replacement", fix="give three for each")
    triples = [tuple(options.gsub[first : first + GSUB_STEP]) for first in range(0, len(options.gsub), GSUB_STEP)]
    changes: list[Change] = [_gsub(*triple) for triple in triples]
    for names, change in (
        (options.uppercase, str.upper),
        (options.capitalize, str.capitalize),
        (options.lowercase, str.lower),
        (options.strip, str.strip),
    ):
        changes += [_each_text(parse_reference(name), change) for name in names]
    return changes


def _list_changes(options: MutateOptions) -> Sequence[Change]:
    changes: list[Change] = [_split(parse_reference(name), by) for name, by in options.split.items()]
    changes += [_join(parse_reference(name), by) for name, by in options.join.items()]
    for name, sources in options.merge.items():
        for source in sources if isinstance(sources, list) else [sources]:
            changes.append(_merge(parse_reference(name), parse_reference(str(source))))
    changes += [_copy(name, to) for name, to in options.copy.items()]
    return changes


def _coerce(reference: Reference, value: object) -> Change:
    def change(event: Event) -> None:
        if event.has(reference) and event.get(reference) is None:
            event.put(reference, formatted_value(event, value))

    return change


def _rename(name: str, to: str) -> Change:
    def change(event: Event) -> None:
        source = parse_reference(event.sprintf(name))
        if event.has(source):
            event.put(parse_reference(event.sprintf(to)), event.remove(source))

    return change


def _replace(reference: Reference, value: object, *, only_there: bool) -> Change:
    def change(event: Event) -> None:
        if not only_there or event.has(reference):
            event.put(reference, formatted_value(event, value))

    return change


def _copy(name: str, to: str) -> Change:
    def change(event: Event) -> None:
        source = parse_reference(event.sprintf(name))
        value = event.get(source)
        if value is not None:
            event.put(parse_reference(event.sprintf(to)), copied_leaf(value))

    return change


def _convert(name: str, kind: str) -> Change:
    convert = CONVERSIONS.get(kind)
    if convert is None:
        raise Invalid(what="mutate", why=f"there is no conversion to {kind!r}", fix=f"one of {', '.join(CONVERSIONS)}")
    reference = parse_reference(name)

    def change(event: Event) -> None:
        value = event.get(reference)
        if isinstance(value, list):
            event.put(reference, [None if element is None else convert(element) for element in value])
        elif value is not None and not isinstance(value, dict):
            event.put(reference, convert(value))

    return change


def as_integer(value: object) -> int:
    """Truncated; of a text: hexadecimal, with an exponent, or the digits at its beginning, 0 if there are none."""
    if isinstance(value, bool | int | float):
        return int(value)
    text = _number_text(value)
    if _HEX.match(text):
        return int(text, 16)
    if "e" in text:
        return int(Decimal(text))
    match = re.match(r"[+-]?\d+", text)
    return int(match[0]) if match is not None else 0


def as_float(value: object) -> float:
    """Of a text, all of it must be a number. Raises ValueError."""
    if isinstance(value, bool | int | float):
        return float(value)
    text = _number_text(value)
    return float(int(text, 16)) if _HEX.match(text) else float(text)


def _number_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it has no number")
    return value.strip().replace(",", "")


def _american(value: object) -> object:
    """1.234,5 as 1,234.5."""
    return value.translate(str.maketrans(",.", ".,")) if isinstance(value, str) else value


def as_boolean(value: object) -> object:
    """The words for true and false; what is neither stays as it is."""
    word = text_of(value).lower()
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS or word == "" else value


CONVERSIONS: Mapping[str, Callable[[object], object]] = {
    "integer": as_integer,
    "integer_eu": lambda value: as_integer(_american(value)),
    "float": as_float,
    "float_eu": lambda value: as_float(_american(value)),
    "string": text_of,
    "boolean": as_boolean,
}


def _gsub(name: str, source: str, replacement: str) -> Change:
    is_plain = "%{" not in source
    try:
        compiled = _compiled(source) if is_plain else None
    except re.error as error:
        raise Invalid(what=f"gsub pattern {source!r}", why=str(error), fix="correct the pattern") from error
    reference = parse_reference(name)
    python_replacement = re.sub(r"\\([0-9])", r"\\g<\1>", re.sub(r"\\(?![0-9])", r"\\\\", replacement))

    def change(event: Event) -> None:
        pattern = compiled if compiled is not None else _compiled(event.sprintf(source))
        with_fields = event.sprintf(python_replacement)
        _change_texts(event, reference, lambda text: pattern.sub(with_fields, text))

    return change


@lru_cache(maxsize=GSUB_KEPT)
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(respelled(source))


def _each_text(reference: Reference, convert: Callable[[str], str]) -> Change:
    def change(event: Event) -> None:
        _change_texts(event, reference, convert)

    return change


def _change_texts(event: Event, reference: Reference, convert: Callable[[str], str]) -> None:
    value = event.get(reference)
    if isinstance(value, str):
        event.put(reference, convert(value))
    elif isinstance(value, list):
        event.put(reference, [convert(element) if isinstance(element, str) else element for element in value])


def _split(reference: Reference, by: str) -> Change:
    def change(event: Event) -> None:
        value = event.get(reference)
        if isinstance(value, str):
            parts = value.split(by) if by else list(value)
            while parts and not parts[-1]:
                parts.pop()
            event.put(reference, parts)

    return change


def _join(reference: Reference, by: str) -> Change:
    def change(event: Event) -> None:
        value = event.get(reference)
        if isinstance(value, list):
            event.put(reference, by.join(text_of(element) for element in value))

    return change


def _merge(reference: Reference, source: Reference) -> Change:
    def change(event: Event) -> None:
        added, have = event.get(source), event.get(reference)
        if added is None:
            return
        if isinstance(have, dict) and isinstance(added, dict):
            event.put(reference, {**have, **added})
        elif not isinstance(have, dict) and not isinstance(added, dict):
            first = have if isinstance(have, list) else [] if have is None else [have]
            event.put(reference, [*first, *(added if isinstance(added, list) else [added])])

    return change
