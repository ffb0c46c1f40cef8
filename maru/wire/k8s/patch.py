"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386).

All functions leave their arguments alone and share unchanged parts with the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from maru.wire.k8s.errors import Malformed, PatchFailed

OPERATIONS_MAX = 10_000  # kube-apiserver's bound on a JSON patch
COPIED_MAX = 3_000_000  # values that all copy operations of one patch may add up to

_INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_ABSENT = object()


def json_patch(document: Any, operations: Any) -> Any:
    """Apply an RFC 6902 patch. Raises Malformed (not a patch) or PatchFailed (does not fit)."""
    if not isinstance(operations, list):
        raise Malformed("error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Patch")
    if len(operations) > OPERATIONS_MAX:
        raise Malformed(f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(operations)}")
    budget = [COPIED_MAX]
    for operation in operations:
        document = _operate(document, operation, budget)
    return document


def merge_patch(document: Any, patch: Any) -> Any:
    """Apply an RFC 7386 patch."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge_patch(merged.get(key), value)
        else:
            merged[key] = value
    return merged


def _operate(document: Any, operation: Any, budget: list[int]) -> Any:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise Malformed("error decoding patch: every operation needs a path")
    name, path = operation.get("op"), _steps(operation["path"])
    if name in ("add", "replace", "test") and "value" not in operation and name != "test":
        raise Malformed(f"error decoding patch: operation {name} needs a value")
    if name == "add":
        return _add(document, path, operation["value"])
    if name == "remove":
        return _change(document, path, _remove)
    if name == "replace":
        return _change(document, path, lambda parent, step: _replace(parent, step, operation["value"]))
    if name == "test":
        return _test(document, path, operation)
    if name in ("move", "copy"):
        return _transfer(document, path, operation, budget)
    raise Malformed(f"Unexpected kind: {name}")


def _transfer(document: Any, path: list[str], operation: dict[str, Any], budget: list[int]) -> Any:
    if not isinstance(operation.get("from"), str):
        raise Malformed(f"error decoding patch: operation {operation['op']} needs from")
    source = _steps(operation["from"])
    value = _get(document, source)
    if value is _ABSENT:
        raise PatchFailed(f"{operation['op']} operation does not apply: doc is missing from path: {operation['from']}")
    if operation["op"] == "copy":
        budget[0] -= _weight(value)
        if budget[0] < 0:
            raise PatchFailed("Unable to complete the copy, the accumulated size increase exceeds the limit")
        return _add(document, path, value)
    if path[: len(source)] == source and len(path) > len(source):
        raise PatchFailed("move operation does not apply: a value cannot move into itself")
    return _add(_change(document, source, _remove) if source else None, path, value)


def _test(document: Any, path: list[str], operation: dict[str, Any]) -> Any:
    have, want = _get(document, path), operation.get("value")
    if have is _ABSENT and want is None:
        return document
    if have is _ABSENT or not _same(have, want):
        raise PatchFailed(f"testing value {operation['path']} failed: test failed")
    return document


def _steps(path: str) -> list[str]:
    if not path:
        return []
    if path[0] != "/":
        raise PatchFailed(f"patch operation does not apply: doc is missing path: {path}: missing value")
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def _get(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, dict):
            document = document.get(step, _ABSENT)
        elif isinstance(document, list) and _INDEX.fullmatch(step) and int(step) < len(document):
            document = document[int(step)]
        else:
            return _ABSENT
        if document is _ABSENT:
            return _ABSENT
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    return _change(document, path, lambda parent, step: _insert(parent, step, value)) if path else value


def _change(document: Any, path: list[str], act: Callable[[Any, str], Any]) -> Any:
    """Copy the containers on the way to the last step and let `act` change the last copy."""
    if not path:
        return act({"": document}, "").get("")
    root = _copied(document, path)
    parent = root
    for depth, step in enumerate(path[:-1]):
        child = _get(parent, [step])
        if child is _ABSENT:
            raise _missing(path[: depth + 1])
        child = _copied(child, path)
        parent[int(step) if isinstance(parent, list) else step] = child
        parent = child
    act(parent, path[-1])
    return root


def _copied(container: Any, path: list[str]) -> Any:
    if isinstance(container, dict):
        return dict(container)
    if isinstance(container, list):
        return list(container)
    raise _missing(path)


def _missing(path: list[str]) -> PatchFailed:
    return PatchFailed(f"patch operation does not apply: doc is missing path: /{'/'.join(path)}: missing value")


def _index(parent: list[Any], step: str, length: int) -> int:
    if not _INDEX.fullmatch(step) or int(step) >= length:
        raise PatchFailed(f"Unable to access invalid index: {step}: invalid index referenced")
    return int(step)


def _insert(parent: Any, step: str, value: Any) -> Any:
    if isinstance(parent, dict):
        parent[step] = value
    elif step == "-":
        parent.append(value)
    else:
        parent.insert(_index(parent, step, len(parent) + 1), value)
    return parent


def _remove(parent: Any, step: str) -> Any:
    if isinstance(parent, list):
        del parent[_index(parent, step, len(parent))]
    elif step in parent:
        del parent[step]
    else:
        raise PatchFailed(f"remove operation does not apply: doc is missing path: {step}: missing value")
    return parent


def _replace(parent: Any, step: str, value: Any) -> Any:
    if isinstance(parent, list):
        parent[_index(parent, step, len(parent))] = value
    elif step in parent:
        parent[step] = value
    else:
        raise PatchFailed(f"replace operation does not apply: doc is missing key: {step}: missing value")
    return parent


def _same(one: Any, other: Any) -> bool:
    """JSON equality: true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _weight(value: Any) -> int:
    """How many values and characters a copy adds."""
    if isinstance(value, dict):
        return 1 + sum(len(key) + _weight(item) for key, item in value.items())
    if isinstance(value, list):
        return 1 + sum(map(_weight, value))
    return 1 + (len(value) if isinstance(value, str) else 0)
