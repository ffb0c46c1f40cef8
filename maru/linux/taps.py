"""Taps that take a device's place: what reaches the device goes to the tap, and back.

The namespace's device keeps its addresses, so whoever gave them sees nothing new; a traffic-control
filter on each of the two takes every frame before the kernel's own stack and puts it out on the other.
Source: Linux Documentation/networking/tuntap.rst; tc-u32(8), tc-mirred(8); linux/pkt_sched.h, pkt_cls.h.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maru.linux.netlink import (
    CREATE,
    EXCL,
    NETLINK_ROUTE,
    NetlinkSocket,
    Request,
    attribute,
    attributes,
    nested,
    text,
)
from maru.linux.rtnetlink import list_links_blocking, set_up

_SET_INTERFACE = 0x400454CA  # TUNSETIFF
_TAP, _NO_INFORMATION, _NETWORK_HEADER = 0x0002, 0x1000, 0x4000
_NEW_QDISC, _DELETE_QDISC, _NEW_FILTER, _GET_ADDRESS, _GET_ROUTE = 36, 37, 44, 22, 26
_INGRESS_HANDLE, _INGRESS_PARENT = 0xFFFF0000, 0xFFFFFFF1
_EVERY_PROTOCOL = 0x0300  # ETH_P_ALL in network order
_SELECTOR, _ACTIONS, _TERMINAL = 5, 7, 1
_STOLEN, _EGRESS_REDIRECT = 4, 1
_KERNEL_PROTOCOL, _UNICAST, _TABLE_MAIN = 2, 1, 254


@dataclass(frozen=True, slots=True)
class Wire:
    """A device of a namespace and what stands on it.

    addresses: with prefix lengths, no link-local ones. routes: (destination in CIDR form, gateway or ""), those
    on the link first. neighbours: (address, MAC) that were set by hand.
    """

    name: str
    index: int
    mac: str
    mtu: int
    addresses: Sequence[str]
    routes: Sequence[tuple[str, str]]
    neighbours: Sequence[tuple[str, str]]


def list_wires_blocking() -> Sequence[Wire]:
    """Every device but the loopback of the calling process's network namespace, by name. Raises OSError."""
    sock = NetlinkSocket(NETLINK_ROUTE)
    try:
        links = [link for link in list_links_blocking(sock) if link.is_up and link.name != "lo"]
        addresses, routes = _addresses(sock), _routes(sock)
    finally:
        sock.close()
    neighbours = [line.split() for line in Path("/proc/net/arp").read_text().splitlines()[1:]]
    return [
        Wire(
            link.name,
            link.index,
            link.mac,
            link.mtu,
            [address for index, address in addresses if index == link.index],
            sorted(((to, by) for index, to, by in routes if index == link.index), key=lambda route: bool(route[1])),
            [(words[0], words[3]) for words in neighbours if words[5] == link.name and int(words[2], 16) & 4],
        )
        for link in sorted(links, key=lambda link: link.name)
        if link.mac
    ]


def open_tap_blocking(name: str, wire: Wire) -> int:
    """A tap that stands in for `wire`, gone when its descriptor (given back, inheritable) closes. Raises OSError."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    try:
        flags = _TAP | _NO_INFORMATION | _NETWORK_HEADER
        fcntl.ioctl(descriptor, _SET_INTERFACE, struct.pack("16sH22x", name.encode(), flags))
        sock = NetlinkSocket(NETLINK_ROUTE)
        try:
            index = socket.if_nametoindex(name)
            sock.run_blocking([set_up(index, name)])
            sock.run_blocking(
                [request for pair in ((wire.index, index), (index, wire.index)) for request in _to(*pair)]
            )
        finally:
            sock.close()
    except BaseException:
        os.close(descriptor)
        raise
    os.set_inheritable(descriptor, True)
    return descriptor


def _to(device: int, other: int) -> Sequence[Request]:
    """All frames that come in on `device` go out on `other`."""
    ingress = struct.pack("=BxxxiIII", 0, device, _INGRESS_HANDLE, _INGRESS_PARENT, 0) + text(1, "ingress")
    selector = struct.pack("=BBBxHHhhI", _TERMINAL, 0, 1, 0, 0, 0, 0, 0) + bytes(16)  # one key that matches all
    mirred = struct.pack("=IIiiiiI", 0, 0, _STOLEN, 0, 0, _EGRESS_REDIRECT, other)
    action = nested(1, text(1, "mirred"), nested(2, attribute(2, mirred)))
    options = nested(2, attribute(_SELECTOR, selector), nested(_ACTIONS, action))
    head = struct.pack("=BxxxiIII", 0, device, 0, _INGRESS_HANDLE, 1 << 16 | _EVERY_PROTOCOL)
    return (
        Request(_DELETE_QDISC, _qdisc(device), "remove the ingress queue", 0, (2, 22)),  # ENOENT, EINVAL: there is none
        Request(_NEW_QDISC, ingress, "ingress queue", CREATE | EXCL),
        Request(_NEW_FILTER, head + text(1, "u32") + options, "redirect", CREATE | EXCL),
    )


def _qdisc(device: int) -> bytes:
    return struct.pack("=BxxxiIII", 0, device, _INGRESS_HANDLE, _INGRESS_PARENT, 0)


def _addresses(sock: NetlinkSocket) -> Sequence[tuple[int, str]]:
    found = []
    for reply in sock.dump_blocking(_GET_ADDRESS, struct.pack("=BBBBI", 0, 0, 0, 0, 0), "list addresses"):
        family, bits, _, _, index = struct.unpack_from("=BBBBI", reply.body)
        values = attributes(reply.body, 8)
        packed = values.get(2) or values.get(1)
        if packed and not (family == socket.AF_INET6 and packed[:2] == b"\xfe\x80"):
            found.append((index, f"{socket.inet_ntop(family, packed)}/{bits}"))
    return found


def _routes(sock: NetlinkSocket) -> Sequence[tuple[int, str, str]]:
    found = []
    for reply in sock.dump_blocking(_GET_ROUTE, struct.pack("=BBBBBBBBI", 0, *(0,) * 8), "list routes"):
        family, bits, _, _, table, protocol, _, kind, _ = struct.unpack_from("=BBBBBBBBI", reply.body)
        values = attributes(reply.body, 12)
        if (table, kind) != (_TABLE_MAIN, _UNICAST) or protocol == _KERNEL_PROTOCOL or 4 not in values:
            continue
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        size = 4 if family == socket.AF_INET else 16
        to = f"{socket.inet_ntop(family, values.get(1, bytes(size)))}/{bits}"
        by = socket.inet_ntop(family, values[5]) if 5 in values else ""
        found.append((struct.unpack("=I", values[4])[0], to, by))
    return found
