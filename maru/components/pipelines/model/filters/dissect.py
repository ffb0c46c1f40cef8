"""dissect: a line is cut at its delimiters, without a regular expression.

`%{a}` takes up to the next delimiter, `%{+a}` appends (with `/2` an order), `%{?a}` is thrown away,
`%{&a}` has the value found under `?a` or `a` as its name, `%{a->}` swallows repeated delimiters.
Source: Logstash reference, "Dissect filter plugin".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.mutate import as_float
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin

_FIELD = re.compile(r"%\{([^}]*)\}")
_KEY = re.compile(r"(?P<sign>[+?&]*)(?P<name>.*?)(?:/(?P<order>\d+))?(?P<padding>->)?")


class DissectOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    mapping: Mapping[str, str] = {}
    convert_datatype: Mapping[str, str] = {}
    tag_on_failure: Sequence[str] = ("_dissectfailure",)


@dataclass(frozen=True, slots=True)
class _Key:
    """sign: +, ?, & or "". delimiter: what stands behind it, "" at the end of the line."""

    sign: str
    name: str
    order: int
    is_padded: bool
    delimiter: str


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: a mapping that has no field, or one with two prefixes."""
    options = options_of(plugin, DissectOptions, "filter")
    cuts = [(parse_reference(field), *_compiled(text)) for field, text in options.mapping.items()]

    def is_successful(event: Event) -> bool:
        for source, prefix, keys in cuts:
            value = event.get(source)
            if value is None:
                continue
            found = _cut(text_of(value), prefix, keys)
            if found is None:
                for tag in options.tag_on_failure:
                    event.tag(tag)
                return False
            for reference, text in found:
                event.put(reference, text)
        for name, kind in options.convert_datatype.items():
            _convert(event, name, kind)
        return True

    return per_event(options, is_successful)


def _compiled(text: str) -> tuple[str, Sequence[_Key]]:
    matches = list(_FIELD.finditer(text))
    if not matches:
        raise Invalid(what=f"dissect mapping {text!r}", why="it has no field", fix='write "%{a} %{b}"')
    keys: list[_Key] = []
    for index, match in enumerate(matches):
        end = matches[index + 1].start() if index + 1 < len(matches) else len(text)
        key = _KEY.fullmatch(match[1])
        assert key is not None
        if len(key["sign"]) > 1:
            raise Invalid(
                what=f"dissect mapping {text!r}",
                why=f"Field cannot prefix with both Append and Indirect Prefix: {match[1]}",
                fix="write one of + and &",
            )
        keys.append(
            _Key(key["sign"], key["name"], int(key["order"] or 0), bool(key["padding"]), text[match.end() : end])
        )
    return text[: matches[0].start()], keys


def _cut(text: str, prefix: str, keys: Sequence[_Key]) -> Sequence[tuple[Reference, str]] | None:
    """The fields found, None where a delimiter is missing."""
    if not text.startswith(prefix):
        return None
    position, values = len(prefix), []
    for key in keys:
        if key.delimiter:
            end = text.find(key.delimiter, position)
            if end < 0:
                return None
            values.append(text[position:end])
            position = end + len(key.delimiter)
            while key.is_padded and text.startswith(key.delimiter, position):
                position += len(key.delimiter)
        else:
            values.append(text[position:])
            position = len(text)
    return _named(keys, values)


def _named(keys: Sequence[_Key], values: Sequence[str]) -> Sequence[tuple[Reference, str]]:
    plain = {key.name: value for key, value in zip(keys, values, strict=True) if key.sign in ("", "?")}
    found: list[tuple[Reference, str]] = []
    appended: dict[str, list[tuple[int, int, str, str]]] = {}
    before = ""
    for place, (key, value) in enumerate(zip(keys, values, strict=True)):
        if key.sign == "&":
            found.append((parse_reference(plain.get(key.name, key.name) or key.name), value))
        elif key.name and key.sign == "+":
            appended.setdefault(key.name, []).append((key.order, place, before, value))
        elif key.name and key.sign == "":
            appended.setdefault(key.name, []).append((0, place, "", value))
        before = key.delimiter
    for name, parts in appended.items():
        parts.sort(key=lambda part: part[:2])
        text = parts[0][3] + "".join((delimiter or " ") + value for _, _, delimiter, value in parts[1:])
        found.append((parse_reference(name), text))
    return found


def _convert(event: Event, name: str, kind: str) -> None:
    """Convert a field to int or float; where that cannot be done, a tag says what and why."""
    reference = parse_reference(name)
    value, convert = event.get(reference), _CONVERSIONS.get(kind)
    if convert is None:
        event.tag(f"_dataconversionmissing_{name}_{kind}")
    elif value is None:
        event.tag(f"_dataconversionnullvalue_{name}_{kind}")
    else:
        try:
            event.put(reference, convert(value))
        except (TypeError, ValueError):
            event.tag(f"_dataconversionuncoercible_{name}_{kind}")


_CONVERSIONS: Mapping[str, Callable[[object], object]] = {
    "int": lambda value: int(as_float(value)),
    "float": as_float,
}
