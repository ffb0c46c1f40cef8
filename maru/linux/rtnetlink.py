"""Links, addresses, routes and neighbours, as netlink requests.

Functions build requests and touch nothing; a caller collects them and runs them in one batch
(`netlink.NetlinkSocket.run_blocking`). Addresses are text, IPv4 or IPv6 unless said otherwise, prefixes
are lengths in bits.
Source: rtnetlink(7), linux/if_link.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass

from maru.linux.netlink import (
    CREATE,
    EXCL,
    REPLACE,
    NetlinkSocket,
    Request,
    attribute,
    attributes,
    nested,
    text,
    u32,
)

NEW_LINK, DELETE_LINK, GET_LINK = 16, 17, 18
NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22
NEW_ROUTE, DELETE_ROUTE, GET_ROUTE = 24, 25, 26
NEW_NEIGHBOUR, DELETE_NEIGHBOUR = 28, 29

SCOPE_GLOBAL, SCOPE_LINK, SCOPE_HOST = 0, 253, 254
_IFF_UP = 1
_NUD_PERMANENT = 0x80
_TABLE_MAIN, _UNICAST = 254, 1
_PROTOCOL_BOOT, PROTOCOL_MARU = 3, 77

_ADDRESS, _IFNAME, _MTU, _LINK, _MASTER, _LINKINFO, _GROUP, _NET_NS_FD = 1, 3, 4, 5, 10, 18, 27, 28
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_PEER = 1
_PORT_HAIRPIN, _PORT_ISOLATED = 4, 33
_MACVLAN_MODE = 1
_NO_DUPLICATE_CHECK = 0x02
_LINK_HEADER = struct.Struct("=BxHiII")


@dataclass(frozen=True, slots=True)
class Link:
    """A device. index: its number; master: the index of its bridge, 0 without."""

    index: int
    name: str
    mac: str
    mtu: int
    master: int
    is_up: bool


@dataclass(frozen=True, slots=True)
class Route:
    """A route. destination: a network in CIDR form; gateway "" when on the link; device: an index."""

    destination: str
    device: int
    gateway: str = ""
    source: str = ""
    scope: int = SCOPE_GLOBAL
    protocol: int = PROTOCOL_MARU


@dataclass(frozen=True, slots=True)
class VethPair:
    """A veth to make. master: the index of the bridge; netns: a descriptor of the peer's namespace."""

    name: str
    peer_name: str
    peer_mac: str
    master: int
    netns: int
    mtu: int


@dataclass(frozen=True, slots=True)
class MacvlanLink:
    """A macvlan to make. parent: the index of the device below; mode: bridge 4, private 1, vepa 2, passthru 8."""

    name: str
    mac: str
    parent: int
    netns: int
    mtu: int
    mode: int = 4


