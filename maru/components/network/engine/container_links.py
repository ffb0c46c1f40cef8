"""Devices of container networks: bridges with their gateways, and what joins a namespace to them.

Unlike a Pod's, a container's network is one link: its address has the network's prefix, neighbours are
found by ARP and NDP. Hardware addresses follow from IPv4 addresses, so an address that is given
again is found at once. Source: Docker documentation, "Bridge network driver"; all calls block.
"""

from __future__ import annotations

import errno
import ipaddress
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from maru.components.network.engine.container_rules import DNS_TABLE, name_requests
from maru.components.network.model.container_endpoints import hardware_address
from maru.components.network.model.container_ground import ContainerGround
from maru.components.network.model.container_pools import parsed
from maru.components.network.model.container_state import Held, NetworkRecord, OpenSandbox
from maru.core.errors import NotFound
from maru.linux import nftables, rtnetlink
from maru.linux.namespaces import standing_in
from maru.linux.netlink import NETLINK_NETFILTER, NETLINK_ROUTE, KernelError, NetlinkSocket, Request
from maru.linux.rtnetlink import SCOPE_LINK, MacvlanLink, Route, VethPair
from maru.linux.sysctl import write_blocking

_LOOPBACK_INDEX = 1
_HOST_BITS = 32
_FALLBACK_MTU_BYTES = 1500
_ANY, _ANY6 = "0.0.0.0/0", "::/0"
_OF_BRIDGES = {"route_localnet": "1", "rp_filter": "2", "send_redirects": "0"}
_IPV6_FORWARDING = "net/ipv6/conf/all/forwarding"


@dataclass(frozen=True, slots=True)
class Inside:
    """A route socket of a container's namespace."""

    socket: NetlinkSocket

    def index_of(self, device: str) -> int:
        """Raises KernelError when there is no such device."""
        link = rtnetlink.find_link_blocking(self.socket, device)
        if link is None:
            raise KernelError(errno.ENODEV, f"find {device} in the container's namespace")
        return link.index


