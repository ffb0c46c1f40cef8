"""Balancers: addresses on bridges, elements of the table, and the machine's ports held. All calls block, on one thread.

A virtual address stands on the network's bridge, so that the kernel answers for it; the rules rewrite what is
sent there before it is delivered. They are kept in the journal, and so the rules are whole from the first
instant after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from maru.components.network.engine.container_journal import Journal
from maru.components.network.engine.container_links import ContainerLinks
from maru.components.network.engine.container_networks import ContainerNetworks
from maru.components.network.engine.host_ports import Holding, HostPorts, Target
from maru.contracts.container_network import Balancer, PublishedPort
from maru.core.errors import Conflict, Invalid, NotFound
from maru.linux.netlink import KernelError


class ContainerBalancers:
    """Those of this node. used_ports: what containers and others publish."""

    def __init__(
        self,
        journal: Journal,
        networks: ContainerNetworks,
        links: ContainerLinks,
        *,
        used_ports: Callable[[], Sequence[PublishedPort]],
    ) -> None:
        self._journal = journal
        self._networks = networks
        self._links = links
        self._used_ports = used_ports
        self._ports = HostPorts()
        self._holdings: dict[str, Holding] = {}

    def all(self) -> Sequence[Balancer]:
        """As they are; ports that could not be had are left out."""
        return self._journal.balancers

    def holding(self, name: str) -> Holding:
        """The ports of the machine that one holds."""
        return self._holdings.get(name) or Holding()

    def adopt_blocking(self) -> None:
        """After a restart: addresses and ports again."""
        for balancer in self._journal.balancers:
            with suppress(KernelError):
                self._links.add_virtual_blocking(self._journal.networks[balancer.network_id], balancer.address)
            if balancer.ports:
                with suppress(Conflict, Invalid):
                    self._hold(balancer)

    def balance_blocking(self, wanted: Sequence[Balancer]) -> Mapping[str, str]:
        """See the contract."""
        for balancer in wanted:
            if balancer.network_id not in self._journal.networks:
                raise NotFound(what=f"network {balancer.network_id} not found", why="")
        before = {balancer.name: balancer for balancer in self._journal.balancers}
        failures: dict[str, str] = {}
        names = {balancer.name for balancer in wanted}
        for name in [name for name in self._holdings if name not in names]:
            self._holdings.pop(name).close()
        made = []
        for balancer in wanted:
            failure = self._hold_anew(balancer, before.get(balancer.name))
            if failure:
                failures[balancer.name] = failure
            made.append(replace(balancer, ports=()) if failure else balancer)
        self._journal.put_balancers_blocking(tuple(made))
        self._move_addresses(before, {balancer.name: balancer for balancer in made})
        self._networks.refresh_blocking()
        return failures

    def release_all_blocking(self) -> None:
        """Close the sockets; what is published stays so."""
        for name in list(self._holdings):
            self._holdings.pop(name).close()

    def _hold_anew(self, balancer: Balancer, before: Balancer | None) -> str:
        """Why its ports cannot be had, "" when they are held."""
        is_held = not balancer.ports or bool(self.holding(balancer.name).ports)
        if before is not None and before.ports == balancer.ports and is_held:
            return ""
        holding = self._holdings.pop(balancer.name, None)
        if holding is not None:
            holding.close()
        if not balancer.ports:
            return ""
        try:
            self._hold(balancer)
        except (Conflict, Invalid) as error:
            return error.what
        return ""

    def _hold(self, balancer: Balancer) -> None:
        used = [port for holding in self._holdings.values() for port in holding.ports]
        target = Target(balancer.address, "")
        self._holdings[balancer.name] = self._ports.hold_blocking(balancer.ports, target, [*used, *self._used_ports()])

    def _move_addresses(self, before: Mapping[str, Balancer], after: Mapping[str, Balancer]) -> None:
        have = {(balancer.network_id, balancer.address) for balancer in before.values()}
        want = {(balancer.network_id, balancer.address) for balancer in after.values()}
        for network_id, address in have - want:
            network = self._journal.networks.get(network_id)
            if network is not None:
                self._links.delete_virtual_blocking(network, address)
        for network_id, address in want - have:
            self._links.add_virtual_blocking(self._journal.networks[network_id], address)
