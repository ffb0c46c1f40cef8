"""CronJobs: which time is due, and which finished Jobs are to be forgotten.

Source: k8s.io/kubernetes/pkg/controller/cronjob, utils.go and cronjob_controllerv2.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maru.components.workloads.model.jobs import finished_condition
from maru.components.workloads.model.values import age_key, clone, created_at, owner_reference
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.kinds.cron import Schedule
from maru.kinds.resources import CRONJOBS, JOBS

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MISSED_MAX = 100  # times looked at one by one; more are skipped over with a warning
NEXT_DELTA_S = 0.1


@dataclass(frozen=True, slots=True)
class Due:
    """latest: the newest time that has come and was not used, if any; missed: how many there were."""

    latest: datetime | None
    missed: int


def zone_of(cron_job: Value) -> tzinfo:
    """Its time zone; UTC when it has none. Raises Invalid."""
    name = cron_job["spec"].get("timeZone")
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid(what=f"time zone {name!r}", why="it is not known", fix="use a name of the IANA list") from error


def due(cron_job: Value, schedule: Schedule, zone: tzinfo, now: datetime) -> Due:
    """The times between the last one used and `now`."""
    last = cron_job.get("status", {}).get("lastScheduleTime")
    earliest = parse_rfc3339(last) if last else created_at(cron_job)
    deadline_s = cron_job["spec"].get("startingDeadlineSeconds")
    if deadline_s is not None:
        earliest = max(earliest, now - timedelta(seconds=int(deadline_s)))
    latest: datetime | None = None
    missed = 0
    moment = schedule.next(earliest, zone)
    while moment is not None and moment <= now:
        latest, missed = moment, missed + 1
        if missed > MISSED_MAX:
            return Due(_last_before(schedule, zone, now, moment), missed)
        moment = schedule.next(moment, zone)
    return Due(latest, missed)


def _last_before(schedule: Schedule, zone: tzinfo, now: datetime, known: datetime) -> datetime:
    """The newest time up to `now`, found from steps back that double until one is hit."""
    back_s = 60.0
    while True:
        moment = schedule.next(max(known, now - timedelta(seconds=back_s)), zone)
        if moment is None or now - timedelta(seconds=back_s) <= known:
            return known
        if moment <= now:
            latest = moment
            while (following := schedule.next(latest, zone)) is not None and following <= now:
                latest = following
            return latest
        back_s *= 2


def job_name(cron_job: Value, scheduled: datetime) -> str:
    """The name of the Job of one time: the minutes since 1970 tell it from the others."""
    return f"{cron_job['metadata']['name']}-{int(scheduled.timestamp()) // 60}"


def new_job(cron_job: Value, scheduled: datetime, zone: tzinfo) -> Value:
    """The Job of one time."""
    template = cron_job["spec"]["jobTemplate"]
    metadata = template.get("metadata") or {}
    local = scheduled.astimezone(zone)
    stamp = rfc3339(scheduled) if zone is UTC else local.isoformat(timespec="seconds")
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": job_name(cron_job, scheduled),
            "namespace": cron_job["metadata"]["namespace"],
            "labels": clone(metadata.get("labels") or {}),
            "annotations": {**(metadata.get("annotations") or {}), SCHEDULED_AT: stamp},
            "ownerReferences": [owner_reference(CRONJOBS, cron_job)],
        },
        "spec": clone(template.get("spec") or {}),
    }


def to_forget(cron_job: Value, jobs: Sequence[Value]) -> list[Value]:
    """The oldest finished Jobs beyond the history limits."""
    spec = cron_job["spec"]
    forgotten = []
    for kind, field, default in (
        ("Complete", "successfulJobsHistoryLimit", 3),
        ("Failed", "failedJobsHistoryLimit", 1),
    ):
        limit = default if spec.get(field) is None else int(spec[field])
        ended = [job for job in jobs if (entry := finished_condition(job)) is not None and entry["type"] == kind]
        ended.sort(key=lambda job: (job.get("status", {}).get("startTime") or "", age_key(job)))
        forgotten += ended[: max(0, len(ended) - limit)]
    return forgotten
