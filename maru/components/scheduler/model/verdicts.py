"""Why a Pod cannot be placed, in the words of the real scheduler.

People and test-suites read "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) ...".
Source: k8s.io/kube-scheduler/framework, FitError; plugins/defaultpreemption.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason against a node. final: removing Pods from the node would not help."""

    reason: str
    final: bool = False


Refusals = Mapping[str, tuple[Refusal, ...]]
"""Reasons by node name; never empty tuples."""

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


def is_final(refusals: tuple[Refusal, ...]) -> bool:
    """True when no preemption on that node can help."""
    return any(refusal.final for refusal in refusals)


def describe(refusals: Refusals, nodes: int) -> str:
    """The message for `nodes` nodes, all of them refused."""
    if nodes == 0:
        return "no nodes available to schedule pods"
    counted = Counter(refusal.reason for reasons in refusals.values() for refusal in reasons)
    return _summary(counted, nodes)


def describe_preemption(refusals: Refusals, nodes: int) -> str:
    """What preemption found: nodes it could not help, and nodes without victims."""
    counted = Counter(NOT_HELPFUL if is_final(reasons) else NO_VICTIMS for reasons in refusals.values())
    return _summary(counted, nodes)


def _summary(counted: Counter[str], nodes: int) -> str:
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in counted.items()))
    return f"0/{nodes} nodes are available: {reasons}."