class ContainerLinks:
    """Devices, addresses and routes of container networks on this machine."""

    def __init__(self, ground: ContainerGround) -> None:
        self._ground = ground
        self._socket = NetlinkSocket(NETLINK_ROUTE)

    def close(self) -> None:
        """Idempotent; devices stay."""
        self._socket.close()

    def set_up_blocking(self, network: NetworkRecord) -> None:
        """The device of a network, with its gateway addresses. Idempotent. Raises KernelError, NotFound."""
        if network.spec.driver == "macvlan" and network.device:
            self._set_up_parent(network)
        if network.spec.driver != "bridge" or not network.device:
            return
        name, pools = network.device, [pool for pool in (network.pool4, network.pool6) if pool]
        mac = hardware_address(network.pool4.gateway if network.pool4 else "", network.id)
        self._socket.run_blocking([rtnetlink.add_bridge(name, mac, self.mtu_blocking(network))])
        index = self._index_of(name)
        requests = [rtnetlink.set_up(index, name), rtnetlink.set_up(_LOOPBACK_INDEX, "lo")]
        requests += [rtnetlink.add_address(index, pool.gateway, parsed(pool.subnet).prefixlen) for pool in pools]
        for setting, value in _OF_BRIDGES.items():
            write_blocking(f"net/ipv4/conf/{name}/{setting}", value)
        if network.pool6 is not None:
            write_blocking(f"net/ipv6/conf/{name}/disable_ipv6", "0")
            write_blocking(f"net/ipv6/conf/{name}/accept_ra", "0")
            write_blocking(_IPV6_FORWARDING, "1")
        self._socket.run_blocking(requests)

    def remove_blocking(self, network: NetworkRecord) -> None:
        """The device, if it is ours. Idempotent. Raises KernelError."""
        if network.owns_device:
            self._socket.run_blocking([rtnetlink.delete_link(network.device)])

    def add_virtual_blocking(self, network: NetworkRecord, address: str) -> None:
        """An address of a balancer on the network's bridge. Idempotent. Raises KernelError."""
        index = self._index_of(network.device)
        self._socket.run_blocking([rtnetlink.add_address(index, address, _HOST_BITS)])

    def delete_virtual_blocking(self, network: NetworkRecord, address: str) -> None:
        """Idempotent. Raises KernelError."""
        link = rtnetlink.find_link_blocking(self._socket, network.device)
        if link is not None:
            self._socket.run_blocking([rtnetlink.delete_address(link.index, address, _HOST_BITS)])

    def has_device_blocking(self, name: str) -> bool:
        """Whether the machine has a device of this name."""
        return rtnetlink.find_link_blocking(self._socket, name) is not None

    def taken_blocking(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """IPv4 ranges the machine has routes to."""
        routes = rtnetlink.list_routes_blocking(self._socket)
        return [ipaddress.IPv4Network(route.destination) for route in routes if route.destination != _ANY]

    def mtu_blocking(self, network: NetworkRecord) -> int:
        """Of the network's links: as its options say, else the machine's."""
        return network.options.mtu_bytes or self._ground.mtu_bytes or self._uplink_mtu()

    def plug_in_blocking(self, network: NetworkRecord, held: Held, netns_path: str) -> None:
        """Make the endpoint's device, with addresses. Raises KernelError, OSError (no such namespace)."""
        self._add_device(network, held, netns_path)
        endpoint = held.endpoint
        with standing_in(netns_path):
            inside = Inside(NetlinkSocket(NETLINK_ROUTE))
            if has_ipv6_blocking():
                write_blocking(f"net/ipv6/conf/{endpoint.device}/disable_ipv6", "0" if endpoint.ip6 else "1")
            if endpoint.ip6:
                write_blocking(f"net/ipv6/conf/{endpoint.device}/accept_ra", "0")
        with closing(inside.socket):
            index = inside.index_of(endpoint.device)
            requests = [rtnetlink.set_up(_LOOPBACK_INDEX, "lo"), rtnetlink.set_up(index, endpoint.device)]
            if endpoint.ip:
                requests.append(rtnetlink.add_address(index, endpoint.ip, endpoint.prefix))
            if endpoint.ip6:
                requests.append(rtnetlink.add_address(index, endpoint.ip6, endpoint.prefix6))
            requests += [
                rtnetlink.add_address(index, address, 64 if ":" in address else 16, SCOPE_LINK)
                for address in held.join.link_local_ips
            ]
            inside.socket.run_blocking(requests)

    def unplug_blocking(self, held: Held, netns_path: str) -> None:
        """Remove an endpoint's device from a namespace that lives on. Idempotent. Raises KernelError."""
        with _inside(netns_path) as inside:
            inside.socket.run_blocking([rtnetlink.delete_link(held.endpoint.device)])

    def lead_out_blocking(self, sandbox: OpenSandbox) -> None:
        """Default routes by the endpoints that lead outside, or none. Raises KernelError, OSError."""
        with _inside(sandbox.sandbox.netns_path) as inside:
            requests = [rtnetlink.set_up(_LOOPBACK_INDEX, "lo")]
            for ipv6 in (False, True):
                held = sandbox.gateway(ipv6=ipv6)
                anywhere = _ANY6 if ipv6 else _ANY
                if held is not None:
                    gateway = held.endpoint.gateway6 if ipv6 else held.endpoint.gateway
                    index = inside.index_of(held.endpoint.device)
                    requests.append(rtnetlink.add_route(Route(anywhere, index, gateway)))
                elif not ipv6 or any(each.endpoint.ip6 for each in sandbox.held):
                    requests.append(rtnetlink.delete_route(Route(anywhere, 0)))
            inside.socket.run_blocking(requests)

    def _set_up_parent(self, network: NetworkRecord) -> None:
        if network.owns_device:
            # A bridge without ports: containers on it reach each other and nothing else.
            mac = hardware_address("", network.id)
            self._socket.run_blocking([rtnetlink.add_bridge(network.device, mac, self.mtu_blocking(network))])
        elif not self.has_device_blocking(network.device):
            raise NotFound(what=f"failed to find the parent device {network.device}", why="")

    def _add_device(self, network: NetworkRecord, held: Held, netns_path: str) -> None:
        endpoint, mtu_bytes = held.endpoint, self.mtu_blocking(network)
        above = self._index_of(network.device)
        netns = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if network.spec.driver == "macvlan":
                mode = network.options.macvlan_mode
                link = MacvlanLink(endpoint.device, endpoint.mac, above, netns, mtu_bytes, mode)
                self._socket.run_blocking([rtnetlink.add_macvlan(link)])
                return
            pair = VethPair(held.link, endpoint.device, endpoint.mac, above, netns, mtu_bytes)
            self._socket.run_blocking([rtnetlink.add_veth(pair)])
        finally:
            os.close(netns)
        settings: list[Request] = [rtnetlink.set_hairpin(held.link)]
        if not network.options.icc:
            settings.append(rtnetlink.set_isolated(held.link))
        self._socket.run_blocking(settings)

    def _index_of(self, name: str) -> int:
        link = rtnetlink.find_link_blocking(self._socket, name)
        if link is None:
            raise KernelError(errno.ENODEV, f"find device {name}")
        return link.index

    def _uplink_mtu(self) -> int:
        links = {link.index: link for link in rtnetlink.list_links_blocking(self._socket)}
        for route in rtnetlink.list_routes_blocking(self._socket):
            if route.destination == _ANY and route.device in links:
                return links[route.device].mtu
        return _FALLBACK_MTU_BYTES


def has_ipv6_blocking() -> bool:
    """Whether the kernel speaks IPv6 at all."""
    return Path("/proc/sys/net/ipv6").exists()


def redirect_names_blocking(netns_path: str, udp_port: int, tcp_port: int) -> None:
    """DNS to 127.0.0.11 in the namespace goes to these ports. Raises KernelError, OSError."""
    with standing_in(netns_path):
        sock = NetlinkSocket(NETLINK_NETFILTER)
    with closing(sock):
        is_anew = nftables.has_table_blocking(sock, DNS_TABLE)
        nftables.commit_blocking(sock, name_requests(udp_port, tcp_port, is_anew=is_anew))


@contextmanager
def _inside(netns_path: str) -> Iterator[Inside]:
    with standing_in(netns_path):
        inside = Inside(NetlinkSocket(NETLINK_ROUTE))
    with closing(inside.socket):
        yield inside
