"""The definitions that search keeps in the store, by kind and by the API's own names.

Source: core/kept.py; what `kubectl` changes is seen, too.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from contextlib import suppress

from maru.components.search.model.definitions import KINDS, definition, document_name
from maru.core.client import Client
from maru.core.clock import Clock
from maru.core.document import Resource, Value
from maru.core.errors import AlreadyExists, Conflict, NotFound
from maru.core.ids import Ids
from maru.core.informer import Place
from maru.core.kept import Kept
from maru.core.lifecycle import Background
from maru.wire.elastic.json import Object


class Shelf:
    """All definitions of one kind. What is read is shared: copy before changing."""

    def __init__(self, kept: Kept[Object]) -> None:
        self._kept = kept

    def get(self, name: str) -> Object | None:
        """The definition, or None. Local."""
        found = self._kept.get("", document_name(name))
        return found if found is not None and found.get("name") == name else None

    def all(self) -> dict[str, Object]:
        """All of them by name, in order of name."""
        found = {str(spec["name"]): spec for spec in self._kept.list() if "name" in spec}
        return {name: found[name] for name in sorted(found)}

    async def put(self, name: str, spec: Object) -> None:
        """Create or replace it; kept when this returns."""
        value: Value = {
            "apiVersion": self._kept.resource.api_version,
            "kind": self._kept.resource.kind,
            "metadata": {"name": document_name(name)},
            "spec": {**copy.deepcopy(spec), "name": name},
        }
        if self._kept.get("", document_name(name)) is None:
            try:
                await self._kept.create(value)
                return
            except AlreadyExists:
                pass
        while True:
            # The API replaces a custom document only against a version; this shelf is its one writer, people aside.
            value["metadata"]["resourceVersion"] = await self._version(document_name(name))
            with suppress(Conflict):
                await self._kept.update(value)
                return

    async def _version(self, name: str) -> str:
        return str((await self._kept.fetch("", name))["metadata"]["resourceVersion"])

    async def delete(self, name: str) -> bool:
        """Whether it was there."""
        try:
            await self._kept.delete("", document_name(name))
        except NotFound:
            return False
        return True

    def on_change(self, handler: Callable[[Place], None]) -> None:
        """See Kept.on_change."""
        self._kept.on_change(handler)


class Shelves:
    """The shelf of each kind."""

    def __init__(self, client: Client, clock: Clock, ids: Ids) -> None:
        self._kept = {resource: Kept(client, resource, _spec, clock, ids) for resource in KINDS}

    def of(self, resource: Resource) -> Shelf:
        """The shelf of one kind."""
        return Shelf(self._kept[resource])

    async def open(self, tasks: Background) -> None:
        """See that the kinds are served, and follow them."""
        await asyncio.gather(*(kept.ensure_kind(definition(resource)) for resource, kept in self._kept.items()))
        for resource, kept in self._kept.items():
            tasks.start(kept.run(), resource.plural)
        for kept in self._kept.values():
            await kept.wait_synced()


def _spec(value: Value) -> Object:
    spec: Object = value.get("spec") or {}
    return spec
