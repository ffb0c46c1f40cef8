"""Networks as the docker command line handles them: made, joined live or for the next start, pruned.

What a container wants to join stands in its document; what it has while it runs is the network's.
Source: moby daemon/network.go and container_operations.go, for what is refused and how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.controllers.networking import Networking
from maru.components.docker.model.network_filters import accepts, is_pruned
from maru.components.docker.model.networks import join_of, port_words
from maru.components.docker.model.overlay import check_attachable, shown_driver
from maru.contracts.container_network import Network, NetworkSpec
from maru.core.document import Value
from maru.core.errors import Denied, Invalid, MaruError, NotFound
from maru.wire.docker.filters import Filters

_RUNNING = ("running", "paused")
_SHARED = "container sharing network namespace with another container or host cannot be connected to any other network"
_HOST = "container cannot be disconnected from host network or connected to host network"
_NONE = "container cannot be connected to multiple networks with one of the networks in private (none) mode"


class Networks:
    """All networks of this engine. on_change: called after each change, for whoever keeps their documents."""

    def __init__(self, dock: Dock, boxes: Boxes, documents: Documents, networking: Networking) -> None:
        self._dock = dock
        self._boxes = boxes
        self._documents = documents
        self._networking = networking
        self._on_change: Callable[[], None] = lambda: None
        self._check_removal: Callable[[Network], None] = lambda _: None

    def when_changed(self, on_change: Callable[[], None]) -> None:
        """Say whom to tell of changes."""
        self._on_change = on_change

    def guard(self, check: Callable[[Network], None]) -> None:
        """Say what is asked before each removal; it raises where one may not be."""
        self._check_removal = check

    def list(self, filters: Filters) -> Sequence[Network]:
        """Those that every filter accepts. Raises Invalid."""
        return [network for network in self._dock.network.list() if accepts(network, filters)]

    def find(self, reference: str) -> Network:
        """Raises NotFound, Invalid."""
        return self._dock.network.find(reference)

    async def create(self, spec: NetworkSpec) -> Network:
        """See the contract."""
        network = await self._dock.network.create(spec)
        self._tell(network, "create")
        return network

    async def remove(self, reference: str) -> None:
        """See the contract."""
        network = self.find(reference)
        self._check_removal(network)
        await self._dock.network.remove(network.id)
        self._tell(network, "destroy")

    async def prune(self, filters: Filters) -> Sequence[str]:
        """Remove what nobody uses; the names. Raises Invalid."""
        now = self._dock.clock.now()
        gone: list[str] = []
        for network in self._dock.network.list():
            if is_pruned(network, filters, now):
                try:
                    await self.remove(network.id)
                except (Denied, Invalid, NotFound):  # a service has it; somebody joined it, or removed it, just now
                    continue
                gone.append(network.name)
        self._dock.events.publish("network", "prune", "", {"reclaimed": "0"})
        return gone

    async def connect(self, reference: str, container: str, settings: Value) -> None:
        """Join now if the container runs, else when it starts. Raises NotFound, Denied, Invalid."""
        box = self._boxes.want(container)
        network = self.find(reference)
        async with box.lock:
            self._check(box, network)
            before = dict(box.container.networks)
            if box.state.state in _RUNNING:
                join = join_of(network.name, settings, box.container, self._resolve)
                await self._dock.network.connect(box.id, join)
                await self._refresh(box)
            box.container.networks = {**before, network.name: settings}
            await self._documents.change_container(box.container)
        self._tell(network, "connect", container=box.id)

    async def disconnect(self, reference: str, container: str, *, is_forced: bool) -> None:
        """Leave now if the container runs, else not join when it starts. Raises NotFound, Invalid."""
        network = self.find(reference)
        box = self._boxes.find(container)
        if box is None:
            await self._disconnect_lost(network, container, is_forced=is_forced)
            return
        async with box.lock:
            mode = box.container.network_mode
            if mode == "host" or network.spec.driver == "host":
                raise Invalid(what=_HOST, why="")
            is_live = box.id in network.endpoints
            if not is_live and not self._wants(box, network):
                raise NotFound(what=f"container {box.id} is not connected to network {network.name}", why="")
            if is_live:
                await self._dock.network.disconnect(box.id, network.id)
                await self._refresh(box)
            left = {name: value for name, value in box.container.networks.items() if name not in _names(network)}
            box.container.networks = left
            await self._documents.change_container(box.container)
        self._tell(network, "disconnect", container=box.id)

    def _check(self, box: Box, network: Network) -> None:
        mode, running = box.container.network_mode, box.state.state in _RUNNING
        if box.state.state in ("removing", "dead"):
            raise Denied(
                what=f"container {box.id} is marked for removal and cannot be connected or disconnected", why=""
            )
        if mode.startswith("container:"):
            raise Invalid(what=_SHARED, why="")
        if mode == "host" or network.spec.driver == "host":
            raise Invalid(what=_HOST, why="")
        has_none = mode == "none" and bool(box.container.networks)
        if has_none or (network.spec.driver == "null" and box.container.networks):
            raise Invalid(what=_NONE, why="")
        check_attachable([network], [network.name], box.container.config)
        if running and box.id in network.endpoints:
            words = f"endpoint with name {box.name} already exists in network {network.name}"
            raise Denied(what=words, why="")

    async def _disconnect_lost(self, network: Network, container: str, *, is_forced: bool) -> None:
        """A container that is not known any more may still hold an endpoint."""
        held = [each for each in network.endpoints.values() if container in (each.container_name, each.container_id)]
        if not is_forced or not held:
            raise NotFound(what=f"No such container: {container}", why="")
        await self._dock.network.disconnect(held[0].container_id, network.id)
        self._tell(network, "disconnect", container=held[0].container_id)

    async def _refresh(self, box: Box) -> None:
        """The files in the container that name its networks, and the ports that are shown."""
        connectivity = self._dock.network.find_connectivity(box.id)
        if connectivity is not None:
            box.state.ports = port_words(connectivity.ports)
            await self._networking.write_names(box, connectivity)
            self._documents.touch(box.id)

    def _wants(self, box: Box, network: Network) -> bool:
        return any(name in box.container.networks for name in _names(network))

    def _resolve(self, reference: str) -> str:
        try:
            other = self._boxes.find(reference)
        except MaruError:
            return reference
        return other.id if other is not None else reference

    def _tell(self, network: Network, action: str, **more: str) -> None:
        attributes = {"name": network.name, "type": shown_driver(network.spec), **more}
        self._dock.events.publish("network", action, network.id, attributes)
        self._on_change()


def _names(network: Network) -> tuple[str, str]:
    return network.name, network.id
