"""The machine's own IPv4 addresses, for what a node says of where it is."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from maru.linux.netlink import NETLINK_ROUTE, NetlinkSocket
from maru.linux.rtnetlink import list_addresses_blocking, list_routes_blocking

Range = ipaddress.IPv4Network | ipaddress.IPv6Network


def addresses_blocking() -> Sequence[tuple[str, str]]:
    """(device, address), in the kernel's order; devices that went meanwhile are left out."""
    sock = NetlinkSocket(NETLINK_ROUTE)
    try:
        names = dict(socket.if_nameindex())
        return [(names[index], address) for index, address in list_addresses_blocking(sock) if index in names]
    finally:
        sock.close()


def routes_blocking() -> Sequence[Range]:
    """Where the machine has routes to, but the default one."""
    sock = NetlinkSocket(NETLINK_ROUTE)
    try:
        texts = [route.destination for route in list_routes_blocking(sock)]
    finally:
        sock.close()
    return [ipaddress.ip_network(text) for text in texts if text and not text.endswith("/0")]
