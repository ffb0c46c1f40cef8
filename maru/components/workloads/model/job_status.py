"""What a Job reports, and in which order: uids first, then counts, then how it ended.

Source: k8s.io/kubernetes/pkg/controller/job, trackJobStatusAndRemoveFinalizers, enactJobFinished.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from maru.components.workloads.model.job_pods import is_indexed, is_tracked, write_indexes
from maru.components.workloads.model.job_policies import judge_failure
from maru.components.workloads.model.jobs import Ending, JobView, Tally
from maru.components.workloads.model.values import drop_empty, set_condition, uid_of
from maru.core.clock import rfc3339
from maru.core.document import Value
from maru.kinds.pod_state import condition, is_active, is_deleting, is_ready, is_terminal


def set_job_condition(status: Value, kind: str, verdict: str, reason: str, message: str, *, now: datetime) -> Value:
    """`status` with one condition, which also carries the time it was looked at."""
    conditions = list(status.get("conditions") or ())
    fresh = set_condition(conditions, kind, verdict, reason, message, now=now)
    if fresh is conditions:
        return status
    for entry in fresh:
        if entry["type"] == kind:
            entry["lastProbeTime"] = rfc3339(now)
    return {**status, "conditions": fresh}


def suspension(view: JobView, status: Value) -> Value:
    """`status` with suspension or resumption noted, and startTime with it."""
    suspended = condition({"status": status}, "Suspended")
    is_noted = suspended is not None and suspended["status"] == "True"
    if view.is_suspended:
        if is_noted:
            return status
        fresh = set_job_condition(status, "Suspended", "True", "JobSuspended", "Job suspended", now=view.now)
        fresh.pop("startTime", None)
        return fresh
    if is_noted:
        fresh = set_job_condition(status, "Suspended", "False", "JobResumed", "Job resumed", now=view.now)
        return {**fresh, "startTime": rfc3339(view.now)}
    if not status.get("startTime"):
        return {**status, "startTime": rfc3339(view.now)}
    return status


def running_counts(view: JobView, status: Value, created: int, deleted: int) -> Value:
    """`status` with active, ready and terminating as they are after this round's creations and deletions."""
    active = [pod for pod in view.pods if is_active(pod)]
    going = sum(1 for pod in view.pods if is_deleting(pod) and not is_terminal(pod))
    fresh = dict(status)
    fresh["active"] = len(active) - deleted + created
    fresh["ready"] = sum(1 for pod in active if is_ready(pod))
    fresh["terminating"] = going
    if not fresh["active"]:
        del fresh["active"]
    return fresh


def with_new_uids(status: Value, counts: Tally) -> Value:
    """`status` with the uids of Pods that ended: they count, and their finalizers may go."""
    if not counts.new_succeeded and not counts.new_failed:
        return status
    uncounted = status.get("uncountedTerminatedPods") or {}
    succeeded = [*(uncounted.get("succeeded") or ()), *(uid_of(pod) for pod in counts.new_succeeded)]
    failed = [*(uncounted.get("failed") or ()), *(uid_of(pod) for pod in counts.new_failed)]
    return {**status, "uncountedTerminatedPods": drop_empty({"succeeded": succeeded, "failed": failed})}


def with_indexes(view: JobView, status: Value, counts: Tally) -> Value:
    """`status` with the indexes that are done."""
    if not is_indexed(view.job):
        return status
    fresh = dict(status)
    if counts.indexes:
        fresh["completedIndexes"] = write_indexes(counts.indexes)
        fresh["succeeded"] = len(counts.indexes)
    if view.job["spec"].get("backoffLimitPerIndex") is not None:
        fresh["failedIndexes"] = write_indexes(counts.failed_indexes)
    return fresh


def flushed(view: JobView, status: Value, tracked: Collection[str]) -> Value:
    """`status` with uids turned into counts, of Pods not `tracked` by a finalizer any more (or gone)."""
    uncounted = status.get("uncountedTerminatedPods") or {}
    left: dict[str, list[str]] = {}
    fresh = dict(status)
    for name in ("succeeded", "failed"):
        uids = list(uncounted.get(name) or ())
        left[name] = [uid for uid in uids if uid in tracked]
        moved = len(uids) - len(left[name])
        if moved and not (name == "succeeded" and is_indexed(view.job)):
            fresh[name] = int(fresh.get(name) or 0) + moved
    fresh["uncountedTerminatedPods"] = drop_empty(left)
    return fresh


def to_untrack(view: JobView, status: Value, *, is_ending: bool) -> list[Value]:
    """Pods whose finalizer has done its work: their uid is noted, or they count for nothing."""
    uncounted = status.get("uncountedTerminatedPods") or {}
    noted = {*(uncounted.get("succeeded") or ()), *(uncounted.get("failed") or ())}
    return [pod for pod in view.pods if is_tracked(pod) and (uid_of(pod) in noted or _is_idle(view, pod, is_ending))]


def _is_idle(view: JobView, pod: Value, is_ending: bool) -> bool:
    if view.has_failed(pod) and not judge_failure(view.job, pod).is_counted:
        return True
    return is_terminal(pod) and is_ending


def finished(status: Value, end: Ending, now: datetime) -> Value:
    """`status` with the last word: Complete or Failed, once nothing runs any more."""
    kind, reason, message = end
    done = "Complete" if kind == "SuccessCriteriaMet" else "Failed"
    fresh = set_job_condition(status, done, "True", reason, message, now=now)
    if done == "Complete":
        fresh = {**fresh, "completionTime": rfc3339(now)}
    return fresh
