"""The current documents of one kind, in the order a list wants them.

Names are kept sorted per namespace as they come and go, and a listing is kept until the next
change, so that a list is a copy of references and never a sort.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from maru.core.document import Document


class _Namespace:
    __slots__ = ("documents", "listing", "names")

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.names: list[str] = []  # ascending; the keys of `documents`
        self.listing: Sequence[Document] | None = None


class Shelf:
    """Documents of one kind by (namespace, name)."""

    def __init__(self) -> None:
        self._namespaces: dict[str, _Namespace] = {}
        self._listing: Sequence[Document] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, namespace: str, name: str) -> Document | None:
        """The document, or None."""
        place = self._namespaces.get(namespace)
        return place.documents.get(name) if place is not None else None

    def put(self, document: Document) -> Document | None:
        """Set the document at its key; answers what stood there."""
        key = document.key
        place = self._namespaces.get(key.namespace)
        if place is None:
            place = self._namespaces[key.namespace] = _Namespace()
        previous = place.documents.get(key.name)
        place.documents[key.name] = document
        if previous is None:
            self._count += 1
            if not place.names or place.names[-1] < key.name:
                place.names.append(key.name)
            else:
                insort(place.names, key.name)
        place.listing = self._listing = None
        return previous

    def remove(self, namespace: str, name: str) -> Document:
        """Take the document away; it must be there."""
        place = self._namespaces[namespace]
        document = place.documents.pop(name)
        del place.names[bisect_left(place.names, name)]
        place.listing = self._listing = None
        self._count -= 1
        if not place.names:
            del self._namespaces[namespace]
        return document

    def listing(self, namespace: str = "") -> Sequence[Document]:
        """All documents of one namespace, or (empty) of all, ascending. Shared: not to be changed."""
        if namespace:
            place = self._namespaces.get(namespace)
            return self._of(place) if place is not None else ()
        if self._listing is None:
            every = [document for name in sorted(self._namespaces) for document in self._of(self._namespaces[name])]
            self._listing = tuple(every)
        return self._listing

    def _of(self, place: _Namespace) -> Sequence[Document]:
        if place.listing is None:
            place.listing = tuple(place.documents[name] for name in place.names)
        return place.listing
