"""What of the machine stands in the network's way, for `maru doctor`; looks and changes nothing.

Another firewall's chain that drops what is forwarded cannot be overruled from our table: in nftables
an accept only ends its own table, a drop is final. Source: nft(8), "VERDICT STATEMENTS".
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Network

from maru.core.site import Site
from maru.linux import nftables, rtnetlink
from maru.linux.netlink import NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket
from maru.linux.rtnetlink import Route


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: what at, what was seen, whether that is well, and the command that mends it."""

    what: str
    why: str
    is_well: bool
    fix: str = ""


def examine_blocking(site: Site) -> list[Finding]:
    """All findings about forwarding and address ranges. Raises OSError when the kernel cannot be asked."""
    with closing(NetlinkSocket(NETLINK_NETFILTER)) as netfilter:
        dropping = dropping_chains(nftables.list_chains_blocking(netfilter))
    with closing(NetlinkSocket(NETLINK_ROUTE)) as sock:
        bridge = rtnetlink.find_link_blocking(sock, site.bridge)
        routes = rtnetlink.list_routes_blocking(sock)
    own_device = bridge.index if bridge is not None else 0
    return [
        forwarding_finding(dropping, site.bridge),
        *(range_finding(name, cidr, routes, own_device) for name, cidr in _ranges(site)),
    ]


def dropping_chains(chains: Iterable[tuple[str, str, int, int]]) -> list[tuple[str, str]]:
    """(table, chain) of those that drop what nothing in them accepts, on the way through the machine."""
    return [
        (table, chain) for table, chain, hook, policy in chains if hook == nftables.FORWARD and policy == nftables.DROP
    ]


def forwarding_finding(dropping: list[tuple[str, str]], bridge: str) -> Finding:
    """Whether another firewall drops what Pods send and receive."""
    if not dropping:
        return Finding("forwarding", "no other firewall drops what is forwarded", is_well=True)
    table, chain = dropping[0]
    why = f"chain {chain} of table {table} drops what is forwarded: Pods reach neither each other nor the outside"
    fix = " && ".join(f"nft insert rule ip {table} {chain} {way} {bridge} accept" for way in ("iifname", "oifname"))
    return Finding("forwarding", why, is_well=False, fix=fix)


def range_finding(name: str, cidr: str, routes: Iterable[Route], own_device: int) -> Finding:
    """Whether the machine has a way of its own into a range of ours."""
    network = IPv4Network(cidr)
    for route in routes:
        is_default = route.destination.endswith("/0")
        is_ours = route.device == own_device or route.protocol == rtnetlink.PROTOCOL_MARU
        if not is_default and not is_ours and IPv4Network(route.destination).overlaps(network):
            why = f"{cidr} overlaps {route.destination}, which the machine reaches another way"
            return Finding(name, why, is_well=False, fix="each folder has ranges of its own: maru up --data-dir DIR")
    return Finding(name, f"{cidr} is free", is_well=True)


def _ranges(site: Site) -> tuple[tuple[str, str], ...]:
    return ("Pod addresses", site.pod_cidr), ("Service addresses", site.service_cidr)
