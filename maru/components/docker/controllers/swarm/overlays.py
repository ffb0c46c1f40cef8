"""Networks of a swarm: overlays, and the ingress network of the routing mesh.

All nodes of a swarm being this one, an overlay is a bridge here: its driver, scope and VXLAN identifier are
shown as those of an overlay, and its range comes from the swarm's address pools. How one that spans nodes
would be made stands in the decision on swarm. Source: Docker's documentation, "Overlay network driver".
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from maru.components.docker.controllers.boxes import Boxes
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.networks import Networks
from maru.components.docker.controllers.swarm.membership import Membership
from maru.components.docker.engine.machine_addresses import Range, routes_blocking
from maru.components.docker.model.overlay import INGRESS, OVERLAY, VXLAN, VXLAN_FIRST, is_overlay
from maru.components.docker.model.swarm.entries import Entry
from maru.components.docker.model.swarm.specs import networks_of, refused
from maru.components.docker.model.swarm.tasks import TASK_LABEL, task_of
from maru.contracts.container_network import Network, NetworkSpec, Pool
from maru.core.document import Value
from maru.core.errors import Denied, Invalid, NotFound, Unavailable

LEAVING_S, LOOK_S = 2.0, 0.05  # how long tasks that leave keep a network that is removed


class Overlays:
    """Makes and finds them."""

    def __init__(self, dock: Dock, boxes: Boxes, networks: Networks, membership: Membership) -> None:
        self._dock = dock
        self._boxes = boxes
        self._networks = networks
        self._membership = membership
        self._making = asyncio.Lock()
        networks.guard(self._check_unused)

    @property
    def is_in_swarm(self) -> bool:
        """Whether this node is in one."""
        return self._membership.is_active

    async def create(self, spec: NetworkSpec) -> Network:
        """Raises Unavailable outside of a swarm, and as the contract says."""
        cluster = self._membership.cluster
        if spec.ingress and self.ingress() is not None:
            raise refused(f"ingress network ({self._want_ingress().id}) is already present", "AlreadyExists", 409)
        async with self._making:
            number = self._next_number()
            options = {VXLAN: str(number), **spec.options, OVERLAY: INGRESS if spec.ingress else "true"}
            wanted = replace(spec, driver="bridge", options=options, ingress=False)
            if any(pool.subnet for pool in spec.pools):
                return await self._networks.create(wanted)
            busy = await asyncio.to_thread(routes_blocking)
            for subnet in _subnets(cluster, busy):
                try:
                    return await self._networks.create(replace(wanted, pools=(Pool(str(subnet)),)))
                except Denied as error:
                    if "overlaps" not in error.what:
                        raise
        raise Unavailable(what="could not find an available, non-overlapping address pool in the swarm's", why="")

    async def ensure_ingress(self) -> None:
        """The network of the routing mesh."""
        if self.ingress() is None:
            await self.create(NetworkSpec("ingress", ingress=True))

    async def remove(self, network: Network) -> None:
        """Also from under tasks that are on their way out. Raises Invalid (a service has it), Denied (a container)."""
        self._check_unused(network)
        left_s = LEAVING_S
        while is_overlay(network.spec) and left_s > 0 and self._leaving(network):
            await self._dock.clock.sleep(LOOK_S)
            left_s -= LOOK_S
        if is_overlay(network.spec):
            for container_id in self._leaving(network):
                with suppress(NotFound):
                    await self._dock.network.disconnect(container_id, network.id)
        await self._networks.remove(network.id)

    async def remove_all(self) -> None:
        """When the swarm is left; those that a container is still on stay until it is gone."""
        for network in self._dock.network.list():
            if is_overlay(network.spec):
                for container_id in list(network.endpoints):
                    await self._dock.network.disconnect(container_id, network.id)
                await self._networks.remove(network.id)

    def ingress(self) -> Network | None:
        """None when somebody removed it."""
        networks = self._dock.network.list()
        return next((each for each in networks if each.spec.options.get(OVERLAY) == INGRESS), None)

    def resolve(self, target: str) -> Network:
        """What a service names. Raises NotFound, Invalid (a network that services cannot use)."""
        network = self._networks.find(target)
        if not is_overlay(network.spec) and not network.is_predefined:
            words = (
                f"The network {network.name} cannot be used with services. Only networks scoped to the swarm can be "
                "used, such as those created with the overlay driver."
            )
            raise Invalid(what=words, why="", status=403)
        return network

    def find(self, network_id: str) -> Network | None:
        """None when it is gone."""
        try:
            return self._networks.find(network_id)
        except NotFound:
            return None

    def _leaving(self, network: Network) -> Sequence[str]:
        """Containers on it whose tasks shall not run any more."""
        found = []
        for container_id in self._dock.network.find(network.id).endpoints:
            box = self._boxes.find(container_id)
            task_id = (box.container.config.get("Labels") or {}).get(TASK_LABEL) if box is not None else None
            entry = self._membership.shelves.tasks.get(str(task_id)) if task_id else None
            if task_id and (entry is None or not task_of(entry).is_wanted):
                found.append(container_id)
        return found

    def _check_unused(self, network: Network) -> None:
        """Before a removal. Raises Invalid when a service has it."""
        if not is_overlay(network.spec) or not self._membership.is_active:  # a swarm that is left takes them all
            return
        for entry in self._membership.shelves.services.all():
            has_it = any(each.get("Target") in (network.id, network.name) for each in networks_of(entry.spec))
            addresses: list[Value] = (entry.status.get("Endpoint") or {}).get("VirtualIPs") or []
            if has_it or any(each["NetworkID"] == network.id for each in addresses):
                words = f"network {network.id} is in use by service {entry.id}"
                raise refused(words, "FailedPrecondition")

    def _want_ingress(self) -> Network:
        network = self.ingress()
        assert network is not None, "the caller has looked"
        return network

    def _next_number(self) -> int:
        numbers = [int(each.spec.options.get(VXLAN) or 0) for each in self._dock.network.list()]
        return max([VXLAN_FIRST - 1, *numbers]) + 1


def _subnets(cluster: Entry, busy: Sequence[Range]) -> Iterator[ipaddress.IPv4Network]:
    """Of the swarm's pools, those that the machine has no route to; in order."""
    size = int(cluster.status["SubnetSize"])
    for pool in cluster.status["DefaultAddrPool"]:
        for subnet in ipaddress.IPv4Network(pool).subnets(new_prefix=size):
            if not any(subnet.overlaps(other) for other in busy if isinstance(other, ipaddress.IPv4Network)):
                yield subnet
