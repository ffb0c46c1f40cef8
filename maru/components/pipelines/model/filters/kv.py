"""kv: `key=value` pairs in a text become fields.

Splits of single letters are classes of a regular expression, as in Logstash, and so may be escaped.
Source: Logstash reference, "Kv filter plugin".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, decoration_of, formatted_value, within
from maru.components.pipelines.model.grok.compiling import respelled
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

DEPTH_MAX = 16  # pairs within brackets, with `recursive`
BRACKETS = (("(", ")"), ("[", "]"), ("<", ">"))


class KvOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference. timeout_millis: 0 for none; a second here, since other pipelines wait meanwhile."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    source: str = "message"
    target: str = ""
    prefix: str = ""
    field_split: str = " "
    field_split_pattern: str | None = None
    value_split: str = "="
    value_split_pattern: str | None = None
    trim_key: str = ""
    trim_value: str = ""
    remove_char_key: str = ""
    remove_char_value: str = ""
    transform_key: str = ""
    transform_value: str = ""
    include_brackets: bool = True
    include_keys: Sequence[str] = ()
    exclude_keys: Sequence[str] = ()
    default_keys: Mapping[str, object] = {}
    allow_duplicate_values: bool = True
    allow_empty_values: bool = False
    recursive: bool = False
    whitespace: str = "lenient"
    tag_on_failure: Sequence[str] = ("_kv_filter_error",)
    tag_on_timeout: str = "_kv_filter_timeout"
    timeout_millis: int = 1_000
    ecs_compatibility: str = "v8"


_TRANSFORMS = {"lowercase": str.lower, "uppercase": str.upper, "capitalize": str.capitalize}


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: a pattern that cannot be compiled, a transformation there is not, nothing to split at."""
    options = options_of(plugin, KvOptions, "filter")
    for transform in (options.transform_key, options.transform_value):
        if transform and transform not in _TRANSFORMS:
            raise Invalid(what="kv", why=f"no transformation {transform!r}", fix=f"one of {', '.join(_TRANSFORMS)}")
    if options.whitespace not in ("lenient", "strict"):
        raise Invalid(what="kv", why=f"no whitespace {options.whitespace!r}", fix="lenient or strict")
    pairs, decoration = _Pairs(options), decoration_of(options)
    source = parse_reference(options.source)
    target = parse_reference(options.target) if options.target else ()

    def read(event: Event) -> None:
        try:
            found = _found(event, event.get(source), pairs, options)
        except (ValueError, RecursionError):
            for tag in options.tag_on_failure:
                event.tag(tag)
            return
        if not found:
            return
        if target:
            event.put(target, found)
        else:
            for key, value in found.items():
                event.put(parse_reference(key) if key.startswith("[") else (key,), value)
        decoration.apply(event)

    return within(tools, options.timeout_millis / 1000, read, options.tag_on_timeout)


def _found(event: Event, value: object, pairs: _Pairs, options: KvOptions) -> dict[str, object]:
    found: dict[str, object] = {}
    if value is not None:
        wanted = _Wanted(
            frozenset(map(event.sprintf, options.include_keys)),
            frozenset(map(event.sprintf, options.exclude_keys)),
            event.sprintf(options.prefix),
        )
        for text in value if isinstance(value, list) else [value]:
            pairs.read(text_of(text), found, wanted, 0)
    for key, default in options.default_keys.items():
        found.setdefault(key, formatted_value(event, default))
    return found


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which keys of one event count, and what stands before them."""

    include: frozenset[str]
    exclude: frozenset[str]
    prefix: str


class _Pairs:
    def __init__(self, options: KvOptions) -> None:
        self._options = options
        self._pattern = _pair_pattern(options)
        self._key = _Cleaning(options.trim_key, options.remove_char_key, options.transform_key)
        self._value = _Cleaning(options.trim_value, options.remove_char_value, options.transform_value)

    def read(self, text: str, found: dict[str, object], wanted: _Wanted, depth: int) -> None:
        for match in self._pattern.finditer(text):
            value = next((part for part in match.groups()[1:] if part is not None), "")
            key = self._key.clean(match["key"])
            if not key or (wanted.include and key not in wanted.include) or key in wanted.exclude:
                continue
            value = self._value.clean(value)
            if not value and not self._options.allow_empty_values:
                continue
            self._keep(wanted.prefix + key, self._inside(value, wanted, depth), found)

    def _inside(self, text: str, wanted: _Wanted, depth: int) -> object:
        if not self._options.recursive or depth >= DEPTH_MAX:
            return text
        inside: dict[str, object] = {}
        self.read(text, inside, wanted, depth + 1)
        return inside or text

    def _keep(self, key: str, value: object, found: dict[str, object]) -> None:
        if key not in found:
            found[key] = value
            return
        have = found[key]
        values = have if isinstance(have, list) else [have]
        if self._options.allow_duplicate_values or value not in values:
            found[key] = [*values, value]


class _Cleaning:
    """trim: letters taken away at both ends; remove: everywhere; both as inside of `[...]`."""

    def __init__(self, trim: str, remove: str, transform: str) -> None:
        self._trim = _compiled(rf"\A[{trim}]+|[{trim}]+\Z") if trim else None
        self._remove = _compiled(f"[{remove}]") if remove else None
        self._transform = _TRANSFORMS.get(transform)

    def clean(self, text: str) -> str:
        if self._trim is not None:
            text = self._trim.sub("", text)
        if self._remove is not None:
            text = self._remove.sub("", text)
        return self._transform(text) if self._transform is not None else text


def _pair_pattern(options: KvOptions) -> re.Pattern[str]:
    """A key, what splits, a value in quotes or brackets that ends there or a plain one, and the end of the pair."""
    pairs = ((options.field_split_pattern, options.field_split), (options.value_split_pattern, options.value_split))
    if any(pattern == "" or (pattern is None and not letters) for pattern, letters in pairs):
        raise Invalid(what="kv", why="there is nothing to split at", fix='field_split => "&" value_split => "="')
    field, split = (f"[{letters}]" if pattern is None else f"(?:{pattern})" for pattern, letters in pairs)
    if options.field_split_pattern is None and options.value_split_pattern is None:
        key, plain = rf"(?:\\.|[^{options.value_split}{options.field_split}])+", rf"(?:\\.|[^{options.field_split}])+"
    else:
        key, plain = rf"(?:(?!{split}|{field})(?:\\.|.))+", rf"(?:(?!{field})(?:\\.|.))+"
    around = "[ ]*" if options.whitespace == "lenient" else ""
    enclosed = [('"', '"'), ("'", "'"), *(BRACKETS if options.include_brackets else ())]
    end = rf"(?:{field}|\Z)"
    values = [rf"\{left}((?:\\.|[^\{right}])*)\{right}(?={end})" for left, right in enclosed]
    value = "|".join((*values, f"({plain})"))
    return _compiled(f"(?P<key>{key}){around}{split}{around}(?:{value})?{end}")


def _compiled(source: str) -> re.Pattern[str]:
    try:
        return re.compile(respelled(source))
    except re.error as error:
        raise Invalid(what="kv", why=f"{error} in {source!r}", fix="correct the pattern, or escape letters") from error
