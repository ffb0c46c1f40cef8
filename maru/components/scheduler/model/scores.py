"""Which of the nodes that can take a Pod does so best: each rule gives 0..100, weighted as the real one.

Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins and apis/config default weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from maru.components.scheduler.model.filters import World
from maru.components.scheduler.model.nodes import NodeState
from maru.components.scheduler.model.pods import COUNTED, PodFacts
from maru.components.scheduler.model.terms import tolerates
from maru.components.scheduler.model.topology import SpreadCounts

BEST = 100.0
WEIGHT_TAINTS = 3
WEIGHT_NODE_AFFINITY = 2
WEIGHT_POD_AFFINITY = 2
WEIGHT_SPREAD = 2
HARD_POD_AFFINITY_WEIGHT = 1  # what another Pod's required affinity for this one counts
IMAGE_BYTES_LOW = 23 * 1024 * 1024
IMAGE_BYTES_HIGH = 1000 * 1024 * 1024

Points = list[float]
"""One number per node, in the order of the nodes."""


def totals(pod: PodFacts, states: Sequence[NodeState], world: World) -> Points:
    """The weighted sum for each of `states` (those that passed the filters)."""
    sums = [_least_allocated(pod, state) + _balanced(pod, state) + _images(pod, state, world) for state in states]
    weighted = (
        (WEIGHT_TAINTS, _normal([_soft_taints(pod, state) for state in states], reverse=True)),
        (WEIGHT_NODE_AFFINITY, _normal([_node_affinity(pod, state) for state in states], reverse=False)),
        (WEIGHT_POD_AFFINITY, _between(_pod_affinity(pod, states, world))),
        (WEIGHT_SPREAD, _spread(pod, states, world)),
    )
    return [total + sum(weight * points[index] for weight, points in weighted) for index, total in enumerate(sums)]


def _shares(pod: PodFacts, state: NodeState) -> list[float]:
    """The part of each counted resource that would be used, 0..1."""
    shares = []
    for name in COUNTED:
        have = state.allocatable.get(name, 0)
        if have > 0:
            shares.append(min(1.0, (state.scored.get(name, 0) + pod.scored[name]) / have))
    return shares


def _least_allocated(pod: PodFacts, state: NodeState) -> float:
    shares = _shares(pod, state)
    return BEST * sum(1 - share for share in shares) / len(shares) if shares else 0.0


def _balanced(pod: PodFacts, state: NodeState) -> float:
    shares = _shares(pod, state)
    if not shares:
        return 0.0
    mean = sum(shares) / len(shares)
    deviation = math.sqrt(sum((share - mean) ** 2 for share in shares) / len(shares))
    return BEST * (1 - deviation)


def _images(pod: PodFacts, state: NodeState, world: World) -> float:
    containers = pod.value["spec"].get("containers") or ()
    present = 0.0
    for container in containers:
        name = _full_image(container.get("image") or "")
        if name in state.images:
            holders = sum(1 for other in world.nodes.values() if name in other.images)
            present += state.images[name] * holders / max(1, len(world.nodes))
    high = IMAGE_BYTES_HIGH * max(1, len(containers))
    return BEST * (min(max(present, IMAGE_BYTES_LOW), high) - IMAGE_BYTES_LOW) / (high - IMAGE_BYTES_LOW)


def _full_image(name: str) -> str:
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def _soft_taints(pod: PodFacts, state: NodeState) -> float:
    soft = [taint for taint in state.taints if taint.get("effect") == "PreferNoSchedule"]
    return float(sum(1 for taint in soft if not tolerates(pod.tolerations, taint)))


def _node_affinity(pod: PodFacts, state: NodeState) -> float:
    return float(sum(weight for weight, term in pod.demand.preferred if term.matches(state.name, state.labels)))


def _pod_affinity(pod: PodFacts, states: Sequence[NodeState], world: World) -> Points:
    weights: dict[tuple[str, str], float] = {}

    def count(key: str, labels: Mapping[str, str], weight: int) -> None:
        if key in labels:
            weights[key, labels[key]] = weights.get((key, labels[key]), 0.0) + weight

    for state in world.nodes.values():
        for other in state.pods.values():
            for terms, sign in ((pod.near_preferred, 1), (pod.away_preferred, -1)):
                for term in terms:
                    if term.matches(other.namespace, other.labels, world.namespaces):
                        count(term.topology_key, state.labels, sign * term.weight)
            for terms, sign in ((other.near_preferred, 1), (other.away_preferred, -1)):
                for term in terms:
                    if term.matches(pod.namespace, pod.labels, world.namespaces):
                        count(term.topology_key, state.labels, sign * term.weight)
            for term in other.near:
                if term.matches(pod.namespace, pod.labels, world.namespaces):
                    count(term.topology_key, state.labels, HARD_POD_AFFINITY_WEIGHT)
    if not weights:
        return [0.0] * len(states)
    return [sum(weights.get((key, value), 0.0) for key, value in state.labels.items()) for state in states]


def _spread(pod: PodFacts, states: Sequence[NodeState], world: World) -> Points:
    """Fewer of the same kind beside it is better: by its soft rules, or else by its controller."""
    soft = [SpreadCounts(pod, rule, world.nodes) for rule in pod.spread if not rule.hard]
    if pod.spread and not soft:
        return [0.0] * len(states)
    if not soft:
        crowd = [float(sum(1 for other in state.pods.values() if _is_sibling(pod, other))) for state in states]
        return _normal(crowd, reverse=True)
    counted = [[counts.count(state) for counts in soft] for state in states]
    worst = max((sum(number or 0 for number in row) for row in counted), default=0)
    crowd = [float(sum(worst + 1 if number is None else number for number in row)) for row in counted]
    return _normal(crowd, reverse=True)


def _is_sibling(pod: PodFacts, other: PodFacts) -> bool:
    return bool(pod.controller_uid) and pod.controller_uid == other.controller_uid and not other.is_deleting


def _normal(points: Points, *, reverse: bool) -> Points:
    """0..100 by the highest; reversed, the highest is 0."""
    highest = max(points, default=0.0)
    if highest == 0:
        return [BEST if reverse else 0.0] * len(points)
    scaled = [BEST * each / highest for each in points]
    return [BEST - each for each in scaled] if reverse else scaled


def _between(points: Points) -> Points:
    low, high = min(points, default=0.0), max(points, default=0.0)
    if high == low:
        return [0.0] * len(points)
    return [BEST * (each - low) / (high - low) for each in points]
