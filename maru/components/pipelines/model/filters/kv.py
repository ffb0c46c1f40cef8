"""kv: `key=value` pairs in a text become fields.

Source: Logstash reference, "Kv filter plugin".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.filters.shape import Filter, Tools, formatted_value, per_event
from maru.components.pipelines.model.grok.compiling import respelled
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

DEPTH_MAX = 16  # pairs within brackets, with `recursive`


class KvOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the plugin's reference."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["tag_on_failure"])

    source: str = "message"
    target: str = ""
    prefix: str = ""
    field_split: str = " "
    field_split_pattern: str = ""
    value_split: str = "="
    value_split_pattern: str = ""
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


_TRANSFORMS = {"lowercase": str.lower, "uppercase": str.upper, "capitalize": str.capitalize}


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: a pattern that cannot be compiled, a transformation there is not."""
    options = options_of(plugin, KvOptions, "filter")
    for transform in (options.transform_key, options.transform_value):
        if transform and transform not in _TRANSFORMS:
            raise Invalid(what="kv", why=f"no transformation {transform!r}", fix=f"one of {', '.join(_TRANSFORMS)}")
    pairs = _Pairs(options)
    source = parse_reference(options.source)
    target = parse_reference(options.target) if options.target else ()

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        if value is None:
            return False
        found: dict[str, object] = {}
        for line in value if isinstance(value, list) else [value]:
            pairs.read(text_of(line), found, 0)
        for key, default in options.default_keys.items():
            found.setdefault(key, formatted_value(event, default))
        if not found:
            return False
        if target:
            have = event.get(target)
            event.put(target, {**have, **found} if isinstance(have, dict) else found)
        else:
            for key, read in found.items():
                event.put(parse_reference(key) if key.startswith("[") else (key,), read)
        return True

    return per_event(options, is_successful)


class _Pairs:
    def __init__(self, options: KvOptions) -> None:
        self._options = options
        self._pattern = _pair_pattern(options)
        self._include, self._exclude = frozenset(options.include_keys), frozenset(options.exclude_keys)

    def read(self, text: str, found: dict[str, object], depth: int) -> None:
        options = self._options
        for match in self._pattern.finditer(text):
            key, value = match["key"], next((part for part in match.groups()[1:] if part is not None), "")
            key = _trimmed(key, options.trim_key, options.remove_char_key)
            value = _trimmed(value, options.trim_value, options.remove_char_value)
            if options.transform_key:
                key = _TRANSFORMS[options.transform_key](key)
            if not key or (self._include and key not in self._include) or key in self._exclude:
                continue
            if not value and not options.allow_empty_values:
                continue
            if options.transform_value:
                value = _TRANSFORMS[options.transform_value](value)
            self._keep(options.prefix + key, self._value(value, depth), found)

    def _value(self, text: str, depth: int) -> object:
        if not self._options.recursive or depth >= DEPTH_MAX:
            return text
        inside: dict[str, object] = {}
        self.read(text, inside, depth + 1)
        return inside or text

    def _keep(self, key: str, value: object, found: dict[str, object]) -> None:
        if key not in found:
            found[key] = value
            return
        have = found[key]
        values = have if isinstance(have, list) else [have]
        if self._options.allow_duplicate_values or value not in values:
            found[key] = [*values, value]


def _pair_pattern(options: KvOptions) -> re.Pattern[str]:
    field = options.field_split_pattern or f"[{re.escape(options.field_split)}]"
    split = options.value_split_pattern or f"[{re.escape(options.value_split)}]"
    if options.whitespace == "lenient":
        split = f"[ ]*(?:{split})[ ]*" if " " not in options.value_split else split
    brackets = r"|\(([^)]*)\)|\[([^\]]*)\]|<([^>]*)>" if options.include_brackets else ""
    value = rf'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'{brackets}|((?:(?!{field}).)+)'
    try:
        return re.compile(respelled(rf"(?P<key>(?:(?!{field}|{split}).)+)(?:{split})(?:{value}|(?={field})|\Z)"))
    except re.error as error:
        raise Invalid(what="kv", why=str(error), fix="correct the pattern of the split") from error


def _trimmed(text: str, around: str, everywhere: str) -> str:
    if around:
        text = text.strip(around)
    return text.translate({ord(letter): None for letter in everywhere}) if everywhere else text
