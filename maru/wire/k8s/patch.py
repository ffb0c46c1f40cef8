"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386).

Where kube-apiserver is more lenient than RFC 6902, so is this: negative indices count from the end,
replace puts a missing key, a missing value is null. All functions leave their arguments alone and
share unchanged parts with the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from maru.wire.k8s.errors import Malformed, PatchFailed

OPERATIONS_MAX = 10_000  # kube-apiserver's bound on a JSON patch
COPIED_MAX = 3_000_000  # values that all copy operations of one patch may add up to

_INDEX = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_ABSENT = object()


class _Misfit(Exception):
    """The last step of an operation does not fit what stands there."""


class _NoPath(Exception):
    """A step before the last one leads nowhere."""


def json_patch(document: Any, operations: Any) -> Any:
    """Apply an RFC 6902 patch. Raises Malformed (not a patch) or PatchFailed (does not fit)."""
    if not isinstance(operations, list):
        given = {dict: "object", str: "string", bool: "bool"}.get(type(operations), "number")
        raise Malformed(f"error decoding patch: json: cannot unmarshal {given} into Go value of type jsonpatch.Patch")
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
    name, path = operation.get("op"), operation["path"]
    try:
        return _carry_out(document, operation, _steps(path), budget)
    except _Misfit as error:
        raise PatchFailed(f"error in {name} for path: '{path}': {error}") from None
    except _NoPath:
        raise PatchFailed(f'{name} operation does not apply: doc is missing path: "{path}": missing value') from None


def _carry_out(document: Any, operation: dict[str, Any], path: list[str], budget: list[int]) -> Any:
    name, value = operation.get("op"), operation.get("value")
    if name == "add":
        return _add(document, path, value)
    if name == "remove":
        return _change(document, path, _remove)
    if name == "replace":
        return _change(document, path, lambda parent, step: _replace(parent, step, value))
    if name == "test":
        have = _get(document, path)
        if not _same(None if have is _ABSENT else have, value):
            raise PatchFailed(f"testing value {operation['path']} failed: test failed")
        return document
    if name in ("move", "copy"):
        return _transfer(document, path, operation, budget)
    raise Malformed(f"Unexpected kind: {name}")


def _transfer(document: Any, path: list[str], operation: dict[str, Any], budget: list[int]) -> Any:
    if not isinstance(operation.get("from"), str):
        raise Malformed(f"error decoding patch: operation {operation['op']} needs from")
    source = _steps(operation["from"])
    value = _get(document, source)
    if value is _ABSENT:
        missing = f'doc is missing from path: "{operation["from"]}": missing value'
        raise PatchFailed(f"{operation['op']} operation does not apply: {missing}")
    if operation["op"] == "copy":
        budget[0] -= _weight(value)
        if budget[0] < 0:
            raise PatchFailed("Unable to complete the copy, the accumulated size increase exceeds the limit")
        return _add(document, path, value)
    if path[: len(source)] == source and len(path) > len(source):
        raise PatchFailed("move operation does not apply: a value cannot move into itself")
    return _add(_change(document, source, _remove) if source else None, path, value)


def _steps(path: str) -> list[str]:
    if not path:
        return []
    if path[0] != "/":
        raise _NoPath
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def _get(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, dict):
            document = document.get(step, _ABSENT)
        elif isinstance(document, list) and _INDEX.fullmatch(step) and -len(document) <= int(step) < len(document):
            document = document[int(step)]
        else:
            return _ABSENT
        if document is _ABSENT:
            return _ABSENT
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    return _change(document, path, lambda parent, step: _insert(parent, step, value)) if path else value


def _change(document: Any, path: list[str], act: Callable[[Any, str], None]) -> Any:
    """Copy the containers on the way to the last step and let `act` change the last copy."""
    if not path:
        whole = {"": document}
        act(whole, "")
        return whole.get("")
    root = _copied(document)
    parent = root
    for step in path[:-1]:
        child = _copied(_get(parent, [step]))
        parent[int(step) if isinstance(parent, list) else step] = child
        parent = child
    act(parent, path[-1])
    return root


def _copied(container: Any) -> Any:
    if isinstance(container, dict):
        return dict(container)
    if isinstance(container, list):
        return list(container)
    raise _NoPath


def _index(step: str, length: int) -> int:
    """A place in a list of `length`; negative ones count from the end, as the real server's do."""
    if not _INDEX.fullmatch(step):
        raise _Misfit(f'strconv.Atoi: parsing "{step}": invalid syntax')
    index = int(step)
    if not -length <= index < length:
        raise _Misfit(f"Unable to access invalid index: {step}: invalid index referenced")
    return index + length if index < 0 else index


def _insert(parent: Any, step: str, value: Any) -> None:
    if isinstance(parent, dict):
        parent[step] = value
    elif step == "-":
        parent.append(value)
    else:
        parent.insert(_index(step, len(parent) + 1), value)


def _remove(parent: Any, step: str) -> None:
    if isinstance(parent, list):
        del parent[_index(step, len(parent))]
    elif step in parent:
        del parent[step]
    else:
        raise _Misfit(f"Unable to remove nonexistent key: {step}: missing value")


def _replace(parent: Any, step: str, value: Any) -> None:
    """Also puts a key that was not there, as the real server does."""
    parent[_index(step, len(parent)) if isinstance(parent, list) else step] = value


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
