"""The rules that look NetworkPolicies up: whether a Pod is isolated, and whether this may pass all the same.

A Pod's group is found by its address, and what the group allows by (group, protocol, port, other
address). A Pod always reaches itself, and the machine always reaches its Pods (probes need it).
"""

from __future__ import annotations

from maru.components.network.model.elements import ALLOW_IN, ALLOW_OUT, GROUP_IN, GROUP_OUT, HAIRPIN
from maru.components.network.model.ground import Ground
from maru.linux import nft_rules as rule
from maru.linux.netlink import Request
from maru.linux.nftables import ACCEPT, DROP, FORWARD, INPUT, JUMP, RETURN, BaseChain, Verdict, add_chain, add_rule

_OUT, _IN = "policy-out", "policy-in"


def policy_requests(ground: Ground) -> list[Request]:
    """Two chains for the two directions, and the hooks that come to them."""
    table = ground.table
    out_group = rule.source_address(0) + rule.lookup(GROUP_OUT, 0, 0)
    in_group = rule.destination_address(0) + rule.lookup(GROUP_IN, 0, 0)
    what = rule.protocol(1) + rule.destination_port(2)
    itself = rule.source_address(0) + rule.destination_address(1) + rule.lookup(HAIRPIN)
    may_leave = out_group + what + rule.destination_address(3) + rule.lookup(ALLOW_OUT)
    may_enter = in_group + what + rule.source_address(3) + rule.lookup(ALLOW_IN)
    drop, accept = rule.finish(Verdict(DROP)), rule.finish(Verdict(ACCEPT))
    new = rule.state_in(rule.STATE_NEW)
    return [
        add_chain(table, _OUT),
        add_chain(table, _IN),
        add_rule(table, _IN, may_enter, accept),
        add_rule(table, _IN, in_group, drop),
        add_rule(table, _OUT, may_leave, rule.finish(Verdict(RETURN))),
        add_rule(table, _OUT, out_group, drop),
        add_chain(table, "policy-forward", BaseChain("filter", FORWARD, 0)),
        add_rule(table, "policy-forward", itself, accept),
        add_rule(table, "policy-forward", new, rule.finish(Verdict(JUMP, _OUT))),
        add_rule(table, "policy-forward", new, rule.finish(Verdict(JUMP, _IN))),
        add_chain(table, "policy-input", BaseChain("filter", INPUT, 0)),
        add_rule(table, "policy-input", new, rule.input_is(ground.bridge), rule.finish(Verdict(JUMP, _OUT))),
    ]
