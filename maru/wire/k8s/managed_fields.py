"""metadata.managedFields: who owns which fields, kept up on every write that is not an apply.

Source: sigs.k8s.io/structured-merge-diff (merge/update.go) and apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from maru.wire.k8s.fieldset import FieldSet, difference, is_well_formed, ordered, union
from maru.wire.k8s.schema import TypeNode, Value
from maru.wire.k8s.typed import ABSENT, Difference, child_of, compare_field

MANAGERS_MAX = 10  # Update managers kept apart; older ones become "ancient-changes"
OLD_MANAGER = "ancient-changes"

# Nobody owns these: the server sets them, or they name the document.
_NEVER_OWNED = frozenset({"apiVersion", "kind"})
_NEVER_OWNED_METADATA = frozenset(
    (
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    )
)
# A built-in kind's Go struct has these before anything was filled in.
_STRUCTS = frozenset({"metadata", "spec", "status"})


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes. manager: fieldManager, or the user agent's first part. time: now, RFC 3339 in UTC, seconds."""

    manager: str
    api_version: str
    subresource: str
    time: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One manager's set. `identity` tells managers apart: an applier is the same in every API version."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: FieldSet

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes two entries the same manager."""
        version = "" if self.operation == "Apply" else self.api_version
        return (self.manager, self.operation, version, self.subresource)


def track_update(
    node: TypeNode, old: Value | None, new: Value, writer: Writer, ignored: frozenset[str] = frozenset()
) -> None:
    """Set metadata.managedFields of `new` (in place) after a create, update or patch.

    old: the stored document, None on create. What `new` brings as managedFields counts for the main
    resource (a client may patch it; `[]` or `[{}]` resets it). ignored: top-level fields this way of
    writing leaves alone ("status", or "spec" for the status subresource).
    """
    kept = _kept_entries(old, new, writer.subresource)
    changes = compare_documents(node, old if old is not None else {}, new, ignored)
    if changes.is_empty():
        put_raw(new, kept)
        return
    entries = decode_entries(kept) or []
    own = Entry(writer.manager, "Update", writer.api_version, writer.subresource, writer.time, {})
    gone = union(changes.changed, changes.removed)
    left: list[Entry] = []
    for entry in entries:
        if entry.identity == own.identity:
            own = replace(own, fields=difference(entry.fields, changes.removed))
            continue
        fields = difference(entry.fields, gone)
        if fields:
            left.append(entry if fields is entry.fields else replace(entry, fields=fields))
    own = replace(own, fields=union(own.fields, changes.changed))
    if own.fields:
        left.append(own)
    put_entries(new, _capped(left))


def compare_documents(node: TypeNode, old: Value, new: Value, ignored: frozenset[str] = frozenset()) -> Difference:
    """How a document changed, without what nobody owns and without `ignored` top-level fields."""
    changed: FieldSet = {}
    removed: FieldSet = {}
    for key in {**new, **old}:
        if key in _NEVER_OWNED or key in ignored:
            continue
        before, after = old.get(key, ABSENT), new.get(key, ABSENT)
        if key == "metadata":
            before, after = _ownable(before), _ownable(after)
        elif node.name and key in _STRUCTS and child_of(node, key).kind == "object":
            before = {} if before is ABSENT else before
            after = {} if after is ABSENT else after
        if before is after or before == after:
            continue
        compare_field(child_of(node, key), f"f:{key}", (before, after), changed, removed)
    return Difference(changed, removed)


def _ownable(metadata: Any) -> Value:
    if type(metadata) is not dict:
        return {}
    return {key: value for key, value in metadata.items() if key not in _NEVER_OWNED_METADATA}


def owned_only(fields: FieldSet) -> FieldSet:
    """A manager's set without what nobody owns."""
    kept = {key: below for key, below in fields.items() if key[2:] not in _NEVER_OWNED}
    metadata = kept.pop("f:metadata", None)
    if metadata:
        metadata = {
            key: below for key, below in metadata.items() if key[2:] not in _NEVER_OWNED_METADATA and key != "."
        }
    if metadata:
        kept["f:metadata"] = metadata
    return kept


def _kept_entries(old: Value | None, new: Value, subresource: str) -> Any:
    """The managedFields to start from: what the client sent if it is sound, else what is stored."""
    stored = (old or {}).get("metadata", {}).get("managedFields")
    if subresource:
        return stored
    sent = new.get("metadata", {}).get("managedFields")
    if sent is None or sent is stored or sent == stored:
        return stored
    if is_reset(sent):
        return []
    return sent if decode_entries(sent) else stored


def is_reset(sent: Any) -> bool:
    """Whether a client asks to forget all owners."""
    return type(sent) is list and (not sent or sent == [{}])


def decode_entries(raw: Any) -> list[Entry] | None:
    """Entries from a document; None if any of them cannot be read."""
    if raw is None:
        return []
    if type(raw) is not list:
        return None
    entries: list[Entry] = []
    for one in raw:
        if type(one) is not dict or one.get("operation") not in ("Apply", "Update"):
            return None
        fields = one.get("fieldsV1") or {}
        if one.get("fieldsType") != "FieldsV1" or not is_well_formed(fields):
            return None
        entries.append(
            Entry(
                one.get("manager") or "",
                one["operation"],
                one.get("apiVersion") or "",
                one.get("subresource") or "",
                one.get("time") or "",
                fields,
            )
        )
    return entries


def put_entries(document: Value, entries: Iterable[Entry]) -> None:
    """Write entries into a document, in the order the real server keeps them."""
    shown = sorted(entries, key=lambda one: (one.operation, one.time, one.manager, one.api_version, one.subresource))
    put_raw(document, [_encode(one) for one in shown])


def put_raw(document: Value, raw: Sequence[Value] | None) -> None:
    """Write managedFields as they are, or drop them if there are none."""
    metadata = document.setdefault("metadata", {})
    if raw:
        metadata["managedFields"] = raw
    else:
        metadata.pop("managedFields", None)


def _encode(entry: Entry) -> Value:
    raw: Value = {
        "manager": entry.manager,
        "operation": entry.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": ordered(entry.fields),
        "subresource": entry.subresource,
    }
    for key in ("manager", "time", "subresource"):
        if not raw[key]:
            del raw[key]
    return raw


def _capped(entries: list[Entry]) -> list[Entry]:
    """At most MANAGERS_MAX Update managers: the oldest of one API version are merged into one."""
    updates = sorted((one for one in entries if one.operation == "Update"), key=lambda one: (one.time, one.manager))
    excess = len(updates) - MANAGERS_MAX
    if excess <= 0:
        return entries
    merged: dict[str, Entry] = {}
    dropped: set[tuple[str, str, str, str]] = set()
    for one in updates:
        if excess <= 0:
            break
        first = merged.get(one.api_version)
        if first is None:
            merged[one.api_version] = one
            continue
        bucket = Entry(OLD_MANAGER, "Update", one.api_version, "", one.time, union(first.fields, one.fields))
        dropped |= {first.identity, one.identity}
        merged[one.api_version] = bucket
        excess -= 1
    buckets = [one for one in merged.values() if one.manager == OLD_MANAGER]
    return [one for one in entries if one.identity not in dropped] + buckets
