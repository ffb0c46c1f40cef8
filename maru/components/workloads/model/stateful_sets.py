"""StatefulSets: in which order Pods come, go and are renewed.

Pods come from the lowest ordinal up and go from the highest down, each only when all before it are
well (OrderedReady), or all at once (Parallel); a rolling update goes down to the partition.
Source: k8s.io/kubernetes/pkg/controller/statefulset/stateful_set_control.go, updateStatefulSet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from maru.components.workloads.model.revisions import POD_HASH_LABEL
from maru.components.workloads.model.stateful_pods import ordinal_of, start_of
from maru.components.workloads.model.values import generation_of, labels_of, resolve_share
from maru.core.document import Value
from maru.kinds.pod_state import available_in_s, is_deleting, is_ready, is_terminal, phase


@dataclass(frozen=True, slots=True)
class StatefulView:
    """What there is. current, update: revision documents; pods: the set's own, in any order."""

    stateful_set: Value
    pods: Sequence[Value]
    current: Value
    update: Value
    now: datetime

    @property
    def replicas(self) -> int:
        """How many are wanted."""
        replicas = self.stateful_set["spec"].get("replicas")
        return 1 if replicas is None else int(replicas)

    @property
    def ordinals(self) -> range:
        """Those wanted."""
        start = start_of(self.stateful_set)
        return range(start, start + self.replicas)

    @property
    def is_parallel(self) -> bool:
        """podManagementPolicy Parallel."""
        return bool(self.stateful_set["spec"].get("podManagementPolicy") == "Parallel")

    @property
    def min_ready_s(self) -> int:
        """minReadySeconds."""
        return int(self.stateful_set["spec"].get("minReadySeconds") or 0)

    def is_available(self, pod: Value) -> bool:
        """Running, ready for long enough."""
        return phase(pod) == "Running" and available_in_s(pod, self.min_ready_s, self.now) == 0

    def revision_for(self, ordinal: int) -> Value:
        """Which template a new Pod of `ordinal` gets."""
        strategy = self.stateful_set["spec"].get("updateStrategy") or {}
        rolling = strategy.get("rollingUpdate")
        if strategy.get("type") == "OnDelete":
            return self.update
        if rolling is None:
            current = int(self.stateful_set.get("status", {}).get("currentReplicas") or 0)
            return self.current if ordinal < start_of(self.stateful_set) + current else self.update
        below = ordinal < start_of(self.stateful_set) + int(rolling.get("partition") or 0)
        return self.current if below else self.update


@dataclass(slots=True)
class StatefulPlan:
    """create: ordinals; delete: Pods, in order. recreated: those of `delete` that failed by themselves."""

    create: list[int] = field(default_factory=list)
    delete: list[Value] = field(default_factory=list)
    recreated: list[Value] = field(default_factory=list)


def plan(view: StatefulView) -> StatefulPlan:
    """What may be done now."""
    want = StatefulPlan()
    if is_deleting(view.stateful_set):
        return want
    by_ordinal = {ordinal_of(pod): pod for pod in view.pods}
    if not _fill(view, by_ordinal, want) and not view.is_parallel:
        return want
    condemned = sorted((pod for pod in view.pods if ordinal_of(pod) not in view.ordinals), key=ordinal_of, reverse=True)
    if not _condemn(view, condemned, by_ordinal, want) and not view.is_parallel:
        return want
    if not want.create and not want.delete:
        _renew(view, by_ordinal, want)
    return want


def _fill(view: StatefulView, by_ordinal: dict[int, Value], want: StatefulPlan) -> bool:
    """Pods that are missing or have ended; False when the rest has to wait."""
    for ordinal in view.ordinals:
        pod = by_ordinal.get(ordinal)
        if pod is None:
            want.create.append(ordinal)
        elif is_terminal(pod):
            if not is_deleting(pod):
                want.delete.append(pod)
                want.recreated.append(pod)
        elif not is_deleting(pod) and view.is_available(pod):
            continue
        if not view.is_parallel:
            return False
    return True


def _condemn(view: StatefulView, condemned: Sequence[Value], by_ordinal: dict[int, Value], want: StatefulPlan) -> bool:
    """Pods beyond the wanted ones; False when the rest has to wait."""
    unhealthy = [pod for pod in view.pods if is_deleting(pod) or not view.is_available(pod)]
    first = min(unhealthy, key=ordinal_of, default=None)
    for pod in condemned:
        if is_deleting(pod):
            if view.is_parallel:
                continue
            return False
        if not view.is_parallel and not view.is_available(pod) and pod is not first:
            return False
        want.delete.append(pod)
        if not view.is_parallel:
            return False
    return True


def _renew(view: StatefulView, by_ordinal: dict[int, Value], want: StatefulPlan) -> None:
    strategy = view.stateful_set["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return
    rolling = strategy.get("rollingUpdate") or {}
    lowest = start_of(view.stateful_set) + int(rolling.get("partition") or 0)
    limit = max(1, resolve_share(rolling.get("maxUnavailable") or 1, view.replicas, round_up=False))
    name = view.update["metadata"]["name"]
    missing = sum(
        1
        for ordinal in view.ordinals
        if (pod := by_ordinal.get(ordinal)) is None or is_deleting(pod) or not view.is_available(pod)
    )
    for ordinal in reversed(view.ordinals):
        if ordinal < lowest:
            return
        pod = by_ordinal.get(ordinal)
        if pod is None or is_deleting(pod):
            if limit == 1:
                return
            continue
        well = view.is_available(pod)
        if labels_of(pod).get(POD_HASH_LABEL) != name:
            # One that is broken already is renewed without counting against the limit.
            if not well:
                want.delete.append(pod)
                if limit == 1:
                    return
            elif missing < limit:
                want.delete.append(pod)
                missing += 1
            else:
                return
        elif not well and limit == 1:
            return


def status(view: StatefulView) -> Value:
    """The status to report."""
    old = view.stateful_set.get("status", {})
    current_name, update_name = view.current["metadata"]["name"], view.update["metadata"]["name"]
    living = [pod for pod in view.pods if not is_deleting(pod)]

    def of_revision(name: str) -> int:
        return sum(1 for pod in living if labels_of(pod).get(POD_HASH_LABEL) == name)

    ready = sum(1 for pod in view.pods if phase(pod) == "Running" and is_ready(pod))
    current, updated = of_revision(current_name), of_revision(update_name)
    strategy = view.stateful_set["spec"].get("updateStrategy") or {}
    is_complete = updated == view.replicas == ready == len(view.pods)
    if strategy.get("type") != "OnDelete" and is_complete:
        current_name, current = update_name, updated
    report: Value = {
        "observedGeneration": generation_of(view.stateful_set),
        "replicas": len(view.pods),
        "availableReplicas": sum(1 for pod in view.pods if view.is_available(pod)),
        "currentRevision": current_name,
        "updateRevision": update_name,
        "collisionCount": int(old.get("collisionCount") or 0),
    }
    for name, count in (("readyReplicas", ready), ("currentReplicas", current), ("updatedReplicas", updated)):
        if count:
            report[name] = count
    if old.get("conditions"):
        report["conditions"] = old["conditions"]
    return report


def next_available_s(view: StatefulView) -> float | None:
    """Seconds until the next ready Pod turns available, if one is on the way."""
    waits = [available_in_s(pod, view.min_ready_s, view.now) for pod in view.pods if not is_deleting(pod)]
    return min((wait for wait in waits if wait), default=None)
