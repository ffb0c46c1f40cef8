"""The documents of a swarm, one shelf for each kind: read from memory, written through."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from maru.components.docker.controllers.dock import Dock
from maru.components.docker.model.swarm import definitions
from maru.components.docker.model.swarm.entries import Entry, entry_of, without_nulls
from maru.components.docker.model.swarm.tasks import task_entry_of
from maru.core.client import Client
from maru.core.document import Resource, Value
from maru.core.errors import Conflict, Invalid, NotFound
from maru.core.kept import Kept
from maru.core.lifecycle import Background

CLUSTER = "default"  # the name of the one document of its kind
SERVICE = "service"  # the index of tasks by the service they are of
NO_VERSION = -1


class Shelf:
    """One kind. noun: how it is called in errors."""

    def __init__(self, dock: Dock, resource: Resource) -> None:
        self._dock = dock
        self.noun = resource.kind.lower()
        read = task_entry_of if resource is definitions.TASKS else entry_of
        self.kept: Kept[Entry] = Kept(dock.client, resource, read, dock.clock, dock.ids)

    def all(self) -> Sequence[Entry]:
        """Oldest first."""
        return sorted(self.kept.list(), key=lambda entry: (entry.created, entry.id))

    def get(self, entry_id: str) -> Entry | None:
        return self.kept.get("", entry_id)

    def find(self, reference: str) -> Entry:
        """By whole id, then name, then a beginning of an id. Raises NotFound, Invalid."""
        whole = self.kept.get("", reference)
        if whole is not None:
            return whole
        entries = self.kept.list()
        named = [entry for entry in entries if reference and self._called(entry) == reference]
        found = named or [entry for entry in entries if reference and entry.id.startswith(reference)]
        if len(found) > 1:
            raise Invalid(what=f"{self.noun} {reference} is ambiguous ({len(found)} matches found)", why="")
        if not found:
            raise NotFound(what=f"{self.noun} {reference} not found", why="")
        return found[0]

    async def create(self, entry_id: str, spec: Value, status: Value) -> Entry:
        """Written when this returns."""
        now = self._dock.now()
        filled = {**status, "CreatedAt": now, "UpdatedAt": now}
        return await self.kept.create(
            {"metadata": {"name": entry_id}, "spec": without_nulls(spec), "status": without_nulls(filled)}
        )

    async def replace(self, entry: Entry, spec: Value, status: Value, index: int = NO_VERSION) -> Entry:
        """Another spec and status; index: the version that the caller saw. Raises Invalid when it is another now."""
        if index not in (NO_VERSION, entry.index):
            raise _out_of_sequence()
        document = {**self.kept.value("", entry.id)}
        metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
        filled = {**status, "CreatedAt": entry.created, "UpdatedAt": self._dock.now()}
        document |= {"metadata": metadata, "spec": without_nulls(spec), "status": without_nulls(filled)}
        try:
            return await self.kept.update(document)
        except Conflict as error:
            raise _out_of_sequence() from error

    async def amend(self, entry_id: str, status: Value) -> None:
        """Merge into its status; null takes away. Nothing happens if it is gone."""
        with suppress(NotFound):
            await self.kept.patch("", entry_id, {"status": {**status, "UpdatedAt": self._dock.now()}})

    async def delete(self, entry_id: str) -> None:
        """Idempotent."""
        with suppress(NotFound):
            await self.kept.delete("", entry_id)

    def _called(self, entry: Entry) -> str:
        if self.noun == "node":
            return str((entry.status.get("Description") or {}).get("Hostname") or "")
        return str(entry.status.get("name") or "") if self.noun == "task" else entry.name


@dataclass(frozen=True, slots=True)
class Shelves:
    """All kinds; followed while somebody runs `follow`."""

    clusters: Shelf
    nodes: Shelf
    services: Shelf
    tasks: Shelf
    secrets: Shelf
    configs: Shelf

    @property
    def cluster(self) -> Entry | None:
        """The swarm itself."""
        return self.clusters.get(CLUSTER)

    def tasks_of(self, service_id: str) -> Sequence[Entry]:
        return self.tasks.kept.by_index(SERVICE, service_id)

    async def open(self, tasks: Background) -> None:
        """Follow all kinds as long as `tasks`; everything is in memory when this returns."""
        shelves = self.each()
        for shelf, resource in zip(shelves, definitions.KINDS, strict=True):
            await shelf.kept.ensure_kind(definitions.definition(resource))
        for shelf in shelves:
            tasks.start(shelf.kept.run(), f"swarm {shelf.noun}s")
        await asyncio.gather(*(shelf.kept.wait_synced() for shelf in shelves))

    def each(self) -> Sequence[Shelf]:
        return (self.clusters, self.nodes, self.services, self.tasks, self.secrets, self.configs)


def make_shelves(dock: Dock) -> Shelves:
    """Empty ones."""
    shelves = Shelves(*(Shelf(dock, resource) for resource in definitions.KINDS))
    shelves.tasks.kept.index(SERVICE, lambda entry: (str(entry.status.get("ServiceID") or ""),))
    return shelves


async def has_swarm(client: Client) -> bool:
    """Whether there is one, without following anything."""
    try:
        page = await client.list(definitions.CLUSTERS)
    except NotFound:
        return False
    return any(document.key.name == CLUSTER for document in page.documents)


def _out_of_sequence() -> Invalid:
    return Invalid(what="rpc error: code = Unknown desc = update out of sequence", why="", status=500)
