"""What a container gets on a network: addresses, device and names, worked out before anything is touched.

Error texts are dockerd's. Source: moby/daemon/container_operations.go and libnetwork/endpoint.go.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Iterable, Sequence

from maru.components.network.model.container_ground import host_link_name
from maru.components.network.model.container_pools import next_address, parsed
from maru.components.network.model.container_state import Held, NetworkRecord, OpenSandbox, dns_names
from maru.contracts.container_network import Endpoint, Join
from maru.core.errors import Denied, Invalid, NotSupported

_WITHOUT_DEVICE = ("host", "null")


def planned(
    network: NetworkRecord, sandbox: OpenSandbox, join: Join, endpoint_id: str, others: Iterable[OpenSandbox]
) -> Held:
    """The endpoint of one more network of `sandbox`; others: all open sandboxes, for the addresses in use.

    Raises Denied (it is on it already, an address is taken), Invalid, NotSupported, Unavailable.
    """
    _check(network, sandbox, join)
    seen = sandbox.sandbox
    names = dns_names(seen, join) if network.has_names else ()
    endpoint = Endpoint(
        endpoint_id, network.id, network.spec.name, seen.container_id, seen.container_name, dns_names=names
    )
    if network.spec.driver in _WITHOUT_DEVICE:
        return Held(endpoint, join)
    used = {
        address
        for other in (*others, sandbox)
        for held in other.held
        if held.endpoint.network_id == network.id
        for address in (held.endpoint.ip, held.endpoint.ip6)
    }
    return _addressed(network, sandbox, Held(endpoint, join), used)


def hardware_address(address: str, seed: str) -> str:
    """A locally administered MAC: that of the IPv4 address, or one that follows from `seed`."""
    tail = ipaddress.IPv4Address(address).packed if address else hashlib.sha256(seed.encode()).digest()[:4]
    return (b"\x02\x42" + tail).hex(":")


def _addressed(network: NetworkRecord, sandbox: OpenSandbox, held: Held, used: Collection[str]) -> Held:
    pool4, pool6, join = network.pool4, network.pool6, held.join
    is_inside = network.spec.internal
    ip = next_address(pool4, set(used), join.ip) if pool4 else ""
    ip6 = next_address(pool6, set(used), join.ip6) if pool6 else ""
    mac = _checked_mac(join.mac) if join.mac else hardware_address(ip, held.endpoint.id)
    bare = held.endpoint
    endpoint = Endpoint(
        bare.id,
        bare.network_id,
        bare.network_name,
        bare.container_id,
        bare.container_name,
        device=_first_free_device(network.options.device_prefix, [each.endpoint.device for each in sandbox.held]),
        mac=mac,
        ip=ip,
        prefix=parsed(pool4.subnet).prefixlen if pool4 else 0,
        gateway=pool4.gateway if pool4 and not is_inside else "",
        ip6=ip6,
        prefix6=parsed(pool6.subnet).prefixlen if pool6 else 0,
        gateway6=pool6.gateway if pool6 and not is_inside else "",
        dns_names=bare.dns_names,
    )
    return Held(endpoint, join, host_link_name(bare.id) if network.spec.driver == "bridge" else "")


def _check(network: NetworkRecord, sandbox: OpenSandbox, join: Join) -> None:
    name, driver = network.spec.name, network.spec.driver
    if network.spec.config_only:
        raise Denied(what=f"cannot connect container to a config-only network {name}", why="")
    if sandbox.find(network.id) is not None:
        container = sandbox.sandbox.container_name
        raise Denied(what=f"endpoint with name {container} already exists in network {name}", why="")
    if driver == "host" and sandbox.sandbox.netns_path:
        raise Invalid(what="container cannot be connected to host network - container must be created with it", why="")
    if driver != "host" and not sandbox.sandbox.netns_path:
        raise Invalid(
            what="container sharing network namespace with another container or host cannot be connected to any "
            "other network",
            why="",
        )
    if network.is_predefined and driver == "bridge" and (join.ip or join.ip6):
        raise Invalid(what="user specified IP address is supported on user defined networks only", why="")
    chosen = (join.ip and not network.chose4) or (join.ip6 and not network.chose6)
    if driver not in _WITHOUT_DEVICE and chosen:
        raise Invalid(
            what="user specified IP address is supported only when connecting to networks with user configured subnets",
            why="",
        )
    for option in join.driver_options:
        if option.startswith("com.docker.network.endpoint.sysctls"):
            raise NotSupported(what=f"endpoint option {option}", why="Maru does not have it", fix="leave it out")


def _checked_mac(text: str) -> str:
    parts = text.replace("-", ":").lower().split(":")
    if len(parts) != 6 or any(len(part) != 2 or set(part) - set("0123456789abcdef") for part in parts):
        raise Invalid(what=f"invalid MAC address: {text}", why="")
    return ":".join(parts)


def _first_free_device(prefix: str, used: Sequence[str]) -> str:
    return next(name for name in (f"{prefix}{number}" for number in range(len(used) + 1)) if name not in used)
