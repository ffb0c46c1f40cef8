"""A local, always fresh copy of one kind: list once, watch from there, list again when told Gone.

Informers are shared by everything in a process that looks at the same kind (`Informers.of`), so a
kind is decoded once. What they hand out is shared and must not be changed. Handlers run on the
loop, in order, and must not wait. Source of the idea: client-go's SharedInformer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from maru.core.client import Client
from maru.core.clock import Clock
from maru.core.document import Document, Resource
from maru.core.errors import Gone, MaruError
from maru.core.ids import Ids
from maru.core.limits import RECONCILE_BACKOFF_BASE_S, RECONCILE_BACKOFF_MAX_S
from maru.core.log import Log

Handler = Callable[[Document | None, Document | None], None]
"""Called with (new, old): (new, None) added, (new, old) changed, (None, old) gone."""

IndexBy = Callable[[Document], Iterable[str]]

Place = tuple[str, str]
"""(namespace, name); the namespace is empty where the kind has none."""


class Informer:
    """The copy of one kind, narrowed by selectors in their query string form."""

    def __init__(
        self, client: Client, resource: Resource, clock: Clock, ids: Ids, *, labels: str = "", fields: str = ""
    ) -> None:
        self.resource = resource
        self._client = client
        self._clock = clock
        self._ids = ids
        self._labels = labels
        self._fields = fields
        self._log = Log("informer")
        self._documents: dict[Place, Document] = {}
        self._namespaces: dict[str, dict[str, Document]] = {}
        self._handlers: list[Handler] = []
        self._indexes: dict[str, tuple[IndexBy, dict[str, set[Place]]]] = {}
        self._deleted: set[str] = set()  # uids forgotten before the watch told of their end
        self._synced = asyncio.Event()

    def get(self, namespace: str, name: str) -> Document | None:
        """The document, or None. Local."""
        return self._documents.get((namespace, name))

    def list(self, namespace: str = "") -> Sequence[Document]:
        """All of one namespace, or (empty) all there are; in no order."""
        if namespace:
            return list(self._namespaces.get(namespace, {}).values())
        return list(self._documents.values())

    def index(self, name: str, by: IndexBy) -> None:
        """Keep an index under `name`; the same name twice is the same index."""
        if name in self._indexes:
            return
        buckets: dict[str, set[Place]] = {}
        for place, document in self._documents.items():
            for value in by(document):
                buckets.setdefault(value, set()).add(place)
        self._indexes[name] = (by, buckets)

    def index_values(self, name: str) -> Sequence[str]:
        """The values that index `name` has documents for; in no order."""
        return list(self._indexes[name][1])

    def by_index(self, name: str, value: str) -> Sequence[Document]:
        """The documents whose index `name` has `value`; ascending by place."""
        _, buckets = self._indexes[name]
        return [self._documents[place] for place in sorted(buckets.get(value, ()))]

    def on_change(self, handler: Handler) -> None:
        """Call `handler` for every change from now on, and once for each document there is already."""
        self._handlers.append(handler)
        for document in self._documents.values():
            handler(document, None)

    @property
    def is_synced(self) -> bool:
        """True once the first list has been taken over."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return once the first list has been taken over."""
        await self._synced.wait()

    def learn(self, document: Document) -> None:
        """Take in what was just written, before the watch tells; what is older than what is known is passed over."""
        self._apply(document, gone=False)

    def forget(self, document: Document) -> None:
        """It was just deleted: what the watch still tells of its life is passed over."""
        self._deleted.add(_uid(document))
        place = (document.key.namespace, document.key.name)
        have = self._documents.get(place)
        if have is not None and _uid(have) == _uid(document):
            self._remove(place, have)

    async def run(self) -> None:
        """List and watch for ever; backs off while the API cannot be reached or ends every watch at once."""
        delay_s = RECONCILE_BACKOFF_BASE_S
        while True:
            started_s = self._clock.monotonic_s()
            try:
                await self._follow(await self._list())
            except MaruError as error:
                if self._clock.monotonic_s() - started_s > RECONCILE_BACKOFF_MAX_S:
                    delay_s = RECONCILE_BACKOFF_BASE_S
                if not isinstance(error, Gone):
                    self._log.warning("watch broke, listing again", kind=self.resource.storage, error=str(error))
                await self._clock.sleep(delay_s * (0.5 + self._ids.fraction()))
                delay_s = min(delay_s * 2, RECONCILE_BACKOFF_MAX_S)

    async def _follow(self, version: int) -> None:
        """Watch from `version`, and again from where a watch ended; raises what ends that."""
        while True:
            is_fruitful = False
            async with self._client.watch(
                self.resource, since=version, labels=self._labels, fields=self._fields
            ) as batches:
                async for batch in batches:
                    is_fruitful = True
                    for change in batch:
                        version = max(version, change.version)
                        if change.document is not None:
                            self._apply(change.document, gone=change.kind == "DELETED")
            if not is_fruitful:
                await self._clock.sleep(RECONCILE_BACKOFF_BASE_S * (0.5 + self._ids.fraction()))

    async def _list(self) -> int:
        page = await self._client.list(self.resource, labels=self._labels, fields=self._fields)
        want = {(document.key.namespace, document.key.name): document for document in page.documents}
        for place, have in list(self._documents.items()):
            document = want.get(place)
            if have.version <= page.version and (document is None or _uid(document) != _uid(have)):
                self._remove(place, have)
        for document in want.values():
            self._apply(document, gone=False)
        self._deleted &= {_uid(document) for document in page.documents}
        self._synced.set()
        return page.version

    def _apply(self, document: Document, *, gone: bool) -> None:
        place = (document.key.namespace, document.key.name)
        old = self._documents.get(place)
        if _uid(document) in self._deleted:
            if gone:
                self._deleted.discard(_uid(document))
            return
        if old is not None and document.version < old.version:
            return
        if gone:
            if old is not None:
                # A deletion shows the last state the server knew, which may be newer than ours.
                self._remove(place, document)
            return
        if old is not None and document.version == old.version:
            return
        self._documents[place] = document
        self._namespaces.setdefault(place[0], {})[place[1]] = document
        self._tell(place, document, old, old)

    def _remove(self, place: Place, last: Document) -> None:
        old = self._documents.pop(place)
        del self._namespaces[place[0]][place[1]]
        self._tell(place, None, old, last)

    def _tell(self, place: Place, new: Document | None, old: Document | None, last: Document | None) -> None:
        """Put the indexes right and call the handlers. old: what was kept here; last: what they are told it was."""
        for by, buckets in self._indexes.values():
            for value in by(old) if old is not None else ():
                buckets[value].discard(place)
                if not buckets[value]:
                    del buckets[value]
            for value in by(new) if new is not None else ():
                buckets.setdefault(value, set()).add(place)
        for handler in self._handlers:
            handler(new, last)


