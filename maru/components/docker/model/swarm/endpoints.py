"""What a service is reached by: its ports of the machine, and a virtual address on each of its networks.

Source: Docker Engine API v1.50, Service.Endpoint; moby/swarmkit, manager/allocator (the range of ports).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence, Set

from maru.components.docker.model.swarm.entries import Entry
from maru.components.docker.model.swarm.specs import refused
from maru.core.document import Value

PORT_FIRST, PORT_LAST = 30000, 32767


def endpoint_mode(spec: Value) -> str:
    """vip or dnsrr."""
    return str((spec.get("EndpointSpec") or {}).get("Mode") or "vip")


def is_in_ingress(spec: Value) -> bool:
    """Whether it publishes ports at the routing mesh."""
    ports = (spec.get("EndpointSpec") or {}).get("Ports") or ()
    return any(port.get("PublishMode") != "host" for port in ports)


def allocated_ports(spec: Value, before: Sequence[Value], service_id: str, others: Sequence[Entry]) -> list[Value]:
    """Its ports with a number each. before: what it has already. Raises Invalid when another service has one."""
    taken = {
        (str(port.get("Protocol")), int(port.get("PublishedPort") or 0)): (str(port.get("PublishMode")), entry)
        for entry in others
        if entry.id != service_id
        for port in (entry.status.get("Endpoint") or {}).get("Ports") or ()
    }
    found: list[Value] = []
    for port in (spec.get("EndpointSpec") or {}).get("Ports") or ():
        number, protocol, mode = int(port.get("PublishedPort") or 0), port["Protocol"], port["PublishMode"]
        holder = taken.get((protocol, number)) if number else None
        if holder is not None and not mode == holder[0] == "host":
            kind = "a host-published port" if holder[0] == "host" else "an ingress port"
            entry = holder[1]
            raise refused(f"port '{number}' is already in use by service '{entry.name}' ({entry.id}) as {kind}")
        if not number and mode == "ingress":
            number = _kept(port, before) or _free(
                protocol, {*taken, *((each["Protocol"], each["PublishedPort"]) for each in found)}
            )
        found.append({**port, "PublishedPort": number} if number else {**port})
    return found


def allocated_addresses(
    networks: Mapping[str, str], before: Sequence[Value], busy: Mapping[str, Set[str]]
) -> list[Value]:
    """A virtual address on each network. networks: subnet by id; busy: addresses that are in use, by network id."""
    kept = {each["NetworkID"]: each for each in before}
    return [
        kept.get(network_id) or {"NetworkID": network_id, "Addr": _highest(subnet, busy.get(network_id, frozenset()))}
        for network_id, subnet in networks.items()
    ]


def _highest(subnet: str, busy: Set[str]) -> str:
    network = ipaddress.ip_network(subnet)
    for number in range(int(network.broadcast_address) - 1, int(network.network_address) + 1, -1):
        address = str(type(network.network_address)(number))
        if address not in busy:
            return f"{address}/{network.prefixlen}"
    raise refused(f"could not find an available IP while allocating VIP in {subnet}", "Unknown", 500)


def _kept(port: Value, before: Sequence[Value]) -> int:
    """The number it was given before, 0 for none."""
    for each in before:
        if (each["TargetPort"], each["Protocol"]) == (port["TargetPort"], port["Protocol"]):
            return int(each.get("PublishedPort") or 0)
    return 0


def _free(protocol: str, taken: Set[tuple[str, int]]) -> int:
    for number in range(PORT_FIRST, PORT_LAST + 1):
        if (protocol, number) not in taken:
            return number
    raise refused("dynamic port space is exhausted", "Unknown", 500)
