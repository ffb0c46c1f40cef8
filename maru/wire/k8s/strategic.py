"""Strategic merge patch: a merge patch that knows lists by their merge keys.

Directives: $patch (replace, delete, merge), $retainKeys, $setElementOrder/field,
$deleteFromPrimitiveList/field. Source: Kubernetes community, "strategic-merge-patch" design note.
"""

from __future__ import annotations

from typing import Any

from maru.wire.k8s.errors import Malformed, Untyped
from maru.wire.k8s.schema import ANY, TypeNode, Value

UNTYPED_PATCHES = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
SET_ELEMENT_ORDER = "$setElementOrder/"
DELETE_FROM_PRIMITIVES = "$deleteFromPrimitiveList/"


def strategic_patch(node: TypeNode | None, document: Value, patch: Value) -> Value:
    """Apply `patch` to a document of type `node`; both are left alone.

    Raises Untyped (custom resources, whose root has no Go type), Malformed (a broken directive).
    """
    if node is None or not node.name:
        raise Untyped(
            f"the body of the request was in an unknown format - accepted media types include: {UNTYPED_PATCHES}"
        )
    if not isinstance(patch, dict):
        raise Malformed("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    return _merge_map(node, document, patch)


def _merge_map(node: TypeNode, original: Value, patch: Value) -> Value:
    directive = patch.get(PATCH)
    if directive is not None:
        patch = {key: value for key, value in patch.items() if key != PATCH}
        if directive == "replace":
            return patch
        if directive == "delete":
            return {}
        if directive != "merge":
            raise Malformed(f"Unknown patch type found: {directive}")
    merged, patch = dict(original), dict(patch)
    _retain_keys(merged, patch)
    _order_lists(node, merged, patch)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM_PRIMITIVES):
            name = key[len(DELETE_FROM_PRIMITIVES) :]
            if not isinstance(value, list) or not isinstance(merged.get(name, []), list):
                raise Malformed("invalid patch format of primitive list")
            if name in merged:
                merged[name] = [item for item in merged[name] if item not in value]
        elif value is None:
            merged.pop(key, None)
        elif key not in merged:
            _put_new(merged, key, value)
        else:
            _put_merged(_child(node, key), merged, key, value)
    return merged


def _child(node: TypeNode, key: str) -> TypeNode:
    return node.fields.get(key) or node.items or ANY


def _put_new(merged: Value, key: str, value: Any) -> None:
    kept, plain = _without_directives(value)
    if kept:
        merged[key] = plain


def _put_merged(node: TypeNode, merged: Value, key: str, value: Any) -> None:
    have = merged[key]
    if isinstance(have, dict) and isinstance(value, dict):
        if "replace" in node.patch_strategy:
            _put_new(merged, key, value)
        else:
            merged[key] = _merge_map(node, have, value)
    elif isinstance(have, list) and isinstance(value, list):
        merged[key] = _merge_list(node, have, value)
    else:
        merged.pop(key)
        _put_new(merged, key, value)


def _retain_keys(merged: Value, patch: Value) -> None:
    retained = patch.pop(RETAIN_KEYS, None)
    if retained is None:
        return
    if not isinstance(retained, list):
        raise Malformed("invalid patch format of retainKeys")
    for key in patch:
        if key not in retained and not key.startswith("$"):
            raise Malformed("invalid patch format of retainKeys: a field in the patch is not in the retainKeys list")
    for key in [key for key in merged if key not in retained]:
        del merged[key]


def _merge_list(node: TypeNode, original: list[Any], patch: list[Any]) -> list[Any]:
    if "merge" not in node.patch_strategy:
        return [plain for kept, plain in map(_without_directives, patch) if kept]
    if not any(isinstance(item, dict) for item in (*original, *patch)):
        return _ordered(_unique([*original, *patch]), patch, original, "")
    return _ordered(_merge_keyed(node, original, patch), patch, original, node.merge_key)


def _unique(items: list[Any]) -> list[Any]:
    unique: list[Any] = []
    for item in items:
        if item not in unique:
            unique.append(item)
    return unique


def _merge_keyed(node: TypeNode, original: list[Any], patch: list[Any]) -> list[Any]:
    merge_key = node.merge_key
    if any(isinstance(item, dict) and item.get(PATCH) == "replace" for item in patch):
        return [item for item in patch if not (isinstance(item, dict) and PATCH in item)]
    merged = list(original)
    places = {item.get(merge_key): index for index, item in reversed(list(enumerate(merged))) if isinstance(item, dict)}
    deleted: set[Any] = set()
    items = node.items or ANY
    for item in patch:
        if not isinstance(item, dict):
            raise Malformed("invalid patch: a list that merges by key holds a value that is not an object")
        name = item.get(merge_key)
        if name is None or isinstance(name, dict | list):
            raise Malformed(f"map: {item} does not contain declared merge key: {merge_key}")
        if item.get(PATCH) == "merge":
            raise Malformed("merging lists cannot yet be specified in the patch")
        if item.get(PATCH) == "delete":
            deleted.add(name)
        elif name in places:
            merged[places[name]] = _merge_map(items, merged[places[name]], item)
        else:
            kept, plain = _without_directives(item)
            if kept:
                places[name] = len(merged)
                merged.append(plain)
    return [item for item in merged if item.get(merge_key) not in deleted] if deleted else merged


