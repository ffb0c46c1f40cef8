"""Which part of the old document a part of the new one goes back to.

Fields and entries by name, items of a list of type map by their keys; items of other lists to nothing.
Source: k8s.io/apiserver/pkg/cel/common, CorrelatedObject; KEP-4008.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.wire.cel.values import equal


class Absent:
    """Nothing stood there."""


ABSENT = Absent()


def is_same(value: object, old: object) -> bool:
    """Whether nothing changed."""
    return value == old and equal(value, old)


def item_before(item: object, old: object, keys: Sequence[str]) -> object:
    """The item of the same keys in the old list, or ABSENT."""
    if not keys or not isinstance(old, list) or not isinstance(item, dict):
        return ABSENT
    mark = [item.get(key) for key in keys]
    for one in old:
        if isinstance(one, dict) and [one.get(key) for key in keys] == mark:
            return one
    return ABSENT
