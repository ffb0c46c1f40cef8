"""PodDisruptionBudgets: how many of the selected Pods may be evicted now.

Source: k8s.io/kubernetes/pkg/controller/disruption, updatePdbStatus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from maru.components.workloads.model.values import generation_of, resolve_share, set_condition
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.kinds.pod_state import is_active, is_deleting, is_ready, is_terminal

DISRUPTED_S = 120.0  # an eviction that is not seen by then did not happen


def expected_count(budget: Value, pods: Sequence[Value], scales: Mapping[str, int]) -> tuple[int, int]:
    """(expected, desired healthy). scales: replicas by uid of each controller the Pods have."""
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        expected = sum(scales.values())
        missing = resolve_share(spec["maxUnavailable"], expected, round_up=True)
        return expected, max(0, expected - missing)
    least = spec.get("minAvailable")
    if isinstance(least, str) and least.endswith("%"):
        expected = sum(scales.values())
        return expected, resolve_share(least, expected, round_up=True)
    return len(pods), int(least or 0)


def disrupted(budget: Value, pods: Sequence[Value], now: datetime) -> tuple[dict[str, str], float | None]:
    """The Pods that are about to be evicted (name to time), and the seconds until one of them is given up."""
    by_name = {pod["metadata"]["name"]: pod for pod in pods}
    left: dict[str, str] = {}
    wait_s: float | None = None
    for name, stamp in (budget.get("status", {}).get("disruptedPods") or {}).items():
        pod = by_name.get(name)
        if pod is None or is_deleting(pod):
            continue
        until_s = (parse_rfc3339(stamp) + timedelta(seconds=DISRUPTED_S) - now).total_seconds()
        if until_s <= 0:
            continue
        left[name] = stamp
        wait_s = until_s if wait_s is None else min(wait_s, until_s)
    return left, wait_s


def status(budget: Value, pods: Sequence[Value], scales: Mapping[str, int], now: datetime) -> Value:
    """The status to report. pods: those selected."""
    evicting, _ = disrupted(budget, pods, now)
    counted = [pod for pod in pods if not is_terminal(pod)]
    healthy = sum(1 for pod in counted if is_active(pod) and is_ready(pod) and pod["metadata"]["name"] not in evicting)
    expected, desired = expected_count(budget, counted, scales)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    verdict, reason = ("True", "SufficientPods") if allowed > 0 else ("False", "InsufficientPods")
    conditions = list(budget.get("status", {}).get("conditions") or ())
    observed = generation_of(budget)
    fresh = set_condition(conditions, "DisruptionAllowed", verdict, reason, "", now=now)
    fresh = [
        {**entry, "observedGeneration": observed} if entry["type"] == "DisruptionAllowed" else entry for entry in fresh
    ]
    report: Value = {
        "observedGeneration": observed,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": fresh,
    }
    if evicting:
        report["disruptedPods"] = evicting
    return report
