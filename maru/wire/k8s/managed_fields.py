"""metadata.managedFields: who owns which fields, kept up on every write that is not an apply.

Source: sigs.k8s.io/structured-merge-diff (merge/update.go) and apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from dataclasses import dataclass

from maru.wire.k8s.schema import TypeNode, Value

MANAGERS_MAX = 10  # Update managers kept apart; older ones become "ancient-changes"


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes. manager: fieldManager, or the user agent's first part. time: now, RFC 3339 in UTC, seconds."""

    manager: str
    api_version: str
    subresource: str
    time: str


def track_update(
    node: TypeNode, old: Value | None, new: Value, writer: Writer, ignored: frozenset[str] = frozenset()
) -> None:
    """Set metadata.managedFields of `new` (in place) after a create, update or patch.

    old: the stored document, None on create. What `new` brings as managedFields counts for the main
    resource (a client may patch it; `[]` or `[{}]` resets it). ignored: top-level fields this way of
    writing leaves alone ("status", or "spec" for the status subresource).
    """
    raise NotImplementedError
