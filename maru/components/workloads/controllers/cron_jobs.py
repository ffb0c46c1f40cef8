"""CronJobs: a Job for every time the schedule names.

Source: k8s.io/kubernetes/pkg/controller/cronjob, syncCronJob.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from maru.components.workloads.controllers.batches import is_namespace_going
from maru.components.workloads.controllers.claims import OWNER_INDEX, index_by_controller
from maru.components.workloads.controllers.kit import NORMAL, WARNING, Controller, Kit
from maru.components.workloads.model.cron_jobs import (
    MISSED_MAX,
    NEXT_DELTA_S,
    due,
    job_name,
    new_job,
    to_forget,
    zone_of,
)
from maru.components.workloads.model.jobs import finished_condition
from maru.components.workloads.model.values import (
    Place,
    controller_of,
    is_controlled_by,
    object_reference,
    place_of,
    uid_of,
    with_status,
)
from maru.core.client import DeleteOptions
from maru.core.clock import rfc3339
from maru.core.document import Document, Value
from maru.core.errors import AlreadyExists, Invalid, MaruError, NotFound
from maru.kinds.cron import Schedule, parse
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import CRONJOBS, JOBS


class CronJobs(Controller):
    """Starts Jobs on time."""

    name = "cronjob-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._cron_jobs = self.watch_own(CRONJOBS)
        self._jobs = self.informer(JOBS)
        index_by_controller(self._jobs)
        self.watch(JOBS, _places_of_job)

    async def bring_right(self, place: Place) -> float | None:
        document = self._cron_jobs.get(*place)
        if document is None:
            return None
        cron_job = document.value
        jobs = [each.value for each in self._jobs.by_index(OWNER_INDEX, uid_of(cron_job))]
        status = self._reconciled(cron_job, jobs)
        for job in to_forget(cron_job, jobs):
            await self._delete(cron_job, job)
        if is_deleting(cron_job) or cron_job["spec"].get("suspend"):
            await self._write(cron_job, status)
            return None
        try:
            zone, schedule = zone_of(cron_job), parse(cron_job["spec"]["schedule"])
        except Invalid as error:
            reason = "UnknownTimeZone" if error.what.startswith("time zone") else "UnparseableSchedule"
            self.event(cron_job, WARNING, reason, str(error))
            await self._write(cron_job, status)
            return None
        status = await self._start_due(cron_job, status, schedule, zone)
        await self._write(cron_job, status)
        upcoming = schedule.next(self.clock.now(), zone)
        return None if upcoming is None else (upcoming - self.clock.now()).total_seconds() + NEXT_DELTA_S

    def _reconciled(self, cron_job: Value, jobs: Sequence[Value]) -> Value:
        """The status without Jobs that have ended or are gone."""
        status = dict(cron_job.get("status") or {})
        by_uid = {uid_of(job): job for job in jobs}
        active = []
        for reference in status.get("active") or ():
            job = by_uid.get(reference.get("uid", ""))
            ended = finished_condition(job) if job is not None else None
            if job is not None and ended is None:
                active.append(reference)
                continue
            if ended is not None:
                text = f"Saw completed job: {reference['name']}, condition: {ended['type']}"
                self.event(cron_job, NORMAL, "SawCompletedJob", text)
            elif job is None:
                self.event(cron_job, NORMAL, "MissingJob", f"Active job went missing: {reference['name']}")
        ends = [job.get("status", {}).get("completionTime") or "" for job in jobs]
        newest = max([*ends, status.get("lastSuccessfulTime") or ""], default="")
        if newest:
            status["lastSuccessfulTime"] = newest
        listed = {reference.get("uid") for reference in active}
        known = {reference.get("uid") for reference in status.get("active") or ()}
        unlisted = [job for job in jobs if finished_condition(job) is None and uid_of(job) not in listed | known]
        active += [object_reference(job, JOBS) for job in unlisted]
        status.pop("active", None)
        if active:
            status["active"] = active
        return status

    async def _start_due(self, cron_job: Value, status: Value, schedule: Schedule, zone: tzinfo) -> Value:
        now = self.clock.now()
        found = due({**cron_job, "status": status}, schedule, zone, now)
        if found.latest is None:
            return status
        if found.missed > MISSED_MAX:
            text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self.event(cron_job, WARNING, "TooManyMissedTimes", text)
        deadline_s = cron_job["spec"].get("startingDeadlineSeconds")
        if deadline_s is not None and found.latest + timedelta(seconds=int(deadline_s)) < now:
            text = f"Missed scheduled time to start a job: {rfc3339(found.latest)}"
            self.event(cron_job, WARNING, "MissSchedule", text)
            return status
        name = job_name(cron_job, found.latest)
        active = list(status.get("active") or ())
        if any(reference["name"] == name for reference in active):
            return status
        policy = cron_job["spec"].get("concurrencyPolicy") or "Allow"
        if policy == "Forbid" and active:
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self.event(cron_job, NORMAL, "JobAlreadyActive", text)
            return status
        if policy == "Replace":
            for reference in active:
                document = self._jobs.get(place_of(cron_job)[0], reference["name"])
                if document is not None:
                    await self._delete(cron_job, document.value)
            active = []
        return await self._start(cron_job, {**status, "active": active}, found.latest, zone)

    async def _start(self, cron_job: Value, status: Value, scheduled: datetime, zone: tzinfo) -> Value:
        wanted = new_job(cron_job, scheduled, zone)
        namespace, name = place_of(wanted)
        try:
            made = await self.client.create(JOBS, wanted)
        except AlreadyExists:
            made = await self.client.get(JOBS, namespace, name)
            if not is_controlled_by(made, cron_job):
                self.event(cron_job, WARNING, "FailedCreate", f"Error creating job: {name} exists already")
                return status
        except MaruError as error:
            if not is_namespace_going(error):
                self.event(cron_job, WARNING, "FailedCreate", f"Error creating job: {error}")
            raise
        else:
            self.event(cron_job, NORMAL, "SuccessfulCreate", f"Created job {name}")
        fresh = {**status, "lastScheduleTime": rfc3339(scheduled)}
        if finished_condition(made) is None:
            fresh["active"] = [*(status.get("active") or ()), object_reference(made, JOBS)]
        return fresh

    async def _delete(self, cron_job: Value, job: Value) -> None:
        namespace, name = place_of(job)
        try:
            options = DeleteOptions(propagation="Background", uid=uid_of(job))
            await self.client.delete(JOBS, namespace, name, options)
        except NotFound:
            return
        except MaruError as error:
            self.event(cron_job, WARNING, "FailedDelete", f"Deleted job: {error}")
            raise
        self.event(cron_job, NORMAL, "SuccessfulDelete", f"Deleted job {name}")

    async def _write(self, cron_job: Value, status: Value) -> None:
        if not status.get("active"):
            status.pop("active", None)
        if status != (cron_job.get("status") or {}):
            await self.client.update(CRONJOBS, with_status(cron_job, status), subresource="status")


def _places_of_job(document: Document) -> list[Place]:
    reference = controller_of(document.head)
    if reference is None or reference["kind"] != "CronJob":
        return []
    return [(document.key.namespace, reference["name"])]
