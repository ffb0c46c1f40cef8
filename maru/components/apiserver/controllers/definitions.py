"""Custom kinds: served as soon as their definition is accepted, gone with all their documents when it goes.

The catalog is changed before the status says so: who waits for Established can use the kind at once.
Source: apiextensions-apiserver pkg/controller: status, establish, finalizer; kube-aggregator autoregister.
"""

from __future__ import annotations

import msgspec

from maru.components.apiserver.controllers.bootstrap.documents import api_service
from maru.components.apiserver.controllers.bootstrap.ensure import MANAGER, SELF, available, ensure
from maru.components.apiserver.custom.conditions import planned_status, terminating_status
from maru.components.apiserver.custom.definition import Tools, is_established, kinds_of
from maru.components.apiserver.engine.verbs.call import Call, House
from maru.components.apiserver.engine.verbs.removal import remove, remove_all
from maru.components.apiserver.engine.verbs.turns import turn
from maru.components.apiserver.engine.verbs.update import save
from maru.components.apiserver.model.catalog import Custom
from maru.components.apiserver.model.deletion import CLEANUP
from maru.components.apiserver.model.options import RemoveOptions, WriteOptions
from maru.core.clock import rfc3339
from maru.core.document import Document, Resource, Value, key_of
from maru.core.errors import Gone, NotFound
from maru.core.lifecycle import Background
from maru.core.reconcile import Loop
from maru.kinds.resources import CUSTOMRESOURCEDEFINITIONS as DEFINITIONS

API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False)
CLEANUP_POLL_S = 1.0


class Definitions:
    """Keeps the catalog as the definitions say."""

    def __init__(self, house: House, tools: Tools) -> None:
        self._house = house
        self._tools = tools
        self._serving: dict[str, tuple[object, bool]] = {}  # definition: (generation, is going) as in the catalog
        self._version = 0
        self.loop = Loop("definitions", self.bring_right, house.clock, house.ids)

    def load(self) -> None:
        """Serve what was established before; called once, before anybody asks."""
        listing = self._house.store.list(DEFINITIONS.storage)
        self._version = listing.version
        for document in listing.documents:
            if is_established(document.value):
                self._serve(document)
            self.loop.add(document.key.name)

    def start(self, tasks: Background) -> None:
        """Follow the definitions until the scope ends."""
        tasks.start(self.loop.run(), "definitions")
        tasks.start(self._follow(), "definitions watch")

    async def bring_right(self, name: str) -> float | None:
        """One definition."""
        house = self._house
        document = house.store.get(key_of(DEFINITIONS, "", name))
        if document is None:
            if name in self._serving:
                del self._serving[name]
                house.catalog.put(name, ())
                house.feeds.cut(name)
                await self._drop_api_services()
            return None
        if document.metadata.get("deletionTimestamp"):
            return await self._clean_up(document)
        others = [
            one.value
            for one in house.store.list(DEFINITIONS.storage).documents
            if one.key.name != name and one.value["spec"]["group"] == document.value["spec"]["group"]
        ]
        status = planned_status(document.value, others, rfc3339(house.clock.now()))
        if is_established({**document.value, "status": status}):
            self._serve(document)
        if status != document.value.get("status"):
            await self._write(document, {**_copy(document), "status": status}, "status")
        for version in document.value["spec"]["versions"]:
            if version.get("served"):
                value = api_service(document.value["spec"]["group"], version["name"])
                await ensure(house, value, status=available(house))
        return None

    def _serve(self, document: Document) -> None:
        metadata = document.metadata
        state = (metadata.get("generation"), bool(metadata.get("deletionTimestamp")))
        name = document.key.name
        if self._serving.get(name) != state:
            self._house.catalog.put(name, kinds_of(document.value, self._tools))
            self._serving[name] = state

    async def _clean_up(self, document: Document) -> float | None:
        house = self._house
        if CLEANUP not in (document.metadata.get("finalizers") or ()):
            return None
        if is_established(document.value):
            self._serve(document)
            left = await self._remove_instances(document)
            if left:
                text = f"{left} instances are left" if left > 1 else "1 instance is left"
                status = terminating_status(
                    document.value, "InstanceDeletionInProgress", text, rfc3339(house.clock.now())
                )
                if status != document.value.get("status"):
                    await self._write(document, {**_copy(document), "status": status}, "status")
                return CLEANUP_POLL_S
        current = house.store.get(document.key)
        if current is not None:
            value = _copy(current)
            value["metadata"]["finalizers"] = [one for one in value["metadata"]["finalizers"] if one != CLEANUP]
            await self._write(current, value, "")
        return None

    async def _remove_instances(self, document: Document) -> int:
        house = self._house
        served = next((one for one in house.catalog.all if _is_of(one.custom, document.key.name)), None)
        if served is None:
            return 0
        storage = served.stored.storage
        call = Call(SELF, served, "")
        await remove_all(house, call, house.store.list(storage).documents, RemoveOptions())
        return house.store.count(storage)

    async def _drop_api_services(self) -> None:
        """Those of custom groups that nothing serves any more."""
        house = self._house
        served = house.catalog.of(API_SERVICES)
        assert served is not None, "APIServices are built in"
        for document in house.store.list(API_SERVICES.storage).documents:
            spec = document.value["spec"]
            if spec.get("service") or house.catalog.has_group_version(spec.get("group") or "", spec["version"]):
                continue
            try:
                await remove(house, Call(SELF, served, "", document.key.name), RemoveOptions())
            except NotFound:
                continue

    async def _write(self, document: Document, value: Value, subresource: str) -> None:
        served = self._house.catalog.of(DEFINITIONS)
        assert served is not None, "definitions are built in"
        call = Call(
            SELF, served, "", document.key.name, subresource, WriteOptions(field_manager=MANAGER, validation="Ignore")
        )
        async with turn(self._house, call):
            await save(self._house, call, document, value)

    async def _follow(self) -> None:
        store = self._house.store
        while True:
            try:
                watch = store.watch(DEFINITIONS.storage, since=self._version)
                try:
                    while True:
                        for event in await watch.batch():
                            self.loop.add(event.document.key.name)
                            self._version = event.document.version
                finally:
                    watch.close()
            except Gone:
                listing = store.list(DEFINITIONS.storage)
                self._version = listing.version
                for name in {one.key.name for one in listing.documents} | set(self._serving):
                    self.loop.add(name)


def _is_of(custom: Custom | None, name: str) -> bool:
    return custom is not None and custom.definition == name


def _copy(document: Document) -> Value:
    value: Value = msgspec.json.decode(document.body)
    return value
