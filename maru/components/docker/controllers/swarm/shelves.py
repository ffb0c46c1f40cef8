"""The documents of a swarm, one shelf for each kind: read from memory, written through."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maru.components.docker.controllers.dock import Dock
from maru.components.docker.model.sealing import ENVIRONMENT_KEY
from maru.components.docker.model.swarm import definitions
from maru.components.docker.model.swarm.entries import Entry, entry_of, without_nulls
from maru.components.docker.model.swarm.environments import Environments
from maru.components.docker.model.swarm.tasks import task_entry_of
from maru.contracts.sealer import Sealer
from maru.core.client import Client
from maru.core.document import Resource, Value
from maru.core.errors import Conflict, Invalid, NotFound
from maru.core.identity.seal import RootKeySealer
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
        self._entry_of = task_entry_of if resource is definitions.TASKS else entry_of
        self._environments: Environments | None = None
        self.kept: Kept[Entry] = Kept(dock.client, resource, self._read, dock.clock, dock.ids)

    def open(self, sealer: Sealer) -> None:
        """Before anything is read or written: under what environments are sealed."""
        self._environments = Environments(self.noun, sealer)

    async def seal_all(self) -> None:
        """Those that stand in the clear, of an earlier version or applied by hand."""
        assert self._environments is not None
        for entry in self.kept.list():
            if self._environments.is_clear(self.kept.value("", entry.id)):
                with suppress(Invalid, NotFound):  # it was changed or removed this moment
                    await self.replace(entry, entry.spec, entry.status)

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
        return await self.kept.create({"metadata": {"name": entry_id}} | self._written(entry_id, spec, filled))

    async def replace(self, entry: Entry, spec: Value, status: Value, index: int = NO_VERSION) -> Entry:
        """Another spec and status; index: the version that the caller saw. Raises Invalid when it is another now."""
        if index not in (NO_VERSION, entry.index):
            raise _out_of_sequence()
        document = {**self.kept.value("", entry.id)}
        metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
        filled = {**status, "CreatedAt": entry.created, "UpdatedAt": self._dock.now()}
        document |= {"metadata": metadata} | self._written(entry.id, spec, filled)
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

    def _read(self, document: Value) -> Entry:
        entry = self._entry_of(document)
        return self._environments.opened(entry) if self._environments is not None else entry

    def _written(self, entry_id: str, spec: Value, status: Value) -> Value:
        if self._environments is not None:
            spec, status = self._environments.sealed(entry_id, spec, status)
        return {"spec": without_nulls(spec), "status": without_nulls(status)}

    def _called(self, entry: Entry) -> str:
        if self.noun == "node":
            return str((entry.status.get("Description") or {}).get("Hostname") or "")
        return str(entry.status.get("name") or "") if self.noun == "task" else entry.name


@dataclass(frozen=True, slots=True)
class Shelves:
    """All kinds; followed while somebody runs `follow`."""

    key: Path
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
        sealer = await asyncio.to_thread(RootKeySealer.open_blocking, self.key)
        for shelf in shelves:
            shelf.open(sealer)
        for shelf, resource in zip(shelves, definitions.KINDS, strict=True):
            await shelf.kept.ensure_kind(definitions.definition(resource))
        for shelf in shelves:
            tasks.start(shelf.kept.run(), f"swarm {shelf.noun}s")
        await asyncio.gather(*(shelf.kept.wait_synced() for shelf in shelves))
        await asyncio.gather(self.services.seal_all(), self.tasks.seal_all())

    def each(self) -> Sequence[Shelf]:
        return (self.clusters, self.nodes, self.services, self.tasks, self.secrets, self.configs)


def make_shelves(dock: Dock) -> Shelves:
    """Empty ones."""
    shelves = Shelves(dock.folder / ENVIRONMENT_KEY, *(Shelf(dock, resource) for resource in definitions.KINDS))
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