def _uid(document: Document) -> str:
    """Another document may stand under the same name after a time nobody looked."""
    uid: str = document.metadata.get("uid", "")
    return uid


class Informers:
    """The shared informers of one process. `run` keeps all of them fresh, also those asked for later."""

    def __init__(self, client: Client, clock: Clock, ids: Ids) -> None:
        self._client = client
        self._clock = clock
        self._ids = ids
        self._informers: dict[tuple[Resource, str, str], Informer] = {}
        self._group: asyncio.TaskGroup | None = None

    def of(self, resource: Resource, *, labels: str = "", fields: str = "") -> Informer:
        """The one informer for this kind and these selectors."""
        key = (resource, labels, fields)
        informer = self._informers.get(key)
        if informer is None:
            informer = Informer(self._client, resource, self._clock, self._ids, labels=labels, fields=fields)
            self._informers[key] = informer
            if self._group is not None:
                self._group.create_task(informer.run(), name=f"informer {resource.storage}")
        return informer

    async def wait_synced(self) -> None:
        """Return once every informer asked for so far has its first list."""
        for informer in list(self._informers.values()):
            await informer.wait_synced()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for key, informer in self._informers.items():
                group.create_task(informer.run(), name=f"informer {key[0].storage}")
            await asyncio.Event().wait()
