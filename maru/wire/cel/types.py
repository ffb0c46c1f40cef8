"""The static types of expressions, and which fit where.

Objects have a shape: a lookup of their fields, which may be made late.
Source: cel-spec, doc/langdef.md, "Gradual Type Checking".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

Shape = Callable[[str], "Type | None"]


@dataclass(frozen=True, slots=True)
class Type:
    """kind: dyn, error, null_type, bool, int, uint, double, string, bytes, timestamp, duration, type, list,
    map, optional_type, object, opaque, parameter. name: of an object, opaque or parameter. shape: the
    field's type by its name in expressions, None where there is none.
    size_max: how many characters, items or entries it can have at most (0: not known).
    """

    kind: str
    name: str = ""
    parameters: tuple[Type, ...] = ()
    shape: Shape | None = field(default=None, compare=False)
    size_max: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if self.parameters:
            return f"{self.kind}({', '.join(map(str, self.parameters))})"
        return self.name or self.kind


DYN = Type("dyn")
NULL = Type("null_type")
BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
TIMESTAMP = Type("timestamp")
DURATION = Type("duration")
TYPE = Type("type")
_SIMPLE = {one.kind: one for one in (DYN, NULL, BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION, TYPE)}
NUMBERS = frozenset({"int", "uint", "double"})
_TOKEN = re.compile(r"[\w.]+|[<>,]")


def list_of(item: Type, size_max: int = 0) -> Type:
    """list(item)."""
    return Type("list", parameters=(item,), size_max=size_max)


def map_of(key: Type, value: Type, size_max: int = 0) -> Type:
    """map(key, value)."""
    return Type("map", parameters=(key, value), size_max=size_max)


def optional_of(inner: Type) -> Type:
    """optional_type(inner)."""
    return Type("optional_type", parameters=(inner,))


def object_of(name: str, shape: Shape) -> Type:
    """An object whose fields `shape` knows."""
    return Type("object", name, shape=shape)


@lru_cache(maxsize=512)
def type_named(text: str) -> Type:
    """A type from its short form: string, list<A>, map<K,V>, optional<A>, net.IP (opaque)."""
    parts = _TOKEN.findall(text)
    found, rest = _read(parts)
    assert not rest, f"{text} is no type"
    return found


def _read(parts: list[str]) -> tuple[Type, list[str]]:
    name, rest = parts[0], parts[1:]
    inner: list[Type] = []
    if rest[:1] == ["<"]:
        while rest[0] != ">":
            one, rest = _read(rest[1:])
            inner.append(one)
        rest = rest[1:]
    if name == "optional":
        return Type("optional_type", parameters=tuple(inner)), rest
    if name in ("list", "map"):
        return Type(name, parameters=tuple(inner)), rest
    if name in _SIMPLE:
        return _SIMPLE[name], rest
    return Type("parameter" if len(name) == 1 else "opaque", name), rest


def fits(want: Type, got: Type, bound: dict[str, Type]) -> bool:
    """Whether a value of type `got` can stand where `want` is asked for; parameters are bound on the way."""
    if want.kind == "parameter":
        known = bound.get(want.name)
        if known is None or known.kind in {"dyn", "null_type"}:
            bound[want.name] = got
            return True
        return fits(known, got, bound)
    if "dyn" in (want.kind, got.kind):
        return True
    if got.kind == "null_type":
        return want.kind in ("null_type", "object", "timestamp", "duration", "opaque", "optional_type")
    if want.kind != got.kind or want.name != got.name:
        return False
    return all(fits(one, other, bound) for one, other in zip(want.parameters, got.parameters, strict=False))


def substituted(wanted: Type, bound: dict[str, Type]) -> Type:
    """`wanted` with its parameters replaced; those never bound are dyn."""
    if wanted.kind == "parameter":
        return bound.get(wanted.name, DYN)
    if not wanted.parameters:
        return wanted
    return Type(wanted.kind, wanted.name, tuple(substituted(one, bound) for one in wanted.parameters))


def joined(left: Type, right: Type) -> Type:
    """The type of either; dyn where they differ."""
    if left == right or right.kind == "null_type":
        return left
    if left.kind == "null_type":
        return right
    if left.kind == right.kind and len(left.parameters) == len(right.parameters) and left.parameters:
        pairs = zip(left.parameters, right.parameters, strict=True)
        return Type(left.kind, left.name, tuple(joined(one, other) for one, other in pairs))
    return DYN
