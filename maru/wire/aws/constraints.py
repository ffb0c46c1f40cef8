"""What a model says about values, checked and told in AWS's words.

"1 validation error detected: Value 'x' at 'keySpec' failed to satisfy constraint: Member must satisfy enum
value set: [...]". Sensitive values are not shown. Source: the common error ValidationException as
services made with Coral send it; Smithy constraint traits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache, partial
from math import inf
from typing import Any

from maru.wire.aws.shapes import Shape, camel

ERRORS_MAX = 20
Check = Callable[[Any], bool]
_BOUNDED_LENGTH = frozenset(("string", "blob", "list", "map"))
_BOUNDED_VALUE = frozenset(("integer", "long", "float", "double", "short", "byte"))


def broken(shape: Shape | None, members: Mapping[str, Any]) -> list[str]:
    """The texts of all constraints that do not hold, at most ERRORS_MAX, in the model's order."""
    if shape is None or _check_of(shape)(members):
        return []
    found: list[str] = []
    _structure(shape, members, "", found)
    return found


def text_of(found: list[str]) -> str:
    """The message for one or more broken constraints."""
    plural = "s" if len(found) > 1 else ""
    return f"{len(found)} validation error{plural} detected: " + "; ".join(found)


def _check_of(shape: Shape) -> Check:
    """Whether a value of the shape is good: nearly all are, so this is quick, and what is wrong is found by others.

    Made at the shape's first use, as shapes may hold themselves.
    """
    made: Check | None = shape.check
    if made is None:
        shape.check = partial(_checked_again, shape)  # for a shape that holds itself
        made = shape.check = _make_check(shape)
    return made


def _checked_again(shape: Shape, value: Any) -> bool:
    return _check_of(shape)(value)


def _make_check(shape: Shape) -> Check:
    kind = shape.kind
    own = _own_check(shape)
    if kind == "structure":
        return _structure_check(shape)
    if kind == "list":
        assert shape.item is not None
        check = _check_of(shape.item.shape)
        if check is _holds:
            return own
        return lambda value: own(value) and all(map(check, value))
    if kind == "map":
        assert shape.key is not None and shape.value is not None
        check_key, check_value = _check_of(shape.key.shape), _check_of(shape.value.shape)
        return lambda value: own(value) and all(map(check_key, value)) and all(map(check_value, value.values()))
    return own


def _structure_check(shape: Shape) -> Check:
    required = shape.required
    checks = {name: check for name, member in shape.members.items() if (check := _check_of(member.shape)) is not _holds}
    if not required and not checks:
        return _holds

    def check_structure(value: Any) -> bool:
        if not isinstance(value, Mapping):
            return True
        for name in required:
            if value.get(name) is None:
                return False
        for name, each in value.items():
            check = checks.get(name)
            if check is not None and not check(each):
                return False
        return True

    return check_structure


def _own_check(shape: Shape) -> Check:
    """Of the rules of a value itself, whatever is in it."""
    if shape.minimum is None and shape.maximum is None and not shape.pattern and not shape.enum:
        return _holds
    if shape.pattern or shape.enum or shape.kind not in _BOUNDED_LENGTH:
        return lambda value: not _rules_of(shape, value)
    low, high = shape.minimum or 0, shape.maximum if shape.maximum is not None else inf
    return lambda value: low <= len(value) <= high


def _holds(_value: object) -> bool:
    return True


def _structure(shape: Shape, value: Mapping[str, Any], path: str, found: list[str]) -> None:
    for name in shape.required:
        if value.get(name) is None:
            _add(found, f"Value at '{path}{camel(name)}' failed to satisfy constraint: Member must not be null")
    for name, member in shape.members.items():
        if name in value:
            _value(member.shape, value[name], f"{path}{camel(name)}", found)


def _value(shape: Shape, value: Any, path: str, found: list[str]) -> None:
    for rule in _rules_of(shape, value):
        _add(found, f"{_shown(shape, value)} at '{path}' failed to satisfy constraint: {rule}")
    if shape.kind == "structure" and isinstance(value, Mapping):
        _structure(shape, value, f"{path}.", found)
    elif shape.kind == "list":
        assert shape.item is not None
        _items(shape.item.shape, value, shape, path, found)
    elif shape.kind == "map":
        _entries(shape, value, path, found)


def _items(item: Shape, values: Any, shape: Shape, path: str, found: list[str]) -> None:
    if item.kind in ("structure", "list", "map"):
        for number, each in enumerate(values, 1):
            _value(item, each, f"{path}.{number}.member", found)
        return
    if any(_rules_of(item, each) for each in values):
        rules = ", ".join(all_rules(item))
        _add(
            found,
            f"{_shown(shape, values)} at '{path}' failed to satisfy constraint: "
            f"Member must satisfy constraint: [{rules}]",
        )


