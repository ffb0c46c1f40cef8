"""Sandboxes: containers joined to networks, with their ports published. All calls block and belong on one thread.

What is about to be made stands in the journal before the kernel is touched, so that a process that dies in
between leaves nothing that the next one does not know of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from maru.components.network.engine.container_journal import Journal
from maru.components.network.engine.container_links import ContainerLinks
from maru.components.network.engine.container_networks import ContainerNetworks
from maru.components.network.engine.host_ports import Holding, HostPorts, Target
from maru.components.network.model.container_balancers import stand_ins
from maru.components.network.model.container_endpoints import planned
from maru.components.network.model.container_state import Held, OpenSandbox
from maru.contracts.container_network import Join, PublishedPort, Sandbox
from maru.core.errors import Conflict, Denied, MaruError, NotFound
from maru.linux.netlink import KernelError


class ContainerSandboxes:
    """Open sandboxes of this node. ids: new identifiers of 64 hexadecimal digits; foreign_ports: see the plane."""

    def __init__(
        self,
        journal: Journal,
        networks: ContainerNetworks,
        links: ContainerLinks,
        ids: Iterator[str],
        *,
        foreign_ports: Callable[[], Sequence[PublishedPort]],
    ) -> None:
        self._foreign_ports = foreign_ports
        self._journal = journal
        self._networks = networks
        self._links = links
        self._ids = ids
        self._ports = HostPorts()
        self._holdings: dict[str, Holding] = {}

    def find(self, container_id: str) -> OpenSandbox | None:
        """The open sandbox of a container, or None."""
        return self._journal.sandboxes.get(container_id)

    def all(self) -> list[OpenSandbox]:
        """All that are open, oldest first."""
        return list(self._journal.sandboxes.values())

    def holding(self, container_id: str) -> Holding:
        """The ports a sandbox holds."""
        return self._holdings.get(container_id) or Holding()

    def target(self, sandbox: OpenSandbox) -> Target | None:
        """Where its published ports lead; None when nothing can be published: no bridge leads outside."""
        gateways = [sandbox.gateway(), sandbox.gateway(ipv6=True)]
        bridged = [held for held in gateways if held and self._is_bridged(held)]
        if not bridged:
            return None
        network = self._journal.networks[bridged[0].endpoint.network_id]
        four = next((held.endpoint.ip for held in bridged if held is gateways[0]), "")
        six = next((held.endpoint.ip6 for held in bridged if held is gateways[1]), "")
        return Target(four, six, network.options.host_binding if not network.is_predefined else "")

    def adopt_blocking(self) -> None:
        """After a restart: hold the ports of sandboxes whose namespace is still there."""
        for sandbox in self.all():
            if sandbox.ports and is_there(sandbox):
                self._holdings[sandbox.id] = self._ports.hold_again_blocking(sandbox.ports)

    def open_blocking(self, wanted: Sandbox) -> OpenSandbox:
        """See the contract. On failure nothing is left but devices in `held` of a namespace, gone with it."""
        have = self.find(wanted.container_id)
        if have is not None:
            if have.sandbox.netns_path == wanted.netns_path:
                return have
            self.close_blocking(have.id)
        sandbox = OpenSandbox(wanted)
        for join in wanted.joins:
            sandbox = self._with_join(sandbox, join)
        try:
            sandbox = self._with_ports(sandbox)
            self._journal.put_sandbox_blocking(sandbox)
            for held in sandbox.held:
                self._plug_in(sandbox, held)
            self._lead_out(sandbox)
            self._networks.refresh_blocking()
        except (MaruError, OSError) as error:
            self.close_blocking(wanted.container_id)
            self._unplug_all(sandbox)
            raise _explained(error, wanted) from error
        return sandbox

    def close_blocking(self, container_id: str) -> OpenSandbox | None:
        """Free it; the devices on the machine's side are the caller's to remove. None if it was not open."""
        sandbox = self.find(container_id)
        self._release(container_id)
        if sandbox is not None:
            for held in sandbox.held:
                if held.endpoint.device and not held.link:  # nothing of it is on the machine's side
                    with suppress(OSError):
                        self._links.unplug_blocking(held, sandbox.sandbox.netns_path)
            self._journal.drop_sandbox_blocking(container_id)
            self._networks.refresh_blocking()
        return sandbox

    def connect_blocking(self, container_id: str, join: Join) -> Held:
        """See the contract."""
        before = self._open(container_id)
        sandbox = self._with_join(before, join)
        held = sandbox.held[-1]
        self._journal.put_sandbox_blocking(sandbox)
        try:
            self._plug_in(sandbox, held)
            self._lead_out(sandbox)
            self._publish(sandbox)
        except (MaruError, OSError) as error:
            self._journal.put_sandbox_blocking(before)
            with suppress(OSError):
                self._links.unplug_blocking(held, before.sandbox.netns_path)
                self._lead_out(before)
            self._networks.refresh_blocking()
            raise _explained(error, before.sandbox) from error
        return held

    def disconnect_blocking(self, container_id: str, network_id: str) -> Held:
        """See the contract."""
        record = self._networks.find_record(network_id)
        sandbox = self.find(container_id)
        held = sandbox.find(record.id) if sandbox is not None else None
        if sandbox is None or held is None:
            raise NotFound(what=f"container {container_id} is not connected to network {record.spec.name}", why="")
        if record.spec.driver == "host":
            raise Denied(what="container cannot be disconnected from host network", why="")
        left = tuple(each for each in sandbox.held if each is not held)
        sandbox = msgspec.structs.replace(sandbox, held=left)
        self._journal.put_sandbox_blocking(sandbox)
        if held.endpoint.device and is_there(sandbox):
            self._links.unplug_blocking(held, sandbox.sandbox.netns_path)
            self._lead_out(sandbox)
        self._publish(sandbox)
        return held

    def rename_blocking(self, container_id: str, container_name: str) -> None:
        """See the contract."""
        sandbox = self.find(container_id)
        if sandbox is not None:
            self._journal.put_sandbox_blocking(sandbox.renamed(container_name))

    def release_all_blocking(self) -> None:
        """Close the sockets; what is published stays so."""
        for container_id in list(self._holdings):
            self._release(container_id)

    def _open(self, container_id: str) -> OpenSandbox:
        sandbox = self.find(container_id)
        if sandbox is None:
            raise NotFound(what=f"sandbox of container {container_id}", why="it is not open", fix="start the container")
        return sandbox

    def _with_join(self, sandbox: OpenSandbox, join: Join) -> OpenSandbox:
        network = self._networks.find_record(join.network)
        others = [other for other in self.all() if other.id != sandbox.id]
        others += stand_ins(self._journal.balancers, self._journal.networks)
        held = planned(network, sandbox, join, next(self._ids), others)
        return msgspec.structs.replace(sandbox, held=(*sandbox.held, held))

    def _with_ports(self, sandbox: OpenSandbox) -> OpenSandbox:
        """The sandbox with all ports it asks for held, if they can lead anywhere. Raises Conflict, Invalid."""
        target, requests = self.target(sandbox), sandbox.sandbox.ports
        if target is None or not requests:
            return msgspec.structs.replace(sandbox, ports=())
        used = [port for other in self.all() if other.id != sandbox.id for port in other.ports]
        holding = self._ports.hold_blocking(requests, target, [*used, *self._foreign_ports()])
        self._holdings[sandbox.id] = holding
        return msgspec.structs.replace(sandbox, ports=tuple(holding.ports))

    def _publish(self, sandbox: OpenSandbox) -> None:
        """Ports begin when a way outside appears, end with the last, and else stay what they are."""
        can = self.target(sandbox) is not None
        if can and not sandbox.ports:
            sandbox = self._with_ports(sandbox)
            self._journal.put_sandbox_blocking(sandbox)
        elif not can and sandbox.ports:
            self._release(sandbox.id)
            self._journal.put_sandbox_blocking(msgspec.structs.replace(sandbox, ports=()))
        self._networks.refresh_blocking()

    def _plug_in(self, sandbox: OpenSandbox, held: Held) -> None:
        if held.endpoint.device:
            network = self._journal.networks[held.endpoint.network_id]
            self._links.plug_in_blocking(network, held, sandbox.sandbox.netns_path)

    def _lead_out(self, sandbox: OpenSandbox) -> None:
        if sandbox.sandbox.netns_path:
            self._links.lead_out_blocking(sandbox)

    def _unplug_all(self, sandbox: OpenSandbox) -> None:
        for held in sandbox.held:
            with suppress(OSError):
                if held.endpoint.device:
                    self._links.unplug_blocking(held, sandbox.sandbox.netns_path)

    def _release(self, container_id: str) -> None:
        holding = self._holdings.pop(container_id, None)
        if holding is not None:
            holding.close()

    def _is_bridged(self, held: Held) -> bool:
        return self._journal.networks[held.endpoint.network_id].spec.driver == "bridge"


def is_there(sandbox: OpenSandbox) -> bool:
    """Whether its namespace still is: the file is gone, or is no namespace any more, after a reboot."""
    if not sandbox.sandbox.netns_path:
        return True
    path = Path(sandbox.sandbox.netns_path)
    return path.exists() and path.stat().st_dev != path.parent.stat().st_dev


def host_links(sandboxes: Sequence[OpenSandbox]) -> list[str]:
    """The machine's side of all their devices."""
    return [held.link for sandbox in sandboxes for held in sandbox.held if held.link]


def _explained(error: MaruError | OSError, sandbox: Sandbox) -> MaruError | OSError:
    """The error as dockerd words it."""
    if isinstance(error, Conflict):
        name = sandbox.container_name
        return Conflict(
            what=f"driver failed programming external connectivity on endpoint {name} ({sandbox.container_id}): "
            f"{error.what}",
            why="",
        )
    if isinstance(error, FileNotFoundError) and not isinstance(error, KernelError):
        return NotFound(what=f"network namespace {sandbox.netns_path}", why="it is not there", fix="make it anew")
    return error
