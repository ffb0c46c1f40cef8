"""Disruption budgets, autoscalers, priority and runtime classes, leases, resource claims: defaults and rules.

Source: k8s.io/kubernetes/pkg/apis/{policy,autoscaling,scheduling,node,coordination} (defaults, validation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Value
from maru.kinds.columns import cluster as columns
from maru.kinds.columns.workloads import HORIZONTALPODAUTOSCALER_COLUMNS, PODDISRUPTIONBUDGET_COLUMNS
from maru.kinds.rules.pods.resources import amount, check_amount
from maru.kinds.rules.pods.scheduling import check_tolerations
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.templated import check_at_most_all, check_count
from maru.kinds.rules.text import (
    check,
    check_labels,
    check_not_negative,
    forbidden,
    immutable,
    invalid,
    is_dns_label,
    is_path_segment,
    required,
    unsupported,
)
from maru.kinds.shown import Shown
from maru.kinds.strategy import Cause

USER_PRIORITY_MAX = 1_000_000_000
SYSTEM_PREFIX = "system-"
_SYSTEM_CLASSES: Mapping[str, int] = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
METRIC_KINDS = ("ContainerResource", "External", "Object", "Pods", "Resource")
TARGET_KINDS = ("AverageValue", "Utilization", "Value")
WINDOW_S_MAX = 3600
PERIOD_S_MAX = 1800
EVICTION_POLICIES = ("IfHealthyBudget", "AlwaysAllow")


class DisruptionBudgetStrategy(Shown):
    """PodDisruptionBudgets."""

    def __init__(self) -> None:
        super().__init__(PODDISRUPTIONBUDGET_COLUMNS, has_generation=True)

    def default(self, value: Value) -> None:
        value["spec"] = value.get("spec") or {}

    def prepare_create(self, value: Value) -> None:
        counted = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
        value["status"] = dict.fromkeys(counted, 0)

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes: list[Cause] = []
        if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
            causes.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
        for name in ("minAvailable", "maxUnavailable"):
            causes += check_count(spec.get(name), f"spec.{name}")
            causes += check_at_most_all(spec.get(name), f"spec.{name}")
        if spec.get("selector") is not None:
            causes += check_selector(spec["selector"], "spec.selector")
        policy = spec.get("unhealthyPodEvictionPolicy")
        if policy is not None and policy not in EVICTION_POLICIES:
            causes.append(unsupported("spec.unhealthyPodEvictionPolicy", policy, EVICTION_POLICIES))
        return causes


class AutoscalerStrategy(Shown):
    """HorizontalPodAutoscalers, kept in version 2."""

    def __init__(self) -> None:
        super().__init__(HORIZONTALPODAUTOSCALER_COLUMNS)

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        if spec.get("minReplicas") is None:
            spec["minReplicas"] = 1
        if not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": 80}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
        behavior = spec.get("behavior")
        if behavior is not None:
            _default_scaling(behavior.setdefault("scaleUp", {}), window_s=0, pods=True)
            _default_scaling(behavior.setdefault("scaleDown", {}), window_s=None, pods=False)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"desiredReplicas": 0, "currentMetrics": None}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        most, least = spec.get("maxReplicas", 0), spec.get("minReplicas", 1)
        causes: list[Cause] = []
        if least < 1:
            causes.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
        if most < 1:
            causes.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
        if most < least:
            causes.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
        reference = spec.get("scaleTargetRef") or {}
        for name in ("kind", "name"):
            at, text = f"spec.scaleTargetRef.{name}", reference.get(name) or ""
            causes += check(is_path_segment, at, text) if text else [required(at)]
        for index, metric in enumerate(spec["metrics"]):
            causes += _check_metric(metric, f"spec.metrics[{index}]")
        for name in ("scaleUp", "scaleDown"):
            rules = (spec.get("behavior") or {}).get(name)
            if rules is not None:
                causes += _check_scaling(rules, f"spec.behavior.{name}")
        return causes


class PriorityClassStrategy(Shown):
    """PriorityClasses: value and preemption never change."""

    def __init__(self) -> None:
        super().__init__(columns.PRIORITYCLASS_COLUMNS, has_status=False, has_generation=False)

    def default(self, value: Value) -> None:
        value["preemptionPolicy"] = value.get("preemptionPolicy") or "PreemptLowerPriority"

    def prepare_create(self, value: Value) -> None:
        value["metadata"]["generation"] = 1

    def validate(self, value: Value) -> Sequence[Cause]:
        name, number = value["metadata"].get("name") or "", value.get("value", 0)
        causes: list[Cause] = []
        if name.startswith(SYSTEM_PREFIX):
            if _SYSTEM_CLASSES.get(name) != number:
                why = "priority class names with 'system-' prefix are reserved for system use only. error: "
                detail = (
                    f"value of {name} PriorityClass must be {_SYSTEM_CLASSES[name]}"
                    if name in _SYSTEM_CLASSES
                    else f"{name} is not a known system priority class"
                )
                causes.append(forbidden("metadata.name", why + detail))
        elif number > USER_PRIORITY_MAX:
            why = f"maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}"
            causes.append(forbidden("value", why))
        policy = value["preemptionPolicy"]
        if policy not in ("PreemptLowerPriority", "Never"):
            causes.append(unsupported("preemptionPolicy", policy, ("PreemptLowerPriority", "Never")))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        causes: list[Cause] = []
        if value.get("value", 0) != old.get("value", 0):
            causes.append(forbidden("value", "may not be changed in an update."))
        if value.get("preemptionPolicy") != old.get("preemptionPolicy"):
            causes.append(immutable("preemptionPolicy", value.get("preemptionPolicy")))
        return causes


class RuntimeClassStrategy(Shown):
    """RuntimeClasses: their handler never changes."""

    def __init__(self) -> None:
        super().__init__(columns.RUNTIMECLASS_COLUMNS, has_status=False)

    def validate(self, value: Value) -> Sequence[Cause]:
        handler = value.get("handler") or ""
        causes = [invalid("handler", handler, problem) for problem in is_dns_label(handler)]
        for name, text in ((value.get("overhead") or {}).get("podFixed") or {}).items():
            causes += check_amount(name, text, f"overhead.podFixed[{name}]")
        scheduling = value.get("scheduling") or {}
        causes += check_labels(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
        tolerations = scheduling.get("tolerations") or []
        causes += check_tolerations(tolerations, "scheduling.tolerations")
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        return [immutable("handler", value.get("handler"))] if value.get("handler") != old.get("handler") else ()


class LeaseStrategy(Shown):
    """Leases."""

    def __init__(self) -> None:
        super().__init__(columns.LEASE_COLUMNS, has_status=False)

    def default(self, value: Value) -> None:
        value["spec"] = value.get("spec") or {}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes: list[Cause] = []
        seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if seconds is not None and seconds <= 0:
            causes.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
        causes += check_not_negative(transitions, "spec.leaseTransitions")
        if spec.get("holderIdentity") == "":
            causes.append(invalid("spec.holderIdentity", "", "must not be empty"))
        if spec.get("preferredHolder") and not spec.get("strategy"):
            causes.append(forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"))
        return causes


def _default_scaling(rules: Value, *, window_s: int | None, pods: bool) -> None:
    rules["selectPolicy"] = rules.get("selectPolicy") or "Max"
    if window_s is not None and rules.get("stabilizationWindowSeconds") is None:
        rules["stabilizationWindowSeconds"] = window_s
    if not rules.get("policies"):
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        rules["policies"] = [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent] if pods else [percent]


def _check_metric(metric: Value, field: str) -> list[Cause]:
    kind = metric.get("type") or ""
    if not kind:
        return [required(f"{field}.type", "must specify a metric source type")]
    if kind not in METRIC_KINDS:
        return [unsupported(f"{field}.type", kind, METRIC_KINDS)]
    name = kind[:1].lower() + kind[1:]
    source = metric.get(name)
    if source is None:
        why = f"must populate information for the given metric source ({kind})"
        return [required(f"{field}.{name}", why)]
    causes: list[Cause] = []
    others = [one[:1].lower() + one[1:] for one in METRIC_KINDS if one != kind]
    why = "must populate the given metric source only"
    causes += [forbidden(f"{field}.{other}", why) for other in others if metric.get(other) is not None]
    at = f"{field}.{name}"
    if kind in ("Resource", "ContainerResource"):
        if not source.get("name"):
            causes.append(required(f"{at}.name", "must specify a resource name"))
        if kind == "ContainerResource" and not source.get("container"):
            causes.append(required(f"{at}.container", "must specify a container"))
    elif not (source.get("metric") or {}).get("name"):
        causes.append(required(f"{at}.metric.name", "must specify a metric name"))
    return causes + _check_target(source.get("target") or {}, f"{at}.target", kind)


def _check_target(target: Value, field: str, metric: str) -> list[Cause]:
    kind = target.get("type") or ""
    causes: list[Cause] = []
    if not kind:
        causes.append(required(f"{field}.type", "must specify a metric target type"))
    elif kind not in TARGET_KINDS:
        causes.append(invalid(f"{field}.type", kind, "must be either Utilization, Value, or AverageValue"))
    causes += [
        invalid(f"{field}.{name}", target[name], "must be positive")
        for name in ("value", "averageValue")
        if target.get(name) is not None and amount(target[name]).nano <= 0
    ]
    used = target.get("averageUtilization")
    if used is not None and used < 1:
        causes.append(invalid(f"{field}.averageUtilization", used, "must be greater than 0"))
    if metric in ("Resource", "ContainerResource"):
        given = [name for name in ("averageUtilization", "averageValue") if target.get(name) is not None]
        if not given:
            why = "must set either a target raw value or a target utilization"
            causes.append(required(f"{field}.averageUtilization", why))
        elif len(given) > 1:
            why = "may not set both a target raw value and a target utilization"
            causes.append(forbidden(f"{field}.averageValue", why))
    elif metric == "Pods" and target.get("averageValue") is None:
        causes.append(required(f"{field}.averageValue", "must specify a positive target averageValue"))
    elif metric != "Pods" and target.get("value") is None and target.get("averageValue") is None:
        why = "must set either a target value for metric or a per-pod target"
        causes.append(required(f"{field}.averageValue", why))
    return causes


def _check_scaling(rules: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    window_s = rules.get("stabilizationWindowSeconds")
    if window_s is not None and not 0 <= window_s <= WINDOW_S_MAX:
        at = f"{field}.stabilizationWindowSeconds"
        why = (
            "must be greater than or equal to zero" if window_s < 0 else f"must be less than or equal to {WINDOW_S_MAX}"
        )
        causes.append(invalid(at, window_s, why))
    chosen = rules.get("selectPolicy")
    if chosen not in ("Max", "Min", "Disabled"):
        causes.append(unsupported(f"{field}.selectPolicy", chosen, ("Disabled", "Max", "Min")))
    for index, policy in enumerate(rules.get("policies") or []):
        at, period_s = f"{field}.policies[{index}]", policy.get("periodSeconds", 0)
        if policy.get("type") not in ("Pods", "Percent"):
            causes.append(unsupported(f"{at}.type", policy.get("type") or "", ("Percent", "Pods")))
        if policy.get("value", 0) <= 0:
            causes.append(invalid(f"{at}.value", policy.get("value", 0), "must be greater than zero"))
        if period_s <= 0:
            causes.append(invalid(f"{at}.periodSeconds", period_s, "must be greater than zero"))
        elif period_s > PERIOD_S_MAX:
            why = f"must be less than or equal to {PERIOD_S_MAX}"
            causes.append(invalid(f"{at}.periodSeconds", period_s, why))
    return causes
