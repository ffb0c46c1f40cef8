"""Lists: which documents, true at which revision, and where the next page starts.

Without selectors nothing is decoded: pages are slices of what the store has sorted already.
Source: Kubernetes API concepts, "Resource versions" (the table of get and list semantics) and
"Retrieving large results sets in chunks".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.apiserver.engine.verbs import continuation
from maru.components.apiserver.engine.verbs.continuation import NOW, Continuation
from maru.components.apiserver.engine.verbs.selection import Selection
from maru.components.apiserver.errors import bad_request, expired
from maru.components.apiserver.model.options import ListOptions
from maru.core.document import Document
from maru.core.errors import Deadline, Gone
from maru.core.store.interface import Listing, Store

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Listed:
    """documents: ascending by (namespace, name), true at `version`. token: "" on the last page.

    remaining: how many follow; None where that would have to be counted by selecting.
    """

    documents: Sequence[Document]
    version: int
    token: str = ""
    remaining: int | None = None


def list_documents(store: Store, storage: str, namespace: str, selection: Selection, options: ListOptions) -> Listed:
    """One page. Raises Gone (410) for revisions no longer kept, Deadline for those still to come, 400 for bad ones."""
    if options.continuation:
        place = continuation.read(options.continuation)
        listing = _continued(store, storage, namespace, place)
        first = bisect_right(listing.documents, place.after, key=_place)
    else:
        listing = _started(store, storage, namespace, options)
        first = 0
    if selection.is_everything:
        return _slice(listing, first, options.limit)
    return _filtered(listing, first, options.limit, selection)


def check_version(store: Store, text: str) -> int:
    """A resourceVersion parameter as a number. Raises 400, or Deadline when the store has not come to it yet."""
    try:
        version = int(text or "0")
    except ValueError:
        version = -1
    if version < 0:
        raise bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    if version > store.version:
        message = f"Too large resource version: {version}, current: {store.version}"
        raise Deadline(
            what=message,
            why="",
            message=message,
            retry_after_s=1,
            causes=[{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        )
    return version


def _started(store: Store, storage: str, namespace: str, options: ListOptions) -> Listing:
    version = check_version(store, options.version)
    is_exact = options.match == "Exact" or (not options.match and options.limit > 0)
    if version and is_exact:
        try:
            return store.list_at(storage, namespace, version)
        except Gone as error:
            raise expired(f"The resourceVersion for the provided list is too old: {version}") from error
    return store.list(storage, namespace)


def _continued(store: Store, storage: str, namespace: str, place: Continuation) -> Listing:
    if place.version == NOW:
        return store.list(storage, namespace)
    if place.version <= 0 or place.version > store.version:
        raise bad_request("continue key is not valid: incorrect encoded start resourceVersion")
    try:
        return store.list_at(storage, namespace, place.version)
    except Gone as error:
        token = Continuation(NOW, place.after).token()
        raise Gone(what=_TOO_OLD, why="", message=_TOO_OLD, continuation=token) from error


def _slice(listing: Listing, first: int, limit: int) -> Listed:
    documents = listing.documents
    if limit <= 0 or first + limit >= len(documents):
        return Listed(documents[first:] if first else documents, listing.version)
    page = documents[first : first + limit]
    token = Continuation(listing.version, _place(page[-1])).token()
    return Listed(page, listing.version, token, len(documents) - first - limit)


def _filtered(listing: Listing, first: int, limit: int, selection: Selection) -> Listed:
    page: list[Document] = []
    for document in listing.documents[first:]:
        if not selection.matches(document):
            continue
        if limit > 0 and len(page) == limit:
            return Listed(page, listing.version, Continuation(listing.version, _place(page[-1])).token())
        page.append(document)
    return Listed(page, listing.version)


def _place(document: Document) -> tuple[str, str]:
    return (document.key.namespace, document.key.name)
