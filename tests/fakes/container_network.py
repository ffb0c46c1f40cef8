"""A ContainerNetwork without a kernel: it keeps the books of the real one and moves no packet.

For tests of whoever runs containers; it passes `tests/suites/container_network.py` like the real one.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from maru.contracts.container_network import (
    BRIDGE,
    HOST,
    NONE,
    Balancer,
    Connectivity,
    Endpoint,
    Join,
    Network,
    NetworkSpec,
    Pool,
    PortRequest,
    PublishedPort,
    Sandbox,
)
from maru.core.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound, NotSupported, Unavailable

_EPHEMERAL_FIRST = 32768
_MADE_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Open:
    """A sandbox with its endpoints and ports."""

    sandbox: Sandbox
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[PublishedPort, ...] = ()


class FakeContainerNetwork:
    """`opened` is what stands now, by container id."""

    def __init__(self) -> None:
        self._networks: dict[str, Network] = {}
        self._chose: set[str] = set()
        self._numbers = iter(range(1, 1_000_000))
        self._free_port = _EPHEMERAL_FIRST
        self.opened: dict[str, Open] = {}
        self.balancers: tuple[Balancer, ...] = ()
        for name, driver in ((NONE, "null"), (HOST, "host"), (BRIDGE, "bridge")):
            pools = [_chosen(Pool(), 17)] if driver == "bridge" else []
            made = Network(self._id(), NetworkSpec(name, driver, pools), _MADE_AT, {}, is_predefined=True)
            self._networks[made.id] = made

    def list(self) -> Sequence[Network]:
        return [self._shown(network) for network in self._networks.values()]

    def find(self, reference: str) -> Network:
        networks = list(self._networks.values())
        for found in (
            [each for each in networks if each.id == reference],
            [each for each in networks if each.name == reference],
            [each for each in networks if reference and each.id.startswith(reference)],
        ):
            if len(found) == 1:
                return self._shown(found[0])
            if found:
                raise Invalid(
                    what=f"network {reference} is ambiguous ({len(found)} matches found based on name)", why=""
                )
        raise NotFound(what=f"network {reference} not found", why="")

    async def create(self, spec: NetworkSpec) -> Network:
        _check(spec)
        if not spec.allow_duplicate and any(each.name == spec.name for each in self._networks.values()):
            raise AlreadyExists(what=f"network with name {spec.name} already exists", why="")
        network_id = self._id()
        pool = _chosen(spec.pools[0] if spec.pools else Pool(), 17 + len(self._networks))
        network = ipaddress.ip_network(pool.subnet)
        for other in self._networks.values():
            for taken in other.spec.pools:
                if network.overlaps(ipaddress.ip_network(taken.subnet)):
                    raise Denied(
                        what="invalid pool request: Pool overlaps with other one on this address space", why=""
                    )
        if spec.pools and spec.pools[0].subnet:
            self._chose.add(network_id)
        made = Network(network_id, replace(spec, pools=[pool]), _MADE_AT, {})
        self._networks[made.id] = made
        return made

    async def remove(self, network_id: str) -> None:
        network = self.find(network_id)
        if network.is_predefined:
            raise Denied(what=f"{network.name} is a pre-defined network and cannot be removed", why="")
        if network.endpoints:
            raise Denied(what=f"error while removing network: network {network.name} has active endpoints", why="")
        del self._networks[network.id]

    async def open(self, sandbox: Sandbox) -> Connectivity:
        if sandbox.container_id not in self.opened:
            made = Open(sandbox)
            for join in sandbox.joins:
                made = replace(made, endpoints=(*made.endpoints, self._joined(made, join)))
            if any(endpoint.gateway for endpoint in made.endpoints):
                made = replace(made, ports=self._published(sandbox))
            self.opened[sandbox.container_id] = made
        have = self.find_connectivity(sandbox.container_id)
        assert have is not None
        return have

    async def balance(self, balancers: Sequence[Balancer]) -> Mapping[str, str]:
        for balancer in balancers:
            self.find(balancer.network_id)
        self.balancers = tuple(balancers)
        return {}

    async def close(self, container_id: str) -> None:
        self.opened.pop(container_id, None)

    async def connect(self, container_id: str, join: Join) -> Endpoint:
        have = self.opened.get(container_id)
        if have is None:
            raise NotFound(what=f"sandbox of container {container_id}", why="it is not open", fix="")
        endpoint = self._joined(have, join)
        self.opened[container_id] = replace(have, endpoints=(*have.endpoints, endpoint))
        return endpoint

    async def disconnect(self, container_id: str, network_id: str) -> None:
        have, network = self.opened.get(container_id), self.find(network_id)
        if have is None or container_id not in network.endpoints:
            raise NotFound(what=f"container {container_id} is not connected to network {network.name}", why="")
        left = tuple(endpoint for endpoint in have.endpoints if endpoint.network_id != network.id)
        self.opened[container_id] = replace(have, endpoints=left)

    def find_connectivity(self, container_id: str) -> Connectivity | None:
        have = self.opened.get(container_id)
        if have is None:
            return None
        has_names = any(endpoint.dns_names for endpoint in have.endpoints)
        resolvers = ("127.0.0.11",) if has_names else have.sandbox.dns_servers or ("192.0.2.53",)
        return Connectivity(have.endpoints, have.ports, resolvers, has_names)

    async def rename(self, container_id: str, container_name: str) -> None:
        have = self.opened.get(container_id)
        if have is not None:
            old = have.sandbox.container_name
            renamed = tuple(
                replace(
                    endpoint,
                    container_name=container_name,
                    dns_names=tuple(container_name if name == old else name for name in endpoint.dns_names),
                )
                for endpoint in have.endpoints
            )
            sandbox = replace(have.sandbox, container_name=container_name)
            self.opened[container_id] = replace(have, sandbox=sandbox, endpoints=renamed)

    async def retain(self, container_ids: Sequence[str]) -> None:
        for container_id in set(self.opened) - set(container_ids):
            await self.close(container_id)

    def _id(self) -> str:
        return hashlib.sha256(str(next(self._numbers)).encode()).hexdigest()

    def _shown(self, network: Network) -> Network:
        endpoints = {
            container_id: endpoint
            for container_id, have in self.opened.items()
            for endpoint in have.endpoints
            if endpoint.network_id == network.id
        }
        return replace(network, endpoints=endpoints)

    def _joined(self, have: Open, join: Join) -> Endpoint:
        network, sandbox = self.find(join.network), have.sandbox
        if any(endpoint.network_id == network.id for endpoint in have.endpoints):
            raise Denied(what=f"endpoint with name {sandbox.container_name} already exists in network", why="")
        bare = Endpoint(self._id(), network.id, network.name, sandbox.container_id, sandbox.container_name)
        if not network.spec.pools:
            return bare
        pool = network.spec.pools[0]
        names = (sandbox.container_name, *join.aliases, sandbox.container_id[:12], sandbox.hostname)
        ip = self._address(network, pool, join)
        return replace(
            bare,
            device=f"eth{len(have.endpoints)}",
            mac=join.mac or (b"\x02\x42" + ipaddress.IPv4Address(ip).packed).hex(":"),
            ip=ip,
            prefix=ipaddress.ip_network(pool.subnet).prefixlen,
            gateway="" if network.spec.internal else pool.gateway,
            dns_names=() if network.is_predefined else tuple(dict.fromkeys(name for name in names if name)),
        )

    def _address(self, network: Network, pool: Pool, join: Join) -> str:
        used = {endpoint.ip for endpoint in network.endpoints.values()} | {pool.gateway}
        used |= {balancer.address for balancer in self.balancers if balancer.network_id == network.id}
        if join.ip:
            if network.id not in self._chose or ipaddress.ip_address(join.ip) not in ipaddress.ip_network(pool.subnet):
                raise Invalid(what="user specified IP address is not supported here", why="")
            if join.ip in used:
                raise Denied(what="Address already in use", why="")
            return join.ip
        free = (str(host) for host in ipaddress.ip_network(pool.subnet).hosts() if str(host) not in used)
        found = next(free, "")
        if not found:
            raise Unavailable(what="no available IPv4 addresses on this network's address pools", why="")
        return found

    def _published(self, sandbox: Sandbox) -> tuple[PublishedPort, ...]:
        used = {(port.protocol, port.host_port) for have in self.opened.values() for port in have.ports}
        found: list[PublishedPort] = []
        for request in sandbox.ports:
            number = next((each for each in self._candidates(request) if (request.protocol, each) not in used), 0)
            if not number:
                raise Conflict(
                    what=f"Bind for {request.host_ip or '0.0.0.0'}:{request.host_port} failed: port is already allocated",
                    why="",
                )
            used.add((request.protocol, number))
            addresses = [request.host_ip] if request.host_ip else ["0.0.0.0", "::"]
            found += [PublishedPort(request.container_port, request.protocol, address, number) for address in addresses]
        return tuple(found)

    def _candidates(self, request: PortRequest) -> Iterator[int]:
        if request.host_port:
            yield from range(request.host_port, max(request.host_port, request.host_port_last) + 1)
            return
        self._free_port += 1
        yield self._free_port


def _check(spec: NetworkSpec) -> None:
    if not spec.name:
        raise Invalid(what="invalid network name: name is empty", why="")
    if spec.name in (BRIDGE, HOST, NONE):
        raise Denied(what=f"operation is not permitted on predefined {spec.name} network ", why="")
    if spec.driver in ("host", "null"):
        raise Denied(what=f'only one instance of "{spec.driver}" network is allowed', why="")
    if spec.driver in ("overlay", "ipvlan"):
        raise NotSupported(what=f"network driver {spec.driver}", why="", fix="")
    if spec.driver not in ("bridge", "macvlan"):
        raise NotFound(what=f'plugin "{spec.driver}" not found', why="")


def _chosen(pool: Pool, number: int) -> Pool:
    subnet = pool.subnet or f"172.{number}.0.0/16"
    try:
        network = ipaddress.ip_network(subnet, strict=False)
    except ValueError as error:
        raise Invalid(what=f"invalid subnet {subnet}: invalid CIDR block notation", why="") from error
    gateway = pool.gateway or str(network.network_address + 1)
    if ipaddress.ip_address(gateway) not in network:
        raise Invalid(what=f"no matching subnet for gateway {gateway}", why="")
    return replace(pool, subnet=str(network), gateway=gateway)
