"""The operators on values: sums, products, indices. Raises EvaluationError for what has no result.

Source: cel-spec, doc/langdef.md, "List of Standard Definitions"; Kubernetes docs, "Validation rules" (lists of
type set and map).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.values import (
    Duration,
    MapList,
    SetList,
    Timestamp,
    UInt,
    compare,
    contains,
    equal,
    key_of,
    kind_of,
    no_overload,
    whole,
)

Binary = Callable[[object, object], object]


def _add(left: object, right: object) -> object:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        return _merged(left, right)
    if isinstance(left, Timestamp) and isinstance(right, Duration):
        return Timestamp(left.nanos + right.nanos)
    if isinstance(left, Duration) and isinstance(right, Timestamp):
        return Timestamp(left.nanos + right.nanos)
    if isinstance(left, Duration) and isinstance(right, Duration):
        return Duration(whole(left.nanos + right.nanos))
    return _numbers(left, right, lambda one, other: one + other)


def _subtract(left: object, right: object) -> object:
    if isinstance(left, Timestamp):
        if isinstance(right, Duration):
            return Timestamp(left.nanos - right.nanos)
        if isinstance(right, Timestamp):
            return Duration(whole(left.nanos - right.nanos))
    if isinstance(left, Duration) and isinstance(right, Duration):
        return Duration(whole(left.nanos - right.nanos))
    return _numbers(left, right, lambda one, other: one - other)


def _divide(left: object, right: object) -> object:
    if isinstance(left, float) and isinstance(right, float):
        if right:
            return left / right
        return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1.0, right)
    return _numbers(left, right, _quotient)


def _remainder(left: object, right: object) -> object:
    if isinstance(left, float) or isinstance(right, float):
        raise no_overload()
    if not right:
        raise EvaluationError("modulus by zero")
    return _numbers(left, right, lambda one, other: one - other * _truncated(one, other))


def _quotient(left: int, right: int) -> int:
    if not right:
        raise EvaluationError("division by zero")
    return _truncated(left, right)


def _truncated(left: int, right: int) -> int:
    size = abs(left) // abs(right)
    return size if (left < 0) == (right < 0) else -size


def _numbers(left: object, right: object, apply: Callable[[int, int], int]) -> object:
    if isinstance(left, bool) or isinstance(right, bool):
        raise no_overload()
    if isinstance(left, float) and isinstance(right, float):
        return apply(left, right)  # type: ignore[arg-type]
    if isinstance(left, int) and isinstance(right, int) and isinstance(left, UInt) == isinstance(right, UInt):
        return whole(apply(left, right), "uint" if isinstance(left, UInt) else "int")
    raise no_overload()


def _merged(left: list[object], right: list[object]) -> list[object]:
    if isinstance(left, SetList):
        return SetList([*left, *(one for one in right if not contains(left, one))])
    if isinstance(left, MapList):
        keys = left.keys

        def mark(one: object) -> object:
            return [one.get(key) for key in keys] if isinstance(one, dict) else one

        items = list(left)
        for one in right:
            place = next((index for index, other in enumerate(items) if equal(mark(one), mark(other))), None)
            if place is None:
                items.append(one)
            else:
                items[place] = one
        return MapList(items, keys)
    return [*left, *right]


def within(wanted: object, holder: object) -> bool:
    """wanted in holder."""
    if isinstance(holder, dict):
        return not isinstance(wanted, (list, dict)) and key_of(wanted) in holder
    if isinstance(holder, (list, tuple)):
        return contains(holder, wanted)
    raise no_overload()


def index(holder: object, key: object) -> object:
    """holder[key]."""
    if isinstance(holder, dict):
        place = key_of(key)
        if isinstance(place, (list, dict)) or place not in holder:
            raise EvaluationError(f"no such key: {shown_key(key)}")
        return holder[place]
    if isinstance(holder, (list, tuple)):
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        if not isinstance(key, int) or isinstance(key, bool):
            raise EvaluationError(f"unsupported index type '{kind_of(key)}' in list")
        if not 0 <= key < len(holder):
            raise EvaluationError(f"index out of bounds: {key}")
        return holder[key]
    raise no_overload()


def shown_key(key: object) -> str:
    """A key in messages."""
    return str(key).lower() if isinstance(key, bool) else str(key)


def opposite(value: object) -> object:
    """-value."""
    if isinstance(value, float):
        return -value
    if isinstance(value, Duration):
        return Duration(-value.nanos)
    if isinstance(value, int) and not isinstance(value, (bool, UInt)):
        return whole(-value)
    raise no_overload()


BINARY: Mapping[str, Binary] = {
    "_==_": equal,
    "_!=_": lambda left, right: not equal(left, right),
    "_<_": lambda left, right: compare(left, right) < 0,
    "_<=_": lambda left, right: compare(left, right) <= 0,
    "_>_": lambda left, right: compare(left, right) > 0,
    "_>=_": lambda left, right: compare(left, right) >= 0,
    "_+_": _add,
    "_-_": _subtract,
    "_*_": lambda left, right: _numbers(left, right, lambda one, other: one * other),
    "_/_": _divide,
    "_%_": _remainder,
    "@in": within,
    "_[_]": index,
}
