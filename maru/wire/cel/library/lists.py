"""The list library: isSorted, sum, min, max, indexOf, lastIndexOf.

Source: Kubernetes docs, "Common Expression Language in Kubernetes", list library.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from maru.wire.cel.arithmetic import BINARY
from maru.wire.cel.errors import EvaluationError
from maru.wire.cel.functions import Entry, method
from maru.wire.cel.values import Duration, compare, equal

_ORDERED = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")


def entries() -> Iterable[Entry]:
    """All of them, for the element types that have them."""
    for kind in _ORDERED:
        yield method("isSorted", f"list<{kind}>", "bool", _is_sorted)
        yield method("min", f"list<{kind}>", kind, _least)
        yield method("max", f"list<{kind}>", kind, _most)
    for kind, zero in (("int", 0), ("uint", 0), ("double", 0.0), ("duration", Duration(0))):
        yield method("sum", f"list<{kind}>", kind, lambda items, zero=zero: _sum(items, zero))
    yield method("indexOf", "list<A>,A", "int", _index_of)
    yield method("lastIndexOf", "list<A>,A", "int", _last_index_of)


def _is_sorted(items: Sequence[object]) -> bool:
    return all(compare(one, other) <= 0 for one, other in itertools.pairwise(items))


def _sum(items: Sequence[object], zero: object) -> object:
    if not items:
        return zero
    total = items[0]
    for one in items[1:]:
        total = BINARY["_+_"](total, one)
    return total


def _least(items: Sequence[object]) -> object:
    return _extreme(items, "min", -1)


def _most(items: Sequence[object]) -> object:
    return _extreme(items, "max", 1)


def _extreme(items: Sequence[object], name: str, sign: int) -> object:
    if not items:
        raise EvaluationError(f"{name} called on empty list")
    found = items[0]
    for one in items[1:]:
        if compare(one, found) == sign:
            found = one
    return found


def _index_of(items: Sequence[object], wanted: object) -> int:
    return next((place for place, one in enumerate(items) if equal(one, wanted)), -1)


def _last_index_of(items: Sequence[object], wanted: object) -> int:
    return next((place for place in range(len(items) - 1, -1, -1) if equal(items[place], wanted)), -1)
