"""The routing mesh and virtual addresses: which tasks a service's addresses and ports lead to.

Every change of services and tasks makes the whole anew, in one call to the network, which knows what differs.
Tasks get traffic while they run and shall run. Source: Docker's documentation, "Use Swarm mode routing mesh",
"Configure service discovery".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.swarm.agent import Agent
from maru.components.docker.controllers.swarm.membership import Membership
from maru.components.docker.controllers.swarm.overlays import Overlays
from maru.components.docker.model.overlay import is_ingress
from maru.components.docker.model.swarm.entries import Entry
from maru.components.docker.model.swarm.specs import networks_of
from maru.components.docker.model.swarm.tasks import task_of
from maru.contracts.container_network import Balancer, Network, PortRequest
from maru.core.document import Value
from maru.core.errors import MaruError
from maru.core.lifecycle import Background

SETTLE_S, AGAIN_S = 0.02, 2.0  # changes come in groups; ports that are taken may be free later


class Balancing:
    """Tells the network of all services."""

    def __init__(self, dock: Dock, membership: Membership, overlays: Overlays, agent: Agent) -> None:
        self._dock = dock
        self._membership = membership
        self._overlays = overlays
        self._agent = agent
        self._is_due = asyncio.Event()
        self._failures: dict[str, str] = {}
        self._is_behind = False
        self._lock = asyncio.Lock()

    def begin(self, tasks: Background) -> None:
        """Work as long as `tasks`."""
        self._is_due = asyncio.Event()
        self._is_due.set()
        shelves = self._membership.shelves
        shelves.services.kept.on_change(lambda _: self._is_due.set())
        shelves.tasks.kept.on_change(lambda _: self._is_due.set())
        tasks.start(self._run(), "swarm balancing")

    async def _run(self) -> None:
        while True:
            await self._is_due.wait()
            await self._dock.clock.sleep(SETTLE_S)
            self._is_due.clear()
            await self.refresh()
            if self._is_behind:
                await self._dock.clock.sleep(AGAIN_S)
                self._is_due.set()

    async def refresh(self) -> None:
        """The network knows how it is now when this returns, unless it cannot be told: then it is tried again."""
        async with self._lock:
            try:
                failures = dict(await self._dock.network.balance(self.balancers()))
            except MaruError as error:
                self._dock.log.warning("the routing mesh is made later", error=str(error))
                self._is_behind = True
                return
        for name, why in failures.items():
            if self._failures.get(name) != why:
                self._dock.log.warning("ports of a service are not published", service=name, why=why)
        self._failures, self._is_behind = failures, bool(failures)

    def balancers(self) -> Sequence[Balancer]:
        """One for each virtual address."""
        found = []
        for entry in self._membership.shelves.services.all():
            for each in (entry.status.get("Endpoint") or {}).get("VirtualIPs") or ():
                network = self._overlays.find(str(each["NetworkID"]))
                # Containers of an internal network have no way to the machine: they are told all addresses instead.
                if network is not None and not network.spec.internal:
                    found.append(self._balancer(entry, network, str(each["Addr"]).partition("/")[0]))
        return found

    def _balancer(self, entry: Entry, network: Network, address: str) -> Balancer:
        is_mesh = is_ingress(network.spec)
        names = () if is_mesh else (entry.name, *_aliases(entry.spec, network))
        ports = (entry.status.get("Endpoint") or {}).get("Ports") or ()
        return Balancer(
            name=f"{entry.id}.{network.id[:12]}",
            network_id=network.id,
            address=address,
            dns_names=tuple(dict.fromkeys(names)),
            backends=tuple(sorted(self._backends(entry, network))),
            ports=tuple(_port(port) for port in ports if is_mesh and port.get("PublishMode") != "host"),
        )

    def _backends(self, entry: Entry, network: Network) -> Sequence[str]:
        found = []
        for each in self._membership.shelves.tasks_of(entry.id):
            task = task_of(each)
            if task.state != "running" or not task.is_wanted:
                continue
            box = self._agent.box_of(task.id)
            endpoint = network.endpoints.get(box.id) if box is not None else None
            is_well = box is not None and (box.state.health is None or box.state.health.status == "healthy")
            if is_well and endpoint is not None and endpoint.ip:
                found.append(endpoint.ip)
        return found


def _aliases(spec: Value, network: Network) -> Sequence[str]:
    return [
        str(alias)
        for each in networks_of(spec)
        if each.get("Target") in (network.id, network.name)
        for alias in each.get("Aliases") or ()
    ]


def _port(port: Value) -> PortRequest:
    number = int(port["PublishedPort"])
    return PortRequest(int(port["TargetPort"]), str(port.get("Protocol") or "tcp"), "", number, number)
