r"""A grok expression as one regular expression of Python, with what its groups become.

`%{NAME}` is put in its place, `%{NAME:field}` captures, `%{NAME:field:int}` converts, `%{NAME=pattern}`
defines; `(?<field>...)` captures as in Ruby. Groups get made-up names, since fields may have any.
Oniguruma's spellings that Python lacks are respelled; what cannot be is refused when the pipeline is
read, not when it runs.
Source: Logstash reference, "Grok filter plugin"; Oniguruma RE; Python `re`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference

DEPTH_MAX = 64  # patterns within patterns
PATTERN_BYTES_MAX = 1 << 20

_USE = re.compile(
    r"%\{(?P<name>\w+)(?::(?P<field>[^:}]+))?(?::(?P<kind>\w+))?(?:=(?P<inline>(?:[^{}]|\{\d*,?\d*\})+))?\}"
)
_NAMED = re.compile(r"\(\?<(?![=!])(?P<field>[^>]+)>")
_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e", "punct": r"!-/:-@\[-`{-~", "space": r"\s",
    "upper": "A-Z", "word": r"\w", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_CLASS = re.compile(r"\[:(\w+):\]")


@dataclass(frozen=True, slots=True)
class Capture:
    """A group that becomes a field. group: its number; convert: of its text; name: as it was written."""

    group: int
    reference: Reference
    name: str
    convert: Callable[[str], object] | None


@dataclass(frozen=True, slots=True)
class Grok:
    """A compiled expression. captures: in the order of their groups."""

    source: str
    pattern: re.Pattern[str]
    captures: tuple[Capture, ...]


def compile_grok(source: str, patterns: Mapping[str, str], *, named_only: bool = True) -> Grok:
    """named_only: only captures with a field name count; else `%{NAME}` captures under NAME.

    Raises Invalid: a pattern that is not defined, one that contains itself, one that Python cannot compile.
    """
    compiling = _Compiling(patterns, named_only)
    text = respelled(compiling.expanded(source, 0))
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise Invalid(what=f"grok expression {source!r}", why=str(error), fix="correct the expression") from error
    captures = [
        Capture(pattern.groupindex[group], reference, name, convert)
        for group, (reference, name, convert) in compiling.fields.items()
        if group in pattern.groupindex
    ]
    return Grok(source, pattern, tuple(sorted(captures, key=lambda capture: capture.group)))


def respelled(text: str) -> str:
    r"""Oniguruma's spelling in Python's: \h, \z, [[:alpha:]], ^ and $ at every line."""
    text = _CLASS.sub(lambda match: _CLASSES.get(match[1], match[0]), text)
    text = re.sub(r"(?<!\\)((?:\\\\)*)\\h", r"\1[0-9A-Fa-f]", text)
    text = re.sub(r"(?<!\\)((?:\\\\)*)\\Z", r"\1(?=\\n?\\Z)", text)
    return "(?m)" + re.sub(r"(?<!\\)((?:\\\\)*)\\z", r"\1\\Z", text)


class _Compiling:
    """One expression on its way. fields: made-up group name to what it captures, in order."""

    def __init__(self, patterns: Mapping[str, str], named_only: bool) -> None:
        self._patterns = patterns
        self._named_only = named_only
        self.fields: dict[str, tuple[Reference, str, Callable[[str], object] | None]] = {}
        self._bytes = 0

    def expanded(self, source: str, depth: int) -> str:
        if depth > DEPTH_MAX:
            raise Invalid(what="grok expression", why="a pattern contains itself", fix="take the circle out")
        self._bytes += len(source)
        if self._bytes > PATTERN_BYTES_MAX:
            raise Invalid(what="grok expression", why="it is over 1 MiB put together", fix="divide it")
        named = _NAMED.sub(lambda match: f"(?P<{self._group(match['field'], '')}>", source)
        return _USE.sub(lambda match: self._used(match, depth), named)

    def _used(self, match: re.Match[str], depth: int) -> str:
        name, field = match["name"], match["field"]
        if match["inline"] is not None:
            self._patterns = {**self._patterns, name: match["inline"]}
        if name not in self._patterns:
            raise Invalid(
                what="grok expression",
                why=f"pattern %{{{name}}} not defined",
                fix="define it in pattern_definitions or in a file of patterns_dir",
            )
        if field is None and not self._named_only:
            field = name
        group = self._group(field, match["kind"] or "") if field is not None else None
        inside = self.expanded(self._patterns[name], depth + 1)
        return f"(?P<{group}>{inside})" if group is not None else f"(?:{inside})"

    def _group(self, field: str, kind: str) -> str:
        name = f"g{len(self.fields)}"
        converts = {"": None, "int": _as_int, "float": _as_float, "string": None}
        if kind not in converts:
            raise Invalid(
                what="grok expression", why=f"there is no conversion to {kind!r}", fix="choose among int and float"
            )
        self.fields[name] = (parse_reference(field), field, converts[kind])
        return name


def _as_int(text: str) -> object:
    """As Ruby's to_i: the digits at the beginning, 0 if there are none."""
    match = re.match(r"\s*([+-]?\d+)", text)
    return int(match[1]) if match is not None else 0


def _as_float(text: str) -> object:
    match = re.match(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+)", text)
    return float(match[0]) if match is not None else 0.0
