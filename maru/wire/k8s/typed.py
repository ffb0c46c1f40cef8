"""Walks over typed values: which fields a value sets, how two values differ, merge and removal.

These are the four operations that server-side apply is made of. `None` for a type means nothing is
known: the value is one leaf. A missing value is `ABSENT`.
Source: sigs.k8s.io/structured-merge-diff, typed/tofieldset.go, compare.go, merge.go, remove.go.
"""

from __future__ import annotations

from typing import Any, Final

from maru.wire.k8s.errors import PatchFailed
from maru.wire.k8s.facts import GO_STRUCT_FIELDS
from maru.wire.k8s.fieldset import MEMBER, FieldSet, is_member, join, key_element, value_element
from maru.wire.k8s.schema import ANY, TypeNode


class _Absent:
    """The value that is not there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()

_DEDUCED = TypeNode("any")  # nothing known: maps are walked, lists are one value


def child_of(node: TypeNode, key: str) -> TypeNode:
    """The type of a field or map entry."""
    found = node.fields.get(key) or node.items
    if found is not None:
        return found
    return _DEDUCED if node.preserve or node.kind == "any" else ANY


def is_leaf(node: TypeNode, value: Any) -> bool:
    """Whether the value is owned as a whole."""
    if type(value) is dict:
        if node.kind == "any":
            return node.atomic or node is ANY
        return node.atomic or node.kind not in ("object", "map")
    if type(value) is list:
        return node.list_type not in ("set", "map")
    return True


def element(node: TypeNode, item: Any) -> str:
    """The path element of an item of an associative list. Raises PatchFailed if it lacks its keys."""
    if node.list_type == "set":
        return value_element(item)
    if type(item) is not dict:
        raise PatchFailed("associative list with keys may not have non-map elements")
    keys = {}
    for key in node.map_keys:
        value = item.get(key)
        if value is None:
            field = node.items.fields.get(key) if node.items is not None else None
            if field is None or not field.has_default:
                raise PatchFailed(
                    f'associative list with keys has an element that omits key field "{key}" '
                    "(and doesn't have default value)"
                )
            value = field.default
        keys[key] = value
    return key_element(keys)


def _items(node: TypeNode) -> TypeNode:
    return node.items or _DEDUCED


# Which fields a value sets.


def fields_of(node: TypeNode, value: Any) -> FieldSet:
    """The fields that a configuration claims. Raises PatchFailed for bad list items."""
    return _claimed(node, value)[1]


def _claimed(node: TypeNode, value: Any) -> tuple[bool, FieldSet]:
    """(whether the value itself is a member, what is below)."""
    if is_leaf(node, value):
        return True, {}
    found: FieldSet = {}
    if type(value) is list:
        for item in value:
            key = element(node, item)
            if key in found:
                raise PatchFailed(f"duplicate entries for key {key[2:]}")
            found[key] = join(_claimed(_items(node), item)[1], member=True)
        return False, found
    declared = node.fields
    for key, item in value.items():
        member, below = _claimed(child_of(node, key), item)
        empty = item is None or (type(item) is dict and not item)
        joined = join(below, member=member or empty or key not in declared)
        if joined is not None:
            found[f"f:{key}"] = joined
    return False, found


def all_fields(node: TypeNode, value: Any) -> FieldSet:
    """What stands below an element whose value appeared or disappeared as a whole; itself a member."""
    if is_leaf(node, value) or not value:
        return {}
    below: FieldSet = {MEMBER: {}}
    if type(value) is list:
        for item in value:
            below[_lenient_element(node, item)] = all_fields(_items(node), item)
    else:
        for key, item in value.items():
            below[f"f:{key}"] = all_fields(child_of(node, key), item)
    return below


def _lenient_element(node: TypeNode, item: Any) -> str:
    """A stored list may hold items without their keys; they count as one."""
    try:
        return element(node, item)
    except PatchFailed:
        return value_element(item)


# How two values differ.


class Difference:
    """changed: modified or added fields. removed: fields that are gone."""

    __slots__ = ("changed", "removed")

    def __init__(self, changed: FieldSet, removed: FieldSet) -> None:
        self.changed = changed
        self.removed = removed

    def is_empty(self) -> bool:
        """Whether the two were the same."""
        return not self.changed and not self.removed


def compare(node: TypeNode, old: Any, new: Any) -> Difference:
    """The difference between two values that are both there."""
    changed: FieldSet = {}
    removed: FieldSet = {}
    if type(old) is dict and type(new) is dict:
        _compare_maps(node, old, new, changed, removed)
    elif type(old) is list and type(new) is list:
        _compare_lists(node, old, new, changed, removed)
    return Difference(changed, removed)


def compare_field(node: TypeNode, key: str, values: tuple[Any, Any], changed: FieldSet, removed: FieldSet) -> None:
    """Add how one element went from `values[0]` to `values[1]` (ABSENT if it is not there) to both sets."""
    old, new = values
    if old is ABSENT:
        changed[key] = all_fields(node, new)
    elif new is ABSENT:
        removed[key] = all_fields(node, old)
    elif type(old) is not type(new) or is_leaf(node, new) or not (old or new):
        changed[key] = {}
        if type(old) in (dict, list) and old and not is_leaf(node, old):
            removed[key] = {below: value for below, value in all_fields(node, old).items() if below != MEMBER}
    else:
        difference = compare(node, old, new)
        if difference.changed:
            changed[key] = difference.changed
        if difference.removed:
            removed[key] = difference.removed


def _compare_maps(
    node: TypeNode, old: dict[str, Any], new: dict[str, Any], changed: FieldSet, removed: FieldSet
) -> None:
    for key, value in new.items():
        have = old.get(key, ABSENT)
        if have is ABSENT:
            have = _go_empty(node, key, value)
        if have is value or (have == value and type(have) is type(value)):
            continue
        compare_field(child_of(node, key), f"f:{key}", (have, value), changed, removed)
    for key, value in old.items():
        if key not in new:
            want = _go_empty(node, key, value)
            if want != value:
                compare_field(child_of(node, key), f"f:{key}", (value, want), changed, removed)


def _go_empty(node: TypeNode, key: str, value: Any) -> Any:
    """What a missing field of a Go struct is: struct fields and fields without omitempty are there, empty."""
    if node.name and (key in node.required or key in GO_STRUCT_FIELDS.get(node.name, ())):
        if type(value) is dict:
            return {}
        if type(value) is list:
            return []
    return ABSENT


def _compare_lists(node: TypeNode, old: list[Any], new: list[Any], changed: FieldSet, removed: FieldSet) -> None:
    items = _items(node)
    have = {_lenient_element(node, item): item for item in old}
    want = {_lenient_element(node, item): item for item in new}
    for key, value in want.items():
        before = have.get(key, ABSENT)
        if before is not value and before != value:
            compare_field(items, key, (before, value), changed, removed)
    for key, value in have.items():
        if key not in want:
            compare_field(items, key, (value, ABSENT), changed, removed)


# Merge.


def merge(node: TypeNode, live: Any, config: Any) -> Any:
    """`live` with what `config` says put in; lists of type map keep the configuration's order."""
    if live is ABSENT or is_leaf(node, config) or type(live) is not type(config):
        return live if config is ABSENT else config
    if type(config) is list:
        return _merge_lists(node, live, config)
    merged = dict(live)
    for key, value in config.items():
        merged[key] = merge(child_of(node, key), live.get(key, ABSENT), value)
    return merged


