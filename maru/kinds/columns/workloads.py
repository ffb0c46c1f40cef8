"""The columns of apps, batch, autoscaling and policy."""

from __future__ import annotations

from datetime import datetime

from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.kinds.columns.cells import (
    AGE_COLUMN,
    NAME,
    NONE,
    SELECTOR_COLUMN,
    TEMPLATE_COLUMNS,
    UNKNOWN,
    UNSET,
    at,
    container_images,
    container_names,
    human_duration,
    labels_text,
    selector_text,
    since,
)
from maru.kinds.strategy import Column


def _number(name: str, path: str) -> Column:
    return Column(name, at(path, 0), "integer")


def _ready_of(value: Value, _: datetime) -> str:
    return f"{(value.get('status') or {}).get('readyReplicas', 0)}/{value['spec'].get('replicas', 0)}"


def _job_status(job: Value, _: datetime) -> str:
    states = {condition["type"] for condition in _conditions(job) if condition["status"] == "True"}
    if "Complete" in states:
        return "Complete"
    if "Failed" in states:
        return "Failed"
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for name in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if name in states:
            return name
    return "Running"


def _job_completions(job: Value, _: datetime) -> str:
    succeeded = (job.get("status") or {}).get("succeeded", 0)
    completions, parallelism = job["spec"].get("completions"), job["spec"].get("parallelism", 0)
    if completions is not None:
        return f"{succeeded}/{completions}"
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _job_duration(job: Value, now: datetime) -> str:
    status = job.get("status") or {}
    if not status.get("startTime"):
        return ""
    ended = status.get("completionTime")
    if not ended:
        failed = [one for one in _conditions(job) if one["type"] == "Failed" and one["status"] == "True"]
        ended = failed[0].get("lastTransitionTime") if failed else None
    until = parse_rfc3339(ended) if ended else now
    return human_duration((until - parse_rfc3339(status["startTime"])).total_seconds())


def _conditions(value: Value) -> list[Value]:
    found: list[Value] = (value.get("status") or {}).get("conditions") or []
    return found


def _cron_template(value: Value) -> Value:
    found: Value = value["spec"]["jobTemplate"]["spec"]["template"].get("spec") or {}
    return found


def _last_schedule(value: Value, now: datetime) -> str:
    stamp = (value.get("status") or {}).get("lastScheduleTime")
    return since(stamp, now) if stamp else NONE


def _targets(scaler: Value, _: datetime) -> str:
    wanted = scaler["spec"].get("metrics") or []
    seen = (scaler.get("status") or {}).get("currentMetrics") or []
    texts = [_target(metric, seen[index] if index < len(seen) else {}) for index, metric in enumerate(wanted)]
    if not texts:
        return NONE
    more = f" + {len(texts) - 2} more..." if len(texts) > 2 else ""
    return ", ".join(texts[:2]) + more


def _target(metric: Value, seen: Value) -> str:
    kind = metric.get("type", "")
    field = kind[:1].lower() + kind[1:]
    want = (metric.get(field) or {}).get("target") or {}
    have = (seen.get(field) or {}).get("current") or {}
    label = f"{metric[field].get('name', '')}: " if kind in ("Resource", "ContainerResource") else ""
    if want.get("averageUtilization") is not None:
        now = have.get("averageUtilization")
        return f"{label}{UNKNOWN if now is None else f'{now}%'}/{want['averageUtilization']}%"
    suffix = " (avg)" if want.get("averageValue") is not None and kind in ("Object", "External") else ""
    current = have.get("averageValue") or have.get("value") or UNKNOWN
    return f"{label}{current}/{want.get('averageValue') or want.get('value')}{suffix}"


def _scale_reference(scaler: Value, _: datetime) -> str:
    target = scaler["spec"].get("scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _controller(revision: Value, _: datetime) -> str:
    for owner in revision["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            kind = owner["kind"].lower()
            return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"
    return NONE


DEPLOYMENT_COLUMNS = (
    NAME,
    Column("Ready", _ready_of),
    _number("Up-to-date", "status.updatedReplicas"),
    _number("Available", "status.availableReplicas"),
    AGE_COLUMN,
    *TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
)
REPLICASET_COLUMNS = (
    NAME,
    _number("Desired", "spec.replicas"),
    _number("Current", "status.replicas"),
    _number("Ready", "status.readyReplicas"),
    AGE_COLUMN,
    *TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
)
REPLICATIONCONTROLLER_COLUMNS = (
    *REPLICASET_COLUMNS[:-1],
    Column("Selector", lambda value, _: labels_text(value["spec"].get("selector")), priority=1),
)
STATEFULSET_COLUMNS = (NAME, Column("Ready", _ready_of), AGE_COLUMN, *TEMPLATE_COLUMNS)
DAEMONSET_COLUMNS = (
    NAME,
    _number("Desired", "status.desiredNumberScheduled"),
    _number("Current", "status.currentNumberScheduled"),
    _number("Ready", "status.numberReady"),
    _number("Up-to-date", "status.updatedNumberScheduled"),
    _number("Available", "status.numberAvailable"),
    Column("Node Selector", lambda value, _: labels_text(value["spec"]["template"]["spec"].get("nodeSelector"))),
    AGE_COLUMN,
    *TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
)
CONTROLLERREVISION_COLUMNS = (NAME, Column("Controller", _controller), _number("Revision", "revision"), AGE_COLUMN)
JOB_COLUMNS = (
    NAME,
    Column("Status", _job_status),
    Column("Completions", _job_completions),
    Column("Duration", _job_duration),
    AGE_COLUMN,
    *TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
)
CRONJOB_COLUMNS = (
    NAME,
    Column("Schedule", at("spec.schedule")),
    Column("Timezone", at("spec.timeZone", NONE)),
    Column("Suspend", lambda value, _: str(value["spec"].get("suspend", False)), "boolean"),
    Column("Active", lambda value, _: len((value.get("status") or {}).get("active") or ()), "integer"),
    Column("Last Schedule", _last_schedule),
    AGE_COLUMN,
    Column("Containers", lambda value, _: container_names(_cron_template(value)), priority=1),
    Column("Images", lambda value, _: container_images(_cron_template(value)), priority=1),
    Column(
        "Selector", lambda value, _: selector_text(value["spec"]["jobTemplate"]["spec"].get("selector")), priority=1
    ),
)
HORIZONTALPODAUTOSCALER_COLUMNS = (
    NAME,
    Column("Reference", _scale_reference),
    Column("Targets", _targets),
    Column("MinPods", lambda value, _: str(value["spec"].get("minReplicas", UNSET))),
    Column("MaxPods", at("spec.maxReplicas", 0), "integer"),
    Column("Replicas", at("status.currentReplicas", 0), "integer"),
    AGE_COLUMN,
)
PODDISRUPTIONBUDGET_COLUMNS = (
    NAME,
    Column("Min Available", lambda value, _: str(value["spec"].get("minAvailable", "N/A"))),
    Column("Max Unavailable", lambda value, _: str(value["spec"].get("maxUnavailable", "N/A"))),
    Column("Allowed Disruptions", at("status.disruptionsAllowed", 0), "integer"),
    AGE_COLUMN,
)
SCALE_COLUMNS = (NAME, _number("Desired", "spec.replicas"), _number("Available", "status.replicas"), AGE_COLUMN)
