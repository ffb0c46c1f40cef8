"""One object of a swarm, as it is kept and as the Engine API shows it.

`Version.Index` is the store's revision of the document: it ascends over everything in the swarm, and an
update that names an older one is refused. Names that begin with a small letter in `status` are ours and
are not shown. Source: Docker Engine API v1.50, ObjectVersion and the objects' own sections.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from maru.core.document import Value
from maru.wire.docker.moments import moment_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """spec, status: shared, never to be changed. id: 25 letters and digits, or how somebody called the document."""

    id: str
    index: int
    created: str
    updated: str
    spec: Value
    status: Value

    @property
    def name(self) -> str:
        return str(self.spec.get("Name") or "")

    @property
    def labels(self) -> dict[str, str]:
        return {str(key): str(value) for key, value in (self.spec.get("Labels") or {}).items()}


def entry_of(document: Value) -> Entry:
    """A document as it is read."""
    metadata = document["metadata"]
    status = document.get("status") or {}
    created = str(status.get("CreatedAt") or metadata.get("creationTimestamp") or "")
    return Entry(
        id=metadata["name"],
        index=int(metadata["resourceVersion"]),
        created=created,
        updated=str(status.get("UpdatedAt") or created),
        spec=document.get("spec") or {},
        status=status,
    )


def shown(entry: Entry, *names: str) -> Value:
    """The object with these fields of its status, where they are set."""
    value: Value = {
        "ID": entry.id,
        "Version": {"Index": entry.index},
        "CreatedAt": entry.created,
        "UpdatedAt": entry.updated,
        "Spec": entry.spec,
    }
    return value | {name: entry.status[name] for name in names if entry.status.get(name) is not None}


def new_id(uid: str) -> str:
    """An identifier as swarm has them, of the randomness of a UUID: 25 digits to the base 36, a letter first."""
    number, digits = int(uid.replace("-", ""), 16), ""
    for _ in range(24):
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return "abcdefghijklmnopqrstuvwxyz"[number % 26] + digits


def moment(stamp: str) -> datetime:
    """The moment of an RFC 3339 stamp; the epoch for none."""
    return moment_of(stamp) or _EPOCH


def without_nulls(value: object) -> object:
    """A JSON value as Go would keep it: members that are null are not there."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return value
