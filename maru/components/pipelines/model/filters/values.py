"""Filters that make one value of another: json_encode, alter, extractnumbers, range, i18n, anonymize, environment.

Source: Logstash reference, the filter plugins of these names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from maru.components.pipelines.model.event import METADATA, Event, encode_json, text_of
from maru.components.pipelines.model.filters import fingerprint
from maru.components.pipelines.model.filters.shape import Filter, Tools, formatted_value, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

_NUMBERS = re.compile(r"(?:\d|\.)+")
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D",
     "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "\u0131": "i", "ŋ": "ng"}
)  # fmt: skip
LEAST_OF_THREE, LEAST_OF_FOUR = 3, 4


class JsonEncodeOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """target: the source, if none is named."""

    source: str
    target: str = ""
    tag_on_failure: Sequence[str] = ("_jsonencodefailure",)


class AlterOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """condrewrite: field, value, new value; condrewriteother: field, value, other field, new value."""

    coalesce: Sequence[str] = ()
    condrewrite: Sequence[str] = ()
    condrewriteother: Sequence[str] = ()


class ExtractOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers become int1, int2, float1, ..."""

    source: str = "message"


class RangeOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ranges: field, lowest, highest, action (drop, tag:x, field:x:y), again and again."""

    ranges: Sequence[str] = ()
    negate: bool = False


class I18nOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields whose letters become plain ones."""

    transliterate: Sequence[str] = ()


class AnonymizeOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """algorithm: as fingerprint's method. key: of the HMAC, or the prefix length of IPV4_NETWORK."""

    fields: Sequence[str]
    algorithm: str = "SHA1"
    key: str


class EnvironmentOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of fields' names to variables' names; the second puts them under @metadata."""

    add_field_from_env: Mapping[str, str] = {}
    add_metadata_from_env: Mapping[str, str] = {}


def build_json_encode(plugin: Plugin, tools: Tools) -> Filter:
    """json_encode."""
    options = options_of(plugin, JsonEncodeOptions, "filter")
    source = parse_reference(options.source)
    target = parse_reference(options.target) if options.target else source

    def is_successful(event: Event) -> bool:
        if not event.has(source):
            return False
        try:
            event.put(target, encode_json(event.get(source)).decode())
        except (TypeError, ValueError):
            for tag in options.tag_on_failure:
                event.tag(tag)
            return False
        return True

    return per_event(options, is_successful)


def build_alter(plugin: Plugin, tools: Tools) -> Filter:
    """alter. Raises Invalid: a rewrite that is not in threes or fours."""
    options = options_of(plugin, AlterOptions, "filter")
    rewrites = _grouped(options.condrewrite, LEAST_OF_THREE, "condrewrite")
    others = _grouped(options.condrewriteother, LEAST_OF_FOUR, "condrewriteother")

    def is_successful(event: Event) -> bool:
        for name, expected, new in rewrites:
            if text_of(event.get(parse_reference(name))) == event.sprintf(expected):
                event.put(parse_reference(name), event.sprintf(new))
        for name, expected, other, new in others:
            if text_of(event.get(parse_reference(name))) == event.sprintf(expected):
                event.put(parse_reference(other), event.sprintf(new))
        if options.coalesce:
            target, *candidates = options.coalesce
            found = next((text for text in map(event.sprintf, candidates) if text and not text.startswith("%{")), None)
            if found is not None:
                event.put(parse_reference(target), found)
        return True

    return per_event(options, is_successful)


def build_extractnumbers(plugin: Plugin, tools: Tools) -> Filter:
    """extractnumbers."""
    source = parse_reference((options := options_of(plugin, ExtractOptions, "filter")).source)

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        text = value[0] if isinstance(value, list) and len(value) == 1 else value
        if not isinstance(text, str):
            return False
        counts = {"int": 0, "float": 0}
        for piece in _NUMBERS.findall(text):
            try:
                number, kind = (int(piece), "int") if piece.isdigit() else (float(piece), "float")
            except ValueError:
                continue
            counts[kind] += 1
            event.put((f"{kind}{counts[kind]}",), number)
        return any(counts.values())

    return per_event(options, is_successful)


def build_range(plugin: Plugin, tools: Tools) -> Filter:
    """range. Raises Invalid: ranges that are not in fours, an action there is not, ends that are no numbers."""
    options = options_of(plugin, RangeOptions, "filter")
    ranges = _grouped(options.ranges, LEAST_OF_FOUR, "ranges")
    for _, lowest, highest, action in ranges:
        try:
            float(lowest), float(highest)
        except ValueError as error:
            raise Invalid(what="range", why=str(error), fix='ranges => ["field", 1, 5, "tag:x"]') from error
        if action != "drop" and not action.startswith(("tag:", "field:")):
            raise Invalid(what="range", why=f"no action {action!r}", fix="drop, tag:x or field:x:y")

    def is_successful(event: Event) -> bool:
        for name, lowest, highest, action in ranges:
            value = event.get(parse_reference(name))
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                continue
            size = len(value) if isinstance(value, str) else value
            if (float(lowest) <= size <= float(highest)) != options.negate:
                _act(event, action)
                if event.is_cancelled:
                    return False
        return True

    return per_event(options, is_successful)


def build_i18n(plugin: Plugin, tools: Tools) -> Filter:
    """i18n."""
    options = options_of(plugin, I18nOptions, "filter")

    def plain(value: object) -> object:
        if isinstance(value, list):
            return [plain(element) for element in value]
        if not isinstance(value, str):
            return value
        apart = unicodedata.normalize("NFKD", value.translate(_LETTERS))
        kept = "".join(letter for letter in apart if not unicodedata.combining(letter))
        return unicodedata.normalize("NFC", kept).encode("ascii", "replace").decode()

    def is_successful(event: Event) -> bool:
        for name in options.transliterate:
            if event.has(reference := parse_reference(name)):
                event.put(reference, plain(event.get(reference)))
        return True

    return per_event(options, is_successful)


def build_anonymize(plugin: Plugin, tools: Tools) -> Filter:
    """anonymize. Raises Invalid as fingerprint does."""
    options = options_of(plugin, AnonymizeOptions, "filter")
    method = fingerprint.method_of(options.algorithm, options.key)

    def is_successful(event: Event) -> bool:
        for name in options.fields:
            value = event.get(reference := parse_reference(name))
            if isinstance(value, list):
                event.put(reference, [method(element) for element in value])
            elif value is not None:
                event.put(reference, method(value))
        return True

    return per_event(options, is_successful)


def build_environment(plugin: Plugin, tools: Tools) -> Filter:
    """environment."""
    options = options_of(plugin, EnvironmentOptions, "filter")

    def is_successful(event: Event) -> bool:
        for above, pairs in (((), options.add_field_from_env), ((METADATA,), options.add_metadata_from_env)):
            for name, variable in pairs.items():
                event.put((*above, *parse_reference(name)), tools.environment.get(variable))
        return True

    return per_event(options, is_successful)


def _act(event: Event, action: str) -> None:
    kind, _, rest = action.partition(":")
    if kind == "drop":
        event.is_cancelled = True
    elif kind == "tag":
        event.tag(event.sprintf(rest))
    else:
        name, _, value = rest.partition(":")
        event.put(parse_reference(event.sprintf(name)), formatted_value(event, value))


def _grouped(written: Sequence[str], count: int, name: str) -> Sequence[Sequence[str]]:
    if len(written) % count:
        raise Invalid(what=name, why=f"it wants {count} values for each", fix="give them all")
    return [written[first : first + count] for first in range(0, len(written), count)]
