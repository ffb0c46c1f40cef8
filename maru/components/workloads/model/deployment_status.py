"""What a Deployment reports: counts, Available, Progressing and ReplicaFailure.

kubectl rollout status and helm --wait decide by these words.
Source: k8s.io/kubernetes/pkg/controller/deployment/progress.go and util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from maru.components.workloads.model.deployments import (
    deadline_s,
    max_unavailable,
    replicas_of,
    reported,
)
from maru.components.workloads.model.values import generation_of
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Value
from maru.kinds.pod_state import condition

NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known when the status is written. new: the current ReplicaSet; sets: all, the new one too."""

    new: Value | None
    sets: Sequence[Value]
    now: datetime


def with_condition(status: Value, kind: str, verdict: str, reason: str, message: str, *, now: datetime) -> Value:
    """`status` with one condition set. Nothing changes while verdict and reason stay (the message may be older)."""
    conditions = list(status.get("conditions") or ())
    old = next((entry for entry in conditions if entry["type"] == kind), None)
    if old is not None and old["status"] == verdict and old.get("reason") == reason:
        return status
    moved = rfc3339(now) if old is None or old["status"] != verdict else old.get("lastTransitionTime", rfc3339(now))
    new = {
        "type": kind,
        "status": verdict,
        "lastUpdateTime": rfc3339(now),
        "lastTransitionTime": moved,
        "reason": reason,
        "message": message,
    }
    return {**status, "conditions": [*(entry for entry in conditions if entry["type"] != kind), new]}


def without(status: Value, kind: str) -> Value:
    """`status` without that condition."""
    conditions = [entry for entry in status.get("conditions") or () if entry["type"] != kind]
    return {**status, "conditions": conditions}


def counts(deployment: Value, progress: Progress) -> Value:
    """The status but for Progressing: counts and Available. Conditions are carried over."""
    sets, new, now = progress.sets, progress.new, progress.now
    available = sum(reported(each, "availableReplicas") for each in sets)
    wanted = sum(replicas_of(each) for each in sets)
    old = deployment.get("status", {})
    numbers = {
        "replicas": sum(reported(each, "replicas") for each in sets),
        "updatedReplicas": reported(new, "replicas") if new is not None else 0,
        "readyReplicas": sum(reported(each, "readyReplicas") for each in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
    }
    status: Value = {"observedGeneration": generation_of(deployment)}
    status.update({name: number for name, number in numbers.items() if number})
    status["terminatingReplicas"] = sum(reported(each, "terminatingReplicas") for each in sets)
    if old.get("collisionCount"):
        status["collisionCount"] = old["collisionCount"]
    if old.get("conditions"):
        status["conditions"] = list(old["conditions"])
    if available >= replicas_of(deployment) - max_unavailable(deployment):
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
        return with_condition(status, "Available", "True", reason, message, now=now)
    reason, message = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return with_condition(status, "Available", "False", reason, message, now=now)


def is_complete(deployment: Value, status: Value) -> bool:
    """True when every replica is new and available, and no other is left."""
    want = replicas_of(deployment)
    return want == int(status.get("updatedReplicas") or 0) == int(status.get("replicas") or 0) == int(
        status.get("availableReplicas") or 0
    ) and int(status.get("observedGeneration") or 0) >= generation_of(deployment)


def rollout_status(deployment: Value, progress: Progress) -> Value:
    """The whole status of a deployment that is rolling out, or has."""
    status = counts(deployment, progress)
    if deadline_s(deployment) is None:
        status = without(status, "Progressing")
    else:
        status = _progressing(deployment, status, progress)
    failure = next((entry for each in progress.sets if (entry := condition(each, "ReplicaFailure"))), None)
    if failure is None:
        return without(status, "ReplicaFailure")
    reason, message = failure.get("reason", ""), failure.get("message", "")
    return with_condition(status, "ReplicaFailure", failure["status"], reason, message, now=progress.now)


def _progressing(deployment: Value, status: Value, progress: Progress) -> Value:
    old = condition(deployment, "Progressing")
    settled = int(status.get("replicas") or 0) == int(status.get("updatedReplicas") or 0)
    if settled and old is not None and old.get("reason") == NEW_AVAILABLE:
        return status
    who = f'Deployment "{deployment["metadata"]["name"]}"'
    if progress.new is not None:
        who = f'ReplicaSet "{progress.new["metadata"]["name"]}"'
    now = progress.now
    if is_complete(deployment, status):
        message = f"{who} has successfully progressed."
        return with_condition(status, "Progressing", "True", NEW_AVAILABLE, message, now=now)
    if _has_moved(deployment, status):
        message = f"{who} is progressing."
        # Progress renews the update time, from which the deadline counts, even when nothing else changes.
        fresh = with_condition(
            without(status, "Progressing"), "Progressing", "True", "ReplicaSetUpdated", message, now=now
        )
        if old is not None and old["status"] == "True":
            fresh["conditions"][-1]["lastTransitionTime"] = old["lastTransitionTime"]
        return fresh
    if _has_timed_out(deployment, old, now):
        message = f"{who} has timed out progressing."
        return with_condition(status, "Progressing", "False", TIMED_OUT, message, now=now)
    return status


def _has_moved(deployment: Value, status: Value) -> bool:
    old = deployment.get("status", {})

    def number(of: Value, field: str) -> int:
        return int(of.get(field) or 0)

    left_before = number(old, "replicas") - number(old, "updatedReplicas")
    left_now = number(status, "replicas") - number(status, "updatedReplicas")
    return left_now < left_before or any(
        number(status, field) > number(old, field)
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def _has_timed_out(deployment: Value, progressing: Value | None, now: datetime) -> bool:
    limit_s = deadline_s(deployment)
    if limit_s is None or progressing is None or progressing.get("reason") == NEW_AVAILABLE:
        return False
    if progressing.get("reason") == TIMED_OUT:
        return True
    return parse_rfc3339(progressing["lastUpdateTime"]) + timedelta(seconds=limit_s) < now


def deadline_in_s(deployment: Value, status: Value, now: datetime) -> float | None:
    """Seconds until the deadline must be looked at again; None when nothing is under way."""
    limit_s = deadline_s(deployment)
    progressing = condition({"status": status}, "Progressing")
    if limit_s is None or progressing is None or is_complete(deployment, status):
        return None
    if progressing.get("reason") in (TIMED_OUT, NEW_AVAILABLE):
        return None
    left_s = (parse_rfc3339(progressing["lastUpdateTime"]) + timedelta(seconds=limit_s) - now).total_seconds()
    return max(left_s, 0.0) + 1.0


def pause_status(deployment: Value, now: datetime) -> Value | None:
    """The status with the pause or resumption noted, or None when there is nothing to note."""
    if deadline_s(deployment) is None:
        return None
    progressing = condition(deployment, "Progressing")
    reason = progressing.get("reason") if progressing is not None else ""
    if reason == TIMED_OUT:
        return None
    paused = bool(deployment["spec"].get("paused"))
    status = deployment.get("status", {})
    if paused and reason != PAUSED:
        return with_condition(status, "Progressing", "Unknown", PAUSED, "Deployment is paused", now=now)
    if not paused and reason == PAUSED:
        return with_condition(status, "Progressing", "Unknown", RESUMED, "Deployment is resumed", now=now)
    return None
