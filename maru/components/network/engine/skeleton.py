"""The part of the table that never changes: sets, hooks, and the rules that look into the sets.

What each hook is for:
- spoof: a Pod must not reach the machine's loopback (route_localnet is on for node ports).
- guard: loadBalancerSourceRanges, before the destination is rewritten.
- nat-in, nat-out: destinations rewritten, for packets that come in and for the machine's own.
- refuse: frontends without backends, and cluster addresses nobody has, answer at once.
- policy: NetworkPolicies, where a connection begins, after the destination is rewritten.
- nat-post: hairpin, loopback and outside clients get an address that the answer finds back to.
"""

from __future__ import annotations

from maru.components.network.engine.policy_rules import policy_requests
from maru.components.network.model.elements import (
    AFFINITY,
    ALLOW_IN,
    ALLOW_OUT,
    ALLOWED,
    CLOSED,
    ENDPOINTS,
    FIREWALLED,
    FRONTENDS,
    GROUP_IN,
    GROUP_OUT,
    HAIRPIN,
    LOCAL_SLOT,
    MEMBERS,
    SLOTS,
)
from maru.components.network.model.forwarding import Pick
from maru.components.network.model.ground import Ground
from maru.linux import nft_rules as rule
from maru.linux.netlink import Request
from maru.linux.nftables import (
    DROP,
    FORWARD,
    GOTO,
    INPUT,
    IPV4_ADDRESS,
    JUMP,
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

MASQUERADE_BIT = 0x4000  # the bit kube-proxy uses for the same
AFFINITY_ENTRIES_MAX = 262_144
SERVICES_CHAIN, REJECT_CHAIN, DROP_CHAIN, CLOSED_CHAIN = "services", "reject", "drop", "closed-ones"

_KEY = (IPV4_ADDRESS, PROTOCOL, PORT)
_BACKEND = (IPV4_ADDRESS, PORT)
_ANY_LOCAL = bytes(4)
_ICMP, _TCP, _REDIRECT = 1, 6, b"\5"

SETS = (
    SetSpec(FRONTENDS, _KEY, None),
    SetSpec(ENDPOINTS, (*_KEY, MARK), _BACKEND),
    SetSpec(CLOSED, _KEY, None),
    SetSpec(SLOTS, (*_KEY, MARK), (MARK,)),
    SetSpec(MEMBERS, (*_KEY, MARK), _BACKEND),
    SetSpec(AFFINITY, (IPV4_ADDRESS, *_KEY), (MARK,), size=AFFINITY_ENTRIES_MAX, timeout=True, dynamic=True),
    SetSpec(HAIRPIN, (IPV4_ADDRESS, IPV4_ADDRESS)),
    SetSpec(FIREWALLED, _KEY),
    SetSpec(ALLOWED, (*_KEY, IPV4_ADDRESS), interval=True),
    SetSpec(GROUP_IN, (IPV4_ADDRESS,), None),
    SetSpec(GROUP_OUT, (IPV4_ADDRESS,), None),
    SetSpec(ALLOW_IN, (MARK, PROTOCOL, PORT, IPV4_ADDRESS), interval=True),
    SetSpec(ALLOW_OUT, (MARK, PROTOCOL, PORT, IPV4_ADDRESS), interval=True),
)


def skeleton(ground: Ground) -> list[Request]:
    """Sets, chains and rules of an empty table."""
    requests = [add_set(ground.table, spec, number + 1) for number, spec in enumerate(SETS)]
    chains = (SERVICES_CHAIN, REJECT_CHAIN, DROP_CHAIN, CLOSED_CHAIN)
    requests += [add_chain(ground.table, chain) for chain in chains]
    return (
        requests
        + _reject(ground)
        + _services(ground)
        + _guards(ground)
        + _refuse(ground)
        + policy_requests(ground)
        + _post(ground)
    )


def pick_requests(ground: Ground, pick: Pick) -> list[Request]:
    """The chain of one pick, with its rules."""
    requests = [add_chain(ground.table, pick.chain)]
    if pick.local < 0:
        if pick.masquerade:
            outside = rule.source_in(ground.pod_cidr, is_in=False), rule.set_mark_bit(MASQUERADE_BIT, on=True)
            requests.append(add_rule(ground.table, pick.chain, *outside))
        return requests + _choose(ground, pick, pick.cluster, 0)
    if pick.cluster:
        inside = rule.finish(Verdict(GOTO, within(pick).chain))
        requests.append(add_rule(ground.table, pick.chain, rule.source_in(ground.pod_cidr), inside))
        requests.append(add_rule(ground.table, pick.chain, rule.source_is_local(), inside))
    if pick.local == 0:
        return [*requests, add_rule(ground.table, pick.chain, rule.finish(Verdict(DROP)))]
    return requests + _choose(ground, pick, pick.local, LOCAL_SLOT)


def within(pick: Pick) -> Pick:
    """How clients within the cluster pick, under the Local policy."""
    return Pick(pick.node, pick.cluster, -1, pick.affinity_s, pick.masquerade)


def _load_key(register: int, *, node: bool) -> bytes:
    address = rule.number(_ANY_LOCAL, register) if node else rule.destination_address(register)
    return address + rule.protocol(register + 1) + rule.destination_port(register + 2)


def _choose(ground: Ground, pick: Pick, count: int, offset: int) -> list[Request]:
    """Rules that end with the destination rewritten to one of `count` backends."""
    load = _load_key(0, node=pick.node)
    if not pick.affinity_s:
        backend = load + rule.random_slot(count, offset, 3) + rule.lookup(ENDPOINTS, 0, 4)
        return [add_rule(ground.table, pick.chain, backend, rule.rewrite_destination(4, 5))]
    # The client's backend, as a number that stays its own, is put aside between one step and the next.
    timeout_ms = pick.affinity_s * 1000
    client = rule.source_address(0) + _load_key(1, node=pick.node)
    known = client + rule.lookup(AFFINITY, 0, 0) + rule.keep(0)
    fresh = load + rule.random_slot(count, offset, 3) + rule.lookup(SLOTS, 0, 0) + rule.keep(0)
    renew = client + rule.kept(4) + rule.remember(AFFINITY, 0, 4, timeout_ms, "update")
    forget = client + rule.number(bytes(4), 4) + rule.remember(AFFINITY, 0, 4, 0, "delete")
    begin = client + rule.kept(4) + rule.remember(AFFINITY, 0, 4, timeout_ms, "add")
    rewrite = load + rule.kept(3) + rule.lookup(MEMBERS, 0, 4) + rule.rewrite_destination(4, 5)
    return [
        add_rule(ground.table, pick.chain, step)
        for step in (known + renew + rewrite, forget, fresh, begin + rewrite, rewrite)
    ]


def _reject(ground: Ground) -> list[Request]:
    table = ground.table
    return [
        add_rule(table, REJECT_CHAIN, rule.protocol_is(_TCP), rule.reject_with_reset()),
        add_rule(table, REJECT_CHAIN, rule.reject_as_unreachable()),
        add_rule(table, DROP_CHAIN, rule.finish(Verdict(DROP))),
    ]


def _services(ground: Ground) -> list[Request]:
    table = ground.table
    requests = [
        add_rule(table, SERVICES_CHAIN, _load_key(0, node=False), rule.verdict_from(FRONTENDS)),
        add_rule(
            table,
            SERVICES_CHAIN,
            rule.destination_is_local(),
            _load_key(0, node=True),
            rule.verdict_from(FRONTENDS),
        ),
    ]
    for chain, hook in (("nat-in", PREROUTING), ("nat-out", OUTPUT)):
        requests.append(add_chain(table, chain, BaseChain("nat", hook, -100)))
        requests.append(add_rule(table, chain, rule.finish(Verdict(JUMP, SERVICES_CHAIN))))
    return requests


def _guards(ground: Ground) -> list[Request]:
    table = ground.table
    requests = [
        add_chain(table, "spoof", BaseChain("filter", PREROUTING, -300)),
        add_rule(
            table,
            "spoof",
            rule.input_is(ground.bridge),
            rule.destination_in("127.0.0.0/8"),
            rule.finish(Verdict(DROP)),
        ),
    ]
    for chain, hook in (("guard-in", PREROUTING), ("guard-out", OUTPUT)):
        requests.append(add_chain(table, chain, BaseChain("filter", hook, -110)))
        requests.append(
            add_rule(
                table,
                chain,
                rule.state_in(rule.STATE_NEW),
                _load_key(0, node=False),
                rule.lookup(FIREWALLED),
                rule.source_address(3),
                rule.lookup(ALLOWED, is_in=False),
                rule.finish(Verdict(DROP)),
            )
        )
    return requests


def _refuse(ground: Ground) -> list[Request]:
    table = ground.table
    requests = [
        add_rule(table, CLOSED_CHAIN, _load_key(0, node=False), rule.verdict_from(CLOSED)),
        add_rule(
            table,
            CLOSED_CHAIN,
            rule.destination_is_local(),
            _load_key(0, node=True),
            rule.verdict_from(CLOSED),
        ),
        add_rule(
            table,
            CLOSED_CHAIN,
            rule.destination_in(ground.service_cidr),
            rule.finish(Verdict(GOTO, REJECT_CHAIN)),
        ),
    ]
    for chain, hook in (("refuse-in", INPUT), ("refuse-forward", FORWARD), ("refuse-out", OUTPUT)):
        requests.append(add_chain(table, chain, BaseChain("filter", hook, -10)))
        if hook == OUTPUT:
            # Pods must go through the gateway also where a shorter way seems to exist.
            requests.append(
                add_rule(
                    table,
                    chain,
                    rule.output_is(ground.bridge),
                    rule.protocol_is(_ICMP),
                    rule.transport_byte(0),
                    rule.compare(_REDIRECT),
                    rule.finish(Verdict(DROP)),
                )
            )
        new = rule.state_in(rule.STATE_NEW)
        requests.append(add_rule(table, chain, new, rule.finish(Verdict(JUMP, CLOSED_CHAIN))))
    return requests


def _post(ground: Ground) -> list[Request]:
    table, chain = ground.table, "nat-post"
    hairpin = rule.source_address(0) + rule.destination_address(1) + rule.lookup(HAIRPIN)
    loopback = rule.source_in("127.0.0.0/8") + rule.output_is(ground.bridge)
    marked = rule.mark_has(MASQUERADE_BIT) + rule.set_mark_bit(MASQUERADE_BIT, on=False)
    requests = [add_chain(table, chain, BaseChain("nat", POSTROUTING, 100))]
    requests += [add_rule(table, chain, match, rule.masquerade()) for match in (marked, hairpin, loopback)]
    if ground.masquerade:
        leaving = rule.source_in(ground.node_range) + rule.destination_in(ground.pod_cidr, is_in=False)
        away = rule.output_is(ground.bridge, is_that=False)
        requests.append(add_rule(table, chain, leaving, away, rule.masquerade()))
    return requests
