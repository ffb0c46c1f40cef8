"""Strings with fields in them: `%{[http][host]}`, `%{+YYYY.MM.dd}`, `%{+%s}`, `%{{yyyy-MM-dd}}`.

Compiled once to literal text, references and date formats; what they mean for an event stands with the
event. A date format after `+` is Joda's, one in double braces is java.time's; both are compiled here to
the same few fields.
Source: Logstash reference, "Accessing event data and fields" (sprintf format); Joda-Time DateTimeFormat.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from maru.wire.logstash.references import BadReference, Reference, parse_reference

KEPT = 10_000  # compiled templates kept

_PIECE = re.compile(r"%\{\{([^}]*)\}\}|%\{([^}]*)\}")
EPOCH = "epoch"


@dataclass(frozen=True, slots=True)
class DatePart:
    """The event's time, written by a pattern: of Joda, or (is_java) of java.time; EPOCH: seconds since 1970."""

    pattern: str
    is_java: bool = False


@dataclass(frozen=True, slots=True)
class FieldPart:
    """A field, or, where there is none, `written` as it stands."""

    reference: Reference
    written: str


Part = str | FieldPart | DatePart


@dataclass(frozen=True, slots=True)
class Template:
    """parts in order. is_plain: nothing but literal text; it is `parts[0]`, or empty."""

    parts: tuple[Part, ...]

    @property
    def is_plain(self) -> bool:
        return all(isinstance(part, str) for part in self.parts)

    @property
    def text(self) -> str:
        """What a plain template says."""
        return "".join(part for part in self.parts if isinstance(part, str))


@lru_cache(maxsize=KEPT)
def compile_template(text: str) -> Template:
    """The parts of `text`; what cannot be read as a field stays as it is."""
    parts: list[Part] = []
    position = 0
    for match in _PIECE.finditer(text):
        part = _part(match)
        if part is None:
            continue
        if match.start() > position:
            parts.append(text[position : match.start()])
        parts.append(part)
        position = match.end()
    if position < len(text):
        parts.append(text[position:])
    return Template(tuple(parts))


def _part(match: re.Match[str]) -> Part | None:
    if match[1] is not None:
        return DatePart(match[1], is_java=True)
    inside = match[2]
    if inside == "+%s":
        return DatePart(EPOCH)
    if inside.startswith("+"):
        return DatePart(inside[1:])
    try:
        return FieldPart(parse_reference(inside), match[0])
    except BadReference:
        return None
