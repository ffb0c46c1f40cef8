"""The rules that look NetworkPolicies up: whether a Pod is isolated, and whether this may pass all the same.

An isolated Pod's address leads to the chain of its group, which lets through what stands in one map by
(group, protocol, port, other address). A Pod always reaches itself, and the machine always reaches its
Pods (probes need it).
"""

from __future__ import annotations

import struct

from maru.components.network.model.elements import ALLOW_IN, ALLOW_OUT, GROUP_IN, GROUP_OUT, HAIRPIN, PolicyGroup
from maru.components.network.model.ground import Ground
from maru.linux import nft_rules as rule
from maru.linux.netlink import Request
from maru.linux.nftables import ACCEPT, DROP, FORWARD, INPUT, JUMP, RETURN, BaseChain, Verdict, add_chain, add_rule

_OUT, _IN = "policy-out", "policy-in"


def policy_requests(ground: Ground) -> list[Request]:
    """Two chains for the two directions, and the hooks that come to them."""
    table = ground.table
    itself = rule.source_address(0) + rule.destination_address(1) + rule.lookup(HAIRPIN)
    new = rule.state_in(rule.STATE_NEW)
    to_out, to_in = (rule.finish(Verdict(JUMP, chain)) for chain in (_OUT, _IN))
    return [
        add_chain(table, _OUT),
        add_chain(table, _IN),
        add_rule(table, _OUT, rule.source_address(), rule.verdict_from(GROUP_OUT)),
        add_rule(table, _IN, rule.destination_address(), rule.verdict_from(GROUP_IN)),
        add_chain(table, "policy-forward", BaseChain("filter", FORWARD, 0)),
        add_rule(table, "policy-forward", itself, rule.finish(Verdict(ACCEPT))),
        add_rule(table, "policy-forward", new, to_out),
        add_rule(table, "policy-forward", new, to_in),
        add_chain(table, "policy-input", BaseChain("filter", INPUT, 0)),
        add_rule(table, "policy-input", new, rule.input_is(ground.bridge), to_out),
    ]


def group_requests(ground: Ground, group: PolicyGroup) -> list[Request]:
    """The chain of one group: what is allowed goes back to where it came from, the rest is dropped."""
    is_out = group.direction == "out"
    other = rule.destination_address(3) if is_out else rule.source_address(3)
    packet = rule.number(struct.pack("=I", group.number)) + rule.protocol(1) + rule.destination_port(2) + other
    allowed = packet + rule.lookup(ALLOW_OUT if is_out else ALLOW_IN)
    return [
        add_chain(ground.table, group.chain),
        add_rule(ground.table, group.chain, allowed, rule.finish(Verdict(RETURN))),
        add_rule(ground.table, group.chain, rule.finish(Verdict(DROP))),
    ]
