"""Which nodes can take a Pod. Every filter is one question; a node is out at the first no.

Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins: nodeunschedulable, nodename,
tainttoleration, nodeaffinity, nodeports, noderesources (Fit).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from maru.components.scheduler.model.nodes import NodeState
from maru.components.scheduler.model.pods import PodFacts
from maru.components.scheduler.model.terms import Labels, tolerates, untolerated
from maru.components.scheduler.model.topology import PodRules, SpreadCounts
from maru.components.scheduler.model.verdicts import Refusal
from maru.components.scheduler.model.volumes import ClaimDemand
from maru.kinds.quantity import NANO

UNSCHEDULABLE = Refusal("node(s) were unschedulable", final=True)
WRONG_NAME = Refusal("node(s) didn't match the requested node name", final=True)
WRONG_NODE = Refusal("node(s) didn't match Pod's node affinity/selector", final=True)
NO_PORTS = Refusal("node(s) didn't have free ports for the requested pod ports")
TOO_MANY_PODS = Refusal("Too many pods")
_CORDON_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_HARD_EFFECTS = frozenset(("NoSchedule", "NoExecute"))


@dataclass(frozen=True, slots=True)
class World:
    """What one attempt looks at: nodes by name, and the labels of namespaces."""

    nodes: Mapping[str, NodeState]
    namespaces: Mapping[str, Labels] = field(default_factory=dict)

    def with_node(self, state: NodeState) -> World:
        """The same world, but for one node."""
        return World({**self.nodes, state.name: state}, self.namespaces)


class Cycle:
    """One attempt for one Pod: what its rules between Pods need is counted when it is made."""

    def __init__(self, pod: PodFacts, world: World, claims: ClaimDemand) -> None:
        self.pod = pod
        self.world = world
        self._claims = claims
        is_ruled = bool(pod.near or pod.away) or any(
            other.away for state in world.nodes.values() for other in state.pods.values()
        )
        self._rules = PodRules(pod, world.nodes, world.namespaces) if is_ruled else None
        self._spread = [SpreadCounts(pod, rule, world.nodes) for rule in pod.spread if rule.hard]

    def refusals(self, state: NodeState) -> tuple[Refusal, ...]:
        """Why the node cannot take the Pod; empty when it can."""
        pod = self.pod
        refusal = _node_refusal(pod, state)
        if refusal is not None:
            return (refusal,)
        if pod.host_ports and state.has_port_clash(pod):
            return (NO_PORTS,)
        short = _shortages(pod, state)
        if short:
            return short
        refusal = self._claims.refusal(state)
        if refusal is not None:
            return (refusal,)
        for counts in self._spread:
            refusal = counts.refusal(state)
            if refusal is not None:
                return (refusal,)
        if self._rules is not None:
            refusal = self._rules.refusal(state)
        return () if refusal is None else (refusal,)


def _node_refusal(pod: PodFacts, state: NodeState) -> Refusal | None:
    wanted = pod.node_name
    if wanted and wanted != state.name:
        return WRONG_NAME
    if state.is_cordoned and not tolerates(pod.tolerations, _CORDON_TAINT):
        return UNSCHEDULABLE
    taint = untolerated(pod.tolerations, state.taints, _HARD_EFFECTS)
    if taint is not None:
        return Refusal(f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value') or ''}}}", final=True)
    if not pod.demand.allows(state.name, state.labels):
        return WRONG_NODE
    return None


def _shortages(pod: PodFacts, state: NodeState) -> tuple[Refusal, ...]:
    short = []
    if (len(state.pods) + 1) * NANO > state.allocatable.get("pods", 0):
        short.append(TOO_MANY_PODS)
    for name, wanted in pod.requests.items():
        have = state.allocatable.get(name, 0)
        if wanted > have - state.used.get(name, 0) and wanted > 0:
            short.append(Refusal(f"Insufficient {name}", final=wanted > have))
    return tuple(short)
