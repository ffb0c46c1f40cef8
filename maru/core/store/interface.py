"""What a store promises, whatever stands behind it.

Reads are local and synchronous. A write is acknowledged only when it survives kill -9, and is seen
by readers and watchers only then, in the order of its revision. A watch starts at any revision the
history ring still holds; older ones are Gone. Every backend passes `tests/suites/store.py`.
Source of the model: etcd v3 API guarantees; Kubernetes API concepts, "Efficient detection of changes".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from maru.core.document import Document, Key, Value

ABSENT = 0
"""The `expect` of a change that must create."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `value` None deletes.

    The store sets metadata.resourceVersion in `value` (it owns the dict from then on) and encodes it.
    expect: the version the document must have now; ABSENT if it must not exist; None for any.
    last: on a delete, the value that the DELETED event shows (with the deletion's resourceVersion);
    None shows the value as stored.
    """

    key: Key
    value: Value | None
    expect: int | None = None
    last: Value | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One committed change as a watcher sees it.

    kind: ADDED, MODIFIED or DELETED. document: the new revision; for DELETED the last value with the
    resourceVersion of the deletion. previous: what stood before, None for ADDED.
    """

    kind: str
    document: Document
    previous: Document | None

    @property
    def version(self) -> int:
        """The revision that the change made."""
        return self.document.version


@dataclass(frozen=True, slots=True)
class Listing:
    """documents: ascending by (namespace, name). version: the store revision they are true at."""

    documents: Sequence[Document]
    version: int


class Watch(Protocol):
    """Events of one kind, in order, without gaps, from the revision it was opened at."""

    async def batch(self, timeout_s: float | None = None) -> Sequence[Event]:
        """The next events (1 or more), or an empty sequence after `timeout_s`.

        Raises Gone when this watcher lagged more than WATCH_QUEUE_MAX events; it is then closed.
        """
        ...

    @property
    def version(self) -> int:
        """Every event up to this store revision has been handed out: what a bookmark may say."""
        ...

    def close(self) -> None:
        """Stop; idempotent. A pending `batch` returns empty."""
        ...


class Store(Protocol):
    """The documents."""

    @property
    def version(self) -> int:
        """The newest committed revision; never goes back, also after a crash."""
        ...

    def get(self, key: Key) -> Document | None:
        """The committed document, or None."""
        ...

    def list(self, storage: str, namespace: str = "") -> Listing:
        """All documents of a kind, in one namespace or (empty) in all."""
        ...

    def list_at(self, storage: str, namespace: str, version: int) -> Listing:
        """The listing as it was at `version` (0 < version <= self.version).

        Raises Gone if the history ring no longer reaches back to it.
        """
        ...

    def count(self, storage: str) -> int:
        """How many documents of the kind there are; constant time."""
        ...

    def storages(self) -> Sequence[str]:
        """The kinds that have documents, ascending."""
        ...

    async def write(self, changes: Sequence[Change]) -> Sequence[Document]:
        """Commit all changes or none; answers the new revisions in the order of `changes`.

        Each change gets a revision of its own, ascending. Returns once they are durable and visible.
        Raises Conflict (expect is another version), AlreadyExists (expect ABSENT, it is there),
        NotFound (a delete or an expected version, it is not there), TooLarge, Unavailable (the disk
        refused: nothing was written).
        """
        ...

    def watch(self, storage: str, namespace: str = "", since: int | None = None) -> Watch:
        """Events after revision `since` (None: from now on).

        Raises Gone if `since` is older than the history ring, Invalid if it lies in the future.
        """
        ...

    async def compact(self, version: int) -> None:
        """Forget history up to `version`, in small steps; current documents stay."""
        ...
