"""The rules of container networks: sets, hooks, and what looks into the sets. An inet table.

- spoof: a container must not reach the machine's loopback (route_localnet is on for published ports).
- nat-in, nat-out: destinations of published ports and of balancers rewritten, for what comes in and for the
  machine itself. virtual-in: what is sent to a balancer without backends is refused.
- forward: within a network as its icc says; published ports from everywhere; no way in or out of internal
  networks, none from one network to another, none from outside to what is not published.
- nat-post: what leaves a network, comes back to it or comes from loopback gets an address of the machine.

Source: the packet filter that dockerd 28 sets up, in Docker documentation, "Packet filtering and firewalls".
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

from maru.components.network.model.container_balancers import BALANCED4, MESH4, SLOTS, VIRTUAL
from maru.components.network.model.container_elements import (
    ACCEPT,
    BRIDGES,
    GUARDED,
    INTERNAL,
    MASQUERADED,
    PORTS4,
    PORTS6,
    WITHIN,
)
from maru.components.network.model.elements import Value
from maru.linux import nft_rules as rule
from maru.linux import nftables
from maru.linux.netlink import Request
from maru.linux.nftables import (
    DEVICE,
    DROP,
    FORWARD,
    INPUT,
    IPV4_ADDRESS,
    IPV6_ADDRESS,
    MARK,
    OUTPUT,
    PORT,
    POSTROUTING,
    PREROUTING,
    PROTOCOL,
    BaseChain,
    SetSpec,
    Verdict,
    add_chain,
    add_rule,
    add_set,
)

MASQUERADE_BIT = 0x8000  # Pods have 0x4000
DNS_ADDRESS, DNS_PORT = "127.0.0.11", 53
DNS_TABLE = "maru-names"
_ACCEPT = rule.finish(Verdict(nftables.ACCEPT))
_DROP = rule.finish(Verdict(DROP))
_UDP, _TCP = 17, 6
_OUTPUT_REGISTER = 4  # a device's name takes four
_ANY4, _ANY6 = bytes(4), bytes(16)
_LOOPBACK6 = bytes(15) + b"\1"

SETS = (
    SetSpec(BRIDGES, (DEVICE,)),
    SetSpec(WITHIN, (DEVICE, DEVICE), None),
    SetSpec(INTERNAL, (DEVICE,)),
    SetSpec(MASQUERADED, (DEVICE,)),
    SetSpec(GUARDED, (DEVICE,)),
    SetSpec(PORTS4, (IPV4_ADDRESS, PROTOCOL, PORT), (IPV4_ADDRESS, PORT)),
    SetSpec(PORTS6, (IPV6_ADDRESS, PROTOCOL, PORT), (IPV6_ADDRESS, PORT)),
    SetSpec(VIRTUAL, (IPV4_ADDRESS,)),
    SetSpec(BALANCED4, (IPV4_ADDRESS, MARK), (IPV4_ADDRESS,)),
    SetSpec(MESH4, (PROTOCOL, PORT, MARK), (IPV4_ADDRESS, PORT)),
)


def skeleton(table: str) -> list[Request]:
    """Sets, chains and rules of an empty table."""
    requests = [add_set(table, spec, number + 1) for number, spec in enumerate(SETS)]
    return requests + _spoof(table) + _nat(table) + _virtual(table) + _forward(table) + _post(table)


def additions(table: str, name: str, elements: Mapping[bytes, Value]) -> list[Request]:
    """Elements to add to a set."""
    verdicts = {ACCEPT: Verdict(nftables.ACCEPT), "drop": Verdict(DROP)}

    def encoded(value: Value) -> bytes | Verdict | None:
        if isinstance(value, str):
            return verdicts[value]
        assert value is None or isinstance(value, bytes), "no chains are looked up here"
        return value

    return nftables.add_elements(table, name, ((key, encoded(value)) for key, value in elements.items()))


def removals(table: str, name: str, keys: Iterable[bytes]) -> list[Request]:
    """Elements to take from a set."""
    return nftables.delete_elements(table, name, keys)


def name_requests(udp_port: int, tcp_port: int, *, is_anew: bool) -> list[Request]:
    """The table within a container's namespace: DNS to 127.0.0.11 goes to our sockets, whatever else has port 53.

    is_anew: there is one already, which is replaced. It costs the kernel 20 ms to remove one.
    """
    chain = "output"
    requests = [nftables.delete_table(DNS_TABLE)] if is_anew else []
    requests += [
        nftables.add_table(DNS_TABLE),
        add_chain(DNS_TABLE, chain, BaseChain("nat", OUTPUT, -100)),
    ]
    address = socket.inet_aton(DNS_ADDRESS)
    for protocol, port in ((_UDP, udp_port), (_TCP, tcp_port)):
        requests.append(
            add_rule(
                DNS_TABLE,
                chain,
                rule.destination_address() + rule.compare(address),
                rule.protocol_is(protocol),
                rule.destination_port() + rule.compare(DNS_PORT.to_bytes(2)),
                rule.number(address, 0) + rule.number(port.to_bytes(2), 1),
                rule.rewrite_destination(0, 1),
            )
        )
    return requests


def _spoof(table: str) -> list[Request]:
    from_container = rule.input_device() + rule.lookup(BRIDGES)
    loopback = rule.family_is(rule.IPV4) + rule.destination_in("127.0.0.0/8")
    return [
        add_chain(table, "spoof", BaseChain("filter", PREROUTING, -300)),
        add_rule(table, "spoof", from_container, loopback, _DROP),
    ]


def _nat(table: str) -> list[Request]:
    requests = [add_chain(table, "published")]
    for family, ports, any_address, width in ((rule.IPV4, PORTS4, _ANY4, 1), (rule.IPV6, PORTS6, _ANY6, 4)):
        load = rule.destination_address() if family == rule.IPV4 else rule.destination_address6()
        for address in (load, rule.number(any_address)):
            key = address + rule.protocol(width) + rule.destination_port(width + 1)
            found = rule.lookup(ports, 0, width + 2) + rule.rewrite_destination(width + 2, width * 2 + 2, family)
            local = rule.destination_is_local()
            if family == rule.IPV6:  # what comes from ::1 may not leave the machine: a proxy carries it
                local += rule.destination_address6() + rule.compare(_LOOPBACK6, 0, rule.NOT_EQUAL)
            requests.append(add_rule(table, "published", rule.family_is(family), local, key, found))
    requests += [add_rule(table, "published", each) for each in _balanced()]
    for chain, hook in (("nat-in", PREROUTING), ("nat-out", OUTPUT)):
        requests.append(add_chain(table, chain, BaseChain("nat", hook, -101)))
        requests.append(add_rule(table, chain, rule.finish(Verdict(nftables.JUMP, "published"))))
    return requests


def _balanced() -> tuple[bytes, bytes]:
    """To a backend of a balancer by its address, and by a port of the machine."""
    ipv4 = rule.family_is(rule.IPV4)
    by_address = ipv4 + rule.destination_address() + rule.random_slot(SLOTS, 0, 1) + rule.lookup(BALANCED4, 0, 2)
    by_port = ipv4 + rule.destination_is_local() + rule.protocol() + rule.destination_port(1)
    by_port += rule.random_slot(SLOTS, 0, 2) + rule.lookup(MESH4, 0, 3)
    return by_address + rule.rewrite_address(2), by_port + rule.rewrite_destination(3, 4)


def _virtual(table: str) -> list[Request]:
    """What is sent to a balancer without backends would be the machine's own: it is refused."""
    chain = "virtual-in"
    refused = rule.family_is(rule.IPV4) + rule.destination_address() + rule.lookup(VIRTUAL)
    return [
        add_chain(table, chain, BaseChain("filter", INPUT, -5)),
        # The machine itself asks with the very address it asks: answers to that are let in.
        add_rule(table, chain, rule.state_in(rule.STATE_KNOWN) + _ACCEPT),
        add_rule(table, chain, refused, rule.protocol_is(_TCP), rule.reject_with_reset()),
        add_rule(table, chain, refused, rule.reject_as_unreachable()),
    ]


