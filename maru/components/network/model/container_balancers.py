"""Balancers of container networks: as elements of flat maps, and as what names and addresses see of them.

A map takes (address, a random number below SLOTS) to a backend, another (protocol, port, number) to a backend
and its port. Backends stand at the slots in turn, so that each has as many as the others, or one more.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence

from maru.components.network.model.container_state import Held, NetworkRecord, Networks, OpenSandbox
from maru.components.network.model.elements import Elements, Value
from maru.components.network.model.forwarding import PROTOCOLS
from maru.contracts.container_network import Balancer, Endpoint, Join, Sandbox

VIRTUAL, BALANCED4, MESH4 = "virtual", "balanced4", "mesh4"
SLOTS = 120  # a multiple of most small numbers; further backends get nothing


def elements_of_balancer(balancer: Balancer) -> Elements:
    """Without backends its address is guarded all the same, so that nothing of the machine answers at it."""
    address = ipaddress.ip_address(balancer.address).packed
    elements: Elements = {VIRTUAL: {address: None}}
    backends = sorted(balancer.backends)[:SLOTS]
    if not backends:
        return elements
    packed = [ipaddress.ip_address(backend).packed for backend in backends]
    turns = [(struct.pack("=I", slot), packed[slot % len(packed)]) for slot in range(SLOTS)]
    elements[BALANCED4] = {address + slot: backend for slot, backend in turns}
    ports: dict[bytes, Value] = {}
    for port in balancer.ports:
        place = struct.pack(">BxxxHxx", PROTOCOLS[port.protocol.upper()], port.host_port)
        target = struct.pack(">Hxx", port.container_port)
        ports |= {place + slot: backend + target for slot, backend in turns}
    if ports:
        elements[MESH4] = ports
    return elements


def stand_ins(balancers: Iterable[Balancer], networks: Networks) -> Sequence[OpenSandbox]:
    """Balancers as containers that have their addresses and names; those of networks that are gone are left out."""
    return [
        _stand_in(balancer, networks[balancer.network_id]) for balancer in balancers if balancer.network_id in networks
    ]


def _stand_in(balancer: Balancer, network: NetworkRecord) -> OpenSandbox:
    name = f"balancer {balancer.name}"
    endpoint = Endpoint(
        id=name,
        network_id=network.id,
        network_name=network.spec.name,
        container_id=name,
        container_name=balancer.name,
        ip=balancer.address,
        dns_names=balancer.dns_names,
    )
    return OpenSandbox(Sandbox(name, balancer.name, ""), (Held(endpoint, Join(network.id)),))
