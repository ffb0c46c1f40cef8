"""Where the network stands: the names and ranges that everything of one platform's network shares."""

from __future__ import annotations

from dataclasses import dataclass

from maru.components.network.config import NetworkConfig
from maru.components.network.model.addresses import AddressRange
from maru.core.errors import Invalid
from maru.core.site import Site

TABLE_PREFIX = "maru-"


@dataclass(frozen=True, slots=True)
class Ground:
    """table: of nftables; bridge: the device; addresses: this node's part of pod_cidr; CIDR forms else.

    mtu_bytes: of Pod links, 0 for that of the uplink. masquerade: whether Pods leave under the machine's address.
    """

    instance: str
    table: str
    bridge: str
    addresses: AddressRange
    pod_cidr: str
    service_cidr: str
    masquerade: bool
    mtu_bytes: int

    @property
    def node_range(self) -> str:
        """This node's part of the Pod range in CIDR form."""
        return str(self.addresses.network)


def ground_of(site: Site, config: NetworkConfig) -> Ground:
    """Raises Invalid when a range is none."""
    cidr = config.node_range or site.pod_cidr
    try:
        addresses = AddressRange.parse(cidr)
    except ValueError as error:
        raise Invalid(what=f"Pod range {cidr!r}", why=str(error), fix="give an IPv4 network of /29 or wider") from error
    return Ground(
        instance=site.instance,
        table=table_name(site.instance),
        bridge=site.bridge,
        addresses=addresses,
        pod_cidr=site.pod_cidr,
        service_cidr=site.service_cidr,
        masquerade=config.masquerade,
        mtu_bytes=config.mtu_bytes,
    )


def table_name(instance: str) -> str:
    """The nftables table of a platform."""
    return f"{TABLE_PREFIX}{instance}"
