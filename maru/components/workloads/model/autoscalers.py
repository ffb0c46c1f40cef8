"""HorizontalPodAutoscalers: what to do with the proposals of the metrics, and what the status says. Pure.

Source: k8s.io/kubernetes/pkg/controller/podautoscaler/horizontal.go, reconcileAutoscaler and
computeReplicasForMetrics; autoscaling/v2 API reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from maru.components.workloads.model.autoscaler_rates import Bounds, Paced, Past, Said, Stamped, pace
from maru.components.workloads.model.autoscaler_usage import Proposal, Target
from maru.components.workloads.model.values import set_condition
from maru.core.clock import rfc3339
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported
from maru.kinds.quantity import NANO, Quantity, parse

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"
GOT_SCALE = ("SucceededGetScale", "the HPA controller was able to get the target's current scale")
DISABLED = ("ScalingDisabled", "scaling is disabled since the replica count of the target is zero")
NO_SELECTOR = ("InvalidSelector", "the HPA target's scale is missing a selector")
_GOT_METRIC = "the HPA was able to successfully calculate a replica count from "
_MILLION = NANO // 1000
_REASONS = {
    "Resource": "FailedGetResourceMetric",
    "ContainerResource": "FailedGetContainerResourceMetric",
    "Pods": "FailedGetPodsMetric",
    "Object": "FailedGetObjectMetric",
    "External": "FailedGetExternalMetric",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A metric that gave no number. reason, why: of the condition and of the Event; text: of the whole error."""

    reason: str
    why: str
    text: str

    @property
    def message(self) -> str:
        """What the condition says."""
        return f"the HPA was unable to compute the replica count: {self.why}"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the spec: what it is called, its proposal or why there is none, and its status."""

    name: str
    proposal: Proposal | None
    failure: Failure | None
    status: Value | None


@dataclass(frozen=True, slots=True)
class Plan:
    """replicas: what to scale to, None to leave it. reason: of the rescale.

    conditions: type to (status, reason, message); error: why nothing could be computed at all, or only
    in part when `replicas` or the conditions go on.
    """

    replicas: int | None
    reason: str
    conditions: Mapping[str, tuple[bool, Said]]
    past: Past
    error: str = ""
    is_void: bool = False


def plan(current: int, bounds: Bounds, metrics: Sequence[Metric], past: Past, now_s: float) -> Plan:
    """What to do with `current` replicas, given what each metric says."""
    past = past if past.recommended else initial(current, now_s)
    if current == 0 and bounds.least != 0:
        return Plan(None, "", {ACTIVE: (False, DISABLED)}, past)
    if current > bounds.most:
        return Plan(bounds.most, "Current number of replicas above Spec.MaxReplicas", {}, past)
    if current < bounds.least:
        return Plan(bounds.least, "Current number of replicas below Spec.MinReplicas", {}, past)
    failures = [each.failure for each in metrics if each.failure is not None]
    named = [(each.proposal.replicas, each.name) for each in metrics if each.proposal is not None]
    wanted, name = max(named, key=lambda pair: pair[0], default=(0, ""))
    error = ""
    if failures:
        error = f"invalid metrics ({len(failures)} invalid out of {len(metrics)}), first error is: {failures[0].text}"
        if not named or wanted < current:
            conditions = {ACTIVE: (False, (failures[0].reason, failures[0].message))}
            return Plan(None, "", conditions, past, error, is_void=True)
    paced = pace(current, wanted, bounds, past, now_s)
    conditions = {
        ACTIVE: (True, ("ValidMetricFound", _GOT_METRIC + name)),
        ABLE: (True, paced.able),
        LIMITED: (paced.is_limited, paced.limited),
    }
    reason = f"{name} above target" if wanted > current else "All metrics below target" if wanted < current else ""
    return Plan(_changed(current, paced), reason, conditions, paced.past, error)


def initial(current: int, now_s: float) -> Past:
    """What is known when nothing is: that there were `current` replicas when it began."""
    return Past((Stamped(current, now_s),))


def target_of(metric: Value) -> Target:
    """What a metric of the spec wants. Raises NotSupported for those that need an adapter, Invalid for none."""
    kind = metric.get("type", "")
    if kind not in ("Resource", "ContainerResource"):
        raise NotSupported(what="", why=_no_adapter(kind, metric))
    source = metric["resource" if kind == "Resource" else "containerResource"]
    want = source.get("target") or {}
    container = source.get("container", "") if kind == "ContainerResource" else ""
    if want.get("averageValue") is not None:
        return Target(source["name"], milli=parse(want["averageValue"]).milli, container=container)
    if want.get("averageUtilization") is not None:
        return Target(source["name"], percent=int(want["averageUtilization"]), container=container)
    why = "neither an average utilization target nor an average value (usage) target was set"
    raise Invalid(what="", why=f"invalid resource metric source: {why}")


def measured(metric: Value, target: Target, proposal: Proposal) -> Metric:
    """A metric that gave a number."""
    amount = str(Quantity(proposal.milli * _MILLION))
    current: Value = {"averageValue": amount}
    name = f"{target.resource} resource"
    if proposal.percent is not None:
        current["averageUtilization"] = proposal.percent
        name += " utilization (percentage of request)"
    if target.container:
        part = {"name": target.resource, "container": target.container, "current": current}
        return Metric(name, proposal, None, {"type": "ContainerResource", "containerResource": part})
    return Metric(name, proposal, None, {"type": "Resource", "resource": {"name": target.resource, "current": current}})


def failed(metric: Value, target: Target | None, why: str) -> Metric:
    """A metric that gave none, and `why`."""
    kind = metric.get("type", "")
    reason = _REASONS.get(kind, "InvalidMetricSourceType")
    if target is not None:
        what = "utilization" if target.percent is not None else "usage"
        why = f"failed to get {target.resource} {what}: {why}"
    resource = (metric.get("resource") or metric.get("containerResource") or {}).get("name", "")
    called = {
        "Resource": f"{resource} resource",
        "ContainerResource": f"{resource} container",
        "Pods": "pods",
        "Object": "object",
        "External": f"{_metric_name(metric, kind)} external",
    }.get(kind, "unknown")
    return Metric("", None, Failure(reason, why, f"failed to get {called} metric value: {why}"), None)


def new_status(
    scaler: Value,
    counts: tuple[int, int],
    metrics: Sequence[Metric],
    conditions: list[Value],
    scaled_at: datetime | None,
) -> Value:
    """The status. counts: (current, desired) replicas; scaled_at: when, if it was just done."""
    old = scaler.get("status") or {}
    status: Value = {
        "currentReplicas": counts[0],
        "desiredReplicas": counts[1],
        "currentMetrics": [each.status for each in metrics if each.status is not None] or None,
        "conditions": conditions,
    }
    last = rfc3339(scaled_at) if scaled_at is not None else old.get("lastScaleTime")
    if last is not None:
        status["lastScaleTime"] = last
    generation = scaler["metadata"].get("generation")
    if generation is not None:
        status["observedGeneration"] = generation
    return status


def with_conditions(conditions: list[Value], said: Mapping[str, tuple[bool, Said]], now: datetime) -> list[Value]:
    """`conditions` with those that are said."""
    for kind, (is_true, (reason, message)) in said.items():
        conditions = set_condition(conditions, kind, "True" if is_true else "False", reason, message, now=now)
    return conditions


def _changed(current: int, paced: Paced) -> int | None:
    return paced.replicas if paced.replicas != current else None


def _no_adapter(kind: str, metric: Value) -> str:
    """As the clients of APIs that nobody serves put it."""
    name = _metric_name(metric, kind)
    if kind == "External":
        selector = (metric.get("external") or {}).get("metric", {}).get("selector")
        api = "unable to fetch metrics from external metrics API: no external metrics API is served"
        return f"unable to get external metric {name}/{selector}: {api}"
    if kind in ("Pods", "Object"):
        api = (
            "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
        )
        return f"unable to get metric {name}: {api}"
    return f'unknown metric source type "{kind}"'


def _metric_name(metric: Value, kind: str) -> str:
    source = metric.get(kind[:1].lower() + kind[1:]) or {}
    name: str = (source.get("metric") or {}).get("name", "")
    return name
