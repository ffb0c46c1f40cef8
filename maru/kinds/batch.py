"""Jobs and CronJobs.

Source: k8s.io/kubernetes/pkg/apis/batch/v1, defaults; pkg/registry/batch/job, strategy; pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Value
from maru.kinds.columns import workloads as columns
from maru.kinds.defaults.pod_spec import default_pod_spec
from maru.kinds.rules.pod_spec import check_pod_spec
from maru.kinds.rules.text import check_not_negative, check_one_of, immutable, invalid, required, unsupported
from maru.kinds.strategy import Cause, Strategy

LABEL_CONTROLLER = "batch.kubernetes.io/controller-uid"
LABEL_JOB = "batch.kubernetes.io/job-name"
CRON_NAME_MAX = 52


class JobStrategy(Strategy):
    """Jobs make their own selector from their uid, unless told not to."""

    columns = columns.JOB_COLUMNS

    def default(self, value: Value) -> None:
        default_job_spec(value.setdefault("spec", {}))

    def prepare_create(self, value: Value) -> None:
        value.pop("status", None)
        spec = value["spec"]
        if spec.get("manualSelector") or not spec.get("template"):
            return
        uid, name = value["metadata"].get("uid", ""), value["metadata"].get("name", "")
        template = spec["template"]["metadata"] = spec["template"].get("metadata") or {}
        labels = template["labels"] = template.get("labels") or {}
        labels.update({"controller-uid": uid, "job-name": name, LABEL_CONTROLLER: uid, LABEL_JOB: name})
        selector = spec["selector"] = spec.get("selector") or {}
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), LABEL_CONTROLLER: uid}

    def validate(self, value: Value) -> Sequence[Cause]:
        return check_job_spec(value["spec"], "spec")

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        spec, before = value["spec"], old["spec"]
        fixed = ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy"]
        is_suspended_unstarted = before.get("suspend") and not (old.get("status") or {}).get("startTime")
        if not is_suspended_unstarted:
            fixed.append("template")
        is_elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
        if not is_elastic:
            fixed.append("completions")
        return [immutable(f"spec.{name}", spec.get(name)) for name in fixed if spec.get(name) != before.get(name)]

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        return {"status.successful": str((value.get("status") or {}).get("succeeded", 0))}


class CronJobStrategy(Strategy):
    """CronJobs."""

    columns = columns.CRONJOB_COLUMNS

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
        for name, number in (("suspend", False), ("successfulJobsHistoryLimit", 3), ("failedJobsHistoryLimit", 1)):
            if spec.get(name) is None:
                spec[name] = number
        template = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template")
        if template is not None:
            default_pod_spec(template.setdefault("spec", {}))

    def prepare_create(self, value: Value) -> None:
        value.pop("status", None)

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes: list[Cause] = []
        if not spec.get("schedule"):
            causes.append(required("spec.schedule"))
        elif "TZ" in spec["schedule"]:
            causes.append(
                invalid(
                    "spec.schedule",
                    spec["schedule"],
                    "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
                )
            )
        elif not spec["schedule"].startswith("@") and len(spec["schedule"].split()) != 5:
            causes.append(
                invalid(
                    "spec.schedule",
                    spec["schedule"],
                    f"expected exactly 5 fields, found {len(spec['schedule'].split())}: {spec['schedule'].split()}",
                )
            )
        causes += check_one_of(spec["concurrencyPolicy"], ("Allow", "Forbid", "Replace"), "spec.concurrencyPolicy")
        for name in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
            causes += check_not_negative(spec.get(name), f"spec.{name}")
        if len(value["metadata"].get("name", "")) > CRON_NAME_MAX:
            causes.append(
                invalid("metadata.name", value["metadata"]["name"], f"must be no more than {CRON_NAME_MAX} characters")
            )
        job = ((spec.get("jobTemplate") or {}).get("spec")) or {}
        return [*causes, *check_job_spec(job, "spec.jobTemplate.spec")]


def default_job_spec(spec: Value) -> None:
    """The defaults of a Job's specification."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
        spec["parallelism"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    if spec.get("backoffLimit") is None:
        spec["backoffLimit"] = 6 if spec.get("backoffLimitPerIndex") is None else 2**31 - 1
    spec["completionMode"] = spec.get("completionMode") or "NonIndexed"
    if spec.get("suspend") is None:
        spec["suspend"] = False
    if spec.get("podReplacementPolicy") is None:
        spec["podReplacementPolicy"] = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or []:
        for pattern in rule.get("onPodConditions") or []:
            pattern["status"] = pattern.get("status") or "True"
    if spec.get("template") is not None:
        default_pod_spec(spec["template"].setdefault("spec", {}))


def check_job_spec(spec: Value, path: str) -> list[Cause]:
    """The rules of a Job's specification."""
    causes: list[Cause] = []
    for name in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        causes += check_not_negative(spec.get(name), f"{path}.{name}")
    causes += check_one_of(spec.get("completionMode"), ("Indexed", "NonIndexed"), f"{path}.completionMode")
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        causes.append(required(f"{path}.completions", "when completion mode is Indexed"))
    template = spec.get("template")
    if template is None:
        return [*causes, required(f"{path}.template")]
    pod = template.get("spec") or {}
    causes += check_pod_spec(pod, f"{path}.template.spec")
    if pod.get("restartPolicy") not in ("OnFailure", "Never"):
        causes.append(
            unsupported(f"{path}.template.spec.restartPolicy", pod.get("restartPolicy"), ("OnFailure", "Never"))
        )
    if spec.get("podFailurePolicy") and pod.get("restartPolicy") != "Never":
        causes.append(
            invalid(
                f"{path}.template.spec.restartPolicy",
                pod.get("restartPolicy"),
                'only "Never" is supported when podFailurePolicy is specified',
            )
        )
    return causes
