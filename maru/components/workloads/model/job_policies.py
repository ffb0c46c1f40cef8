"""What a failed Pod means for its Job by podFailurePolicy, and when successPolicy is met.

Source: k8s.io/kubernetes/pkg/controller/job, pod_failure_policy.go and success_policy.go.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from maru.components.workloads.model.job_pods import parse_indexes
from maru.core.document import Value


@dataclass(frozen=True, slots=True)
class Judgement:
    """action: FailJob, FailIndex, Ignore, Count, or empty when no rule matched; message: for FailJob."""

    action: str = ""
    message: str = ""

    @property
    def is_counted(self) -> bool:
        """True when the failure counts towards backoffLimit."""
        return self.action != "Ignore"


def judge_failure(job: Value, pod: Value) -> Judgement:
    """The first rule that matches a failed Pod."""
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or ()
    if pod.get("status", {}).get("phase") != "Failed":
        return Judgement()
    for number, rule in enumerate(rules):
        message = _by_exit_code(pod, rule, number) if rule.get("onExitCodes") else _by_condition(pod, rule, number)
        if message:
            return Judgement(rule["action"], message)
    return Judgement()


def _by_exit_code(pod: Value, rule: Value, number: int) -> str:
    wanted = rule["onExitCodes"]
    status = pod.get("status", {})
    for entry in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
        if wanted.get("containerName") not in (None, entry["name"]):
            continue
        ended = (entry.get("state") or {}).get("terminated")
        code = int(ended.get("exitCode") or 0) if ended else 0
        if code == 0:
            continue
        if (code in wanted["values"]) == (wanted["operator"] == "In"):
            metadata = pod["metadata"]
            who = f"Container {entry['name']} for pod {metadata['namespace']}/{metadata['name']}"
            return f"{who} failed with exit code {code} matching {rule['action']} rule at index {number}"
    return ""


def _by_condition(pod: Value, rule: Value, number: int) -> str:
    have = {entry["type"]: entry["status"] for entry in pod.get("status", {}).get("conditions") or ()}
    for wanted in rule.get("onPodConditions") or ():
        if have.get(wanted["type"]) == (wanted.get("status") or "True"):
            metadata = pod["metadata"]
            who = f"Pod {metadata['namespace']}/{metadata['name']}"
            return f"{who} has condition {wanted['type']} matching {rule['action']} rule at index {number}"
    return ""


def success_rule(job: Value, succeeded: Collection[int]) -> str:
    """The message of the first success rule that the succeeded indexes meet, or empty."""
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        listed = rule.get("succeededIndexes")
        among = set(succeeded) if listed is None else set(succeeded) & parse_indexes(listed)
        wanted = rule.get("succeededCount")
        is_met = len(among) >= int(wanted) if wanted is not None else among == parse_indexes(listed)
        if is_met:
            return f"Matched rules at index {number}"
    return ""
