"""Server-side apply: merge what a manager wants, drop what it no longer wants, refuse what others own.

Managers of another API version of the kind are compared field by field as if the versions had the
same shape. Source: sigs.k8s.io/structured-merge-diff (merge/update.go) and
apimachinery/pkg/util/managedfields (the migration from kubectl's client-side apply).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from maru.wire.k8s.check import check, prune
from maru.wire.k8s.errors import ApplyConflict, FieldConflict, Malformed, PatchFailed
from maru.wire.k8s.fieldset import FieldSet, difference, intersection, paths, union
from maru.wire.k8s.managed_fields import (
    Entry,
    Writer,
    compare_documents,
    decode_entries,
    owned_only,
    put_entries,
)
from maru.wire.k8s.schema import TypeNode, Value
from maru.wire.k8s.typed import ABSENT, fields_of, merge, remove, with_named_members

BEFORE_FIRST_APPLY = "before-first-apply"
KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def apply(
    node: TypeNode,
    live: Value | None,
    config: Value,
    writer: Writer,
    *,
    force: bool,
    ignored: frozenset[str] = frozenset(),
) -> Value:
    """The document after `writer.manager` applied `config`; `live` None creates.

    The result carries the new metadata.managedFields and is `live` itself if nothing changed.
    ignored: top-level fields this way of writing leaves alone ("status", or "spec" for the status
    subresource). Raises ApplyConflict, Malformed (managedFields in the config, wrong types) or
    PatchFailed (fields not in the schema, bad list items). `live` and `config` are left alone.
    """
    config = _checked(node, config, ignored)
    base: Value = live if live is not None else {}
    stored = decode_entries(base.get("metadata", {}).get("managedFields")) or []
    entries = stored or _before_first_apply(writer, compare_documents(node, {}, base, ignored).changed)
    own = Entry(writer.manager, "Apply", writer.api_version, writer.subresource, writer.time, {})
    last = next((one for one in entries if one.identity == own.identity), None)
    others = [one for one in entries if one.identity != own.identity]
    own = replace(own, fields=fields_of(node, config))
    result = merge(node, base, config)
    if last is not None:
        pruned = _pruned(node, result, last.fields, [*others, own])
        if pruned is not result:
            result = merge(node, pruned, config)  # an empty map that is applied stays one
    changes = compare_documents(node, base, result, ignored)
    conflicts = _conflicts(others, changes.changed)
    if conflicts and not force:
        allowed = _last_applied_fields(node, base) if writer.manager == KUBECTL else {}
        refused = [(one, difference(fields, allowed)) for one, fields in conflicts]
        if any(fields for _, fields in refused):
            raise ApplyConflict([cause for one, fields in refused for cause in _causes(one, fields)])
    gone = union(changes.changed, changes.removed)
    left = [replace(one, fields=difference(one.fields, gone)) for one in others]
    own = replace(own, fields=owned_only(own.fields))
    is_same_claim = last is not None and (last.fields, last.api_version) == (own.fields, own.api_version)
    if live is not None and changes.is_empty() and is_same_claim:
        return live
    result = dict(result)
    result["metadata"] = dict(result.get("metadata") or {})
    put_entries(result, [one for one in (*left, own) if one.fields])
    _sync_last_applied(base, result, config, writer)
    return result


def _checked(node: TypeNode, config: Value, ignored: frozenset[str]) -> Value:
    if type(config) is not dict:
        raise Malformed("error decoding patch: the configuration is not an object")
    if type(config.get("metadata")) is dict and config["metadata"].get("managedFields"):
        raise Malformed("metadata.managedFields must be nil")
    checked = check(node, config) if node.name else prune(node, config)
    if checked.unknown:
        names = [text.split('"')[1] for text in checked.unknown]
        fields = "\n".join(f".{name}: field not declared in schema" for name in names)
        raise PatchFailed(f"failed to create typed patch object ({_named(config)}): {fields}")
    value: Value = checked.value
    if ignored & value.keys():
        return {key: item for key, item in value.items() if key not in ignored}
    return value


def _named(config: Value) -> str:
    metadata = config.get("metadata") or {}
    return (
        f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; "
        f"{config.get('apiVersion', '')}, Kind={config.get('kind', '')}"
    )


def _before_first_apply(writer: Writer, fields: FieldSet) -> list[Entry]:
    """The owner of everything in a document that nobody was recorded for."""
    if not fields:
        return []
    return [Entry(BEFORE_FIRST_APPLY, "Update", writer.api_version, "", writer.time, fields)]


def _pruned(node: TypeNode, merged: Value, last: FieldSet, managers: Sequence[Entry]) -> Value:
    """`merged` without what the manager applied last time, no longer applies and nobody else owns."""
    own = managers[-1].fields
    if not difference(last, own):
        return merged
    managed: FieldSet = {}
    for one in managers:
        managed = union(managed, one.fields)

    def named(fields: FieldSet) -> FieldSet:
        return with_named_members(node, fields)

    def without_fields(fields: FieldSet) -> Any:
        left = remove(node, merged, fields)
        return {} if left is ABSENT else left

    everything = named(_lenient_fields(node, merged))
    pruned = without_fields(named(last))
    kept = union(named(_lenient_fields(node, pruned)), named(managed))
    pruned = without_fields(difference(everything, kept))
    dangling = intersection(difference(everything, named(_lenient_fields(node, pruned))), named(last))
    result: Value = without_fields(dangling)
    return result


def _lenient_fields(node: TypeNode, value: Value) -> FieldSet:
    """The fields of a stored document; where a list breaks its own keys, those of the rest."""
    found: FieldSet = {}
    for key, item in value.items():
        try:
            found |= fields_of(node, {key: item})
        except PatchFailed:
            found[f"f:{key}"] = {}
    return found


def _conflicts(others: Sequence[Entry], changed: FieldSet) -> list[tuple[Entry, FieldSet]]:
    found = [(one, intersection(one.fields, changed)) for one in others]
    return [(one, fields) for one, fields in found if fields]


def _causes(entry: Entry, fields: FieldSet) -> list[FieldConflict]:
    return [
        FieldConflict(entry.manager, entry.operation, entry.api_version, entry.subresource, entry.time, path)
        for path in paths(fields)
    ]


def _last_applied(document: Value) -> str:
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    text = annotations.get(LAST_APPLIED)
    return text if type(text) is str else ""


def _last_applied_fields(node: TypeNode, live: Value) -> FieldSet:
    """What kubectl's client-side apply set and the document still has: kubectl may take it over."""
    try:
        applied = msgspec.json.decode(_last_applied(live) or "null")
        if type(applied) is not dict:
            return {}
        applied = check(node, applied).value if node.name else applied
        fields = fields_of(node, applied)
    except (msgspec.DecodeError, Malformed, PatchFailed):
        return {}
    changes = compare_documents(node, applied, live)
    return difference(fields, union(changes.changed, changes.removed))


def _sync_last_applied(base: Value, result: Value, config: Value, writer: Writer) -> None:
    """Keep client-side apply usable for a document that has its annotation, as kubectl expects."""
    if writer.manager != KUBECTL or not _last_applied(base) or not _last_applied(result):
        return
    text = msgspec.json.encode(config).decode() + "\n"
    result["metadata"]["annotations"] = {**result["metadata"]["annotations"], LAST_APPLIED: text}
