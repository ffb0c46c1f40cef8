"""Mustache as search templates use it: variables escaped as JSON, sections, toJson, join, url.

Source: mustache(5); Elasticsearch reference, "Search templates".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec

from maru.wire.elastic.json import Json

_TAG = re.compile(r"\{\{\{\s*(?P<raw>[^}]*?)\s*\}\}\}|\{\{(?P<mark>[#^/!&>]?)\s*(?P<name>.*?)\s*\}\}", re.DOTALL)
DEPTH_MAX = 64


class MustacheError(ValueError):
    """A template that does not parse."""


@dataclass(slots=True)
class _Section:
    """mark: # or ^; empty for the whole."""

    mark: str
    name: str
    parts: list[str | _Variable | _Section] = field(default_factory=list)
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    is_raw: bool


def render(template: str, params: Json) -> str:
    """The text. Raises MustacheError."""
    return _rendered(_parsed(template), [params])


def check(template: str) -> None:
    """Raises MustacheError."""
    _parsed(template)


def _parsed(template: str) -> _Section:
    stack = [_Section("", "")]
    starts = [0]
    at = 0
    for tag in _TAG.finditer(template):
        stack[-1].parts.append(template[at : tag.start()])
        at = tag.end()
        mark, name = tag["mark"] or "", (tag["raw"] if tag["raw"] is not None else tag["name"])
        if tag["raw"] is not None or mark in ("", "&"):
            stack[-1].parts.append(_Variable(name, bool(mark) or tag["raw"] is not None))
        elif mark in ("#", "^"):
            if len(stack) >= DEPTH_MAX:
                raise MustacheError(f"sections lie deeper than {DEPTH_MAX}")
            stack.append(_Section(mark, name))
            starts.append(at)
        elif mark == "/":
            if len(stack) == 1 or stack[-1].name.split()[0] != name.split()[0]:
                raise MustacheError(f"Mismatched start/end tags: null != {name} in query-template")
            done = stack.pop()
            done.text = template[starts.pop() : tag.start()]
            stack[-1].parts.append(done)
        elif mark == ">":
            raise MustacheError(f"Template {name} not found")
    if len(stack) > 1:
        raise MustacheError(f"Improperly closed variable: {stack[-1].name} in query-template")
    if "{{" in template[at:]:
        raise MustacheError("Improperly closed variable in query-template")
    stack[0].parts.append(template[at:])
    return stack[0]


def _rendered(section: _Section, scopes: list[Json]) -> str:
    out = []
    for part in section.parts:
        if isinstance(part, str):
            out.append(part)
        elif isinstance(part, _Variable):
            shown = _text(_found(part.name, scopes))
            out.append(shown if part.is_raw else msgspec.json.encode(shown).decode()[1:-1])
        elif part.mark == "#" and part.name.split()[0] in ("toJson", "join", "url"):
            out.append(_function(part, scopes))
        else:
            out.append(_repeated(part, scopes))
    return "".join(out)


def _repeated(part: _Section, scopes: list[Json]) -> str:
    value = _found(part.name, scopes)
    is_there = value not in (None, False, "", []) if not isinstance(value, int | float) else value is not False
    if part.mark == "^":
        return "" if is_there else _rendered(part, scopes)
    if not is_there:
        return ""
    values = value if isinstance(value, list) else [value]
    return "".join(_rendered(part, [*scopes, one]) for one in values)


def _function(part: _Section, scopes: list[Json]) -> str:
    kind, _, options = part.name.partition(" ")
    if kind == "url":
        return quote(_rendered(part, scopes), safe="")
    value = _found(part.text.strip(), scopes)
    if kind == "toJson":
        return msgspec.json.encode(value).decode()
    found = re.search(r"delimiter\s*=\s*'([^']*)'", options)
    between = found[1] if found else ","
    return between.join(_text(one) for one in value) if isinstance(value, list) else _text(value)


def _found(name: str, scopes: list[Json]) -> Json:
    """A value by its dotted name; the innermost scope that has its first part decides."""
    if name == ".":
        return scopes[-1]
    head, *rest = name.split(".")
    for scope in reversed(scopes):
        if isinstance(scope, dict) and head in scope:
            value = scope[head]
            break
    else:
        return None
    for step in rest:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list):
            value = len(value) if step == "size" else value[int(step)] if _is_within(step, value) else None
        else:
            return None
    return value


def _is_within(step: str, values: list[Json]) -> bool:
    return step.isdigit() and int(step) < len(values)


def _text(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
