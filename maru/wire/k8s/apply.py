"""Server-side apply: merge what a manager wants, drop what it no longer wants, refuse what others own.

Source: sigs.k8s.io/structured-merge-diff (merge/update.go, typed/merge.go, typed/remove.go).
"""

from __future__ import annotations

from maru.wire.k8s.managed_fields import Writer
from maru.wire.k8s.schema import TypeNode, Value


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

    The result carries the new metadata.managedFields. It equals `live` if nothing changed.
    Raises ApplyConflict, Malformed (managedFields in the config, duplicate list keys), PatchFailed (fields
    not in the schema).
    """
    raise NotImplementedError
