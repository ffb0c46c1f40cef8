"""A watch on every kind that is served, following definitions as they come and go.

Built-in kinds use the shared informers; kinds that people define have informers of their own here,
which end when the definition does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from maru.components.workloads.controllers.kit import Kit
from maru.components.workloads.model.ownership import Item
from maru.components.workloads.model.values import uid_of
from maru.contracts.kinds_served import KindsServed
from maru.core.document import Document, Resource, Value
from maru.core.informer import Informer
from maru.kinds.resources import CUSTOMRESOURCEDEFINITIONS, EVENTS

REFRESH_S = 30.0
REFRESH_SOON_S = 0.1
IGNORED = frozenset((EVENTS.storage, "events.events.k8s.io"))

Changed = Callable[[Resource, Document | None, Document | None], None]


class EveryKind:
    """Calls `changed` with (resource, new, old) for every change of every kind but Events."""

    def __init__(self, kit: Kit, kinds: KindsServed, changed: Changed) -> None:
        self._kit = kit
        self._kinds = kinds
        self._changed = changed
        self._client = kit.clients.acting_as("system:controller:generic-garbage-collector")
        self._informers: dict[str, tuple[Resource, Informer]] = {}
        self._own: dict[str, asyncio.Task[None]] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._uids: dict[str, Item] = {}
        self._definitions = kit.informers.of(CUSTOMRESOURCEDEFINITIONS)
        self._stirred = asyncio.Event()
        self._started = asyncio.Event()
        self._definitions.on_change(lambda new, old: self._stirred.set())

    async def run(self) -> None:
        """Follow what is served until cancelled."""
        await self._definitions.wait_synced()
        async with asyncio.TaskGroup() as group:
            while True:
                self._stirred.clear()
                self._refresh(group)
                self._started.set()
                await self._wait(REFRESH_S)
                # A definition is served a moment after it is written.
                await self._kit.clock.sleep(REFRESH_SOON_S)

    async def wait_synced(self) -> None:
        """Return once all kinds served at the start have their first list."""
        await self._started.wait()
        for _, informer in list(self._informers.values()):
            await informer.wait_synced()

    def find(self, item: Item) -> Document | None:
        """The local copy of a document."""
        entry = self._informers.get(item.resource.storage)
        return None if entry is None else entry[1].get(item.namespace, item.name)

    def find_kind(self, reference: Value) -> Resource | None:
        """The kind that an owner reference names, whatever version it says."""
        group = reference["apiVersion"].rpartition("/")[0]
        return self._by_kind.get((group, reference["kind"]))

    def find_uid(self, uid: str) -> Item | None:
        """The document being deleted that has `uid`: only those can wait for something."""
        return self._uids.get(uid)

    def _refresh(self, group: asyncio.TaskGroup) -> None:
        served = {each.storage: each for each in self._kinds.resources() if each.storage not in IGNORED}
        for storage in [each for each in self._informers if served.get(each) != self._informers[each][0]]:
            del self._informers[storage]
            task = self._own.pop(storage, None)
            if task is not None:
                task.cancel()
        self._by_kind = {(each.group, each.kind): each for each in served.values()}
        for storage, resource in served.items():
            if storage in self._informers:
                continue
            if self._definitions.get("", storage) is None:
                informer = self._kit.informers.of(resource)
            else:
                informer = Informer(self._client, resource, self._kit.clock, self._kit.ids)
                self._own[storage] = group.create_task(informer.run(), name=f"informer {storage}")
            self._informers[storage] = (resource, informer)
            informer.on_change(self._handler(resource))

    def _handler(self, resource: Resource) -> Callable[[Document | None, Document | None], None]:
        def changed(new: Document | None, old: Document | None) -> None:
            if new is not None and b'"deletionTimestamp"' in new.body:
                item = Item(resource, new.key.namespace, new.key.name)
                self._uids[uid_of(new.head)] = item
            self._changed(resource, new, old)
            if new is None and old is not None:
                self._uids.pop(uid_of(old.head), None)

        return changed

    async def _wait(self, delay_s: float) -> None:
        sleep = asyncio.ensure_future(self._kit.clock.sleep(delay_s))
        stir = asyncio.ensure_future(self._stirred.wait())
        try:
            await asyncio.wait((sleep, stir), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            stir.cancel()
