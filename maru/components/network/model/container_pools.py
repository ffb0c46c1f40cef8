"""The ranges of a network: what was asked for is checked, what was left open is chosen.

Error texts are dockerd's. Source: moby/libnetwork, ipam and network.go (the order of the checks).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from maru.contracts.container_network import Pool
from maru.core.errors import Denied, Invalid, Unavailable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parsed(subnet: str) -> Network:
    """The range of a CIDR form, host bits cut off. Raises Invalid."""
    try:
        if "/" not in subnet:
            raise ValueError
        return ipaddress.ip_network(subnet, strict=False)
    except ValueError as error:
        raise Invalid(what=f"invalid subnet {subnet}: invalid CIDR block notation", why="") from error


def is_ipv6(pool: Pool) -> bool:
    """Whether the range is one of IPv6 addresses; one that is still free to choose is not."""
    return ":" in pool.subnet


def chosen(pool: Pool, candidates: Iterator[Network], reserved: Sequence[Network], taken: Iterable[Network]) -> Pool:
    """The pool with subnet and gateway.

    reserved: ranges of ours; taken: ranges that the machine has routes to, avoided where there is a choice.
    Raises Denied for an overlap, Invalid, Unavailable.
    """
    if pool.subnet:
        network = parsed(pool.subnet)
        if any(_overlap(network, other) for other in reserved):
            raise Denied(what="invalid pool request: Pool overlaps with other one on this address space", why="")
    else:
        network = _first_free(candidates, [*reserved, *taken])
        pool = replace(pool, subnet=str(network))
    _check_inside(pool, network)
    return pool if pool.gateway else replace(pool, gateway=_first_address(pool, network))


def _first_free(candidates: Iterator[Network], taken: Sequence[Network]) -> Network:
    family = "IPv4"
    for candidate in candidates:
        family = f"IPv{candidate.version}"
        if not any(_overlap(candidate, other) for other in taken):
            return candidate
    raise Unavailable(
        what=f"could not find an available, non-overlapping {family} address pool among the defaults to assign to "
        "the network",
        why="",
    )


def _check_inside(pool: Pool, network: Network) -> None:
    if pool.ip_range:
        try:
            part = ipaddress.ip_network(pool.ip_range, strict=False)
        except ValueError as error:
            raise Invalid(what=f"invalid ip-range {pool.ip_range}: invalid CIDR block notation", why="") from error
        if not _contains(network, part):
            raise Invalid(what=f"no matching subnet for range {pool.ip_range}", why="")
    places = [("gateway", pool.gateway)] if pool.gateway else []
    places += [("aux-address", address) for address in pool.auxiliary.values()]
    for what, text in places:
        try:
            address = ipaddress.ip_address(text)
        except ValueError as error:
            raise Invalid(what=f"invalid {what} {text}: invalid address", why="") from error
        if address not in network:
            raise Invalid(what=f"no matching subnet for {what} {text}", why="")


def _first_address(pool: Pool, network: Network) -> str:
    part = ipaddress.ip_network(pool.ip_range, strict=False) if pool.ip_range else network
    used = set(pool.auxiliary.values())
    first = int(part.network_address) + (1 if part.num_addresses > 2 else 0)
    for number in range(first, int(part.broadcast_address) + 1):
        address = str(type(part.network_address)(number))
        if address not in used:
            return address
    raise Invalid(what=f"no address is left for the gateway in {part}", why="")


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _contains(network: Network, part: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(part, ipaddress.IPv4Network) and part.subnet_of(network)
    return isinstance(part, ipaddress.IPv6Network) and part.subnet_of(network)


def next_address(pool: Pool, used: set[str], wanted: str = "") -> str:
    """The wanted address, or the lowest that is free.

    used: addresses of endpoints. Raises Denied when it is taken, Invalid when it is out of range, Unavailable
    when none is left.
    """
    network = parsed(pool.subnet)
    busy = used | set(pool.auxiliary.values()) | {pool.gateway}
    if wanted:
        try:
            address = ipaddress.ip_address(wanted)
        except ValueError as error:
            raise Invalid(what=f"invalid IP address: {wanted}", why="") from error
        if address not in network:
            raise Invalid(what=f"no configured subnet or ip-range contain the IP address {wanted}", why="")
        if str(address) in busy:
            raise Denied(what="Address already in use", why="")
        return str(address)
    part = ipaddress.ip_network(pool.ip_range, strict=False) if pool.ip_range else network
    first = int(part.network_address)
    last = int(part.broadcast_address)
    if part == network and network.num_addresses > 2:
        first, last = first + 1, last - (1 if network.version == 4 else 0)
    for number in range(first, last + 1):
        text = str(type(network.network_address)(number))
        if text not in busy:
            return text
    raise Unavailable(what=f"no available IPv{network.version} addresses on this network's address pools", why="")
