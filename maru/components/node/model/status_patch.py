"""The difference between two Pod statuses as a strategic merge patch.

Conditions merge by type and addresses by ip, everything else is replaced whole. Source: Kubernetes
API reference, PodStatus (patch strategies); "Update API Objects in Place Using kubectl patch".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value

_MERGED_BY_IP = ("podIPs", "hostIPs")


def status_patch(old: Value, new: Value) -> Value:
    """What has to be sent to turn `old` into `new`; empty when they say the same."""
    patch: Value = {}
    for name, value in new.items():
        before = old.get(name)
        if name == "conditions":
            changed = _changed_conditions(before or (), value)
            if changed:
                patch[name] = changed
        elif _plain(before) != _plain(value):
            patch[name] = [{"$patch": "replace"}, *value] if name in _MERGED_BY_IP and before else value
    return patch


def _changed_conditions(old: Sequence[Value], new: Sequence[Value]) -> list[Value]:
    held = {entry["type"]: entry for entry in old}
    changed = []
    for entry in new:
        before = held.get(entry["type"], {})
        if _plain(before) == _plain(entry):
            continue
        dropped = {name: None for name in before if name not in entry}
        changed.append({**entry, **dropped})
    kept = {entry["type"] for entry in new}
    changed += [{"$patch": "delete", "type": kind} for kind in held if kind not in kept]
    return changed


def _plain(value: object) -> object:
    """Without what says nothing: nulls and empty mappings."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items() if entry not in (None, {}, "")}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
