"""/stats/summary and /metrics/resource: what Pods and the node use, as metrics-server reads it.

Source: k8s.io/kubelet/pkg/apis/stats/v1alpha1; pkg/kubelet/metrics/collectors, resource_metrics.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from maru.components.node.controllers.pod_worker import PodWorker
from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.machine_figures import NodeUsage, read_usage_blocking
from maru.components.node.model.view import Attempt
from maru.contracts.runtime import Usage
from maru.core.clock import rfc3339
from maru.core.document import Value
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.meter import CONTENT_TYPE


async def stats_summary(workshop: Workshop, pods: Pods, request: Request, parts: dict[str, str]) -> Answer:
    """All Pods and the node, now."""
    now = rfc3339(workshop.clock.now())
    usage = await asyncio.to_thread(read_usage_blocking)
    node = {"nodeName": workshop.site.node_name, "startTime": now, **_figures(now, _of_node(usage))}
    return json_answer({"node": node, "pods": [_pod_stats(workshop, worker, now) for worker in pods.list()]})


async def resource_metrics(workshop: Workshop, pods: Pods, request: Request, parts: dict[str, str]) -> Answer:
    """The same as Prometheus text."""
    usage = await asyncio.to_thread(read_usage_blocking)
    lines = [
        "# TYPE node_cpu_usage_seconds_total counter",
        f"node_cpu_usage_seconds_total {usage.cpu_ns / 1e9}",
        "# TYPE node_memory_working_set_bytes gauge",
        f"node_memory_working_set_bytes {usage.memory_working_set_bytes}",
    ]
    cpu, memory = (
        ["# TYPE container_cpu_usage_seconds_total counter"],
        ["# TYPE container_memory_working_set_bytes gauge"],
    )
    for worker in pods.list():
        metadata = worker.pod["metadata"]
        for attempt, used in _usages(workshop, worker):
            labels = f'container="{attempt.name}",namespace="{metadata["namespace"]}",pod="{metadata["name"]}"'
            cpu.append(f"container_cpu_usage_seconds_total{{{labels}}} {used.cpu_ns / 1e9}")
            memory.append(f"container_memory_working_set_bytes{{{labels}}} {used.memory_working_set_bytes}")
    text = "\n".join([*lines, *cpu, *memory]) + "\n"
    return Answer(200, text.encode(), {"Content-Type": CONTENT_TYPE})


def _pod_stats(workshop: Workshop, worker: PodWorker, now: str) -> Value:
    metadata = worker.pod["metadata"]
    found = list(_usages(workshop, worker))
    total = Usage(
        sum(usage.cpu_ns for _, usage in found),
        sum(usage.memory_bytes for _, usage in found),
        sum(usage.memory_working_set_bytes for _, usage in found),
        sum(usage.pids for _, usage in found),
    )
    containers = [
        {"name": attempt.name, "startTime": attempt.started_at, **_figures(now, usage)} for attempt, usage in found
    ]
    reference = {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
    started = (worker.pod.get("status") or {}).get("startTime", now)
    return {
        "podRef": reference,
        "startTime": started,
        "containers": containers,
        **_figures(now, total),
        "process_stats": {"process_count": total.pids},
    }


def _usages(workshop: Workshop, worker: PodWorker) -> Iterable[tuple[Attempt, Usage]]:
    for attempts in worker.memory.attempts(workshop).values():
        for attempt in attempts:
            usage = workshop.runtime.usage(attempt.id) if attempt.is_running else None
            if usage is not None:
                yield attempt, usage


def _of_node(usage: NodeUsage) -> Usage:
    return Usage(usage.cpu_ns, usage.memory_bytes, usage.memory_working_set_bytes, usage.pids)


def _figures(now: str, usage: Usage) -> Value:
    return {
        "cpu": {"time": now, "usageCoreNanoSeconds": usage.cpu_ns},
        "memory": {
            "time": now,
            "usageBytes": usage.memory_bytes,
            "workingSetBytes": usage.memory_working_set_bytes,
        },
    }