def mac_bytes(mac: str) -> bytes:
    """02:00:0a:f4:00:05 as six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def add_bridge(name: str, mac: str, mtu: int) -> Request:
    """A bridge that is up, with a fixed hardware address; done if the name is taken."""
    body = _link(flags=_IFF_UP) + text(_IFNAME, name) + attribute(_ADDRESS, mac_bytes(mac)) + u32(_MTU, mtu)
    body += nested(_LINKINFO, text(_INFO_KIND, "bridge"))
    return Request(NEW_LINK, body, f"add bridge {name}", CREATE | EXCL, (errno.EEXIST,))


def add_veth(pair: VethPair) -> Request:
    """A veth whose host side is up on a bridge and whose peer lies in another namespace."""
    peer = _link() + text(_IFNAME, pair.peer_name) + attribute(_ADDRESS, mac_bytes(pair.peer_mac))
    peer += u32(_MTU, pair.mtu) + u32(_NET_NS_FD, pair.netns)
    kind = nested(_LINKINFO, text(_INFO_KIND, "veth"), nested(_INFO_DATA, attribute(_VETH_PEER, peer)))
    body = _link(flags=_IFF_UP) + text(_IFNAME, pair.name) + u32(_MTU, pair.mtu) + u32(_MASTER, pair.master) + kind
    return Request(NEW_LINK, body, f"add veth {pair.name}", CREATE | EXCL)


def set_hairpin(name: str) -> Request:
    """Let the bridge send a frame back out of the port it came from (a Pod that reaches itself)."""
    slave = nested(_INFO_SLAVE_DATA, attribute(_PORT_HAIRPIN, b"\1"))
    body = _link() + text(_IFNAME, name) + nested(_LINKINFO, text(_INFO_SLAVE_KIND, "bridge"), slave)
    return Request(NEW_LINK, body, f"set hairpin on {name}")


def set_isolated(name: str) -> Request:
    """Let no frame go from this port of a bridge to another one that is isolated as well."""
    slave = nested(_INFO_SLAVE_DATA, attribute(_PORT_ISOLATED, b"\1"))
    body = _link() + text(_IFNAME, name) + nested(_LINKINFO, text(_INFO_SLAVE_KIND, "bridge"), slave)
    return Request(NEW_LINK, body, f"isolate {name}")


def add_macvlan(link: MacvlanLink) -> Request:
    """A device of its own hardware address on another one's wire, made in another namespace."""
    kind = nested(
        _LINKINFO,
        text(_INFO_KIND, "macvlan"),
        nested(_INFO_DATA, attribute(_MACVLAN_MODE, struct.pack("=I", link.mode))),
    )
    body = _link() + text(_IFNAME, link.name) + attribute(_ADDRESS, mac_bytes(link.mac)) + u32(_LINK, link.parent)
    body += u32(_MTU, link.mtu) + u32(_NET_NS_FD, link.netns) + kind
    return Request(NEW_LINK, body, f"add macvlan {link.name}", CREATE | EXCL)


def set_up(index: int, name: str = "") -> Request:
    """Bring a link up."""
    return Request(NEW_LINK, _link(index=index, flags=_IFF_UP), f"bring up link {name or index}")


def delete_link(name: str) -> Request:
    """Remove a device; done if it is not there."""
    return Request(DELETE_LINK, _link() + text(_IFNAME, name), f"delete link {name}", 0, (errno.ENODEV,))


def set_group(name: str, group: int) -> Request:
    """Put a device into a group; done if it is not there."""
    body = _link() + text(_IFNAME, name) + u32(_GROUP, group)
    return Request(NEW_LINK, body, f"set group of {name}", 0, (errno.ENODEV,))


def delete_group(group: int) -> Request:
    """Remove all devices of a group at once, which takes as long as one; done if there is none."""
    return Request(DELETE_LINK, _link() + u32(_GROUP, group), "delete links", 0, (errno.ENODEV,))


def add_address(device: int, address: str, prefix: int, scope: int = SCOPE_GLOBAL) -> Request:
    """Give `device` an address; done if it has it. IPv6 is usable at once: nobody is asked whether they have it."""
    body = _address_body(device, address, prefix, scope)
    return Request(NEW_ADDRESS, body, f"add address {address}/{prefix}", CREATE | REPLACE, (errno.EEXIST,))


def delete_address(device: int, address: str, prefix: int) -> Request:
    """Take an address away; done if it is not there."""
    body = _address_body(device, address, prefix, SCOPE_GLOBAL)
    gone = (errno.EADDRNOTAVAIL, errno.ENODEV)
    return Request(DELETE_ADDRESS, body, f"delete address {address}/{prefix}", 0, gone)


def add_route(route: Route) -> Request:
    """Add the route, or replace the one to the same destination."""
    return Request(NEW_ROUTE, _route_body(route), f"add route {route.destination}", CREATE | REPLACE)


def delete_route(route: Route) -> Request:
    """Remove the route; done if it is not there."""
    return Request(DELETE_ROUTE, _route_body(route), f"delete route {route.destination}", 0, (errno.ESRCH,))


def add_neighbour(device: int, address: str, mac: str) -> Request:
    """A permanent neighbour: no ARP is needed for it."""
    body = _neighbour(device, address) + attribute(2, mac_bytes(mac))
    return Request(NEW_NEIGHBOUR, body, f"add neighbour {address}", CREATE | REPLACE)


