"""ReplicaSets and ReplicationControllers: how many Pods to make, which ones to delete, what to report.

Source: k8s.io/kubernetes/pkg/controller/replicaset, manageReplicas and calculateStatus;
pkg/controller, ActivePodsWithRanks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from maru.components.workloads.model.values import (
    annotations_of,
    created_at,
    generation_of,
    labels_of,
    set_condition,
    uid_of,
    without_condition,
)
from maru.core.document import Value
from maru.kinds.pod_state import (
    available_in_s,
    is_active,
    is_deleting,
    is_ready,
    is_terminal,
    node_name,
    phase,
    ready_since,
    restarts_max,
)

BURST_MAX = 500  # creations or deletions in one round
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """create: how many Pods; delete: which ones. One of the two is empty."""

    create: int = 0
    delete: tuple[Value, ...] = ()


def plan(wanted: int, pods: Sequence[Value], related: Sequence[Value], now: datetime) -> ReplicaPlan:
    """What brings the active ones of `pods` to `wanted`. related: Pods of sibling sets, for spreading deletions."""
    active = [pod for pod in pods if is_active(pod)]
    missing = wanted - len(active)
    if missing >= 0:
        return ReplicaPlan(create=min(missing, BURST_MAX))
    surplus = min(-missing, BURST_MAX)
    if surplus >= len(active):
        return ReplicaPlan(delete=tuple(active))
    return ReplicaPlan(delete=tuple(rank_for_deletion(active, related, now)[:surplus]))


def rank_for_deletion(pods: Sequence[Value], related: Sequence[Value], now: datetime) -> list[Value]:
    """`pods`, those to delete first in front: unassigned, not ready, cheap, crowded, young before others."""
    per_node = Counter(node_name(pod) for pod in related if is_active(pod))

    def order(pod: Value) -> tuple[object, ...]:
        since = ready_since(pod)
        return (
            bool(node_name(pod)),
            _PHASE_RANK.get(phase(pod), 2),
            is_ready(pod),
            deletion_cost(pod),
            -per_node[node_name(pod)],
            _age_rank(since, now),
            -restarts_max(pod),
            _age_rank(created_at(pod), now),
            uid_of(pod),
        )

    return sorted(pods, key=order)


def deletion_cost(pod: Value) -> int:
    """The annotated cost (-2**31..2**31-1), 0 when it is missing or no number."""
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _age_rank(since: datetime | None, now: datetime) -> int:
    if since is None:
        return 0
    age_s = (now - since).total_seconds()
    return 0 if age_s < 1 else int(math.log2(age_s)) + 1


def status(owner: Value, pods: Sequence[Value], failure: tuple[str, str] | None, now: datetime) -> Value:
    """The status to report. failure: reason and message of a creation or deletion that was refused."""
    template_labels = (owner["spec"].get("template") or {}).get("metadata", {}).get("labels") or {}
    min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
    active = [pod for pod in pods if is_active(pod)]
    labelled = [pod for pod in active if template_labels.items() <= labels_of(pod).items()]
    conditions = list(owner.get("status", {}).get("conditions") or ())
    if failure is not None:
        if all(entry["type"] != "ReplicaFailure" for entry in conditions):
            conditions = set_condition(conditions, "ReplicaFailure", "True", *failure, now=now)
    else:
        conditions = without_condition(conditions, "ReplicaFailure")
    counts = {
        "fullyLabeledReplicas": len(labelled),
        "readyReplicas": sum(1 for pod in active if is_ready(pod)),
        "availableReplicas": sum(1 for pod in active if available_in_s(pod, min_ready_s, now) == 0),
    }
    report: Value = {"replicas": len(active), **{name: count for name, count in counts.items() if count}}
    if owner["kind"] == "ReplicaSet":
        report["terminatingReplicas"] = sum(1 for pod in pods if is_deleting(pod) and not is_terminal(pod))
    if conditions:
        report["conditions"] = conditions
    report["observedGeneration"] = generation_of(owner)
    return report


def next_available_s(pods: Sequence[Value], min_ready_s: int, now: datetime) -> float | None:
    """Seconds until the next ready Pod turns available, if one is on the way."""
    waits = [available_in_s(pod, min_ready_s, now) for pod in pods if is_active(pod)]
    return min((wait for wait in waits if wait), default=None)
