"""Plain JSON values: copies, equality of status, and the metadata that every controller reads.

Source: Kubernetes API conventions, "Metadata" and "Typical status properties".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Resource, Value

T = TypeVar("T")

Place = tuple[str, str]
"""(namespace, name)."""


def clone(value: T) -> T:
    """A deep copy of plain JSON."""
    if isinstance(value, dict):
        return {key: clone(entry) for key, entry in value.items()}  # type: ignore[return-value]
    if isinstance(value, list):
        return [clone(entry) for entry in value]  # type: ignore[return-value]
    return value


def with_status(value: Value, status: Value) -> Value:
    """A copy of `value` that carries `status`; its resourceVersion stays, so that a stale write conflicts."""
    copy = clone(value)
    copy["status"] = clone(status)
    return copy


def place_of(value: Value) -> Place:
    """Where a document stands."""
    metadata = value["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def labels_of(value: Value) -> Mapping[str, str]:
    """Its labels, never None."""
    return value["metadata"].get("labels") or {}


def annotations_of(value: Value) -> Mapping[str, str]:
    """Its annotations, never None."""
    return value["metadata"].get("annotations") or {}


def uid_of(value: Value) -> str:
    """Its uid, empty if it has none yet."""
    return str(value["metadata"].get("uid") or "")


def generation_of(value: Value) -> int:
    """metadata.generation, 0 if there is none."""
    return int(value["metadata"].get("generation") or 0)


def created_at(value: Value) -> datetime:
    """metadata.creationTimestamp."""
    return parse_rfc3339(value["metadata"]["creationTimestamp"])


def age_key(value: Value) -> tuple[str, str]:
    """Orders documents from old to new, by name where the second is the same."""
    return value["metadata"].get("creationTimestamp") or "", value["metadata"]["name"]


def drop_empty(value: Value) -> Value:
    """Without the entries that are None, empty or zero: what `omitempty` leaves out."""
    return {key: entry for key, entry in value.items() if entry not in (None, "", 0, [], {})}


def owner_reference(resource: Resource, owner: Value) -> Value:
    """The reference by which `owner` controls what it makes."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(value: Value) -> Value | None:
    """The owner reference that is marked as the controller."""
    for reference in value["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: Value = reference
            return found
    return None


def is_controlled_by(value: Value, owner: Value) -> bool:
    """True when `owner` is its controller."""
    reference = controller_of(value)
    return reference is not None and reference["uid"] == uid_of(owner)


def object_reference(value: Value, resource: Resource) -> Value:
    """A core/v1 ObjectReference to `value`."""
    metadata = value["metadata"]
    return drop_empty(
        {
            "kind": resource.kind,
            "namespace": metadata.get("namespace"),
            "name": metadata["name"],
            "uid": metadata.get("uid"),
            "apiVersion": resource.api_version,
            "resourceVersion": metadata.get("resourceVersion"),
        }
    )


def set_condition(
    conditions: list[Value], kind: str, status: str, reason: str, message: str, *, now: datetime
) -> list[Value]:
    """`conditions` with one set; the transition time moves only when the status changes."""
    old = next((entry for entry in conditions if entry["type"] == kind), None)
    if old is not None and (old["status"], old.get("reason"), old.get("message")) == (status, reason, message):
        return conditions
    moved = old is None or old["status"] != status
    new = {
        "type": kind,
        "status": status,
        "lastTransitionTime": rfc3339(now) if moved or old is None else old.get("lastTransitionTime"),
        "reason": reason,
        "message": message,
    }
    if old is None:
        return [*conditions, new]
    return [new if entry is old else entry for entry in conditions]


def without_condition(conditions: list[Value], kind: str) -> list[Value]:
    """`conditions` without those of type `kind`."""
    return [entry for entry in conditions if entry["type"] != kind]


def resolve_share(share: object, total: int, *, round_up: bool) -> int:
    """An IntOrString as a count: 3 is 3, "25%" is that part of `total`.

    Source: k8s.io/apimachinery/pkg/util/intstr, GetScaledValueFromIntOrPercent.
    """
    text = str(share if share is not None else 0)
    if not text.endswith("%"):
        return int(text)
    product = int(text[:-1]) * total
    return -(-product // 100) if round_up else product // 100
