"""The in-process client: Maru's own components use the same verbs as everybody, without HTTP.

Authorization is skipped, as these callers are the platform itself; identity, admission and rules are
not. Documents that a list or watch hands out are the store's own and shared: never changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from maru.components.apiserver.api.subresources.scale import Scales
from maru.components.apiserver.engine.verbs.call import Call, House, Post
from maru.components.apiserver.engine.verbs.create import create
from maru.components.apiserver.engine.verbs.feed import BOOKMARK, INITIAL_END, Wanted, open_feed
from maru.components.apiserver.engine.verbs.intake import take_in
from maru.components.apiserver.engine.verbs.listing import list_documents
from maru.components.apiserver.engine.verbs.patching import patch as apply_patch
from maru.components.apiserver.engine.verbs.removal import remove
from maru.components.apiserver.engine.verbs.selection import select
from maru.components.apiserver.engine.verbs.update import replace
from maru.components.apiserver.errors import no_path, not_found
from maru.components.apiserver.model.catalog import Served
from maru.components.apiserver.model.options import ListOptions, RemoveOptions, WriteOptions
from maru.core.access import GROUP_AUTHENTICATED, Caller
from maru.core.client import Change, Client, DeleteOptions, Operations, Page, PatchKind
from maru.core.document import Document, Resource, Value
from maru.core.errors import NotSupported
from maru.core.limits import WATCH_DEADLINE_S

V = TypeVar("V", Value, Operations, Value | Operations)


class LocalClients:
    """posts: by (storage, subresource)."""

    def __init__(self, house: House, posts: Mapping[tuple[str, str], Post], scales: Scales) -> None:
        self._house = house
        self._posts = posts
        self._scales = scales

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> Client:
        """As `core.client.Clients.acting_as`."""
        members = groups if GROUP_AUTHENTICATED in groups else (*groups, GROUP_AUTHENTICATED)
        return LocalClient(self._house, self._posts, self._scales, Caller(user, tuple(members)))


class LocalClient:
    """As `core.client.Client`."""

    def __init__(self, house: House, posts: Mapping[tuple[str, str], Post], scales: Scales, caller: Caller) -> None:
        self._house = house
        self._posts = posts
        self._scales = scales
        self._caller = caller
        self._manager = caller.name.removeprefix("system:").replace("controller:", "").replace(":", "-")

    async def get(self, resource: Resource, namespace: str, name: str) -> Value:
        call = self._call(resource, namespace, name)
        document = self._house.store.get(call.key)
        if document is None:
            raise not_found(call.served.resource, name)
        return await self._value(call.served, document)

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Page:
        served = self._served(resource)
        selection = select(served, labels, fields)
        listed = list_documents(self._house.store, served.stored.storage, namespace, selection, ListOptions())
        return Page(await self._documents(served, listed.documents), listed.version)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str = "", *, since: int, labels: str = "", fields: str = ""
    ) -> AsyncIterator[AsyncIterator[Sequence[Change]]]:
        house = self._house
        served = self._served(resource)
        options = ListOptions(version=str(since), watch=True, bookmarks=True)
        wanted = Wanted(served.stored.storage, namespace, select(served, labels, fields))
        feed = open_feed(house.store, wanted, options, house.clock)
        deadline_s = house.clock.monotonic_s() + WATCH_DEADLINE_S * (1 + house.ids.fraction())
        try:
            yield self._changes(served, feed.batches(deadline_s))
        finally:
            feed.close()

    async def create(self, resource: Resource, value: Value) -> Value:
        call = self._call(resource, (value.get("metadata") or {}).get("namespace") or "")
        document = await take_in(call, _copied(value))
        return await self._value(call.served, (await create(self._house, call, document)).document)

    async def update(self, resource: Resource, value: Value, *, subresource: str = "") -> Value:
        metadata = value["metadata"]
        call = self._call(resource, metadata.get("namespace") or "", metadata["name"], subresource)
        if subresource == "scale":
            return await self._scales.change(call, lambda _: value)
        return await self._value(call.served, (await replace(self._house, call, _copied(value))).document)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Value | Operations,
        *,
        kind: PatchKind = PatchKind.MERGE,
        subresource: str = "",
        force: bool = False,
    ) -> Value:
        call = self._call(resource, namespace, name, subresource)
        call.options = WriteOptions(field_manager=self._manager, validation="Strict", force=force)
        if subresource == "scale":
            return await self._scales.patch(call, patch, kind)
        outcome = await apply_patch(self._house, call, _copied(patch), kind)
        return await self._value(call.served, outcome.document)

    async def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions | None = None) -> None:
        options = options or DeleteOptions()
        how = RemoveOptions(
            grace_s=options.grace_period_s,
            propagation=options.propagation,
            uid=options.uid,
            version=options.resource_version,
        )
        await remove(self._house, self._call(resource, namespace, name), how)

    async def post(self, resource: Resource, namespace: str, name: str, subresource: str, value: Value) -> Value:
        call = self._call(resource, namespace, name, subresource)
        handler = self._posts.get((call.served.stored.storage, subresource))
        if handler is None:
            raise NotSupported(
                what=f"POST to {resource.plural}/{subresource}", why="it is no subresource that is posted to"
            )
        return await handler(call, value)

    def _served(self, resource: Resource) -> Served:
        served = self._house.catalog.of(resource)
        if served is None:
            no_path()
        return served

    def _call(self, resource: Resource, namespace: str, name: str = "", subresource: str = "") -> Call:
        served = self._served(resource)
        options = WriteOptions(field_manager=self._manager, validation="Strict")
        place = namespace if resource.namespaced else ""
        return Call(self._caller, served, place, name, subresource, options, is_own=True)

    async def _value(self, served: Served, document: Document) -> Value:
        value = _decoded(document)
        if served.conversion is not None:
            value = dict((await served.conversion.from_stored([value]))[0])
        return value

    async def _documents(self, served: Served, documents: Sequence[Document]) -> Sequence[Document]:
        if served.conversion is None or not documents:
            return documents
        values = await served.conversion.from_stored([document.value for document in documents])
        return [
            Document(document.key, msgspec.json.encode(value), document.version, value)
            for document, value in zip(documents, values, strict=True)
        ]

    async def _changes(
        self, served: Served, batches: AsyncIterator[Sequence[Change]]
    ) -> AsyncIterator[Sequence[Change]]:
        async for batch in batches:
            if served.conversion is None:
                yield [_plain(change) for change in batch]
                continue
            changes: list[Change] = []
            for change in batch:
                shown = await self._documents(served, [change.document] if change.document is not None else [])
                changes.append(_plain(Change(change.kind, shown[0] if shown else None, change.version)))
            yield changes


def _plain(change: Change) -> Change:
    return Change(BOOKMARK, None, change.version) if change.kind == INITIAL_END else change


def _decoded(document: Document) -> Value:
    """A copy that belongs to the caller."""
    value: Value = msgspec.json.decode(document.body)
    return value


def _copied(value: V) -> V:
    """What a caller hands over stays the caller's."""
    copy: V = msgspec.json.decode(msgspec.json.encode(value))
    return copy
