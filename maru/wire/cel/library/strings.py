"""The string extension, and format.

Source: cel-go ext/strings (version 2, as Kubernetes enables it).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.functions import Entry, function, method
from maru.wire.cel.library.standard import text_of
from maru.wire.cel.values import Timestamp, TypeValue, UInt

_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_CLAUSE = re.compile(r"%(%|(?:\.(\d+))?([a-zA-Z]))")
TEXT_MAX = 3 * 1024 * 1024


def entries() -> Iterable[Entry]:
    """All of them."""
    yield method("charAt", "string,int", "string", _char_at)
    yield method("indexOf", "string,string", "int", lambda text, part: text.find(part))
    yield method("indexOf", "string,string,int", "int", lambda text, part, start: text.find(part, _place(text, start)))
    yield method("lastIndexOf", "string,string", "int", lambda text, part: text.rfind(part))
    yield method(
        "lastIndexOf",
        "string,string,int",
        "int",
        lambda text, part, end: text.rfind(part, 0, _place(text, end) + len(part)),
    )
    yield method("join", "list<string>", "string", lambda items: _join(items, ""))
    yield method("join", "list<string>,string", "string", _join)
    yield method("lowerAscii", "string", "string", lambda text: text.translate(_LOWER))
    yield method("upperAscii", "string", "string", lambda text: text.translate(_UPPER))
    yield method("replace", "string,string,string", "string", _replace)
    yield method("replace", "string,string,string,int", "string", _replace)
    yield method("split", "string,string", "list<string>", _split)
    yield method("split", "string,string,int", "list<string>", _split)
    yield method("substring", "string,int", "string", _substring)
    yield method("substring", "string,int,int", "string", _substring)
    yield method("trim", "string", "string", str.strip)
    yield method("reverse", "string", "string", lambda text: text[::-1])
    yield method("format", "string,list<dyn>", "string", formatted)
    yield function("strings.quote", "string", "string", _quoted)


def _place(text: str, index: int) -> int:
    if not 0 <= index <= len(text):
        raise EvaluationError(f"index out of range: {index}")
    return index


def _char_at(text: str, index: int) -> str:
    return text[_place(text, index) : index + 1]


def _join(items: Sequence[object], between: str) -> str:
    parts = []
    for one in items:
        if not isinstance(one, str):
            raise EvaluationError("no such overload")
        parts.append(one)
    return between.join(parts)


def _replace(text: str, old: str, new: str, most: int = -1) -> str:
    if len(new) * (text.count(old) if old else len(text) + 1) > TEXT_MAX:
        raise EvaluationError("the result of replace is too long")
    return text.replace(old, new, most)


def _split(text: str, between: str, most: int = -1) -> list[str]:
    if most == 0:
        return []
    if not between:
        letters = list(text)
        return letters if most < 0 or most >= len(letters) else [*letters[: most - 1], "".join(letters[most - 1 :])]
    return text.split(between, most - 1 if most > 0 else -1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else _place(text, end)
    if _place(text, start) > stop:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {stop}")
    return text[start:stop]


def _quoted(text: str) -> str:
    escapes = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
    body = "".join(escapes.get(letter, f"\\{letter}" if letter in '"\\' else letter) for letter in text)
    return f'"{body}"'


def formatted(pattern: str, values: Sequence[object]) -> str:
    """pattern.format(values): %s %d %f %e %b %x %X %o and %%."""
    waiting = list(values)

    def replace(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        if not waiting:
            raise EvaluationError(f"error during formatting: index {len(values)} out of range")
        return _clause(match[3], int(match[2]) if match[2] else 6, waiting.pop(0))

    return _CLAUSE.sub(replace, pattern)


def _clause(letter: str, digits: int, value: object) -> str:
    if letter == "s":
        return _shown(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if letter == "d" and (is_whole or (isinstance(value, float) and not math.isfinite(value))):
        return text_of(value)
    if letter in "fe" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{float(value):.{min(digits, 100)}{letter}}"
    if letter == "b" and isinstance(value, int):
        return format(int(value), "b")
    if letter == "o" and is_whole:
        return format(value, "o")
    if letter in "xX":
        if is_whole:
            return format(value, letter)
        if isinstance(value, (str, bytes)):
            shown = (value.encode() if isinstance(value, str) else value).hex()
            return shown.upper() if letter == "X" else shown
    raise EvaluationError(f'error during formatting: unrecognized formatting clause "{letter}" for the value given')


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(_inner(one) for one in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{_inner(key)}: {_inner(one)}" for key, one in value.items())) + "}"
    if isinstance(value, TypeValue):
        return value.name
    if isinstance(value, (UInt, Timestamp)):
        return text_of(value)
    return text_of(value)


def _inner(value: object) -> str:
    return _shown(value)


Formatter = Callable[[str, Sequence[object]], str]
