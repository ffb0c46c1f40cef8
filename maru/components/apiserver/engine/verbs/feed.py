"""What one watcher sees: the store's events, narrowed by its selectors, with bookmarks between them.

A document that starts to match is ADDED, one that stops is DELETED and shows its last matching
state. Documents are handed out as the store has them, shared by all watchers. Source: Kubernetes API
concepts, "Efficient detection of changes", "Watch bookmarks", "Streaming lists";
k8s.io/apiserver/pkg/storage/cacher.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from maru.components.apiserver.engine.verbs.listing import check_version
from maru.components.apiserver.engine.verbs.selection import Selection
from maru.components.apiserver.errors import expired
from maru.components.apiserver.model.options import ListOptions
from maru.core.client import Change
from maru.core.clock import Clock
from maru.core.document import Document
from maru.core.errors import Gone
from maru.core.limits import WATCH_BOOKMARK_S
from maru.core.store.interface import Event, Store, Watch

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"
BOOKMARK = "BOOKMARK"
INITIAL_END = "INITIAL_END"
"""The kind of the bookmark that ends the initial events; on the wire a BOOKMARK with its annotation."""


Seen = Change | Event
"""What a watcher is handed: the store's own event where it sees all of them, so that a hundred share it."""


class Feed:
    """One open watch. `batches` ends at the deadline; `close` is idempotent."""

    def __init__(
        self, watch: Watch, initial: Sequence[Document], selection: Selection, clock: Clock, options: ListOptions
    ) -> None:
        self._watch = watch
        self._initial = initial
        self._selection = selection
        self._clock = clock
        self._options = options

    async def batches(self, deadline_s: float) -> AsyncIterator[Sequence[Seen]]:
        """Batches of changes until `deadline_s` of the clock's monotonic time. Raises Gone when it lagged."""
        first: list[Seen] = [Change(ADDED, document, document.version) for document in self._initial]
        if self._options.initial_events and self._options.bookmarks:
            first.append(Change(INITIAL_END, None, self._watch.version))
        self._initial = ()
        if first:
            yield first
        bookmark_s = self._clock.monotonic_s() + WATCH_BOOKMARK_S
        while True:
            now_s = self._clock.monotonic_s()
            if now_s >= deadline_s:
                return
            until_s = min(deadline_s, bookmark_s) if self._options.bookmarks else deadline_s
            events = await self._watch.batch(max(0.0, until_s - now_s))
            if self._selection.is_everything:
                changes: list[Seen] = [*events]
            else:
                changes = [change for change in map(self._select, events) if change is not None]
            if self._options.bookmarks and self._clock.monotonic_s() >= bookmark_s:
                changes.append(Change(BOOKMARK, None, self._watch.version))
                bookmark_s = self._clock.monotonic_s() + WATCH_BOOKMARK_S
            if changes:
                yield changes
            elif not events and self._clock.monotonic_s() < until_s:
                return  # the store closed the watch

    def close(self) -> None:
        """Stop."""
        self._watch.close()

    def _select(self, event: Event) -> Change | None:
        document = event.document
        was = event.previous is not None and self._selection.matches(event.previous)
        if event.kind == DELETED:
            return Change(DELETED, document, document.version) if was else None
        if self._selection.matches(document):
            return Change(MODIFIED if was else ADDED, document, document.version)
        if was:
            assert event.previous is not None
            return Change(DELETED, _at_version(event.previous, document.version), document.version)
        return None


class OpenFeeds:
    """The open watches of custom kinds, by their definition's name: cut when the definition goes."""

    def __init__(self) -> None:
        self._feeds: dict[str, set[Feed]] = {}

    @contextmanager
    def holding(self, definition: str, feed: Feed) -> Iterator[None]:
        """Know `feed` while it is open."""
        held = self._feeds.setdefault(definition, set())
        held.add(feed)
        try:
            yield
        finally:
            held.discard(feed)
            if not held:
                self._feeds.pop(definition, None)

    def cut(self, definition: str) -> None:
        """End all watches of a kind that is no more."""
        for feed in tuple(self._feeds.get(definition, ())):
            feed.close()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents a watch is about. namespace: empty for all."""

    storage: str
    namespace: str
    selection: Selection


def open_feed(store: Store, wanted: Wanted, options: ListOptions, clock: Clock) -> Feed:
    """Start watching as `options` say. Raises Gone (410), or Deadline for a revision still to come."""
    storage, namespace, selection = wanted.storage, wanted.namespace, wanted.selection
    version = check_version(store, options.version)
    wants_state = options.initial_events or (options.initial_events is None and version == 0)
    if wants_state:
        listing = store.list(storage, namespace)
        initial = [document for document in listing.documents if selection.matches(document)]
        return Feed(store.watch(storage, namespace, listing.version), initial, selection, clock, options)
    try:
        watch = store.watch(storage, namespace, version or None)
    except Gone as error:
        raise expired(f"too old resource version: {version} ({error.details.get('oldest', store.version)})") from error
    return Feed(watch, (), selection, clock, options)


def _at_version(document: Document, version: int) -> Document:
    """`document` as it was, with the revision of the event that took it out of sight."""
    value = document.value
    value = {**value, "metadata": {**value["metadata"], "resourceVersion": str(version)}}
    return Document(document.key, msgspec.json.encode(value), version)
