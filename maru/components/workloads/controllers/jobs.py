"""Jobs: Pods until enough have succeeded, or too many have failed.

Source: k8s.io/kubernetes/pkg/controller/job, syncJob.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from maru.components.workloads.controllers.batches import all_at_once, is_namespace_going, slow_start
from maru.components.workloads.controllers.claims import Claims, candidates
from maru.components.workloads.controllers.kit import NORMAL, WARNING, Controller, Kit
from maru.components.workloads.controllers.own_pods import OwnPods
from maru.components.workloads.model.job_pods import TRACKING, is_tracked, new_pod
from maru.components.workloads.model.job_status import (
    finished,
    flushed,
    running_counts,
    set_job_condition,
    suspension,
    to_untrack,
    with_indexes,
    with_new_uids,
)
from maru.components.workloads.model.jobs import Ending, JobPlan, JobView, ending, finished_condition, plan, tally
from maru.components.workloads.model.values import Place, controller_of, labels_of, place_of, uid_of, with_status
from maru.core.clock import parse_rfc3339
from maru.core.document import Document, Value
from maru.core.errors import MaruError, NotFound
from maru.kinds.label_selector import from_selector
from maru.kinds.pod_state import condition, is_active, is_deleting, is_terminal
from maru.kinds.resources import JOBS, PODS

NAME_LABEL = "batch.kubernetes.io/job-name"
OWN_MANAGER = "kubernetes.io/job-controller"


@dataclass(slots=True)
class _Done:
    """What one round did: Pods created and deleted, and the first failure."""

    created: int = 0
    deleted: int = 0
    failure: MaruError | None = None


class Jobs(Controller):
    """Runs every Job."""

    name = "job-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._written: dict[Place, int] = {}
        self._claims = Claims(self.client, JOBS, PODS, finalizer=TRACKING)
        self._jobs = self.watch_own(JOBS)
        self._own = OwnPods(self)
        self._pods = self._own.pods
        self.watch(PODS, self._places_of_pod)

    async def bring_right(self, place: Place) -> float | None:
        document = self._jobs.get(*place)
        if document is None:
            self._own.expectations.forget(place)
            self._written.pop(place, None)
            await self._release_orphans(place)
            return None
        # Counts come from the status: an older one than was written here would count Pods again.
        if document.version < self._written.get(place, 0):
            return None
        job = document.value
        if job["spec"].get("managedBy") not in (None, OWN_MANAGER):
            return None
        selector = from_selector(job["spec"].get("selector"))
        pods = await self._claims.claim(job, selector, candidates(self._pods, job, selector))
        if finished_condition(job) is not None:
            await self._untrack([pod for pod in pods if is_tracked(pod) and (is_terminal(pod) or is_deleting(pod))])
            return None
        return await self._sync(JobView(job, pods, self.clock.now()))

    async def _sync(self, view: JobView) -> float | None:
        job = view.job
        old = job.get("status", {})
        status = suspension(view, old)
        counts = tally(view)
        end = ending(view, counts)
        want, done = JobPlan(), _Done()
        if end is not None:
            status = set_job_condition(status, end[0], "True", end[1], end[2], now=view.now)
            done = await self._stop_all(view)
        elif self._own.expectations.is_met(place_of(job)) and not is_deleting(job):
            want = plan(view, counts)
            done = await self._carry_out(view, want)
        status = with_indexes(view, with_new_uids(status, counts), counts)
        status = flushed(view, status, {uid_of(pod) for pod in view.pods if is_tracked(pod)})
        status = running_counts(view, status, done.created, done.deleted)
        if end is not None and self._is_over(view, status):
            status = finished(status, end, view.now)
        if status != old:
            job = await self.client.update(JOBS, with_status(job, status), subresource="status")
            self._written[place_of(job)] = int(job["metadata"]["resourceVersion"])
            self._tell(job, old, status, end)
        await self._untrack(to_untrack(view, status, is_ending=end is not None))
        if done.failure is not None and not is_namespace_going(done.failure):
            raise done.failure
        return self._again_s(view, want)

    def _is_over(self, view: JobView, status: Value) -> bool:
        """Nothing runs, and every Pod is counted."""
        uncounted = status.get("uncountedTerminatedPods") or {}
        return not any(uncounted.values()) and all(is_terminal(pod) and not is_tracked(pod) for pod in view.pods)

    def _again_s(self, view: JobView, want: JobPlan) -> float | None:
        waits = [want.wait_s] if want.wait_s is not None else []
        deadline_s = view.job["spec"].get("activeDeadlineSeconds")
        started = view.job.get("status", {}).get("startTime")
        if deadline_s is not None and not view.is_suspended:
            since = parse_rfc3339(started) if started else view.now
            left_s = (since + timedelta(seconds=int(deadline_s)) - view.now).total_seconds()
            if left_s > 0:
                waits.append(left_s)
        return min(waits, default=None)

    def _tell(self, job: Value, old: Value, status: Value, end: Ending | None) -> None:
        was, now = condition({"status": old}, "Suspended"), condition({"status": status}, "Suspended")
        if now is not None and (was is None or was["status"] != now["status"]):
            suspended = now["status"] == "True"
            self.event(job, NORMAL, "Suspended" if suspended else "Resumed", now["message"])
        ended = finished_condition({"status": status})
        if ended is None or end is None:
            return
        if ended["type"] == "Complete":
            self.event(job, NORMAL, "Completed", "Job completed")
        else:
            self.event(job, WARNING, ended["reason"], ended["message"])

    async def _stop_all(self, view: JobView) -> _Done:
        active = [pod for pod in view.pods if is_active(pod)]
        failure = await all_at_once(range(len(active)), lambda number: self._own.delete(view.job, active[number]))
        return _Done(deleted=len(active), failure=failure)

    async def _carry_out(self, view: JobView, want: JobPlan) -> _Done:
        job = view.job
        done = _Done()

        async def create(number: int) -> None:
            await self._own.create(job, new_pod(job, self.ids.suffix(), *want.create[number]))
            done.created += 1

        async def remove(number: int) -> None:
            # A Pod that the controller itself stops is no failure: it is not tracked any more.
            pod = want.delete[number]
            await self._untrack([pod])
            await self._own.delete(job, pod)
            done.deleted += 1

        self._own.expect_deleted(job, want.delete)
        done.failure = await slow_start(len(want.create), create)
        done.failure = await all_at_once(range(len(want.delete)), remove) or done.failure
        return done

    async def _untrack(self, pods: Sequence[Value]) -> None:
        async def release(number: int) -> None:
            pod = pods[number]
            metadata = pod["metadata"]
            left = [each for each in metadata.get("finalizers") or () if each != TRACKING]
            patch: Value = {
                "metadata": {
                    "uid": metadata["uid"],
                    "resourceVersion": metadata["resourceVersion"],
                    "finalizers": left or None,
                }
            }
            try:
                await self.client.patch(PODS, metadata["namespace"], metadata["name"], patch)
            except NotFound:
                return

        failure = await all_at_once(range(len(pods)), release)
        if failure is not None:
            raise failure

    async def _release_orphans(self, place: Place) -> None:
        namespace, name = place
        present = self._pods.list(namespace)
        orphans = [one.value for one in present if _job_of(one.head) == name and is_tracked(one.value)]
        if not orphans:
            return
        try:
            await self.client.get(JOBS, namespace, name)
        except NotFound:
            await self._untrack(orphans)

    def _places_of_pod(self, document: Document) -> list[Place]:
        reference = controller_of(document.head)
        namespace = document.key.namespace
        if reference is not None:
            return [(namespace, reference["name"])] if reference["kind"] == "Job" else []
        labels = labels_of(document.head)
        matching = [
            place_of(each.head)
            for each in (self._jobs.list(namespace) if labels else ())
            if from_selector(each.value["spec"].get("selector")).matches(labels)
        ]
        name = _job_of(document.head)
        return matching or ([(namespace, name)] if name and is_tracked(document.value) else [])


def _job_of(pod: Value) -> str:
    """The name of the Job that a Pod is or was of, by its controller or else by its label; "" for none."""
    reference = controller_of(pod)
    if reference is not None:
        return str(reference["name"]) if reference["kind"] == "Job" else ""
    return str(labels_of(pod).get(NAME_LABEL) or "")
