"""Field references: `message`, `[message]`, `[http][request][0]`, `[@metadata][x]`, `[a,b]` no more.

A reference without brackets is the name of a top-level field, whatever letters it has.
Source: Logstash reference, "Field references deep dive" (grammar and escaping).
"""

from __future__ import annotations

from functools import lru_cache

Reference = tuple[str, ...]
"""The names from the top down; `@metadata` is the first of those under it. Elements of arrays by their number."""

KEPT = 10_000  # parsed references kept; configurations name far fewer


class BadReference(ValueError):
    """It cannot be read as a field reference; the text is Logstash's."""


@lru_cache(maxsize=KEPT)
def parse_reference(text: str) -> Reference:
    """The names in `text`. Raises BadReference."""
    if not text:
        raise BadReference("Invalid FieldReference: ``")
    if "[" not in text and "]" not in text:
        return (text,)
    names: list[str] = []
    position = 0
    while position < len(text):
        end = text.find("]", position)
        inside = text[position + 1 : end]
        if text[position] != "[" or end < 0 or not inside or "[" in inside:
            return _nested(text)
        names.append(inside)
        position = end + 1
    return tuple(names)


def _nested(text: str) -> Reference:
    """An embedded reference is `[[a][b]]`: the brackets around it are dropped."""
    if text.startswith("[[") and text.endswith("]]"):
        return parse_reference(text[1:-1])
    raise BadReference(f"Invalid FieldReference: `{text}`")


def written(reference: Reference) -> str:
    """The reference in brackets, or bare when it is one name."""
    if len(reference) == 1:
        return reference[0]
    return "".join(f"[{name}]" for name in reference)
