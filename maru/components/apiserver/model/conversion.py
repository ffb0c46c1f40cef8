"""Built-in kinds served in two versions: HorizontalPodAutoscaler v1 and v2, Event of core and events.k8s.io.

Pure; nothing is lost either way (what v1 has no field for travels in the annotations the real server
uses). Source: k8s.io/kubernetes/pkg/apis/autoscaling/v1/conversion.go, pkg/apis/core/v1 Event and
pkg/apis/events/v1 conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from maru.core.document import Value

P = TypeVar("P")

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
_EVENT_FIELDS: Mapping[str, str] = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_EVENT_FIELDS_BACK = {new: old for old, new in _EVENT_FIELDS.items()}


class Pair:
    """A conversion made of two pure functions."""

    def __init__(self, to_stored: Callable[[Value], Value], from_stored: Callable[[Value], Value]) -> None:
        self._to_stored = to_stored
        self._from_stored = from_stored

    async def to_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        return [self._to_stored(value) for value in values]

    async def from_stored(self, values: Sequence[Value]) -> Sequence[Value]:
        return [self._from_stored(value) for value in values]


def event_to_core(value: Value) -> Value:
    """events.k8s.io/v1 to v1."""
    converted = {_EVENT_FIELDS_BACK.get(name, name): part for name, part in value.items()}
    return {**converted, "apiVersion": "v1"}


def event_from_core(value: Value) -> Value:
    """v1 to events.k8s.io/v1."""
    converted = {_EVENT_FIELDS.get(name, name): part for name, part in value.items()}
    return {**converted, "apiVersion": "events.k8s.io/v1"}


def autoscaler_to_v2(value: Value) -> Value:
    """autoscaling/v1 to autoscaling/v2."""
    metadata = dict(value.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    spec, status = dict(value.get("spec") or {}), dict(value.get("status") or {})
    metrics: list[Value] = _taken(annotations, _METRICS, list[Value]) or []
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}
        metrics.insert(0, {"type": "Resource", "resource": resource})
    if metrics:
        spec["metrics"] = metrics
    behavior = _taken(annotations, _BEHAVIOR, dict[str, object])
    if behavior is not None:
        spec["behavior"] = behavior
    current: list[Value] = _taken(annotations, _CURRENT_METRICS, list[Value]) or []
    used = status.pop("currentCPUUtilizationPercentage", None)
    if used is not None:
        current.insert(0, {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": used}}})
    if current:
        status["currentMetrics"] = current
    conditions = _taken(annotations, _CONDITIONS, list[Value])
    if conditions is not None:
        status["conditions"] = conditions
    return _assembled(value, "autoscaling/v2", (metadata, annotations), spec, status)


def autoscaler_from_v2(value: Value) -> Value:
    """autoscaling/v2 to autoscaling/v1."""
    metadata = dict(value.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    spec, status = dict(value.get("spec") or {}), dict(value.get("status") or {})
    metrics = list(spec.pop("metrics", None) or [])
    for index, metric in enumerate(metrics):
        target = (metric.get("resource") or {}).get("target") or {}
        if _is_cpu(metric) and target.get("averageUtilization") is not None:
            spec["targetCPUUtilizationPercentage"] = target["averageUtilization"]
            del metrics[index]
            break
    _keep(annotations, _METRICS, metrics)
    _keep(annotations, _BEHAVIOR, spec.pop("behavior", None))
    current = list(status.pop("currentMetrics", None) or [])
    for index, metric in enumerate(current):
        used = (metric.get("resource") or {}).get("current") or {}
        if _is_cpu(metric) and used.get("averageUtilization") is not None:
            status["currentCPUUtilizationPercentage"] = used["averageUtilization"]
            del current[index]
            break
    _keep(annotations, _CURRENT_METRICS, current)
    _keep(annotations, _CONDITIONS, status.pop("conditions", None))
    return _assembled(value, "autoscaling/v1", (metadata, annotations), spec, status)


def _is_cpu(metric: Value) -> bool:
    return metric.get("type") == "Resource" and (metric.get("resource") or {}).get("name") == "cpu"


def _taken(annotations: Value, name: str, kind: type[P]) -> P | None:
    """What an annotation holds as JSON; left where it is if that is no `kind`."""
    text = annotations.pop(name, None)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, TypeError):
        annotations[name] = text
        return None


def _keep(annotations: Value, name: str, part: object) -> None:
    if part:
        annotations[name] = msgspec.json.encode(part).decode()


def _assembled(value: Value, version: str, meta: tuple[Value, Value], spec: Value, status: Value) -> Value:
    metadata, annotations = meta
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    converted = {**value, "apiVersion": version, "metadata": metadata, "spec": spec}
    if "status" in value or status:
        converted["status"] = status
    return converted