def _merge_lists(node: TypeNode, live: list[Any], config: list[Any]) -> list[Any]:
    """Interleave: the configuration's order wins, live-only items stay near their neighbours."""
    items = _items(node)
    left = [_lenient_element(node, item) for item in live]
    right = [element(node, item) for item in config]
    live_items: dict[str, Any] = dict(zip(reversed(left), reversed(live), strict=True))
    wanted = dict(zip(right, config, strict=True))
    shared = iter([key for key in right if key in live_items])
    next_shared = next(shared, None)
    merged: list[Any] = []
    done: set[str] = set()
    at = to = 0

    def put(key: str) -> None:
        done.add(key)
        merged.append(merge(items, live_items.get(key, ABSENT), wanted[key]))

    while at < len(left) or to < len(right):
        if at < len(left) and to < len(right):
            if left[at] == right[to]:
                put(right[to])
                at, to, next_shared = at + 1, to + 1, next(shared, None)
                continue
            if left[at] in wanted and next_shared is not None and next_shared != left[at]:
                at += 1
                continue
        if at < len(left):
            if left[at] not in wanted:
                merged.append(live[at])
                at += 1
                continue
            if left[at] in done:
                at += 1
        if to < len(right):
            put(right[to])
            if next_shared == right[to]:
                next_shared = next(shared, None)
            to += 1
    return merged


# Removal.


def remove(node: TypeNode, value: Any, fields: FieldSet) -> Any:
    """`value` without the members of `fields`; ABSENT if nothing is left of it."""
    if type(value) not in (dict, list) or not value:
        return value
    if is_leaf(node, value):
        return ABSENT
    if type(value) is list:
        kept = [_left_over(_items(node), item, fields.get(_lenient_element(node, item))) for item in value]
        left = [item for item in kept if item is not ABSENT]
        return left or ABSENT
    remaining = {}
    for key, item in value.items():
        left_over = _left_over(child_of(node, key), item, fields.get(f"f:{key}"))
        if left_over is not ABSENT:
            remaining[key] = left_over
    return remaining or ABSENT


def _left_over(node: TypeNode, value: Any, fields: FieldSet | None) -> Any:
    if fields is None:
        return value
    return ABSENT if is_member(fields) else remove(node, value, fields)


def with_named_members(node: TypeNode, fields: FieldSet) -> FieldSet:
    """The set with every declared struct field that has members below it as a member too."""
    ensured: FieldSet = {}
    for key, below in fields.items():
        if key == MEMBER or not below:
            ensured[key] = below
            continue
        named = key.startswith("f:") and key[2:] in node.fields
        child = child_of(node, key[2:]) if key.startswith("f:") else _items(node)
        deeper = with_named_members(child, below)
        ensured[key] = {MEMBER: {}, **deeper} if named else deeper
    return ensured
