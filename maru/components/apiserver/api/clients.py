"""The in-process client: Maru's own components use the same verbs as everybody, without HTTP.

Authorization is skipped, as these callers are the platform itself; identity, admission and rules are
not. Documents that a list or watch hands out are the store's own and shared: never changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from maru.components.apiserver.api.subresources.scale import Scales
from maru.components.apiserver.engine.verbs.call import Call, House, Post
from maru.components.apiserver.engine.verbs.create import create
from maru.components.apiserver.engine.verbs.feed import BOOKMARK, INITIAL_END, Seen, Wanted, open_feed
from maru.components.apiserver.engine.verbs.intake import take_in
from maru.components.apiserver.engine.verbs.listing import list_documents
from maru.components.apiserver.engine.verbs.patching import patch as apply_patch
from maru.components.apiserver.engine.verbs.removal import remove
from maru.components.apiserver.engine.verbs.selection import select
from maru.components.apiserver.engine.verbs.update import replace
from maru.components.apiserver.errors import from_wire, no_path, not_found, status_of
from maru.components.apiserver.model.catalog import Served
from maru.components.apiserver.model.options import ListOptions, RemoveOptions, WriteOptions
from maru.core.access import GROUP_AUTHENTICATED, Attributes, Caller
from maru.core.client import Change, Client, DeleteOptions, Operations, Page, PatchKind
from maru.core.document import Document, Resource, Value
from maru.core.errors import MaruError, NotSupported
from maru.core.identity.audit import AuditedRequest, AuditLog
from maru.core.limits import WATCH_DEADLINE_S
from maru.wire.k8s.errors import WireError

V = TypeVar("V", Value, Operations, Value | Operations)


@dataclass(frozen=True, slots=True)
class Parts:
    """What clients stand on. posts: by (storage, subresource)."""

    house: House
    posts: Mapping[tuple[str, str], Post]
    scales: Scales
    audit: AuditLog


class LocalClients:
    """Hands out clients by identity."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> Client:
        """As `core.client.Clients.acting_as`."""
        members = groups if GROUP_AUTHENTICATED in groups else (*groups, GROUP_AUTHENTICATED)
        return LocalClient(self._parts, Caller(user, tuple(members)))


class LocalClient:
    """As `core.client.Client`."""

    def __init__(self, parts: Parts, caller: Caller) -> None:
        self._house = parts.house
        self._posts = parts.posts
        self._scales = parts.scales
        self._audit = parts.audit
        self._caller = caller
        self._manager = caller.name.removeprefix("system:").replace("controller:", "").replace(":", "-")

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Value:
        call = self._call(resource, namespace, name, subresource)
        if subresource == "scale":
            return self._scales.shown(call)
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
        async with self._recorded("create", call):
            document = await take_in(call, _copied(value))
            outcome = await create(self._house, call, document)
        return await self._value(call.served, outcome.document)

    async def update(self, resource: Resource, value: Value, *, subresource: str = "") -> Value:
        metadata = value["metadata"]
        call = self._call(resource, metadata.get("namespace") or "", metadata["name"], subresource)
        async with self._recorded("update", call):
            if subresource == "scale":
                return await self._scales.change(call, lambda _: value)
            outcome = await replace(self._house, call, _copied(value))
        return await self._value(call.served, outcome.document)

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
        async with self._recorded("patch", call):
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
        call = self._call(resource, namespace, name)
        async with self._recorded("delete", call):
            await remove(self._house, call, how)

    async def post(self, resource: Resource, namespace: str, name: str, subresource: str, value: Value) -> Value:
        call = self._call(resource, namespace, name, subresource)
        handler = self._posts.get((call.served.stored.storage, subresource))
        if handler is None:
            raise NotSupported(
                what=f"POST to {resource.plural}/{subresource}", why="it is no subresource that is posted to"
            )
        async with self._recorded("create", call):
            return await handler(call, value)

    @asynccontextmanager
    async def _recorded(self, verb: str, call: Call) -> AsyncIterator[None]:
        """Put on record how what is inside ends."""
        received_at = self._house.clock.now()
        code, message = 201 if verb == "create" else 200, ""
        try:
            yield
        except MaruError as error:
            status = status_of(error)
            code, message = status["code"], status["message"]
            raise
        except WireError as error:
            code, message = 400, error.message
            raise from_wire(error) from error
        finally:
            if self._audit.wants(verb, code):
                self._audit.record(self._request(verb, call, received_at, code, message))

    def _request(self, verb: str, call: Call, received_at: datetime, code: int, message: str) -> AuditedRequest:
        resource = call.served.resource
        attributes = Attributes(
            verb, resource.group, resource.version, resource.plural, call.subresource, call.namespace, call.name
        )
        return AuditedRequest(
            real=self._caller,
            caller=self._caller,
            attributes=attributes,
            uri=resource.path(call.namespace, call.name, call.subresource),
            address="127.0.0.1",
            user_agent="maru",
            received_at=received_at,
            code=code,
            message=message,
        )

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

    async def _changes(self, served: Served, batches: AsyncIterator[Sequence[Seen]]) -> AsyncIterator[Sequence[Change]]:
        async for batch in batches:
            if served.conversion is None:
                yield [_plain(change) for change in batch]
                continue
            changes: list[Change] = []
            for change in batch:
                shown = await self._documents(served, [change.document] if change.document is not None else [])
                changes.append(_plain(Change(change.kind, shown[0] if shown else None, change.version)))
            yield changes


def _plain(seen: Seen) -> Change:
    kind = BOOKMARK if seen.kind == INITIAL_END else seen.kind
    return Change(kind, None if kind == BOOKMARK else seen.document, seen.version)


def _decoded(document: Document) -> Value:
    """A copy that belongs to the caller."""
    value: Value = msgspec.json.decode(document.body)
    return value


def _copied(value: V) -> V:
    """What a caller hands over stays the caller's."""
    copy: V = msgspec.json.decode(msgspec.json.encode(value))
    return copy
