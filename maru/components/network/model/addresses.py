"""Which address comes next, and the hardware addresses and names that follow from one.

A range hands out its addresses in a circle, so a freed one rests until the circle comes round: a
client that still holds it meets nobody rather than a stranger. Source: CNI host-local, "last
reserved address"; the network, gateway and broadcast addresses are never given.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

LINK_NAME_LENGTH_MAX = 15


@dataclass(frozen=True, slots=True)
class AddressRange:
    """The addresses of one node. The gateway is the first one."""

    network: ipaddress.IPv4Network

    @classmethod
    def parse(cls, cidr: str) -> AddressRange:
        """Raises ValueError when it is no IPv4 network or holds less than two addresses for Pods."""
        network = ipaddress.IPv4Network(cidr)
        if network.prefixlen > 29:
            raise ValueError(f"{cidr} is smaller than a /29")
        return cls(network)

    @property
    def gateway(self) -> str:
        """The address of the bridge."""
        return str(self.network.network_address + 1)

    @property
    def capacity(self) -> int:
        """How many Pods fit."""
        return self.network.num_addresses - 3

    def __contains__(self, address: str) -> bool:
        return ipaddress.IPv4Address(address) in self.network

    def next_free(self, used: Collection[str], last: str) -> str | None:
        """The first address after `last` ("": from the start) that is not used; None when all are."""
        if len(used) >= self.capacity:
            return None
        first = int(self.network.network_address) + 2
        start = int(ipaddress.IPv4Address(last)) + 1 - first if last else 0
        for step in range(self.capacity):
            address = str(ipaddress.IPv4Address(first + (start + step) % self.capacity))
            if address not in used:
                return address
        return None


def hardware_address(address: str) -> str:
    """A locally administered MAC that only this IPv4 address has."""
    return (b"\x0a\x58" + ipaddress.IPv4Address(address).packed).hex(":")


def link_name(instance: str, sandbox_id: str) -> str:
    """The host side's device: the same for the same sandbox, also after a restart."""
    digest = hashlib.sha256(f"{instance}/{sandbox_id}".encode()).hexdigest()
    return f"veth{digest}"[:LINK_NAME_LENGTH_MAX]
