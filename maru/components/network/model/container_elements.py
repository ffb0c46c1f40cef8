"""Container networks as elements of flat sets: devices by what they may do, ports by where they lead.

within: pairs of one device with itself, and whether its containers talk to each other; ports4 and
ports6: (address, protocol, port) to (address, port), with the all-zero address for every address of
the machine. Fields are padded to 4 bytes.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable

from maru.components.network.model.container_balancers import elements_of_balancer
from maru.components.network.model.container_state import NetworkRecord, Networks, OpenSandbox
from maru.components.network.model.elements import Elements, Value, merge
from maru.components.network.model.forwarding import PROTOCOLS
from maru.contracts.container_network import Balancer, PublishedPort

BRIDGES, WITHIN, INTERNAL, MASQUERADED, GUARDED = "bridges", "within", "internal", "masqueraded", "guarded"
PORTS4, PORTS6 = "ports4", "ports6"
ACCEPT, DROP = "accept", "drop"

_DEVICE_BYTES = 16


def elements_of_network(network: NetworkRecord) -> Elements:
    """What a bridge needs; other drivers, and networks without a device, need nothing."""
    if network.spec.driver != "bridge" or not network.device:
        return {}
    options = network.options
    device = network.device.encode().ljust(_DEVICE_BYTES, b"\0")
    elements: Elements = {BRIDGES: {device: None}, WITHIN: {device * 2: ACCEPT if options.icc else DROP}}
    if network.spec.internal:
        elements[INTERNAL] = {device: None}
    elif options.masquerade:
        elements[MASQUERADED] = {device: None}
    if options.gateway_mode == "nat":
        elements[GUARDED] = {device: None}
    return elements


def elements_of_sandbox(sandbox: OpenSandbox, networks: Networks) -> Elements:
    """Its published ports, which lead to the endpoint that leads outside."""
    elements: Elements = {}
    for ipv6 in (False, True):
        gateway = sandbox.gateway(ipv6=ipv6)
        if gateway is None or networks[gateway.endpoint.network_id].spec.driver != "bridge":
            continue
        target = gateway.endpoint.ip6 if ipv6 else gateway.endpoint.ip
        ports: dict[bytes, Value] = {}
        for port in sandbox.ports:
            if (":" in port.host_ip) == ipv6:
                ports[_key(port)] = ipaddress.ip_address(target).packed + struct.pack(">Hxx", port.container_port)
        if ports:
            elements[PORTS6 if ipv6 else PORTS4] = ports
    return elements


def all_elements(networks: Networks, sandboxes: list[OpenSandbox], balancers: Iterable[Balancer] = ()) -> Elements:
    """Everything the table should hold."""
    elements: Elements = {}
    for network in networks.values():
        merge(elements, elements_of_network(network))
    for sandbox in sandboxes:
        merge(elements, elements_of_sandbox(sandbox, networks))
    for balancer in balancers:
        merge(elements, elements_of_balancer(balancer))
    return elements


def _key(port: PublishedPort) -> bytes:
    protocol = PROTOCOLS[port.protocol.upper()]
    return ipaddress.ip_address(port.host_ip).packed + struct.pack(">BxxxHxx", protocol, port.host_port)
