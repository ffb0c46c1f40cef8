"""Networks as documents: `kubectl get networks.engine.maru.dev`, and what is applied there is made.

The networks themselves are kept by the network component; a document follows each of them, held by a
finalizer so that it never goes first. One without an id in its status asks for a network; one with the id of a
network that is gone goes too; one that is being deleted takes its network with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.networks import Networks
from maru.components.docker.model.definitions import NETWORKS
from maru.components.docker.model.network_documents import (
    document_name,
    document_spec,
    document_status,
    spec_of_document,
)
from maru.contracts.container_network import Network
from maru.core.document import Document, Value
from maru.core.errors import AlreadyExists, MaruError, NotFound
from maru.core.lifecycle import background

FINALIZER = "engine.maru.dev/network"
NODE_LABEL = "engine.maru.dev/node"
AGAIN_S = 1.0


class NetworkDocuments:
    """Keeps networks and their documents alike."""

    def __init__(self, dock: Dock, networks: Networks) -> None:
        self._dock = dock
        self._networks = networks
        self._is_due = asyncio.Event()
        networks.when_changed(self.touch)

    def touch(self) -> None:
        """Something changed: look soon."""
        self._is_due.set()

    async def run(self) -> None:
        """Until cancelled."""
        self.touch()
        async with background("network documents") as tasks:
            tasks.start(self._watch(), "watch")
            while True:
                await self._is_due.wait()
                self._is_due.clear()
                try:
                    await self._bring_right()
                except MaruError as error:
                    self._dock.log.warning("documents of networks are written later", error=str(error))
                    await self._dock.clock.sleep(AGAIN_S)
                    self.touch()

    async def _watch(self) -> None:
        while True:
            try:
                page = await self._dock.client.list(NETWORKS)
                self.touch()
                async with self._dock.client.watch(NETWORKS, since=page.version) as batches:
                    async for batch in batches:
                        if any(change.document is not None for change in batch):
                            self.touch()
            except MaruError as error:
                self._dock.log.warning("documents of networks are not seen for a moment", error=str(error))
            await self._dock.clock.sleep(AGAIN_S)

    async def _bring_right(self) -> None:
        page = await self._dock.client.list(NETWORKS)
        networks = {network.id: network for network in self._dock.network.list()}
        seen: set[str] = set()
        for document in page.documents:
            if self._is_ours(document):
                seen.add(await self._bring_one_right(document, networks, seen))
        for network in self._dock.network.list():
            if network.id not in seen:
                await self._write(network)

    async def _bring_one_right(self, document: Document, networks: Mapping[str, Network], seen: set[str]) -> str:
        """The id of the network that the document stands for from now on, "" for none."""
        name, status = document.key.name, document.value.get("status") or {}
        network = networks.get(str(status.get("id") or ""))
        if document.metadata.get("deletionTimestamp"):
            return await self._take_away(document, network)
        if status.get("id"):
            if network is None:
                await self._dock.client.delete(NETWORKS, "", name)
                await self._let_go(document)
                return ""
            await self._show(name, status, document_status(network))
            return network.id
        try:
            spec = spec_of_document(name, document.value.get("spec") or {})
            named = [each for each in networks.values() if each.name == spec.name and each.id not in seen]
            network = named[0] if named else await self._networks.create(spec)
        except MaruError as error:
            await self._show(name, status, {"message": str(error)})
            return ""
        await self._hold(document)
        await self._show(name, status, document_status(network))
        return network.id

    async def _take_away(self, document: Document, network: Network | None) -> str:
        if network is not None and not network.is_predefined:
            try:
                await self._networks.remove(network.id)
            except NotFound:
                pass
            except MaruError as error:
                await self._show(document.key.name, document.value.get("status") or {}, {"message": str(error)})
                return network.id
        await self._let_go(document)
        # One that is always there gets its document again, when this one is gone.
        return network.id if network is not None and network.is_predefined else ""

    async def _write(self, network: Network) -> None:
        for name in (document_name(network), f"network-{network.id[:12]}"):
            body: Value = {
                "apiVersion": NETWORKS.api_version,
                "kind": NETWORKS.kind,
                "metadata": {
                    "name": name,
                    "labels": {NODE_LABEL: self._dock.site.node_name},
                    "finalizers": [FINALIZER],
                },
                "spec": document_spec(network),
            }
            try:
                await self._dock.client.create(NETWORKS, body)
            except AlreadyExists:
                continue
            await self._show(name, {}, document_status(network))
            return

    async def _show(self, name: str, have: Value, want: Value) -> None:
        if any(have.get(key) != value for key, value in want.items()):
            # A merge patch keeps what it does not name: containers that left are named as gone.
            gone = {key: None for key in have.get("containers") or {} if key not in (want.get("containers") or {})}
            if "containers" in want:
                want = {**want, "containers": {**want["containers"], **gone}}
            await self._dock.client.patch(NETWORKS, "", name, {"status": want}, subresource="status")

    async def _hold(self, document: Document) -> None:
        finalizers = document.metadata.get("finalizers") or []
        if FINALIZER not in finalizers:
            labels = {NODE_LABEL: self._dock.site.node_name}
            patch = {"metadata": {"finalizers": [*finalizers, FINALIZER], "labels": labels}}
            await self._dock.client.patch(NETWORKS, "", document.key.name, patch)

    async def _let_go(self, document: Document) -> None:
        left = [each for each in document.metadata.get("finalizers") or [] if each != FINALIZER]
        try:
            await self._dock.client.patch(NETWORKS, "", document.key.name, {"metadata": {"finalizers": left}})
        except NotFound:
            return

    def _is_ours(self, document: Document) -> bool:
        node = (document.metadata.get("labels") or {}).get(NODE_LABEL, "")
        return node in ("", self._dock.site.node_name)
