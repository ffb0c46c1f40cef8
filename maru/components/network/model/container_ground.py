"""Where container networks stand: names of the table and of devices, and the ranges to cut from.

Without a range of its own a platform uses the ones that the Docker Engine is known for, so that
what people wrote down keeps working; every other platform cuts its own range into /24s.
Source: moby/libnetwork/ipamutils, "local scope default networks"; RFC 4193 for the IPv6 prefix.
"""

from __future__ import annotations

import hashlib
import ipaddress
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from maru.components.network.model.addresses import LINK_NAME_LENGTH_MAX
from maru.components.network.model.ground import TABLE_PREFIX, Ground
from maru.core.site import Site

OWN_POOL_BITS, WELL_KNOWN_BITS, SMALL_BITS, POOL6_BITS = 24, 16, 20, 64
POOLS6_MAX = 256


@dataclass(frozen=True, slots=True)
class ContainerGround:
    """table: of nftables, in the inet family; default_bridge: a device; cidr: "" for the well-known ranges.

    foreign: ranges in CIDR form that no container network may touch; group: a number for devices about to go.
    """

    instance: str
    table: str
    default_bridge: str
    cidr: str
    foreign: tuple[str, ...]
    mtu_bytes: int
    group: int

    def pools(self) -> Iterator[ipaddress.IPv4Network]:
        """Ranges to choose from, the default bridge's first."""
        if self.cidr:
            yield from ipaddress.IPv4Network(self.cidr).subnets(new_prefix=OWN_POOL_BITS)
            return
        for second in range(17, 32):
            yield ipaddress.IPv4Network(f"172.{second}.0.0/{WELL_KNOWN_BITS}")
        yield from ipaddress.IPv4Network("192.168.0.0/16").subnets(new_prefix=SMALL_BITS)

    def pools6(self) -> Iterator[ipaddress.IPv6Network]:
        """Unique local ranges of this platform."""
        digest = hashlib.sha256(f"container networks of {self.instance}".encode()).digest()
        site = ipaddress.IPv6Network((b"\xfd" + digest[:5] + bytes(10), 48))
        subnets = site.subnets(new_prefix=POOL6_BITS)
        for _ in range(POOLS6_MAX):
            yield next(subnets)


def container_ground_of(site: Site, ground: Ground) -> ContainerGround:
    """The ground of a site's container networks, beside that of its Pods."""
    return ContainerGround(
        instance=site.instance,
        table=f"{TABLE_PREFIX}{site.instance}-containers",
        default_bridge=f"{site.bridge}d",
        cidr=site.container_cidr,
        foreign=(site.pod_cidr, site.service_cidr),
        mtu_bytes=ground.mtu_bytes,
        group=zlib.crc32(f"{site.instance} containers".encode()) & 0xFFFF,
    )


def bridge_name(network_id: str) -> str:
    """The device of a network whose options name none."""
    return f"br-{network_id}"[:LINK_NAME_LENGTH_MAX]


def host_link_name(endpoint_id: str) -> str:
    """The machine's side of an endpoint's device."""
    return f"vethc{endpoint_id}"[:LINK_NAME_LENGTH_MAX]
