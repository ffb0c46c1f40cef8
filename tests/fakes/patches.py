"""The patch types, as far as controllers use them.

Merge patches are exact. Strategic patches know the merge keys of the lists controllers touch and the
$patch and $deleteFromPrimitiveList directives; JSON patches know add, replace, remove and test.
"""

from __future__ import annotations

import copy
from typing import Any

from maru.core.errors import Invalid

_MERGE_KEYS = {
    "conditions": "type",
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "containerStatuses": None,
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "ownerReferences": "uid",
    "addresses": "type",
    "imagePullSecrets": "name",
}


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def strategic(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {name: copy.deepcopy(value) for name, value in patch.items() if name != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            at = name.split("/", 1)[1]
            result[at] = [item for item in result.get(at) or [] if item not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            result.pop(name, None)
        elif name == "finalizers":
            have = result.get(name) or []
            result[name] = have + [item for item in value if item not in have]
        elif isinstance(value, list) and _MERGE_KEYS.get(name):
            result[name] = _merge_list(result.get(name) or [], value, str(_MERGE_KEYS[name]))
        else:
            result[name] = strategic(result.get(name), value)
    return result


def json_patch(target: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902 without move and copy."""
    target = copy.deepcopy(target)
    for operation in operations:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        try:
            _apply(target, parts, operation)
        except (KeyError, IndexError, ValueError) as error:
            raise Invalid(what=f"patch {operation['path']}", why=f"no such place: {error}", fix="") from error
    return target


def _apply(target: Any, parts: list[str], operation: dict[str, Any]) -> None:
    for part in parts[:-1]:
        target = target[int(part)] if isinstance(target, list) else target[part]
    last: Any = parts[-1]
    kind, value = operation["op"], copy.deepcopy(operation.get("value"))
    if isinstance(target, list):
        last = len(target) if last == "-" else int(last)
        if kind == "add":
            target.insert(last, value)
            return
    if kind != "add" and (last not in target if isinstance(target, dict) else last >= len(target)):
        raise KeyError(last)
    if kind in ("add", "replace"):
        target[last] = value
    elif kind == "remove":
        del target[last]
    elif kind == "test":
        if target[last] != value:
            raise Invalid(what=f"patch {operation['path']}", why="the test failed", fix="")
    else:
        raise Invalid(what=f"patch {operation['path']}", why=f"the fake does not know {kind}", fix="")


def _merge_list(have: list[Any], patch: list[Any], key: str) -> list[Any]:
    result = list(have)
    for item in patch:
        if item.get("$patch") == "replace":
            result = []
            continue
        at = next((index for index, old in enumerate(result) if old.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(copy.deepcopy(item))
        else:
            result[at] = strategic(result[at], item)
    return result
