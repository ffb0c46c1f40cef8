"""The kinds of metrics.k8s.io: read only, made when asked for, never stored.

Source: k8s.io/metrics/pkg/apis/metrics/v1beta1; metrics-server, pkg/api/table.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from maru.components.apiserver.model.catalog import Custom, Served, served
from maru.core.document import Resource, Value
from maru.kinds.strategy import NAME_COLUMN, Column, Strategy
from maru.wire.k8s.schema import ANY, ResourceInfo

GROUP = "metrics.k8s.io"
VERSION = "v1beta1"
POD_METRICS = Resource(GROUP, VERSION, "pods", "PodMetrics", namespaced=True)
NODE_METRICS = Resource(GROUP, VERSION, "nodes", "NodeMetrics", namespaced=False)

_QUANTITIES: Value = {"type": "object", "additionalProperties": {"type": "string"}}
_TIMES: Value = {"timestamp": {"type": "string", "format": "date-time"}, "window": {"type": "string"}}
_CONTAINER: Value = {"type": "object", "properties": {"name": {"type": "string"}, "usage": _QUANTITIES}}


def metrics_kinds() -> Sequence[Served]:
    """Both kinds, as discovery and OpenAPI show them."""
    pods = {"type": "object", "properties": {**_TIMES, "containers": {"type": "array", "items": _CONTAINER}}}
    nodes = {"type": "object", "properties": {**_TIMES, "usage": _QUANTITIES}}
    return [_kind(POD_METRICS, pods), _kind(NODE_METRICS, nodes)]


def total(value: Value) -> Value:
    """The usage of a node, or of all containers of a Pod."""
    usages = [value["usage"]] if "usage" in value else [one["usage"] for one in value["containers"]]
    return {
        "cpu": f"{sum(int(usage['cpu'].removesuffix('n')) for usage in usages)}n",
        "memory": f"{sum(int(usage['memory'].removesuffix('Ki')) for usage in usages)}Ki",
    }


def _kind(resource: Resource, schema: Value) -> Served:
    entry = ResourceInfo(
        group=GROUP,
        version=VERSION,
        kind=resource.kind,
        plural=resource.plural,
        singular="",
        namespaced=resource.namespaced,
        verbs=("get", "list"),
    )
    columns = (NAME_COLUMN, Column("cpu", _cpu), Column("memory", _memory), Column("Window", _window))
    return served(entry, ANY, Strategy(), custom=Custom("", schema, columns))


def _cpu(value: Value, now: datetime) -> object:
    nanocores = int(total(value)["cpu"].removesuffix("n"))
    return f"{nanocores}n" if nanocores else "0"


def _memory(value: Value, now: datetime) -> object:
    return total(value)["memory"]


def _window(value: Value, now: datetime) -> object:
    return value["window"]
