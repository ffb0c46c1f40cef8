"""Sets of field paths, in the very shape that FieldsV1 has on the wire.

A set is a dict from path element (f:NAME, k:{KEYS}, v:VALUE, i:INDEX) to the set below it. An empty
dict below an element, or one with the key ".", says that the element itself is a member. This form
is canonical, so `==` compares sets. All functions leave their arguments alone and may share parts
with them. Source: sigs.k8s.io/structured-merge-diff, fieldpath/set.go and serialize.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

FieldSet = dict[str, Any]

MEMBER = "."
DEPTH_MAX = 200


def is_member(below: FieldSet) -> bool:
    """Whether the element with this set below it belongs to the set itself."""
    return not below or MEMBER in below


def join(children: FieldSet, *, member: bool) -> FieldSet | None:
    """What stands below an element with these children; None if nothing is left of it."""
    if not children:
        return {} if member else None
    if member:
        return {MEMBER: {}, **children}
    return children


def children_of(below: FieldSet) -> FieldSet:
    """The elements below, without the mark of membership."""
    if MEMBER in below:
        return {key: value for key, value in below.items() if key != MEMBER}
    return below


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """Members of either."""
    if not other or one is other:
        return one
    if not one:
        return other
    merged = dict(one)
    for key, below in other.items():
        have = merged.get(key)
        if have is None:
            merged[key] = below
        elif key != MEMBER and have is not below:
            member = is_member(have) or is_member(below)
            joined = join(union(children_of(have), children_of(below)), member=member)
            merged[key] = {} if joined is None else joined
    return merged


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """Members of `one` that are no members of `other`; `one` itself if there is nothing to take."""
    if not other or not one:
        return one
    kept: FieldSet = {}
    same = True
    for key, below in one.items():
        against = other.get(key)
        if against is None or key == MEMBER:
            kept[key] = below
            continue
        member = is_member(below)
        children = children_of(below)
        left = difference(children, children_of(against))
        stays = member and not is_member(against)
        if stays == member and left is children:
            kept[key] = below
            continue
        same = False
        joined = join(left, member=stays)
        if joined is not None:
            kept[key] = joined
    return one if same else kept


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """Members of both."""
    kept: FieldSet = {}
    for key, below in one.items():
        against = other.get(key)
        if against is None or key == MEMBER:
            continue
        joined = join(
            intersection(children_of(below), children_of(against)), member=is_member(below) and is_member(against)
        )
        if joined is not None:
            kept[key] = joined
    return kept


def without(fields: FieldSet, elements: frozenset[str]) -> FieldSet:
    """The set without whole top-level elements (f:status)."""
    if elements.isdisjoint(fields):
        return fields
    return {key: below for key, below in fields.items() if key not in elements}


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """Every member as the API shows paths: .spec.containers[name="web"].image."""
    for key in sorted(fields):
        if key == MEMBER:
            continue
        path = prefix + _shown(key)
        if is_member(fields[key]):
            yield path
        yield from paths(fields[key], path)


def _shown(element: str) -> str:
    kind, _, text = element.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "k":
        keys = msgspec.json.decode(text)
        return "[" + ",".join(f"{key}={_json(value)}" for key, value in sorted(keys.items())) + "]"
    return f"[={text}]" if kind == "v" else f"[{text}]"


def ordered(fields: FieldSet) -> FieldSet:
    """The set with its elements ascending, as it is stored."""
    if not fields:
        return fields
    return {key: ordered(fields[key]) for key in sorted(fields)}


def is_well_formed(fields: Any, depth: int = 0) -> bool:
    """Whether a value from outside is a set of field paths."""
    if type(fields) is not dict or depth > DEPTH_MAX:
        return False
    for key, below in fields.items():
        if key != MEMBER and key[:2] not in ("f:", "k:", "v:", "i:"):
            return False
        if key[:2] == "k:" and not _is_object(key[2:]):
            return False
        if not is_well_formed(below, depth + 1):
            return False
    return True


def _is_object(text: str) -> bool:
    try:
        return type(msgspec.json.decode(text)) is dict
    except msgspec.DecodeError:
        return False


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def key_element(keys: dict[str, Any]) -> str:
    """The element of a list item with these key fields."""
    return "k:" + _json(dict(sorted(keys.items())))


def value_element(value: Any) -> str:
    """The element of an item of a set."""
    return "v:" + _json(value)
