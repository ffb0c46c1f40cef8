"""The ContainerNetwork that the engine uses: journal, devices, rules, names and ports put together.

All kernel work is done in order on one thread, which stands in the namespace that is this node's
machine; sockets that answer (names, proxied ports) live on the loop. See `maru/contracts/container_network.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from maru.components.network.engine.container_balancers import ContainerBalancers
from maru.components.network.engine.container_journal import Journal
from maru.components.network.engine.container_links import ContainerLinks
from maru.components.network.engine.container_networks import ContainerNetworks
from maru.components.network.engine.container_rules import DNS_ADDRESS
from maru.components.network.engine.container_sandboxes import ContainerSandboxes, host_links, is_there
from maru.components.network.engine.container_tables import ContainerTables
from maru.components.network.engine.embedded_dns import EmbeddedDns
from maru.components.network.engine.host_ports import Target
from maru.components.network.engine.links import LinkRemover
from maru.components.network.engine.machine_resolvers import portable_resolvers_blocking
from maru.components.network.engine.port_proxies import PortProxies
from maru.components.network.model.container_balancers import stand_ins
from maru.components.network.model.container_elements import all_elements
from maru.components.network.model.container_ground import ContainerGround
from maru.components.network.model.container_names import ContainerNames
from maru.components.network.model.container_state import OpenSandbox
from maru.contracts.container_network import (
    Balancer,
    Connectivity,
    Endpoint,
    Join,
    Network,
    NetworkSpec,
    PublishedPort,
    Sandbox,
)
from maru.core.clock import Clock
from maru.core.errors import Unavailable
from maru.core.ids import Ids
from maru.core.lifecycle import background
from maru.linux.conntrack import forget_flows_blocking
from maru.linux.namespaces import NamespaceThread
from maru.linux.netlink import NETLINK_NETFILTER, KernelError, NetlinkSocket

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Needs:
    """What the plane stands on. folder: for the journal; netns_path: the namespace that is the machine.

    foreign_ports: the machine's ports that others publish by rules, where no socket tells of them.
    """

    ground: ContainerGround
    folder: Path
    netns_path: str
    clock: Clock
    ids: Ids
    foreign_ports: Callable[[], Sequence[PublishedPort]] = tuple


@dataclass(frozen=True, slots=True)
class Parts:
    """What is on the thread; made and closed there."""

    journal: Journal
    links: ContainerLinks
    netfilter: NetlinkSocket
    tables: ContainerTables
    networks: ContainerNetworks
    sandboxes: ContainerSandboxes
    balancers: ContainerBalancers


class ContainerPlane:
    """A started container network. Made by `open_container_plane`."""

    def __init__(self, needs: Needs, thread: NamespaceThread, remover: LinkRemover, parts: Parts) -> None:
        self._needs = needs
        self._thread = thread
        self._remover = remover
        self._parts = parts
        self._proxies = PortProxies(needs.netns_path)
        self._names: ContainerNames | None = None
        self._dns: EmbeddedDns | None = None
        self._resolvers: Sequence[str] = ()

    def list(self) -> Sequence[Network]:
        return self._parts.networks.list()

    def find(self, reference: str) -> Network:
        return self._parts.networks.find(reference)

    async def create(self, spec: NetworkSpec) -> Network:
        now, network_id = self._needs.clock.now(), next(new_ids(self._needs.ids))
        return await self._run(lambda: self._parts.networks.create_blocking(spec, network_id, now), spec.name)

    async def remove(self, network_id: str) -> None:
        await self._run(lambda: self._parts.networks.remove_blocking(network_id), f"network {network_id}")

    async def open(self, sandbox: Sandbox) -> Connectivity:
        before = self._parts.sandboxes.find(sandbox.container_id)
        if before is not None and before.sandbox.netns_path != sandbox.netns_path:
            await self.close(sandbox.container_id)
        made = await self._run(lambda: self._open_blocking(sandbox), f"network of {sandbox.container_name}")
        try:
            await self._attend(made)
        except BaseException:
            await self.close(sandbox.container_id)
            raise
        return self._connectivity(made)

    async def close(self, container_id: str) -> None:
        self._neglect(container_id)

        def call() -> OpenSandbox | None:
            closed = self._parts.sandboxes.close_blocking(container_id)
            if closed is not None and any(port.protocol != "tcp" for port in closed.ports):
                addresses = {held.endpoint.ip for held in closed.held}
                forget_flows_blocking(self._parts.netfilter, lambda flow: flow.backend in addresses)
            return closed

        closed = await self._run(call, f"network of container {container_id}")
        self._names = None
        if closed is not None:
            await self._remove_links(host_links([closed]))

    async def connect(self, container_id: str, join: Join) -> Endpoint:
        held = await self._run(
            lambda: self._parts.sandboxes.connect_blocking(container_id, join), f"network of container {container_id}"
        )
        await self._attend_again(container_id)
        return held.endpoint

    async def disconnect(self, container_id: str, network_id: str) -> None:
        await self._run(
            lambda: self._parts.sandboxes.disconnect_blocking(container_id, network_id),
            f"network of container {container_id}",
        )
        await self._attend_again(container_id)

    async def balance(self, balancers: Sequence[Balancer]) -> Mapping[str, str]:
        before = list(self._parts.balancers.all())
        left = {address for each in before for address in each.backends}
        left -= {address for each in balancers for address in each.backends}

        def call() -> Mapping[str, str]:
            failures = self._parts.balancers.balance_blocking(balancers)
            if left:
                forget_flows_blocking(self._parts.netfilter, lambda flow: flow.backend in left)
            return failures

        failures = await self._run(call, "balancers")
        self._names = None
        for name in {each.name for each in before} - {each.name for each in balancers}:
            self._proxies.stop(f"balancer {name}")
        for balancer in self._parts.balancers.all():
            if balancer not in before:
                await self._pass_on(balancer)
        return failures

    def find_connectivity(self, container_id: str) -> Connectivity | None:
        sandbox = self._parts.sandboxes.find(container_id)
        return self._connectivity(sandbox) if sandbox is not None else None

    async def rename(self, container_id: str, container_name: str) -> None:
        await self._run(
            lambda: self._parts.sandboxes.rename_blocking(container_id, container_name), f"container {container_id}"
        )
        self._names = None

    async def retain(self, container_ids: Sequence[str]) -> None:
        keep = set(container_ids)
        for sandbox in self._parts.sandboxes.all():
            if sandbox.id not in keep:
                await self.close(sandbox.id)

    async def watch(self, verify_s: float) -> None:
        """Make the table anew whenever somebody took it away; runs until cancelled."""
        while True:
            await self._needs.clock.sleep(verify_s)
            await self._run(self._verify_blocking, "nftables table")

    async def tear_down(self) -> None:
        """Close every sandbox and remove devices and table; the networks stay in the journal."""
        await self.retain(())

        def call() -> None:
            for record in self._parts.journal.networks.values():
                self._parts.links.remove_blocking(record)
            self._parts.tables.remove_blocking()

        await self._run(call, "container networks")

    @asynccontextmanager
    async def attending(self) -> AsyncIterator[None]:
        """Answers names and passes connections on while open."""
        async with background("container names") as tasks:
            self._dns = EmbeddedDns(self._names_now, self._needs.ids, self._needs.netns_path, tasks)
            try:
                self._resolvers = await asyncio.to_thread(portable_resolvers_blocking)
                await asyncio.gather(*(self._attend_if_there(sandbox) for sandbox in self._parts.sandboxes.all()))
                for balancer in self._parts.balancers.all():
                    await self._pass_on(balancer)
                yield
            finally:
                self._dns.close()
                self._proxies.close()
                tasks.cancel()

    async def _attend(self, sandbox: OpenSandbox) -> None:
        """Names where some network has them, and connections the rules do not carry."""
        self._names = None
        assert self._dns is not None, "not attending"
        if self._has_names(sandbox):
            await self._dns.start(sandbox)
        target = self._parts.sandboxes.target(sandbox)
        if target is not None and sandbox.ports:
            await self._proxies.serve(sandbox.id, self._parts.sandboxes.holding(sandbox.id), target)
        else:
            self._proxies.stop(sandbox.id)

    async def _attend_if_there(self, sandbox: OpenSandbox) -> None:
        if await asyncio.to_thread(is_there, sandbox):
            await self._attend(sandbox)

    async def _attend_again(self, container_id: str) -> None:
        sandbox = self._parts.sandboxes.find(container_id)
        if sandbox is not None:
            await self._attend(sandbox)

    async def _pass_on(self, balancer: Balancer) -> None:
        """Connections at its ports that the rules do not carry."""
        holding = self._parts.balancers.holding(balancer.name)
        await self._proxies.serve(f"balancer {balancer.name}", holding, Target(balancer.address, ""))

    def _neglect(self, container_id: str) -> None:
        self._proxies.stop(container_id)
        if self._dns is not None:
            self._dns.stop(container_id)

    def _names_now(self) -> ContainerNames:
        if self._names is None:
            journal = self._parts.journal
            balancers = stand_ins(journal.balancers, journal.networks)
            self._names = ContainerNames([*self._parts.sandboxes.all(), *balancers])
        return self._names

    def _has_names(self, sandbox: OpenSandbox) -> bool:
        return any(held.endpoint.device and held.endpoint.dns_names for held in sandbox.held)

    def _connectivity(self, sandbox: OpenSandbox) -> Connectivity:
        has_names = self._has_names(sandbox)
        own = sandbox.sandbox.dns_servers or self._resolvers
        return Connectivity(
            endpoints=[held.endpoint for held in sandbox.held],
            ports=sandbox.ports,
            resolvers=(DNS_ADDRESS,) if has_names else own,
            has_embedded_dns=has_names,
        )

    def _open_blocking(self, sandbox: Sandbox) -> OpenSandbox:
        made = self._parts.sandboxes.open_blocking(sandbox)
        ports = {port.host_port for port in made.ports if port.protocol != "tcp"}
        if ports:
            # Clients that asked before there was anybody hold flows that lead nowhere.
            own = {held.endpoint.ip for held in made.held}
            forget_flows_blocking(self._parts.netfilter, lambda flow: flow.port in ports and flow.backend not in own)
        return made

    def _verify_blocking(self) -> None:
        parts = self._parts
        if not parts.tables.is_there_blocking():
            journal = parts.journal
            parts.tables.replace_blocking(all_elements(journal.networks, parts.sandboxes.all(), journal.balancers))

    async def _remove_links(self, names: Sequence[str]) -> None:
        try:
            await self._remover.remove(names)
        except KernelError as error:
            raise Unavailable(what="devices of containers", why=str(error), fix="see `maru doctor`") from error

    async def _run(self, call: Callable[[], R], what: str) -> R:
        try:
            return await self._thread.run(call)
        except KernelError as error:
            raise Unavailable(what=what, why=str(error), fix="see `maru doctor`") from error


@asynccontextmanager
async def open_container_plane(needs: Needs) -> AsyncIterator[ContainerPlane]:
    """A started plane; on leaving, what it made stays. Raises Unavailable, OSError."""
    thread = NamespaceThread("container-network", needs.netns_path)
    remover = LinkRemover(needs.ground.group, needs.netns_path)
    parts: Parts | None = None
    try:
        try:
            parts = await thread.run(_start_blocking, needs)
        except KernelError as error:
            raise Unavailable(what="container networks", why=str(error), fix="see `maru doctor`") from error
        plane = ContainerPlane(needs, thread, remover, parts)
        async with plane.attending():
            yield plane
    finally:
        remover.close()
        if parts is not None:
            await thread.run(_stop_blocking, parts)
        thread.close()


def new_ids(ids: Ids) -> Iterator[str]:
    """Identifiers of 64 hexadecimal digits, without end."""
    while True:
        yield hashlib.sha256(ids.secret().encode()).hexdigest()


def _start_blocking(needs: Needs) -> Parts:
    """Take over what a former process left and make what is missing."""
    journal = Journal(needs.folder / "containers.jsonl")
    journal.open_blocking()
    links = ContainerLinks(needs.ground)
    netfilter = NetlinkSocket(NETLINK_NETFILTER)
    tables = ContainerTables(netfilter, needs.ground.table)
    networks = ContainerNetworks(needs.ground, journal, links, tables)
    sandboxes = ContainerSandboxes(journal, networks, links, new_ids(needs.ids), foreign_ports=needs.foreign_ports)

    def used_ports() -> Sequence[PublishedPort]:
        return [*(port for sandbox in sandboxes.all() for port in sandbox.ports), *needs.foreign_ports()]

    balancers = ContainerBalancers(journal, networks, links, used_ports=used_ports)
    parts = Parts(journal, links, netfilter, tables, networks, sandboxes, balancers)
    try:
        networks.set_up_blocking(new_ids(needs.ids), needs.clock.now())
        tables.replace_blocking(all_elements(journal.networks, sandboxes.all(), journal.balancers))
        sandboxes.adopt_blocking()
        balancers.adopt_blocking()
    except BaseException:
        _stop_blocking(parts)
        raise
    return parts


def _stop_blocking(parts: Parts) -> None:
    parts.sandboxes.release_all_blocking()
    parts.balancers.release_all_blocking()
    parts.links.close()
    parts.netfilter.close()
    parts.journal.close_blocking()
