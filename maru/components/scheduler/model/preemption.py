"""Making room by priority: who has to go, and where it costs the least.

Source: k8s.io/kubernetes/pkg/scheduler/framework/preemption and plugins/defaultpreemption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.scheduler.model.filters import Cycle, World
from maru.components.scheduler.model.nodes import NodeState, Snapshot
from maru.components.scheduler.model.pods import PodFacts
from maru.components.scheduler.model.verdicts import Refusals, is_final
from maru.components.scheduler.model.volumes import ClaimDemand
from maru.core.document import Value
from maru.kinds.label_selector import from_selector

CANDIDATES_MAX = 100


@dataclass(frozen=True, slots=True)
class Preemption:
    """node: where; victims: highest priority first; broken: how many of them a disruption budget protects."""

    node: str
    victims: tuple[PodFacts, ...]
    broken: int


def ineligible(pod: PodFacts, snapshot: Snapshot) -> str:
    """Why the Pod may not preempt now, or empty."""
    if pod.value["spec"].get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    state = snapshot.node(pod.nominated) if pod.nominated else None
    if state is not None and any(other.is_deleting and other.priority < pod.priority for other in state.pods.values()):
        return "not eligible due to a terminating pod on the nominated node."
    return ""


def find(
    pod: PodFacts, world: World, refusals: Refusals, budgets: Sequence[Value], claims: ClaimDemand
) -> Preemption | None:
    """The cheapest way to make room for `pod`, if there is one."""
    found: list[Preemption] = []
    for name, reasons in refusals.items():
        if is_final(reasons) or len(found) >= CANDIDATES_MAX:
            continue
        candidate = _on_node(pod, world, world.nodes[name], budgets, claims)
        if candidate is not None:
            found.append(candidate)
    return min(found, key=_cost, default=None)


def _cost(candidate: Preemption) -> tuple[object, ...]:
    victims = candidate.victims
    highest = victims[0].priority
    starts = [_started(victim) for victim in victims if victim.priority == highest]
    # The latest earliest start wins, so its characters are compared downwards.
    earliest = tuple(-ord(character) for character in min(starts))
    return (
        candidate.broken,
        highest,
        sum(victim.priority + 2**31 for victim in victims),
        len(victims),
        earliest,
        candidate.node,
    )


def _started(pod: PodFacts) -> str:
    started = pod.value.get("status", {}).get("startTime") or pod.value["metadata"].get("creationTimestamp")
    return str(started or "")


def _on_node(
    pod: PodFacts, world: World, state: NodeState, budgets: Sequence[Value], claims: ClaimDemand
) -> Preemption | None:
    emptied = state.copy()
    lower = [other for other in state.pods.values() if other.priority < pod.priority]
    for other in lower:
        emptied.remove(other.uid)
    if not lower or not _fits(pod, world, emptied, claims):
        return None
    lower.sort(key=lambda other: (-other.priority, _started(other), other.uid))
    protected = _protected(lower, budgets)
    victims: list[PodFacts] = []
    for other in sorted(lower, key=lambda each: each.uid not in protected):
        emptied.add(other)
        if not _fits(pod, world, emptied, claims):
            emptied.remove(other.uid)
            victims.append(other)
    if not victims:
        return None
    victims.sort(key=lambda other: (-other.priority, _started(other), other.uid))
    broken = sum(1 for victim in victims if victim.uid in protected)
    return Preemption(state.name, tuple(victims), broken)


def _fits(pod: PodFacts, world: World, state: NodeState, claims: ClaimDemand) -> bool:
    return not Cycle(pod, world.with_node(state), claims).refusals(state)


def _protected(pods: Sequence[PodFacts], budgets: Sequence[Value]) -> set[str]:
    """The Pods whose loss a budget does not allow, counting down through `pods` in order."""
    left = {
        (budget["metadata"]["namespace"], budget["metadata"]["name"]): int(
            budget.get("status", {}).get("disruptionsAllowed") or 0
        )
        for budget in budgets
    }
    protected = set()
    for pod in pods:
        for budget in budgets:
            key = (budget["metadata"]["namespace"], budget["metadata"]["name"])
            selector = from_selector(budget["spec"].get("selector"))
            if key[0] != pod.namespace or not selector.matches(pod.labels):
                continue
            left[key] -= 1
            if left[key] < 0:
                protected.add(pod.uid)
    return protected
