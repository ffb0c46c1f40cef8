"""Wildcards of policies: * for any run of characters, ? for one.

A pattern is compiled once. Each * takes the shortest run up to the text that follows it, atomically, so
that no pattern takes more than the product of its length and the value's.
Source: IAM User Guide, "IAM JSON policy elements: Resource", "Action", "String condition operators".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

Matcher = Callable[[str], bool]
PATTERNS_KEPT = 20_000


@lru_cache(maxsize=PATTERNS_KEPT)
def glob(pattern: str) -> Matcher:
    """What tells whether a whole value matches `pattern`, letter by letter."""
    if pattern == "*":
        return _anything
    if "*" not in pattern and "?" not in pattern:
        return pattern.__eq__
    head = pattern[:-1]
    if pattern[-1] == "*" and "*" not in head and "?" not in head:
        return lambda value: value.startswith(head)
    matches = re.compile(_expression(pattern), re.DOTALL).fullmatch
    return lambda value: matches(value) is not None


@lru_cache(maxsize=PATTERNS_KEPT)
def arn_glob(pattern: str) -> Matcher:
    """As `glob`, each of six parts by itself; the last of fewer parts reaches to the end if it ends in *."""
    parts = pattern.split(":", 5)
    count = len(parts)
    if count < 6 and not pattern.endswith("*"):
        return pattern.__eq__
    matchers = [glob(part) for part in parts]

    def matches(value: str) -> bool:
        have = value.split(":", count - 1)
        return len(have) == count and all(matcher(part) for matcher, part in zip(matchers, have, strict=True))

    return matches


def is_pattern(text: str) -> bool:
    """Whether it has a wildcard."""
    return "*" in text or "?" in text


def _anything(value: str) -> bool:
    return True


def _expression(pattern: str) -> str:
    first, *rest = pattern.split("*")
    parts = [_literal(first)]
    for place, chunk in enumerate(rest):
        if place == len(rest) - 1:
            parts.append(".*" + _literal(chunk))
        elif chunk:
            parts.append(f"(?>.*?{_literal(chunk)})")
    return "".join(parts)


def _literal(text: str) -> str:
    return "".join("." if letter == "?" else re.escape(letter) for letter in text)
