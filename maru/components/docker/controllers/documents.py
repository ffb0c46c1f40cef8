"""Containers and volumes as documents: `kubectl get containers.engine.maru.dev`.

What was asked for is written before an answer says so. How it stands is written behind, newest first
only: the runtime knows it too, and it is put right after a restart. A document that somebody deletes
takes its container with it. Environments of containers are sealed on the way there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from maru.components.docker.model.container import Container, State
from maru.components.docker.model.definitions import CONTAINERS, VOLUMES, definitions
from maru.components.docker.model.sealing import is_clear, opened, sealed_spec
from maru.contracts.sealer import Sealer
from maru.core.client import Client, PatchKind
from maru.core.clock import Clock
from maru.core.document import Resource, Value
from maru.core.errors import AlreadyExists, MaruError, NotFound
from maru.core.ids import Ids
from maru.core.kept import ensure_kind
from maru.core.log import Log
from maru.core.reconcile import Loop

NODE_LABEL = "engine.maru.dev/node"
POLL_S = 0.05

S = TypeVar("S", bound=msgspec.Struct)
StateOf = Callable[[str], State | None]


class Documents:
    """Writes and reads them as one caller. state_of: the state of a container by id, None if it is gone."""

    def __init__(self, client: Client, clock: Clock, ids: Ids, node: str, sealer: Sealer) -> None:
        self._client = client
        self._sealer = sealer
        self._clock = clock
        self._node = node
        self._log = Log("docker")
        self._states: StateOf = lambda _: None
        self._written: dict[str, Value] = {}
        self._loop: Loop[str] = Loop("docker documents", self._bring_right, clock, ids, workers=4)

    async def open(self, state_of: StateOf) -> None:
        """See that the kinds are served."""
        self._states = state_of
        kinds = definitions().items()
        await asyncio.gather(*(ensure_kind(self._client, self._clock, *kind) for kind in kinds))

    async def run(self) -> None:
        """Write states until cancelled."""
        await self._loop.run()

    async def containers(self) -> Sequence[tuple[Container, State]]:
        """Those of this node."""
        page = await self._client.list(CONTAINERS, labels=f"{NODE_LABEL}={self._node}")
        found = []
        for document in page.documents:
            container = self._read(document.value, Container, document.key.name)
            if container is not None:
                status = document.value.get("status") or {}
                self._written[container.id] = status
                if not opened(container, self._sealer):
                    self._log.error("a container's environment cannot be opened", container=container.id)
                elif is_clear(document.value["spec"]):  # of an earlier version
                    await self.change_container(container)
                found.append((container, msgspec.convert(status, State)))
        return found

    async def add_container(self, container: Container) -> None:
        """Written when this returns."""
        body = _document(CONTAINERS, container.short_id, self._node, sealed_spec(container, self._sealer))
        await self._client.create(CONTAINERS, body)

    async def change_container(self, container: Container) -> None:
        """What was asked for is another now."""
        # All of it: a merge would keep networks that were left.
        patch: list[Value] = [{"op": "replace", "path": "/spec", "value": sealed_spec(container, self._sealer)}]
        await self._client.patch(CONTAINERS, "", container.short_id, patch, kind=PatchKind.JSON)

    async def drop_container(self, container: Container) -> None:
        """Idempotent."""
        self._written.pop(container.id, None)
        with suppress(NotFound):
            await self._client.delete(CONTAINERS, "", container.short_id)

    def touch(self, container_id: str) -> None:
        """Its state is to be written soon."""
        self._loop.add(container_id)

    async def flush(self, container_id: str) -> None:
        """Its state is written when this returns, unless the API cannot be reached just now."""
        try:
            await self._bring_right(container_id)
        except MaruError as error:
            self._log.warning("a state is written later", container=container_id, error=str(error))
            self._loop.add(container_id)

    async def volumes(self, kind: type[S]) -> Sequence[S]:
        """Those of this node."""
        page = await self._client.list(VOLUMES, labels=f"{NODE_LABEL}={self._node}")
        read = [self._read(document.value, kind, document.key.name) for document in page.documents]
        return [volume for volume in read if volume is not None]

    async def add_volume(self, document_name: str, volume: msgspec.Struct) -> None:
        """Written when this returns."""
        body = _document(VOLUMES, document_name, self._node, msgspec.to_builtins(volume))
        with suppress(AlreadyExists):
            await self._client.create(VOLUMES, body)

    async def drop_volume(self, document_name: str) -> None:
        """Idempotent."""
        with suppress(NotFound):
            await self._client.delete(VOLUMES, "", document_name)

    async def follow_deletions(self, gone: Callable[[str], Awaitable[None]]) -> None:
        """Call `gone` with the id of every container whose document is deleted; until cancelled."""
        while True:
            try:
                page = await self._client.list(CONTAINERS, labels=f"{NODE_LABEL}={self._node}")
                async with self._client.watch(
                    CONTAINERS, since=page.version, labels=f"{NODE_LABEL}={self._node}"
                ) as batches:
                    async for batch in batches:
                        for change in batch:
                            if change.kind == "DELETED" and change.document is not None:
                                await gone(str(change.document.value["spec"]["id"]))
            except MaruError as error:
                self._log.warning("deletions are not seen for a moment", error=str(error))
            await self._clock.sleep(POLL_S)

    async def _bring_right(self, container_id: str) -> float | None:
        state = self._states(container_id)
        if state is None:
            return None
        wanted: Value = msgspec.to_builtins(state)
        if self._written.get(container_id) == wanted:
            return None
        name = container_id[:12]
        with suppress(NotFound):
            await self._client.patch(CONTAINERS, "", name, {"status": wanted}, subresource="status")
            self._written[container_id] = wanted
        return None

    def _read(self, value: Value, kind: type[S], name: str) -> S | None:
        try:
            return msgspec.convert(value["spec"], kind)
        except (msgspec.ValidationError, KeyError) as error:
            self._log.error("a document cannot be read", name=name, error=str(error))
            return None


def _document(resource: Resource, name: str, node: str, spec: Value) -> Value:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "labels": {NODE_LABEL: node}},
        "spec": spec,
    }
