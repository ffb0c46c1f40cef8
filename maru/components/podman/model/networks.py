"""Networks between libpod's words and the Engine API's.

Source: containers/common libnetwork/types/network.go Network, Subnet; libnetwork/util/filters.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence

from maru.components.podman.model.names import matches, podman_network
from maru.contracts.container_network import NO_NAMES
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported
from maru.wire.docker.filters import Filters, has_labels

KNOWN = ("name", "id", "driver", "label", "label!", "type", "until", "dangling", "plugin")
_OPTIONS: Mapping[str, str] = {"mtu": "com.docker.network.driver.mtu", "parent": "parent"}


def engine_body(name: str, body: Value) -> Value:
    """NetworkCreate for libpod's. Raises Invalid, NotSupported."""
    if body.get("network_dns_servers"):
        raise NotSupported(what="network_dns_servers is not supported", why="", fix="give --dns to containers")
    if body.get("routes"):
        raise NotSupported(what="routes of a network are not supported", why="", fix="leave them out")
    driver = str(body.get("driver") or "bridge")
    options: dict[str, str] = {}
    for key, value in (body.get("options") or {}).items():
        if key not in _OPTIONS and not key.startswith("com.docker."):
            raise NotSupported(what=f"option {key!r} of a {driver} network is not supported", why="")
        options[_OPTIONS.get(key, key)] = str(value)
    interface = str(body.get("network_interface") or "")
    if interface:
        options["parent" if driver == "macvlan" else "com.docker.network.bridge.name"] = interface
    labels = {str(key): str(value) for key, value in (body.get("labels") or {}).items()}
    if body.get("dns_enabled") is False:
        options[NO_NAMES] = "true"
    asked: Value = {
        "Name": name,
        "Driver": driver,
        "Internal": bool(body.get("internal")),
        "EnableIPv6": bool(body.get("ipv6_enabled")),
        "Options": options,
        "Labels": labels,
    }
    subnets = body.get("subnets") or []
    if not isinstance(subnets, list) or not all(isinstance(subnet, dict) for subnet in subnets):
        raise Invalid(what=f"subnets cannot be read: {subnets!r}", why="")
    if subnets:
        asked["IPAM"] = {"Driver": "default", "Config": [_pool(subnet) for subnet in subnets]}
        asked["EnableIPv6"] = asked["EnableIPv6"] or any(":" in str(subnet.get("subnet")) for subnet in subnets)
    return asked


def network_value(network: Value, *, with_containers: bool) -> Value:
    """libpod's for the Engine API's inspect."""
    options = dict(network.get("Options") or {})
    pools = (network.get("IPAM") or {}).get("Config") or []
    shown: Value = {
        "name": podman_network(network["Name"]),
        "id": network["Id"],
        "driver": network["Driver"],
        "network_interface": options.pop("com.docker.network.bridge.name", "") or f"br-{network['Id'][:12]}",
        "created": network["Created"],
        "subnets": [_subnet(pool) for pool in pools],
        "ipv6_enabled": network["EnableIPv6"],
        "internal": network["Internal"],
        "dns_enabled": options.pop(NO_NAMES, "") != "true" and network["Name"] != "bridge",
        "labels": network.get("Labels") or {},
        "options": {key: value for key, value in options.items() if not key.startswith("com.docker.network.bridge")},
        "ipam_options": {"driver": "host-local"},
    }
    if with_containers:
        shown["containers"] = {key: _member(each) for key, each in (network.get("Containers") or {}).items()}
    return shown


def selected(networks: Sequence[Value], filters: Filters) -> list[Value]:
    """Those that every filter accepts. Raises NotSupported."""
    for name in ("plugin", "dangling", "until"):
        if filters.get(name):
            raise NotSupported(what=f"the filter {name!r} of networks is not supported", why="")
    return [network for network in networks if _accepts(network, filters)]


def _accepts(network: Value, filters: Filters) -> bool:
    tests: Mapping[str, Callable[[str], bool]] = {
        "name": lambda wanted: matches(wanted, network["name"]),
        "id": network["id"].startswith,
        "driver": lambda wanted: network["driver"] == wanted,
        "type": lambda wanted: (wanted == "builtin") == (network["name"] == "podman"),
    }
    if not has_labels(network["labels"], filters.get("label", ())):
        return False
    if any(has_labels(network["labels"], [each]) for each in filters.get("label!", ())):
        return False
    return all(any(test(wanted) for wanted in filters[name]) for name, test in tests.items() if name in filters)


def _pool(subnet: Value) -> Value:
    pool: Value = {"Subnet": str(subnet.get("subnet") or "")}
    if subnet.get("gateway"):
        pool["Gateway"] = str(subnet["gateway"])
    lease = subnet.get("lease_range") or {}
    if lease.get("start_ip") and lease.get("end_ip"):
        pool["IPRange"] = _covering(str(lease["start_ip"]), str(lease["end_ip"]))
    elif lease:
        raise NotSupported(what="a lease range needs both its ends", why="")
    return pool


def _covering(first: str, last: str) -> str:
    """The range in CIDR that begins and ends as these do, whether or not they count its own two edges.

    Raises Invalid, NotSupported.
    """
    try:
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError as error:
        raise Invalid(what=f"lease range: {error}", why="") from error
    for start in (low, low - 1):
        for end in (high, high + 1):
            count = int(end) - int(start) + 1
            if count > 0 and count & (count - 1) == 0 and int(start) % count == 0:
                return f"{start}/{low.max_prefixlen - count.bit_length() + 1}"
    raise NotSupported(what=f"the lease range {first} to {last} is not one in CIDR", why="", fix="use a range like one")


def _subnet(pool: Value) -> Value:
    shown: Value = {"subnet": pool["Subnet"]}
    if pool.get("Gateway"):
        shown["gateway"] = pool["Gateway"]
    if pool.get("IPRange"):
        hosts = ipaddress.ip_network(pool["IPRange"], strict=False)
        shown["lease_range"] = {"start_ip": str(hosts[1]), "end_ip": str(hosts[-2])}
    return shown


def _member(endpoint: Value) -> Value:
    addresses = [each for each in (endpoint["IPv4Address"], endpoint["IPv6Address"]) if each]
    interface = {"subnets": [{"ipnet": each} for each in addresses], "mac_address": endpoint["MacAddress"]}
    return {"name": endpoint["Name"], "interfaces": {"eth0": interface}}