def delete_neighbour(device: int, address: str) -> Request:
    """Forget a neighbour; done if it is not known."""
    return Request(
        DELETE_NEIGHBOUR, _neighbour(device, address), f"delete neighbour {address}", 0, (errno.ENOENT, errno.ENODEV)
    )


def find_link_blocking(sock: NetlinkSocket, name: str) -> Link | None:
    """The device of that name, or None."""
    try:
        replies = sock.get_blocking(GET_LINK, _link() + text(_IFNAME, name), f"find link {name}")
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return _parse_link(replies[0].body)


def list_links_blocking(sock: NetlinkSocket) -> list[Link]:
    """All devices, by index."""
    return [_parse_link(reply.body) for reply in sock.dump_blocking(GET_LINK, _link(), "list links")]


def list_addresses_blocking(sock: NetlinkSocket) -> list[tuple[int, str]]:
    """IPv4 addresses as (device index, address), in the kernel's order."""
    replies = sock.dump_blocking(GET_ADDRESS, struct.pack("=BBBBI", socket.AF_INET, 0, 0, 0, 0), "list addresses")
    found: list[tuple[int, str]] = []
    for reply in replies:
        device = struct.unpack_from("=I", reply.body, 4)[0]
        values = attributes(reply.body, 8)
        local = values.get(2) or values.get(1)
        if local:
            found.append((device, socket.inet_ntoa(local)))
    return found


def list_routes_blocking(sock: NetlinkSocket) -> list[Route]:
    """IPv4 unicast routes of the main table."""
    replies = sock.dump_blocking(GET_ROUTE, struct.pack("=BBBBBBBBI", socket.AF_INET, *(0,) * 8), "list routes")
    routes: list[Route] = []
    for reply in replies:
        _, bits, _, _, table, protocol, scope, kind, _ = struct.unpack_from("=BBBBBBBBI", reply.body)
        values = attributes(reply.body, 12)
        if table != _TABLE_MAIN or kind != _UNICAST:
            continue
        destination = f"{socket.inet_ntoa(values.get(1, bytes(4)))}/{bits}"
        gateway = socket.inet_ntoa(values[5]) if 5 in values else ""
        source = socket.inet_ntoa(values[7]) if 7 in values else ""
        device = struct.unpack("=I", values[4])[0] if 4 in values else 0
        routes.append(Route(destination, device, gateway, source, scope, protocol))
    return routes


def _link(index: int = 0, flags: int = 0) -> bytes:
    return _LINK_HEADER.pack(0, 0, index, flags, flags)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _packed(address: str) -> bytes:
    return socket.inet_pton(_family(address), address)


def _address_body(device: int, address: str, prefix: int, scope: int) -> bytes:
    packed, family = _packed(address), _family(address)
    flags = _NO_DUPLICATE_CHECK if family == socket.AF_INET6 else 0
    header = struct.pack("=BBBBI", family, prefix, flags, scope, device)
    return header + attribute(2, packed) + attribute(1, packed)


def _route_body(route: Route) -> bytes:
    network = ipaddress.ip_network(route.destination)
    header = struct.pack(
        "=BBBBBBBBI",
        *(_family(route.destination), network.prefixlen, 0, 0, _TABLE_MAIN, route.protocol, route.scope, _UNICAST, 0),
    )
    body = header
    if route.device:
        body += u32(4, route.device)
    if network.prefixlen:
        body += attribute(1, network.network_address.packed)
    if route.gateway:
        body += attribute(5, _packed(route.gateway))
    if route.source:
        body += attribute(7, _packed(route.source))
    return body


def _neighbour(device: int, address: str) -> bytes:
    return struct.pack("=BxHiHBB", _family(address), 0, device, _NUD_PERMANENT, 0, 0) + attribute(1, _packed(address))


def _parse_link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK_HEADER.unpack_from(body)
    values = attributes(body, 16)
    name = values[_IFNAME].rstrip(b"\0").decode()
    master = struct.unpack("=I", values[_MASTER])[0] if _MASTER in values else 0
    mtu = struct.unpack("=I", values[_MTU])[0]
    return Link(index, name, values.get(_ADDRESS, b"").hex(":"), mtu, master, bool(flags & _IFF_UP))
