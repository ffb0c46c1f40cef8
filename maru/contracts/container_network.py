"""Networks for containers: made, listed and removed by users, and joined by containers while they live.

A container on a network has an endpoint there: a device in its namespace, addresses, names that the
others find it by. A sandbox is what one running container has of all this; it is opened before the
first process starts and closed when the last one ended. What a stopped container wants to join is
remembered by whoever runs containers, not here. Error texts (`what`, with an empty `why`) are those
of the Docker Engine, so that an edge can show them as they are.
Source: Container Network Model (moby/libnetwork design); Docker Engine API v1.47, "Network".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

BRIDGE, HOST, NONE = "bridge", "host", "none"
"""The networks that are always there, by name."""

NO_NAMES = "maru.dev/no-names"
"""The option "true" of a network whose containers shall not find each other by name."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One range of a network. subnet "" when asked: any free one; gateway "": the first address.

    ip_range: the part that addresses are given from, "" for all; auxiliary: name to an address that is never given.
    """

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    auxiliary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What a network should be. pools: IPv4 and IPv6 ones, at most one each is free to choose.

    driver: bridge, macvlan, ipvlan, host or null. options: the driver's (com.docker.network.bridge.name, parent).
    internal: no way out; attachable, ingress, config_only, config_from: kept for who reads them.
    """

    name: str
    driver: str = BRIDGE
    pools: Sequence[Pool] = ()
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    config_only: bool = False
    config_from: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] = field(default_factory=dict)
    allow_duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container on a network. id, network_id: 64 hexadecimal digits; container_id as it was given.

    device: in the container's namespace (eth0), "" on host and none. Addresses are "" where there is none;
    prefix, prefix6: lengths in bits. dns_names: what the others on the network find it by.
    """

    id: str
    network_id: str
    network_name: str
    container_id: str
    container_name: str
    device: str = ""
    mac: str = ""
    ip: str = ""
    prefix: int = 0
    gateway: str = ""
    ip6: str = ""
    prefix6: int = 0
    gateway6: str = ""
    dns_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A network as it is. id: 64 hexadecimal digits; spec: with all pools chosen; endpoints: by container id."""

    id: str
    spec: NetworkSpec
    created_at: datetime
    endpoints: Mapping[str, Endpoint]
    is_predefined: bool = False

    @property
    def name(self) -> str:
        """`spec.name`."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class Join:
    """How a container joins a network. network: id, or name, or the beginning of an id.

    aliases: further names on this network; links: (container name or id, alias) pairs that this container alone
    knows, also before there is such a container;
    ip, ip6, mac: "" for any. link_local_ips: further addresses of the device. gateway_priority: the highest
    has the default route.
    """

    network: str
    aliases: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()
    ip: str = ""
    ip6: str = ""
    mac: str = ""
    link_local_ips: Sequence[str] = ()
    driver_options: Mapping[str, str] = field(default_factory=dict)
    gateway_priority: int = 0


@dataclass(frozen=True, slots=True)
class PortRequest:
    """A port to publish. protocol: tcp, udp or sctp; host_ip "": every address of the machine, both families.

    host_port, host_port_last: the first free one of this range is taken; 0, 0: a free ephemeral one.
    """

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_last: int = 0


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port that is published: one of these for each family (0.0.0.0 and ::) that it is reachable by."""

    container_port: int
    protocol: str
    host_ip: str
    host_port: int


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a container brings. container_id: unique on the node; name: without a slash.

    netns_path: a bound network namespace; "" for a container in the machine's own (network host).
    dns_servers, empty: those of the machine. joins: the networks, in order; none is loopback only.
    """

    container_id: str
    container_name: str
    netns_path: str
    hostname: str = ""
    joins: Sequence[Join] = ()
    ports: Sequence[PortRequest] = ()
    dns_servers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Balancer:
    """An address of a network that leads to several containers in turn, whatever the protocol and port.

    name: unique; address: of the network's IPv4 range, no container's; dns_names: what the others on the network
    find it by; backends: addresses of containers on the network, in no order, none refuses every packet.
    ports: of the machine, each with its number, that lead to a backend's container_port.
    """

    name: str
    network_id: str
    address: str
    dns_names: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    ports: tuple[PortRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class Connectivity:
    """What a sandbox has now. endpoints: in the order they were joined; ports: in the order they were asked for.

    resolvers: the nameserver lines for resolv.conf: 127.0.0.11 where names are served, else dns_servers or
    the machine's; has_embedded_dns: whether it is the former (then `options ndots:0` belongs there).
    """

    endpoints: Sequence[Endpoint]
    ports: Sequence[PublishedPort]
    resolvers: Sequence[str]
    has_embedded_dns: bool


class ContainerNetwork(Protocol):
    """Makes networks and joins containers to them. Reads are local; writes are kept before they return."""

    def list(self) -> Sequence[Network]:
        """All networks, oldest first; the three that are always there come first."""
        ...

    def find(self, reference: str) -> Network:
        """By whole id, then name, then a beginning of an id.

        Raises NotFound ("network X not found"), Invalid when several fit.
        """
        ...

    async def create(self, spec: NetworkSpec) -> Network:
        """Make a network.

        Raises AlreadyExists (name), Denied (a predefined name or driver), Invalid (ranges, options), NotSupported
        (a driver there is not, or the kernel has not), Unavailable (no free range), Conflict (a range in use).
        """
        ...

    async def remove(self, network_id: str) -> None:
        """Remove a network. Raises NotFound, Denied (predefined, or it has endpoints)."""
        ...

    async def open(self, sandbox: Sandbox) -> Connectivity:
        """Join all networks and publish all ports, or none; the same answer if it is open with this namespace.

        Raises NotFound (network), Conflict (port or address taken), Invalid, Unavailable (range used up).
        """
        ...

    async def close(self, container_id: str) -> None:
        """Free all that the sandbox has; idempotent, also when the namespace is gone."""
        ...

    async def connect(self, container_id: str, join: Join) -> Endpoint:
        """Join one more network. Raises as `open`; NotFound if the sandbox is not open, Denied if it is on it."""
        ...

    async def disconnect(self, container_id: str, network_id: str) -> None:
        """Leave a network. Raises NotFound if the container is not on it."""
        ...

    async def balance(self, balancers: Sequence[Balancer]) -> Mapping[str, str]:
        """Have these balancers, and no others, from now on: also after a restart. No container gets their addresses.

        Answers why the ports of a balancer could not be published, by its name. Raises NotFound (network).
        """
        ...

    def find_connectivity(self, container_id: str) -> Connectivity | None:
        """What an open sandbox has, None if it is not open."""
        ...

    async def rename(self, container_id: str, container_name: str) -> None:
        """The container has another name from now on; nothing happens if it has no open sandbox."""
        ...

    async def retain(self, container_ids: Sequence[str]) -> None:
        """After a restart: close every sandbox that is not in `container_ids`."""
        ...
