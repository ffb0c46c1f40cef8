"""The documents of one kind that a component owns: read from memory, written through, at once fresh.

An informer alone hears of its owner's own write only after the write was acknowledged; who answers a
client may not wait for that. So what a write returns is taken in before the write returns, and the
watch brings what others change, `kubectl` among them. Reads are local and give a view, decoded once
per revision. Source of the idea: read-your-writes consistency (Terry et al., 1994).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec

from maru.core.client import Client, DeleteOptions
from maru.core.clock import Clock
from maru.core.document import Document, Resource, Value, key_of
from maru.core.errors import AlreadyExists, Conflict, NotFound
from maru.core.ids import Ids
from maru.core.informer import Informer, Place
from maru.core.log import Log

T = TypeVar("T")

CUSTOM_KINDS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
POLL_S = 0.02


class Kept(Generic[T]):
    """read: a document's view; it may raise msgspec.ValidationError for one that somebody wrote by hand.

    Such a document is logged and is not there for readers. Views are shared and must not be changed.
    """

    def __init__(self, client: Client, resource: Resource, read: Callable[[Value], T], clock: Clock, ids: Ids) -> None:
        self.resource = resource
        self._client = client
        self._read = read
        self._clock = clock
        self._log = Log("kept")
        self._views: dict[Place, T] = {}
        self._informer = Informer(client, resource, clock, ids)
        self._informer.on_change(self._changed)

    async def ensure_kind(self, definition: Value) -> None:
        """As the function of that name, for this kind."""
        await ensure_kind(self._client, self._clock, self.resource, definition)

    async def run(self) -> None:
        """Follow what others change, until cancelled."""
        await self._informer.run()

    async def wait_synced(self) -> None:
        """Return once everything that is there is in memory; `run` must have been started."""
        await self._informer.wait_synced()

    def get(self, namespace: str, name: str) -> T | None:
        """The view of one document, or None. Local."""
        return self._views.get((namespace, name))

    def list(self, namespace: str = "") -> Sequence[T]:
        """All of one namespace, ascending by name, or (empty) all there are, by namespace and name."""
        places = sorted((document.key.namespace, document.key.name) for document in self._informer.list(namespace))
        return [self._views[place] for place in places if place in self._views]

    def value(self, namespace: str, name: str) -> Value:
        """The document itself, shared: never change it. Raises NotFound."""
        document = self._informer.get(namespace, name)
        if document is None:
            raise NotFound(what=f"{self.resource.kind} {name}", why="there is none")
        return document.value

    async def fetch(self, namespace: str, name: str) -> Value:
        """The document as the store has it now. Raises NotFound."""
        return await self._client.get(self.resource, namespace, name)

    def index(self, name: str, by: Callable[[T], Iterable[str]]) -> None:
        """Keep an index under `name`: the values that a view is found by."""

        def values(document: Document) -> Iterable[str]:
            try:
                return by(self._read(document.value))
            except msgspec.ValidationError:
                return ()

        self._informer.index(name, values)

    def by_index(self, name: str, value: str) -> Sequence[T]:
        """The views whose index `name` has `value`; ascending by place."""
        places = [(document.key.namespace, document.key.name) for document in self._informer.by_index(name, value)]
        return [self._views[place] for place in places if place in self._views]

    def on_change(self, handler: Callable[[Place], None]) -> None:
        """Call `handler` for every place whose document came, changed or went, and once for each there is."""

        def changed(new: Document | None, last: Document | None) -> None:
            document = new or last
            assert document is not None
            handler((document.key.namespace, document.key.name))

        self._informer.on_change(changed)

    async def create(self, value: Value) -> T:
        """Write a new document; apiVersion and kind are filled in. Raises as the client does."""
        value = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, **value}
        return self._learn(await self._client.create(self.resource, value))

    async def update(self, value: Value, *, subresource: str = "") -> T:
        """Replace; with metadata.resourceVersion only if that is the current one (else Conflict)."""
        return self._learn(await self._client.update(self.resource, value, subresource=subresource))

    async def patch(self, namespace: str, name: str, patch: Value, *, subresource: str = "") -> T:
        """Merge `patch` into the document; metadata.resourceVersion in it makes it conditional."""
        return self._learn(await self._client.patch(self.resource, namespace, name, patch, subresource=subresource))

    async def delete(self, namespace: str, name: str) -> None:
        """Delete it. Raises NotFound."""
        known = self._informer.get(namespace, name)
        uid = str(known.metadata.get("uid", "")) if known is not None else ""
        await self._client.delete(self.resource, namespace, name, DeleteOptions(uid=uid))
        if known is not None:
            self._informer.forget(known)

    async def clear(self, spare: Callable[[T], bool] = lambda _: False) -> None:
        """Delete all documents but those to `spare`."""
        for document in list(self._informer.list()):
            place = (document.key.namespace, document.key.name)
            if place in self._views and spare(self._views[place]):
                continue
            with suppress(NotFound):
                await self.delete(*place)

    def _learn(self, value: Value) -> T:
        metadata = value["metadata"]
        key = key_of(self.resource, metadata.get("namespace", ""), metadata["name"])
        self._informer.learn(Document(key, msgspec.json.encode(value), int(metadata["resourceVersion"]), value))
        return self._read(value)

    def _changed(self, new: Document | None, last: Document | None) -> None:
        document = new or last
        assert document is not None
        place = (document.key.namespace, document.key.name)
        if new is None:
            self._views.pop(place, None)
            return
        try:
            self._views[place] = self._read(new.value)
        except msgspec.ValidationError as error:
            self._views.pop(place, None)
            self._log.warning("a document cannot be read", key=str(document.key), error=str(error))


async def ensure_kind(client: Client, clock: Clock, resource: Resource, definition: Value) -> None:
    """See that the kind is served as the CustomResourceDefinition `definition` says; a newer one replaces it."""
    name = definition["metadata"]["name"]
    while True:
        try:
            have = await client.get(CUSTOM_KINDS, "", name)
            if have["spec"].get("versions") != definition["spec"]["versions"]:
                await client.patch(CUSTOM_KINDS, "", name, {"spec": definition["spec"]})
            break
        except NotFound:
            with suppress(NotFound, AlreadyExists):
                await client.create(CUSTOM_KINDS, definition)
        except Conflict:
            await clock.sleep(POLL_S)
    while True:
        with suppress(NotFound):
            await client.list(resource, fields="metadata.name=-")  # nothing bears that name: is the kind served?
            return
        await clock.sleep(POLL_S)
