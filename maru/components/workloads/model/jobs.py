"""Jobs: counting each ended Pod once, and deciding what is still to run.

A Pod that has ended keeps its finalizer until its uid stands in the status; from there it moves into
the counts once the finalizer is seen gone. So no Pod is counted twice or missed, whoever restarts.
Source: k8s.io/kubernetes/pkg/controller/job, trackJobStatusAndRemoveFinalizers and syncJob.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from maru.components.workloads.model.job_pods import (
    failures_of,
    index_of,
    is_indexed,
    is_tracked,
    open_indexes,
    parse_indexes,
    surplus_by_index,
)
from maru.components.workloads.model.job_policies import judge_failure, success_rule
from maru.components.workloads.model.replica_sets import rank_for_deletion
from maru.components.workloads.model.values import uid_of
from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.kinds.pod_state import condition, container_statuses, is_active, is_deleting, is_terminal, phase

BACKOFF_FIRST_S = 10.0
BACKOFF_MAX_S = 600.0
UNCOUNTED_MAX = 500
FINISHED = ("Complete", "Failed")

Ending = tuple[str, str, str]
"""(condition type, reason, message): SuccessCriteriaMet or FailureTarget."""


@dataclass(frozen=True, slots=True)
class JobView:
    """job and its own Pods, as they are now."""

    job: Value
    pods: Sequence[Value]
    now: datetime

    @property
    def completions(self) -> int | None:
        """How many successes are wanted; None: one, by any Pod of a work queue."""
        number = self.job["spec"].get("completions")
        return None if number is None else int(number)

    @property
    def parallelism(self) -> int:
        """How many may run at once."""
        number = self.job["spec"].get("parallelism")
        return 1 if number is None else int(number)

    @property
    def is_suspended(self) -> bool:
        """spec.suspend."""
        return bool(self.job["spec"].get("suspend"))

    @property
    def replaces_only_failed(self) -> bool:
        """podReplacementPolicy Failed (the rule with a podFailurePolicy)."""
        spec = self.job["spec"]
        return bool(spec.get("podReplacementPolicy") == "Failed" or spec.get("podFailurePolicy"))

    def has_failed(self, pod: Value) -> bool:
        """True when it counts as a failure already."""
        if phase(pod) == "Failed":
            return True
        return not self.replaces_only_failed and is_deleting(pod) and phase(pod) != "Succeeded"


@dataclass(frozen=True, slots=True)
class Tally:
    """Everything counted so far. new_*: Pods to put into uncountedTerminatedPods now.

    succeeded and failed include them. indexes: that succeeded; failed_indexes: beyond their backoffLimitPerIndex.
    """

    succeeded: int
    failed: int
    new_succeeded: tuple[Value, ...]
    new_failed: tuple[Value, ...]
    indexes: frozenset[int]
    failed_indexes: frozenset[int]
    fail_message: str


def finished_condition(job: Value) -> Value | None:
    """The Complete or Failed condition that is True."""
    for kind in FINISHED:
        entry = condition(job, kind)
        if entry is not None and entry["status"] == "True":
            return entry
    return None


def tally(view: JobView) -> Tally:
    """Count."""
    status = view.job.get("status", {})
    uncounted = status.get("uncountedTerminatedPods") or {}
    noted = {*(uncounted.get("succeeded") or ()), *(uncounted.get("failed") or ())}
    fresh = [pod for pod in view.pods if is_tracked(pod) and uid_of(pod) not in noted]
    indexed = is_indexed(view.job)
    done = parse_indexes(status.get("completedIndexes")) if indexed else set()
    succeeded_pods = [pod for pod in fresh if phase(pod) == "Succeeded"]
    if indexed:
        in_range = range(view.completions or 0)
        succeeded_pods = [pod for pod in succeeded_pods if index_of(pod) in in_range]
        done |= {index_of(pod) for pod in succeeded_pods}
    failed_pods = [pod for pod in fresh if view.has_failed(pod)]
    judged = [(pod, judge_failure(view.job, pod)) for pod in failed_pods]
    counted = [pod for pod, judgement in judged if judgement.is_counted]
    fail_message = next((each.message for _, each in judged if each.action == "FailJob"), "")
    failed_indexes = parse_indexes(status.get("failedIndexes")) if indexed else set()
    limit = view.job["spec"].get("backoffLimitPerIndex")
    if indexed and limit is not None:
        for pod, judgement in judged:
            over = judgement.is_counted and failures_of(pod) >= int(limit)
            if index_of(pod) >= 0 and (over or judgement.action == "FailIndex"):
                failed_indexes.add(index_of(pod))
    earlier = len(uncounted.get("succeeded") or ())
    succeeded = len(done) if indexed else int(status.get("succeeded") or 0) + earlier + len(succeeded_pods)
    failed = int(status.get("failed") or 0) + len(uncounted.get("failed") or ()) + len(counted)
    return Tally(
        succeeded,
        failed,
        tuple(succeeded_pods[:UNCOUNTED_MAX]),
        tuple(counted[:UNCOUNTED_MAX]),
        frozenset(done),
        frozenset(failed_indexes - done),
        fail_message,
    )


def ending(view: JobView, counts: Tally) -> Ending | None:
    """How the Job ends now, if it does."""
    job, spec = view.job, view.job["spec"]
    for kind in ("FailureTarget", "SuccessCriteriaMet"):
        entry = condition(job, kind)
        if entry is not None and entry["status"] == "True":
            return kind, entry.get("reason", ""), entry.get("message", "")
    if counts.fail_message:
        return "FailureTarget", "PodFailurePolicy", counts.fail_message
    limit = 6 if spec.get("backoffLimit") is None else int(spec["backoffLimit"])
    if counts.failed > limit or _has_restarted_too_often(view, limit):
        return "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    deadline_s = spec.get("activeDeadlineSeconds")
    started = job.get("status", {}).get("startTime")
    is_timed = deadline_s is not None and bool(started) and not view.is_suspended
    if is_timed and parse_rfc3339(started) + timedelta(seconds=int(deadline_s)) <= view.now:
        return "FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline"
    if is_indexed(job):
        return _indexed_ending(view, counts)
    active = [pod for pod in view.pods if is_active(pod)]
    wanted = view.completions
    is_done = (counts.succeeded > 0 and not active) if wanted is None else counts.succeeded >= wanted
    if is_done:
        return "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"
    return None


def _indexed_ending(view: JobView, counts: Tally) -> Ending | None:
    spec, wanted = view.job["spec"], view.completions or 0
    most = spec.get("maxFailedIndexes")
    if most is not None and len(counts.failed_indexes) > int(most):
        message = "Job has exceeded the specified maximal number of failed indexes"
        return "FailureTarget", "MaxFailedIndexesExceeded", message
    rule = success_rule(view.job, counts.indexes)
    if rule:
        return "SuccessCriteriaMet", "SuccessPolicy", rule
    if counts.failed_indexes and len(counts.failed_indexes) + len(counts.indexes) >= wanted:
        return "FailureTarget", "FailedIndexes", "Job has failed indexes"
    if counts.succeeded >= wanted:
        return "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"
    return None


def _has_restarted_too_often(view: JobView, limit: int) -> bool:
    if view.job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    running = [pod for pod in view.pods if phase(pod) in ("Running", "Pending") and not is_deleting(pod)]
    restarts = sum(sum(entry.get("restartCount", 0) for entry in container_statuses(pod)) for pod in running)
    return restarts > 0 if limit == 0 else restarts >= limit


@dataclass(frozen=True, slots=True)
class JobPlan:
    """create: for each Pod its (index, failures before it) or (None, None); wait_s: until more may come."""

    create: tuple[tuple[int | None, int | None], ...] = ()
    delete: tuple[Value, ...] = ()
    wait_s: float | None = None


def plan(view: JobView, counts: Tally) -> JobPlan:
    """What to start and stop while the Job runs on."""
    active = [pod for pod in view.pods if is_active(pod)]
    if view.is_suspended:
        return JobPlan(delete=tuple(active))
    surplus: list[Value] = []
    if is_indexed(view.job):
        surplus = surplus_by_index(active, view.completions or 0)
        surplus += [pod for pod in active if pod not in surplus and index_of(pod) in counts.failed_indexes]
    wanted = _wanted_active(view, counts, len(active))
    too_many = max(0, len(active) - wanted)
    if len(surplus) < too_many:
        rest = [pod for pod in rank_for_deletion(active, active, view.now) if pod not in surplus]
        surplus += rest[: too_many - len(surplus)]
    if surplus:
        return JobPlan(delete=tuple(surplus))
    going = sum(1 for pod in view.pods if is_deleting(pod) and not is_terminal(pod))
    missing = wanted - len(active) - (going if view.replaces_only_failed else 0)
    if missing <= 0:
        return JobPlan()
    if is_indexed(view.job):
        return _plan_indexes(view, counts, active, missing)
    wait_s = backoff_left_s([pod for pod in view.pods if is_terminal(pod) or view.has_failed(pod)], view)
    if wait_s > 0:
        return JobPlan(wait_s=wait_s)
    return JobPlan(create=((None, None),) * missing)


def _wanted_active(view: JobView, counts: Tally, active: int) -> int:
    if view.completions is None:
        return active if counts.succeeded > 0 else view.parallelism
    left = view.completions - counts.succeeded - len(counts.failed_indexes)
    return max(0, min(left, view.parallelism))


def _plan_indexes(view: JobView, counts: Tally, active: Sequence[Value], missing: int) -> JobPlan:
    held = [pod for pod in view.pods if is_deleting(pod) and not is_terminal(pod)] if view.replaces_only_failed else []
    taken = {*counts.indexes, *counts.failed_indexes, *(index_of(pod) for pod in (*active, *held))}
    create: list[tuple[int | None, int | None]] = []
    wait_s: float | None = None
    per_index = view.job["spec"].get("backoffLimitPerIndex") is not None
    if not per_index:
        left_s = backoff_left_s([pod for pod in view.pods if is_terminal(pod) or view.has_failed(pod)], view)
        if left_s > 0:
            return JobPlan(wait_s=left_s)
    for index in open_indexes(taken, view.completions or 0, missing):
        if not per_index:
            create.append((index, None))
            continue
        ended = [pod for pod in view.pods if index_of(pod) == index and view.has_failed(pod)]
        left_s = backoff_left_s(ended, view)
        if left_s > 0:
            wait_s = left_s if wait_s is None else min(wait_s, left_s)
            continue
        create.append((index, _failures_before(view, ended)))
    return JobPlan(create=tuple(create), wait_s=wait_s)


def _failures_before(view: JobView, ended: Sequence[Value]) -> int:
    if not ended:
        return 0
    last = max(ended, key=failures_of)
    return failures_of(last) + (1 if judge_failure(view.job, last).is_counted else 0)


def backoff_left_s(ended: Sequence[Value], view: JobView) -> float:
    """How long to wait after the latest failures in a row: 10 s, doubling to 10 minutes."""
    last_success = max((_ended_at(pod, view.now) for pod in ended if phase(pod) == "Succeeded"), default=None)
    failures = [_ended_at(pod, view.now) for pod in ended if view.has_failed(pod)]
    if last_success is not None:
        failures = [moment for moment in failures if moment > last_success]
    if not failures:
        return 0.0
    delay_s = min(BACKOFF_FIRST_S * 2 ** min(len(failures) - 1, 16), BACKOFF_MAX_S)
    return (max(failures) + timedelta(seconds=delay_s) - view.now).total_seconds()


def _ended_at(pod: Value, now: datetime) -> datetime:
    moments = [
        parse_rfc3339(ended["finishedAt"])
        for entry in container_statuses(pod)
        if (ended := (entry.get("state") or {}).get("terminated")) and ended.get("finishedAt")
    ]
    if moments:
        return max(moments)
    deleted = pod["metadata"].get("deletionTimestamp")
    return min(parse_rfc3339(deleted), now) if deleted else parse_rfc3339(pod["metadata"]["creationTimestamp"])