def _entries(shape: Shape, values: Mapping[str, Any], path: str, found: list[str]) -> None:
    assert shape.key is not None and shape.value is not None
    for member, each in ((shape.key, list(values)), (shape.value, list(values.values()))):
        inner = member.shape
        if inner.kind in ("structure", "list", "map"):
            for key, value in values.items():
                _value(inner, value, f"{path}.{key}.member", found)
        elif any(_rules_of(inner, one) for one in each):
            word = "keys" if member is shape.key else "value"
            rules = ", ".join(all_rules(inner))
            _add(
                found,
                f"{_shown(shape, values)} at '{path}' failed to satisfy constraint: "
                f"Map {word} must satisfy constraint: [{rules}]",
            )


def _rules_of(shape: Shape, value: Any) -> list[str]:
    """The rules of a value that do not hold."""
    kind = shape.kind
    if kind in _BOUNDED_LENGTH:
        length = len(value)
        low = shape.minimum is not None and length < shape.minimum
        high = shape.maximum is not None and length > shape.maximum
        matches = not (shape.pattern and isinstance(value, str)) or _matches(shape.pattern, value)
        allowed = not shape.enum or value in shape.enum
        if not low and not high and matches and allowed:
            return []
        return [rule for rule, holds in zip(_length_rules(shape), (not high, not low), strict=True) if not holds] + (
            ([] if matches else [_pattern_rule(shape)]) + ([] if allowed else [_enum_rule(shape)])
        )
    if kind in _BOUNDED_VALUE:
        if shape.minimum is not None and value < shape.minimum:
            return [f"Member must have value greater than or equal to {shape.minimum}"]
        if shape.maximum is not None and value > shape.maximum:
            return [f"Member must have value less than or equal to {shape.maximum}"]
    return []


def all_rules(shape: Shape) -> list[str]:
    """Every rule of a shape, as a list or map tells those of its members."""
    rules = []
    noun = "length" if shape.kind in _BOUNDED_LENGTH else "value"
    if shape.maximum is not None:
        rules.append(f"Member must have {noun} less than or equal to {shape.maximum}")
    if shape.minimum is not None:
        rules.append(f"Member must have {noun} greater than or equal to {shape.minimum}")
    if shape.pattern:
        rules.append(_pattern_rule(shape))
    if shape.enum:
        rules.append(_enum_rule(shape))
    return rules


def _length_rules(shape: Shape) -> tuple[str, str]:
    return (
        f"Member must have length less than or equal to {shape.maximum}",
        f"Member must have length greater than or equal to {shape.minimum}",
    )


def _pattern_rule(shape: Shape) -> str:
    return f"Member must satisfy regular expression pattern: {shape.pattern}"


def _enum_rule(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"


def _shown(shape: Shape, value: Any) -> str:
    if shape.is_sensitive:
        return "Value"
    if isinstance(value, bytes):
        return f"Value 'java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]'"
    return f"Value '{_java(value)}'"


def _java(value: Any) -> str:
    """A value as Java prints it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={_java(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_java(each) for each in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.ctime()
    return str(value)


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    r"""A Java pattern as Python has it; None for one it cannot compile (those are not checked).

    Models write \p{L} and the like, and \u{...}; the classes that occur are put in words Python knows.
    """
    text = _UNICODE.sub(_character, pattern)
    for name, words in _CLASSES.items():
        text = text.replace(rf"\p{{{name}}}", words)
    try:
        return re.compile(text)
    except re.error:
        return None


def _character(found: re.Match[str]) -> str:
    """The character of a Java escape; half of a surrogate pair is none of Python's."""
    number = int(found[1], 16)
    return "" if 0xD800 <= number < 0xE000 else re.escape(chr(number))


_UNICODE = re.compile(r"\\u([0-9A-Fa-f]{4})")
_CLASSES: Mapping[str, str] = {
    "L": r"\w",
    "Z": r"\s",
    "N": r"\d",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "ASCII": r"\x00-\x7f",
    "Graph": r"\x21-\x7e",
    "Print": r"\x20-\x7e",
    "Punct": r"!-/:-@\[-`{-~",
    "M": "\u0300-\u036f",
    "S": r"$+<=>^`|~\u00a2-\u00a9",
    "P": r"!-/:-@\[-`{-~",
}


def _add(found: list[str], text: str) -> None:
    if len(found) < ERRORS_MAX:
        found.append(text)