def _forward(table: str) -> list[Request]:
    chain = "forward"
    pair = rule.input_device() + rule.output_device(_OUTPUT_REGISTER)
    from_ours = rule.input_device() + rule.lookup(BRIDGES)
    to_ours = rule.output_device() + rule.lookup(BRIDGES)
    published = rule.status_in(rule.STATUS_REWRITTEN)
    mark = rule.set_mark_bit(MASQUERADE_BIT, on=True)
    leaving = rule.input_device() + rule.lookup(MASQUERADED)
    rules = (
        rule.state_in(rule.STATE_KNOWN) + _ACCEPT,
        # Out of the network by any device, back into it by a published port: answers must come this way.
        leaving + published + mark,
        published + to_ours + _ACCEPT,
        pair + rule.verdict_from(WITHIN),
        leaving + mark,
        rule.input_device() + rule.lookup(INTERNAL) + _DROP,
        rule.output_device() + rule.lookup(INTERNAL) + _DROP,
        from_ours + to_ours + _DROP,
        rule.output_device() + rule.lookup(GUARDED) + _DROP,
    )
    requests = [add_chain(table, chain, BaseChain("filter", FORWARD, -5))]
    return requests + [add_rule(table, chain, each) for each in rules]


def _post(table: str) -> list[Request]:
    chain = "nat-post"
    to_ours = rule.output_device() + rule.lookup(BRIDGES)
    loopback = rule.family_is(rule.IPV4) + rule.source_in("127.0.0.0/8") + to_ours
    marked = rule.mark_has(MASQUERADE_BIT) + rule.set_mark_bit(MASQUERADE_BIT, on=False)
    requests = [add_chain(table, chain, BaseChain("nat", POSTROUTING, 99))]
    return requests + [add_rule(table, chain, each, rule.masquerade()) for each in (marked, loopback)]
