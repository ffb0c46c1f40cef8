"""The role book follows the store: every role and binding, from the first list on, without a gap."""

from __future__ import annotations

from collections.abc import Callable

from maru.core.document import Document
from maru.core.errors import Gone
from maru.core.identity.rbac.rolebook import STORAGES, RoleBook
from maru.core.lifecycle import Background
from maru.core.store.interface import Store


class Bookkeeper:
    """changed: called with the storage name after each batch of changes."""

    def __init__(self, store: Store, book: RoleBook, changed: Callable[[str], None]) -> None:
        self._store = store
        self._book = book
        self._changed = changed

    def load(self) -> dict[str, int]:
        """Take over all that stands now; answers the version by storage that `follow` goes on from."""
        return {storage: self._load(storage) for storage in STORAGES}

    def start(self, tasks: Background) -> None:
        """Load, and follow from there in the background."""
        for storage, version in self.load().items():
            tasks.start(self.follow(storage, version), storage)

    async def follow(self, storage: str, version: int) -> None:
        """Until cancelled, or the store closes."""
        while True:
            watch = self._store.watch(storage, since=version)
            try:
                while events := await watch.batch():
                    for event in events:
                        self._take(event.document, gone=event.kind == "DELETED")
                    self._changed(storage)
                return
            except Gone:
                version = self._load(storage)
                self._changed(storage)
            finally:
                watch.close()

    def _load(self, storage: str) -> int:
        listing = self._store.list(storage)
        stale = set(self._book.keys(storage)) - {document.key for document in listing.documents}
        for key in stale:
            self._book.drop(key)
        for document in listing.documents:
            self._take(document, gone=False)
        return listing.version

    def _take(self, document: Document, *, gone: bool) -> None:
        if gone:
            self._book.drop(document.key)
        else:
            self._book.put(document.key, document.value)
