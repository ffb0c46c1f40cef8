"""The data plane as one thing: machine, leases and tables, on one thread of its own.

Everything that touches the kernel goes through here in order, so no two changes ever cross. The
thread stands in the namespace that is this node's machine (`network.netns_path`).
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from maru.components.network.engine.leases import Lease, Leases, Port
from maru.components.network.engine.links import LinkRemover
from maru.components.network.engine.machine import Machine, Outlet
from maru.components.network.engine.sysctls import Sysctls
from maru.components.network.engine.tables import Tables
from maru.components.network.model.addresses import link_name
from maru.components.network.model.elements import (
    Difference,
    Elements,
    difference,
    elements_of,
    hairpin_of,
    merge,
)
from maru.components.network.model.forwarding import NODE, Backend, Forwarding, Frontend
from maru.components.network.model.ground import Ground
from maru.contracts.pod_network import Addresses, Attachment
from maru.core.errors import NotFound, Unavailable
from maru.linux import nftables
from maru.linux.conntrack import Flow, forget_flows_blocking
from maru.linux.namespaces import NamespaceThread
from maru.linux.netlink import NETLINK_NETFILTER, KernelError, NetlinkSocket

R = TypeVar("R")


class DataPlane:
    """Attaches Pods and forwards Services. Made by `open_data_plane`."""

    def __init__(self, ground: Ground, folder: Path, thread: NamespaceThread, links: LinkRemover) -> None:
        self._ground = ground
        self._thread = thread
        self._links = links
        self._leases = Leases(folder / "leases.jsonl", ground.addresses)
        self._sysctls = Sysctls(folder / "sysctls.json")
        self._machine: Machine | None = None
        self._tables: Tables | None = None
        self._netfilter: NetlinkSocket | None = None
        self.node_ip = ground.addresses.gateway

    async def start(self) -> None:
        """Take over what a former process left and make what is missing; a table that stands waits for `replace`."""
        strays = await self._run(self._start_blocking, "network of this node")
        await self._remove_links(strays)

    async def stop(self) -> None:
        """Let go of sockets; all that was made stays, so that workloads go on talking."""
        await self._thread.run(self._stop_blocking)

    async def replace(self, services: Elements) -> None:
        """Make the table anew from `services` and the leases, in one transaction."""

        def call() -> None:
            tables = self._ready_tables()
            tables.prepare(services)
            tables.replace_blocking()

        await self._run(call, "nftables table")

    async def apply(self, change: Difference) -> None:
        """Change elements of Services, in one transaction."""
        await self._run(lambda: self._ready_tables().apply_blocking(change), "nftables table")

    async def verify(self) -> bool:
        """Make the table anew if somebody took it away; True if so."""

        def call() -> bool:
            tables = self._ready_tables()
            if tables.is_there_blocking():
                return False
            tables.replace_blocking()
            return True

        return await self._run(call, "nftables table")

    async def attach(self, attachment: Attachment) -> Addresses:
        """See the contract."""
        is_new = self._leases.find(attachment.sandbox_id) is None
        try:
            return await self._run(lambda: self._attach_blocking(attachment), f"sandbox {attachment.sandbox_id}")
        except (Unavailable, FileNotFoundError) as error:
            if is_new:
                await self.detach(attachment.sandbox_id)
            if isinstance(error, Unavailable):
                raise
            raise NotFound(
                what=f"network namespace {attachment.netns_path}", why="it is not there", fix="make the sandbox anew"
            ) from error

    async def detach(self, sandbox_id: str) -> None:
        """See the contract."""
        await self._detach_all([sandbox_id])

    async def retain(self, sandbox_ids: Sequence[str]) -> None:
        """See the contract."""
        keep = set(sandbox_ids)
        await self._detach_all([lease.sandbox_id for lease in self._leases.all() if lease.sandbox_id not in keep])

    async def set_routes(self, routes: dict[str, str]) -> None:
        """Ways to other nodes' Pods: {range: node address}."""
        await self._run(lambda: self._ready_machine().set_routes_blocking(routes), "routes to other nodes")

    async def forget(self, is_stale: Callable[[Flow], bool]) -> int:
        """Drop UDP connections that go where nobody is any more; how many."""

        def call() -> int:
            assert self._netfilter is not None, "not started"
            return forget_flows_blocking(self._netfilter, is_stale)

        return await self._run(call, "connection tracking")

    async def listen(self, port: int) -> socket.socket:
        """A TCP socket that listens on all addresses of the machine. Raises OSError."""

        def call() -> socket.socket:
            return socket.create_server(("0.0.0.0", port), backlog=128)

        return await self._thread.run(call)

    def list_host_ports(self) -> list[Port]:
        """The machine's ports that Pods have."""
        return [port for lease in self._leases.all() for port in lease.ports]

    async def tear_down(self, other_tables_prefix: str) -> None:
        """Remove everything: Pods' links, bridge, table, settings (while no other platform stands here)."""
        await self.retain(())
        await self._run(lambda: self._tear_down_blocking(other_tables_prefix), "network of this node")

    async def _detach_all(self, sandbox_ids: Sequence[str]) -> None:
        def call() -> None:
            for sandbox_id in sandbox_ids:
                self._detach_blocking(sandbox_id)

        await self._run(call, "sandboxes")
        await self._remove_links([link_name(self._ground.instance, sandbox_id) for sandbox_id in sandbox_ids])

    async def _remove_links(self, names: Sequence[str]) -> None:
        try:
            await self._links.remove(names)
        except KernelError as error:
            raise Unavailable(what="devices of Pods", why=str(error), fix="see `maru doctor`") from error

    async def _run(self, call: Callable[[], R], what: str) -> R:
        try:
            return await self._thread.run(call)
        except KernelError as error:
            raise Unavailable(what=what, why=str(error), fix="see `maru doctor`") from error

    def _start_blocking(self) -> list[str]:
        """Answers the devices of Pods that have no lease any more: a process ended while it removed them."""
        self._leases.open_blocking()
        machine = self._machine = Machine(self._ground)
        machine.set_up_blocking()
        self._sysctls.set_up_blocking(self._ground.bridge)
        self.node_ip = machine.address_blocking()
        self._netfilter = NetlinkSocket(NETLINK_NETFILTER)
        self._tables = Tables(self._netfilter, self._ground)
        for lease in self._leases.all():
            self._tables.prepare(_elements_of(lease))
        if not self._tables.is_there_blocking():
            self._tables.replace_blocking()
        known = {link_name(self._ground.instance, lease.sandbox_id) for lease in self._leases.all()}
        return [name for name in machine.list_outlets_blocking() if name not in known]

    def _stop_blocking(self) -> None:
        for thing in (self._machine, self._netfilter):
            if thing is not None:
                thing.close()
        self._leases.close_blocking()

    def _attach_blocking(self, attachment: Attachment) -> Addresses:
        is_new = self._leases.find(attachment.sandbox_id) is None
        lease = self._leases.take_blocking(attachment)
        self._ready_machine().plug_in_blocking(self._outlet(lease), attachment.netns_path)
        if is_new:
            self._ready_tables().apply_blocking(Difference(add=_elements_of(lease)))
        return Addresses(ips=(lease.address,), gateway=self._ground.addresses.gateway)

    def _detach_blocking(self, sandbox_id: str) -> None:
        lease = self._leases.find(sandbox_id)
        if lease is None:
            return
        self._ready_machine().forget_blocking(self._outlet(lease))
        tables = self._ready_tables()
        held = {
            name: {key: value for key, value in elements.items() if tables.has(name, key)}
            for name, elements in _elements_of(lease).items()
        }
        tables.apply_blocking(difference(held, {}))
        self._leases.free_blocking(sandbox_id)
        if any(port.protocol != "TCP" for port in lease.ports):
            assert self._netfilter is not None, "not started"
            forget_flows_blocking(self._netfilter, lambda flow: flow.backend == lease.address)

    def _tear_down_blocking(self, prefix: str) -> None:
        machine, netfilter = self._ready_machine(), self._netfilter
        assert netfilter is not None, "not started"
        machine.tear_down_blocking()
        table = self._ground.table
        nftables.commit_blocking(netfilter, [nftables.add_table(table), nftables.delete_table(table)])
        others = [name for name in nftables.list_tables_blocking(netfilter) if name.startswith(prefix)]
        if not others:
            self._sysctls.put_back_blocking()

    def _outlet(self, lease: Lease) -> Outlet:
        return Outlet(link_name(self._ground.instance, lease.sandbox_id), lease.address)

    def _ready_machine(self) -> Machine:
        assert self._machine is not None, "not started"
        return self._machine

    def _ready_tables(self) -> Tables:
        assert self._tables is not None, "not started"
        return self._tables


@asynccontextmanager
async def open_data_plane(ground: Ground, folder: Path, netns_path: str = "") -> AsyncIterator[DataPlane]:
    """A started data plane; on leaving, what it made stays. Raises Unavailable, OSError."""
    thread = NamespaceThread("network", netns_path)
    links = LinkRemover(zlib.crc32(ground.instance.encode()) & 0xFFFF, netns_path)
    plane = DataPlane(ground, folder, thread, links)
    try:
        await plane.start()
        yield plane
    finally:
        links.close()
        await plane.stop()
        thread.close()


def _elements_of(lease: Lease) -> Elements:
    elements = hairpin_of(lease.address)
    for port in lease.ports:
        frontend = Frontend(port.host_ip or NODE, port.protocol, port.host_port)
        backend = Backend(lease.address, port.container_port)
        merge(elements, elements_of(frontend, Forwarding((backend,), masquerade=False)))
    return elements
