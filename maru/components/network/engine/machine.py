"""The machine's side: the bridge with the gateway address, and a veth into each Pod's namespace.

A Pod has its address as a /32 and reaches everything through the gateway, so that every packet is
routed by the machine and meets its rules, whether bridge netfilter is on or not. Neighbours are
permanent on both sides: no ARP. All calls block and belong on one thread.
Source: CNI bridge plugin; Calico's link-local gateway for the idea of the /32.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Network

from maru.components.network.model.addresses import hardware_address
from maru.components.network.model.ground import Ground
from maru.linux import rtnetlink
from maru.linux.namespaces import standing_in
from maru.linux.netlink import NETLINK_ROUTE, KernelError, NetlinkSocket
from maru.linux.rtnetlink import SCOPE_LINK, Route, VethPair

POD_DEVICE = "eth0"
_LOOPBACK_INDEX = 1
_FALLBACK_MTU_BYTES = 1500
_SOMEWHERE = ("198.51.100.1", 9)  # TEST-NET-2: a route is looked up, nothing is sent


@dataclass(frozen=True, slots=True)
class Outlet:
    """The host side of a Pod: its device and address."""

    link: str
    address: str


class Machine:
    """Links, addresses and routes of this node."""

    def __init__(self, ground: Ground) -> None:
        self._bridge = ground.bridge
        self._range = ground.addresses
        self._pods = IPv4Network(ground.pod_cidr)
        self._service_cidr = ground.service_cidr
        self._mtu_bytes = ground.mtu_bytes
        self._socket = NetlinkSocket(NETLINK_ROUTE)
        self._bridge_index = 0

    def close(self) -> None:
        """Idempotent; links stay."""
        self._socket.close()

    def set_up_blocking(self) -> None:
        """The bridge, its address, and a way to the cluster addresses. Idempotent. Raises KernelError."""
        mtu_bytes = self._mtu_bytes or self._uplink_mtu()
        self._mtu_bytes = mtu_bytes
        mac = hardware_address(self._range.gateway)
        self._socket.run_blocking([rtnetlink.add_bridge(self._bridge, mac, mtu_bytes)])
        link = rtnetlink.find_link_blocking(self._socket, self._bridge)
        if link is None:
            raise KernelError(errno.ENODEV, f"find bridge {self._bridge}")
        self._bridge_index = link.index
        prefix = self._range.network.prefixlen
        # Without it the machine itself has no route to a cluster address, and so never comes to the rules.
        services = Route(self._service_cidr, link.index, source=self._range.gateway, scope=SCOPE_LINK)
        self._socket.run_blocking(
            [
                rtnetlink.set_up(link.index, self._bridge),
                rtnetlink.set_up(_LOOPBACK_INDEX, "lo"),
                rtnetlink.add_address(link.index, self._range.gateway, prefix),
                rtnetlink.add_route(services),
            ]
        )

    def tear_down_blocking(self) -> None:
        """Remove the bridge and with it addresses and routes of its own, and routes to other nodes."""
        routes = self._routes()
        self._socket.run_blocking([rtnetlink.delete_route(route) for route in routes])
        self._socket.run_blocking([rtnetlink.delete_link(self._bridge)])

    def plug_in_blocking(self, outlet: Outlet, netns_path: str) -> None:
        """Join the namespace to the bridge; idempotent. Raises KernelError, OSError (no such namespace)."""
        mac = hardware_address(outlet.address)
        if rtnetlink.find_link_blocking(self._socket, outlet.link) is None:
            netns = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                index = self._bridge_index
                pair = VethPair(outlet.link, POD_DEVICE, mac, index, netns, self._mtu_bytes)
                self._socket.run_blocking([rtnetlink.add_veth(pair)])
            finally:
                os.close(netns)
        with standing_in(netns_path):
            inside = NetlinkSocket(NETLINK_ROUTE)
        with closing(inside):
            self._furnish(inside, outlet.address)
        self._socket.run_blocking(
            [
                rtnetlink.set_hairpin(outlet.link),
                rtnetlink.add_neighbour(self._bridge_index, outlet.address, mac),
            ]
        )

    def forget_blocking(self, outlet: Outlet) -> None:
        """Take away what the machine knows of a Pod, but its device (see `links.py`); idempotent."""
        self._socket.run_blocking([rtnetlink.delete_neighbour(self._bridge_index, outlet.address)])

    def list_outlets_blocking(self) -> list[str]:
        """The devices of Pods on the bridge."""
        links = rtnetlink.list_links_blocking(self._socket)
        return [link.name for link in links if link.master == self._bridge_index]

    def set_routes_blocking(self, wanted: dict[str, str]) -> None:
        """Ways to the Pod ranges of other nodes: {range: node address}; ours to others are removed.

        A node that is not on a link of ours is refused by the kernel: raises KernelError.
        """
        have = {route.destination: route for route in self._routes()}
        requests = [rtnetlink.delete_route(route) for range_, route in have.items() if range_ not in wanted]
        for range_, gateway in wanted.items():
            if range_ not in have or have[range_].gateway != gateway:
                requests.append(rtnetlink.add_route(Route(range_, 0, gateway)))
        if requests:
            self._socket.run_blocking(requests)

    def address_blocking(self) -> str:
        """The address this machine is known by: the source of its default route, or the gateway's."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(_SOMEWHERE)
            except OSError:
                return self._range.gateway
            address = str(probe.getsockname()[0])
        return self._range.gateway if address.startswith("127.") else address

    def _furnish(self, inside: NetlinkSocket, address: str) -> None:
        """Address and routes within the Pod's namespace; `inside` is a socket of it."""
        device = rtnetlink.find_link_blocking(inside, POD_DEVICE)
        if device is None:
            raise KernelError(errno.ENODEV, f"find {POD_DEVICE} in the Pod's namespace")
        gateway, index = self._range.gateway, device.index
        inside.run_blocking(
            [
                rtnetlink.set_up(_LOOPBACK_INDEX, "lo"),
                rtnetlink.set_up(index, POD_DEVICE),
                rtnetlink.add_address(index, address, 32),
                rtnetlink.add_route(Route(f"{gateway}/32", index, scope=SCOPE_LINK)),
                rtnetlink.add_route(Route("0.0.0.0/0", index, gateway)),
                rtnetlink.add_neighbour(index, gateway, hardware_address(gateway)),
            ]
        )

    def _routes(self) -> list[Route]:
        """Ours to other nodes (another platform on this machine has other Pod ranges)."""
        return [
            route
            for route in rtnetlink.list_routes_blocking(self._socket)
            if route.gateway
            and route.protocol == rtnetlink.PROTOCOL_MARU
            and IPv4Network(route.destination).subnet_of(self._pods)
        ]

    def _uplink_mtu(self) -> int:
        links = {link.index: link for link in rtnetlink.list_links_blocking(self._socket)}
        for route in rtnetlink.list_routes_blocking(self._socket):
            if route.destination == "0.0.0.0/0" and route.device in links:
                return links[route.device].mtu
        return _FALLBACK_MTU_BYTES