def _order_lists(node: TypeNode, merged: Value, patch: Value) -> None:
    """Carry out $setElementOrder/NAME together with the list it orders; both leave the patch."""
    for directive in [key for key in patch if key.startswith(SET_ELEMENT_ORDER)]:
        order, name = patch.pop(directive), directive[len(SET_ELEMENT_ORDER) :]
        child, have, change = _child(node, name), merged.get(name), patch.get(name)
        if not isinstance(order, list) or not isinstance(have, list | None) or not isinstance(change, list | None):
            raise Malformed("invalid patch format of setElementOrder list")
        if have is None and change is None:
            continue
        patch.pop(name, None)
        _check_order(change or [], order, child.merge_key)
        if have is None:
            items = [plain for kept, plain in map(_without_directives, change or []) if kept]
        else:
            items = have if change is None else _merge_list(child, have, change)
        live = _live_order(have or [], change or [], child.merge_key)
        merged[name] = _ordered(items, order, live, child.merge_key)


def _check_order(change: list[Any], order: list[Any], merge_key: str) -> None:
    """What the patch sets must come in the order that its directive says."""
    kept = [_identity(item, merge_key) for item in change if not (isinstance(item, dict) and PATCH in item)]
    wanted = iter([_identity(item, merge_key) for item in order])
    if not all(name in wanted for name in kept):
        raise Malformed(f"The order in patch list:\n{change}\n doesn't match $setElementOrder list:\n{order}\n")


def _identity(item: Any, merge_key: str) -> Any:
    return item.get(merge_key) if merge_key and isinstance(item, dict) else item


def _live_order(have: list[Any], change: list[Any], merge_key: str) -> list[Any]:
    """The order of the list as it stood; new items count as standing in the places of deleted ones.

    The real server's deletion reuses the list's memory, and so new items get a place in its order.
    """
    names = [item.get(merge_key) for item in have if isinstance(item, dict)]
    changes = [item for item in change if isinstance(item, dict)]
    deleted = [item.get(merge_key) for item in changes if item.get(PATCH) == "delete"]
    if not any(name in names for name in deleted):
        return have
    kept = [item for item in have if item.get(merge_key) not in deleted]
    new = [item for item in changes if PATCH not in item and item.get(merge_key) not in names]
    return (kept + new)[: len(have)]


def _ordered(items: list[Any], order: list[Any], live: list[Any], merge_key: str) -> list[Any]:
    """The patch's order among the items it names; the live order decides where the others go between."""

    def identity(item: Any) -> Any:
        return _identity(item, merge_key)

    wanted = [identity(item) for item in order]
    if any(isinstance(one, dict | list) for one in wanted):
        raise Malformed("invalid patch format of setElementOrder list")
    rank = {name: index for index, name in reversed(list(enumerate(wanted)))}
    server = {identity(item): index for index, item in reversed(list(enumerate(live)))}
    right = sorted((item for item in items if identity(item) in rank), key=lambda item: rank[identity(item)])
    left = [item for item in items if identity(item) not in rank]
    left.sort(key=lambda item: server.get(identity(item), len(live)))
    placed: list[Any] = []
    at = 0
    for item in left:
        mine = server.get(identity(item))
        while at < len(right):
            theirs = server.get(identity(right[at]))
            if mine is not None and theirs is not None and theirs > mine:
                break
            placed.append(right[at])
            at += 1
        placed.append(item)
    return placed + right[at:]


def _without_directives(value: Any) -> tuple[bool, Any]:
    """(whether anything is left, the value free of directives and nulls); for values that are new."""
    if isinstance(value, dict):
        if value.get(PATCH) == "delete":
            return False, None
        plain = {}
        for key, item in value.items():
            if key in (PATCH, RETAIN_KEYS) or key.startswith((SET_ELEMENT_ORDER, DELETE_FROM_PRIMITIVES)):
                continue
            if item is None:
                continue
            kept, stripped = _without_directives(item)
            if kept:
                plain[key] = stripped
        return True, plain
    if isinstance(value, list):
        return True, [stripped for kept, stripped in map(_without_directives, value) if kept]
    return True, value
