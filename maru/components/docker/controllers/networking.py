"""The network side of a run: namespace, endpoints, ports, and the files that name them.

Source: Docker Engine API v1.50, HostConfig.NetworkMode and EndpointSettings; contracts/container_network.py.
"""

from __future__ import annotations

import asyncio

from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.engine.name_files import Names, write_blocking
from maru.components.docker.model.networks import joins_of, legacy_links, port_requests, port_words
from maru.contracts.container_network import Connectivity, Sandbox
from maru.core.errors import Conflict, NotFound
from maru.linux import sandbox_namespaces

NETNS = "namespaces"


class Networking:
    """Opens and closes what a running container has of networks."""

    def __init__(self, dock: Dock, boxes: Boxes) -> None:
        self._dock = dock
        self._boxes = boxes

    def joined(self, box: Box) -> Box | None:
        """The container whose network it uses, None if it has its own. Raises NotFound, Conflict."""
        mode = box.container.network_mode
        if not mode.startswith("container:"):
            return None
        other = self._boxes.find(mode.removeprefix("container:"))
        if other is None:
            raise NotFound(what=f"No such container: {mode.removeprefix('container:')}", why="")
        if other.state.state not in ("running", "paused"):
            words = f"cannot join network of a non running container: {other.id}"
            raise Conflict(what=words, why="", status=409)
        return other

    async def open(self, box: Box) -> str | None:
        """Make all ready; the path of the network namespace, None for the machine's own."""
        other = self.joined(box)
        if other is not None:
            status = self._dock.runtime.find(other.id)
            return f"/proc/{status.pid if status else 0}/ns/net"
        container = box.container
        is_host = container.network_mode == "host"
        path = ""
        if not is_host:
            folder = self._dock.folder_of(box.id) / NETNS
            await asyncio.to_thread(sandbox_namespaces.make_blocking, folder, ["net"], "", {})
            path = str(folder / "net")
        sandbox = Sandbox(
            container_id=box.id,
            container_name=box.name,
            netns_path=path,
            hostname=str(container.config.get("Hostname") or ""),
            joins=joins_of(container, self._resolve),
            ports=port_requests(container),
            dns_servers=container.host_config.get("Dns") or (),
        )
        connectivity = await self._dock.network.open(sandbox)
        box.state.ports = port_words(connectivity.ports)
        await self.write_names(box, connectivity)
        return None if is_host else path

    async def close(self, box: Box) -> None:
        """Free all; idempotent."""
        await self._dock.network.close(box.id)
        box.state.ports = ""
        folder = self._dock.folder_of(box.id) / NETNS
        if folder.exists():
            await asyncio.to_thread(sandbox_namespaces.remove_blocking, folder)

    async def write_names(self, box: Box, connectivity: Connectivity) -> None:
        """hosts, hostname and resolv.conf, as the endpoints are now."""
        container = box.container
        host = container.host_config
        hostname = str(container.config.get("Hostname") or self._dock.site.node_name)
        domain = container.config.get("Domainname")
        named = f"{hostname}.{domain} {hostname}" if domain else hostname
        addresses = [address for each in connectivity.endpoints for address in (each.ip, each.ip6) if address]
        gateways = [each.gateway for each in connectivity.endpoints if each.gateway]
        extra = [(name, address) for name, _, address in (entry.partition(":") for entry in host["ExtraHosts"] or ())]
        options = list(host["DnsOptions"] or ())
        if connectivity.has_embedded_dns and not any(option.startswith("ndots:") for option in options):
            options.append("ndots:0")
        names = Names(
            hostname=named,
            addresses=addresses,
            extra=[*extra, *self._linked(box)],
            gateway=gateways[0] if gateways else "127.0.0.1",
            resolvers=list(connectivity.resolvers),
            search=list(host["DnsSearch"] or ()),
            options=options,
            is_host_network=container.network_mode == "host",
        )
        await asyncio.to_thread(write_blocking, self._dock.folder_of(box.id), names)

    def link_variables(self, box: Box) -> list[str]:
        """Environment of legacy links: NAME and the ports of the other."""
        entries = []
        for other, alias in self._legacy(box):
            connectivity = self._dock.network.find_connectivity(other.id)
            address = connectivity.endpoints[0].ip if connectivity and connectivity.endpoints else ""
            entries += legacy_links(box.name, alias, other.container, address)
        return entries

    def _linked(self, box: Box) -> list[tuple[str, str]]:
        found = []
        for other, alias in self._legacy(box):
            connectivity = self._dock.network.find_connectivity(other.id)
            if connectivity is not None and connectivity.endpoints:
                names = " ".join(dict.fromkeys([alias, other.id[:12], other.name]))
                found.append((names, connectivity.endpoints[0].ip))
        return found

    def _legacy(self, box: Box) -> list[tuple[Box, str]]:
        if box.container.network_mode != "bridge":
            return []
        found = []
        for entry in box.container.host_config.get("Links") or ():
            name, _, alias = entry.partition(":")
            other = self._boxes.find(name)
            if other is not None and self._boxes.is_taken(f"{box.name}/{alias or name.removeprefix('/')}"):
                found.append((other, alias or name.removeprefix("/")))
        return found

    def _resolve(self, reference: str) -> str:
        other = self._boxes.find(reference)
        return other.id if other is not None else reference
