"""What a function is: its overloads, each with the types it takes and what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from maru.wire.cel.types import Type, type_named
from maru.wire.cel.values import Duration, Opaque, Optional, Timestamp, TypeValue, UInt

Apply = Callable[..., object]
READING_COST = 6
"""Reading or comparing a quantity, an address or a time takes about as long as six steps."""


@dataclass(frozen=True, slots=True)
class Overload:
    """parameters: the receiver first, for methods. apply: takes them in that order, raises EvaluationError.

    cost: what a call spends beside what its values weigh.
    """

    is_method: bool
    parameters: tuple[Type, ...]
    result: Type
    apply: Apply
    cost: int = 0


Library = Mapping[str, Sequence[Overload]]
"""Overloads by name; functions of a namespace under their dotted name (sets.contains)."""
Entry = tuple[str, Overload]


def function(name: str, parameters: str, result: str, apply: Apply, *, cost: int = 0) -> Entry:
    """A global function. parameters: types with commas between."""
    return name, Overload(False, _types(parameters), type_named(result), apply, cost)


def method(name: str, parameters: str, result: str, apply: Apply) -> Entry:
    """A method; the first of `parameters` is what it is called on."""
    return name, Overload(True, _types(parameters), type_named(result), apply)


def library(*parts: Iterable[Entry]) -> Library:
    """All entries by name."""
    found: dict[str, list[Overload]] = {}
    for part in parts:
        for name, overload in part:
            found.setdefault(name, []).append(overload)
    return found


def accepts(wanted: Type, value: object) -> bool:
    """Whether a value is of a type as far as one look tells; elements are not looked at."""
    kind = wanted.kind
    if kind in ("dyn", "parameter", "object"):
        return True
    if kind == "opaque":
        return isinstance(value, Opaque) and value.type_name == wanted.name
    if kind == "null_type":
        return value is None
    if isinstance(value, bool):
        return kind == "bool"
    if isinstance(value, UInt):
        return kind == "uint"
    return isinstance(value, _CLASSES.get(kind, ()))


def _types(text: str) -> tuple[Type, ...]:
    return tuple(type_named(one.strip()) for one in _split(text)) if text else ()


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for letter in text:
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


_CLASSES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "double": (float,),
    "string": (str,),
    "bytes": (bytes,),
    "list": (list, tuple),
    "map": (dict,),
    "timestamp": (Timestamp,),
    "duration": (Duration,),
    "type": (TypeValue,),
    "optional_type": (Optional,),
}
