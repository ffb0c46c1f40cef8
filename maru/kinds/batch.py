"""Jobs and CronJobs.

Source: k8s.io/kubernetes/pkg/apis/batch/v1, defaults; pkg/registry/batch/job, strategy; pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from zoneinfo import available_timezones

from maru.core.document import Value
from maru.core.errors import Invalid
from maru.kinds.columns import workloads as columns
from maru.kinds.cron import parse
from maru.kinds.defaults.pod_spec import default_pod_spec
from maru.kinds.pods import warn_template
from maru.kinds.rules.job_policies import check_failure_policy, check_success_policy
from maru.kinds.rules.pod_spec import check_template
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.text import check_not_negative, immutable, invalid, is_dns_label, required, unsupported
from maru.kinds.strategy import Cause, Strategy

LABEL_CONTROLLER = "batch.kubernetes.io/controller-uid"
LABEL_JOB = "batch.kubernetes.io/job-name"
CRON_NAME_MAX = 52
INDEXES_MAX = 100_000
UNLIMITED = 2**31 - 1
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_ZONED_WORDS = (
    "CRON_TZ or TZ used in spec.schedule, this is not officially supported, see "
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)
_DIRECTIVES = frozenset({"nodeSelector", "affinity", "tolerations", "schedulingGates"})


class JobStrategy(Strategy):
    """Jobs make their own selector from their uid, unless told not to."""

    columns = columns.JOB_COLUMNS
    default_propagation = "Background"

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        default_job_spec(spec)
        labels = (spec["template"].get("metadata") or {}).get("labels")
        if labels and not value["metadata"].get("labels"):
            value["metadata"]["labels"] = dict(labels)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {}
        spec = value["spec"]
        if spec.get("manualSelector"):
            return
        uid, name = value["metadata"].get("uid", ""), value["metadata"].get("name", "")
        template = spec["template"]["metadata"] = spec["template"].get("metadata") or {}
        labels = template["labels"] = template.get("labels") or {}
        labels.update({"controller-uid": uid, "job-name": name, LABEL_CONTROLLER: uid, LABEL_JOB: name})
        selector = spec["selector"] = spec.get("selector") or {}
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), LABEL_CONTROLLER: uid}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes = check_job_spec(spec, "spec")
        selector = spec.get("selector")
        if selector is None:
            return [*causes, required("spec.selector")]
        return [*causes, *check_selector(selector, "spec.selector"), *_check_labels(spec, selector)]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if subresource == "status":
            return ()
        spec, before = value["spec"], old["spec"]
        fixed = ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
        is_elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
        if not is_elastic:
            fixed.insert(0, "completions")
        causes = [immutable(f"spec.{name}", spec.get(name)) for name in fixed if spec.get(name) != before.get(name)]
        is_unstarted = before.get("suspend") and not (old.get("status") or {}).get("startTime")
        now, then = (_fixed_template(one, is_unstarted=bool(is_unstarted)) for one in (spec, before))
        return causes if now == then else [*causes, immutable("spec.template", spec.get("template"))]

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        return {"status.successful": str((value.get("status") or {}).get("succeeded", 0))}

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        name = value["metadata"].get("name") or ""
        named: list[str] = []
        problems = is_dns_label(name) if old is None and name else ()
        if problems:
            why = (
                "this is used in Pod names and hostnames, which can result in surprising behavior; "
                f"a DNS label is recommended: [{' '.join(problems)}]"
            )
            named.append(f"metadata.name: {why}")
        return [*named, *warn_template(value, old, ("spec", "template"))]


class CronJobStrategy(Strategy):
    """CronJobs."""

    columns = columns.CRONJOB_COLUMNS

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
        for name, number in (("suspend", False), ("successfulJobsHistoryLimit", 3), ("failedJobsHistoryLimit", 1)):
            if spec.get(name) is None:
                spec[name] = number
        job = spec["jobTemplate"] = spec.get("jobTemplate") or {}
        job["metadata"] = job.get("metadata") or {}
        template = job.setdefault("spec", {}).setdefault("template", {})
        template["metadata"] = template.get("metadata") or {}
        default_pod_spec(template.setdefault("spec", {}))

    def prepare_create(self, value: Value) -> None:
        value["status"] = {}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes = _check_schedule(spec.get("schedule") or "", "spec.schedule")
        causes += check_not_negative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds")
        if spec.get("timeZone") is not None:
            causes += _check_zone(spec["timeZone"], "spec.timeZone")
        policy = spec["concurrencyPolicy"]
        if policy not in ("Allow", "Forbid", "Replace"):
            causes.append(unsupported("spec.concurrencyPolicy", policy, ("Allow", "Forbid", "Replace")))
        job = spec["jobTemplate"]["spec"]
        causes += check_job_spec(job, "spec.jobTemplate.spec")
        if job.get("selector") is not None:
            why = "`selector` will be auto-generated"
            causes.append(invalid("spec.jobTemplate.spec.selector", job["selector"], why))
        if job.get("manualSelector"):
            causes.append(unsupported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false")))
        for name in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
            causes += check_not_negative(spec.get(name), f"spec.{name}")
        return causes

    def validate_create(self, value: Value) -> Sequence[Cause]:
        name = value["metadata"].get("name") or ""
        if len(name) <= CRON_NAME_MAX:
            return ()
        return [invalid("metadata.name", name, f"must be no more than {CRON_NAME_MAX} characters")]

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        spec = value["spec"]
        schedule = spec.get("schedule") or ""
        path = ("spec", "jobTemplate", "spec", "template")
        zoned = []
        if old is not None and "TZ" in schedule and schedule == (old.get("spec") or {}).get("schedule"):
            zoned = [f"spec.schedule: {_ZONED_WORDS}"]
        return [*zoned, *warn_template(value, old, path)]


def default_job_spec(spec: Value) -> None:
    """The defaults of a Job's specification."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
        spec["parallelism"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    if spec.get("backoffLimit") is None:
        spec["backoffLimit"] = 6 if spec.get("backoffLimitPerIndex") is None else UNLIMITED
    spec["completionMode"] = spec.get("completionMode") or "NonIndexed"
    if spec.get("suspend") is None:
        spec["suspend"] = False
    if spec.get("manualSelector") is None:
        spec["manualSelector"] = False
    if spec.get("podReplacementPolicy") is None:
        spec["podReplacementPolicy"] = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or []:
        for pattern in rule.get("onPodConditions") or []:
            pattern["status"] = pattern.get("status") or "True"
    template = spec["template"] = spec.get("template") or {}
    template["metadata"] = template.get("metadata") or {}
    default_pod_spec(template.setdefault("spec", {}))


def check_job_spec(spec: Value, path: str) -> list[Cause]:
    """The rules of a Job's specification, but for its selector."""
    causes: list[Cause] = []
    for name in _COUNTS:
        causes += check_not_negative(spec.get(name), f"{path}.{name}")
    causes += _check_mode(spec, path)
    if spec.get("podFailurePolicy") is not None:
        causes += check_failure_policy(spec, f"{path}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        causes += check_success_policy(spec, f"{path}.successPolicy")
    causes += _check_replacement(spec, f"{path}.podReplacementPolicy")
    template = spec.get("template") or {}
    causes += check_template(template, f"{path}.template")
    policy = (template.get("spec") or {}).get("restartPolicy") or ""
    at = f"{path}.template.spec.restartPolicy"
    if policy == "Always":
        why = 'valid values: "OnFailure", "Never"'
        causes.append(Cause(at, "FieldValueRequired", f"Required value: {why}"))
    elif policy not in ("OnFailure", "Never"):
        causes.append(unsupported(at, policy, ("OnFailure", "Never")))
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        causes.append(invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified'))
    return causes


def _check_mode(spec: Value, path: str) -> list[Cause]:
    mode, completions = spec.get("completionMode"), spec.get("completions")
    causes: list[Cause] = []
    if mode is not None and mode not in ("NonIndexed", "Indexed"):
        causes.append(unsupported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed")))
    if mode == "Indexed":
        if completions is None:
            causes.append(required(f"{path}.completions", "when completion mode is Indexed"))
        parallelism = spec.get("parallelism")
        if parallelism is not None and parallelism > INDEXES_MAX:
            why = f"must be less than or equal to {INDEXES_MAX} when completion mode is Indexed"
            causes.append(invalid(f"{path}.parallelism", parallelism, why))
    per_index, failed = spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes")
    if mode != "Indexed" and per_index is not None:
        why = "requires indexed completion mode"
        causes.append(invalid(f"{path}.backoffLimitPerIndex", per_index, why))
    if failed is not None:
        if per_index is None:
            causes.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
        if completions is not None and failed > completions:
            why = f"must be less than or equal to completions ({completions})"
            causes.append(invalid(f"{path}.maxFailedIndexes", failed, why))
    return causes


def _check_replacement(spec: Value, at: str) -> list[Cause]:
    policy = spec.get("podReplacementPolicy")
    choices = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    return [] if policy is None or policy in choices else [unsupported(at, policy, choices)]


def _check_labels(spec: Value, selector: Value) -> list[Cause]:
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    wanted = selector.get("matchLabels") or {}
    if all(labels.get(key) == text for key, text in wanted.items()):
        return []
    return [invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")]


def _fixed_template(spec: Value, *, is_unstarted: bool) -> Value:
    """What of the template never changes; where its Pods go may while the Job has not started."""
    template: Value = spec.get("template") or {}
    if not is_unstarted:
        return template
    metadata = _without(template.get("metadata") or {}, {"labels", "annotations"})
    pod = _without(template.get("spec") or {}, _DIRECTIVES)
    for group in ("containers", "initContainers"):
        if pod.get(group):
            pod[group] = [_without(container, {"resources"}) for container in pod[group]]
    return {"metadata": metadata, "spec": pod}


def _without(holder: Value, names: Set[str]) -> Value:
    return {name: field for name, field in holder.items() if name not in names}


def _check_schedule(schedule: str, at: str) -> list[Cause]:
    if not schedule:
        return [required(at)]
    if "TZ" in schedule:
        return [invalid(at, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")]
    try:
        parse(schedule)
    except Invalid as error:
        return [invalid(at, schedule, error.why)]
    return []


def _check_zone(zone: str, at: str) -> list[Cause]:
    if not zone:
        return [invalid(at, zone, "timeZone must be nil or non-empty string")]
    if zone.lower() == "local":
        return [
            invalid(at, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")
        ]
    if zone not in available_timezones():
        return [invalid(at, zone, f"unknown time zone {zone}")]
    return []
