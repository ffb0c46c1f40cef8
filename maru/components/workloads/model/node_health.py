"""What a node's conditions mean for it and its Pods: Unknown after silence, taints, evictions.

Source: k8s.io/kubernetes/pkg/controller/nodelifecycle, node_lifecycle_controller.go; pkg/controller/tainteviction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from maru.components.workloads.model.values import clone
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Value
from maru.kinds.pod_state import condition

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
_BY_PRESSURE = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_OURS = frozenset((NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_BY_PRESSURE.values()))

TaintKey = tuple[str, str]
"""(key, effect)."""


def silent_status(node: Value, now: datetime) -> Value | None:
    """The status of a node that stopped reporting: its conditions Unknown. None when it says so already."""
    status = clone(node.get("status", {}))
    conditions: list[Value] = status.setdefault("conditions", [])
    moved = False
    for kind in _REPORTED:
        old = next((entry for entry in conditions if entry["type"] == kind), None)
        if old is None:
            moved = True
            conditions.append(
                {
                    "type": kind,
                    "status": "Unknown",
                    "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.",
                    "lastHeartbeatTime": node["metadata"].get("creationTimestamp"),
                    "lastTransitionTime": rfc3339(now),
                }
            )
        elif old["status"] != "Unknown":
            moved = True
            old.update(
                status="Unknown",
                reason="NodeStatusUnknown",
                message="Kubelet stopped posting node status.",
                lastTransitionTime=rfc3339(now),
            )
    return status if moved else None


def wanted_taints(node: Value, now: datetime) -> list[Value] | None:
    """The node's taints as its conditions ask for; None when they are right already."""
    have: list[Value] = list(node["spec"].get("taints") or ())
    want = _wanted_keys(node)
    kept = [taint for taint in have if taint["key"] not in _OURS or _key(taint) in want]
    present = {_key(taint) for taint in kept}
    added = [_taint(key, effect, now) for key, effect in want if (key, effect) not in present]
    if not added and len(kept) == len(have):
        return None
    return kept + added


def _wanted_keys(node: Value) -> list[TaintKey]:
    want: list[TaintKey] = []
    ready = condition(node, "Ready")
    verdict = "Unknown" if ready is None else ready["status"]
    if verdict == "False":
        want += [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]
    elif verdict == "Unknown":
        want += [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]
    for kind, key in _BY_PRESSURE.items():
        pressure = condition(node, kind)
        if pressure is not None and pressure["status"] == "True":
            want.append((key, "NoSchedule"))
    if node["spec"].get("unschedulable"):
        want.append((UNSCHEDULABLE, "NoSchedule"))
    return want


def _key(taint: Value) -> TaintKey:
    return taint["key"], taint.get("effect") or ""


def _taint(key: str, effect: str, now: datetime) -> Value:
    taint: Value = {"key": key, "effect": effect}
    if effect == "NoExecute":
        taint["timeAdded"] = rfc3339(now)
    return taint


def is_node_ready(node: Value) -> bool:
    """True when its Ready condition is True."""
    ready = condition(node, "Ready")
    return ready is not None and ready["status"] == "True"


def lost_pod_status(pod: Value, now: datetime) -> Value | None:
    """The Ready condition of a Pod whose node is lost, as a status patch; None when it is not ready anyway."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return None
    entry = {
        **ready,
        "status": "False",
        "lastTransitionTime": rfc3339(now),
        "reason": "NodeNotReady",
        "message": "Node is not ready",
    }
    return {"conditions": [entry]}


def eviction_at(pod: Value, taints: Sequence[Value], seen: datetime) -> datetime | None:
    """When a Pod has to leave because of NoExecute taints; None when it may stay.

    seen: when a taint without timeAdded was noticed.
    """
    driving = [taint for taint in taints if taint.get("effect") == "NoExecute"]
    if not driving:
        return None
    tolerations = pod["spec"].get("tolerations") or ()
    leave: datetime | None = None
    for taint in driving:
        covering = [each for each in tolerations if _covers(each, taint)]
        since = parse_rfc3339(taint["timeAdded"]) if taint.get("timeAdded") else seen
        if not covering:
            return since
        limits = [int(each["tolerationSeconds"]) for each in covering if each.get("tolerationSeconds") is not None]
        if not limits:
            continue
        due = since + timedelta(seconds=max(0, min(limits)))
        leave = due if leave is None else min(leave, due)
    return leave


def _covers(toleration: Value, taint: Value) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def disruption_status(reason: str, message: str, now: datetime) -> Value:
    """The status patch that says why a Pod is about to be deleted."""
    entry = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": rfc3339(now),
    }
    return {"conditions": [entry]}
