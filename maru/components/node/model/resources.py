"""Requests and limits: the quality of service, the kernel's OOM order, and cgroup settings.

Source: Kubernetes documentation, "Pod Quality of Service Classes"; pkg/kubelet/qos, policy.go
(oom_score_adj); pkg/kubelet/cm, MilliCPUToShares and MilliCPUToQuota; OCI runtime spec, "Resources".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from maru.core.document import Value
from maru.kinds.quantity import parse

SHARES_MIN = 2
SHARES_PER_CPU = 1024
QUOTA_PERIOD_US = 100_000
QUOTA_MIN_US = 1000


def cpu_milli(amounts: Mapping[str, object] | None) -> int:
    """Thousandths of a CPU, 0 when it is not named."""
    return parse((amounts or {}).get("cpu", 0)).milli


def memory_bytes(amounts: Mapping[str, object] | None) -> int:
    """Bytes, 0 when it is not named."""
    return parse((amounts or {}).get("memory", 0)).whole


def _resource_sets(pod: Value) -> Iterable[Value]:
    for container in (*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())):
        yield container.get("resources") or {}


def qos_class(pod: Value) -> str:
    """Guaranteed, Burstable or BestEffort."""
    sets = [pod["spec"]["resources"]] if pod["spec"].get("resources") else list(_resource_sets(pod))
    is_guaranteed = True
    is_set = False
    for resources in sets:
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in ("cpu", "memory"):
            limit = parse(limits.get(name, 0)).nano
            request = parse(requests.get(name, limits.get(name, 0))).nano
            is_set = is_set or bool(limit or request)
            is_guaranteed = is_guaranteed and limit > 0 and limit == request
    if not is_set:
        return "BestEffort"
    return "Guaranteed" if is_guaranteed else "Burstable"


def oom_score_adj(pod: Value, container: Value, capacity_bytes: int) -> int:
    """-997..1000: what is guaranteed is killed last."""
    if pod["spec"].get("priorityClassName") in ("system-node-critical",):
        return -997
    quality = qos_class(pod)
    if quality == "Guaranteed":
        return -997
    if quality == "BestEffort":
        return 1000
    resources = container.get("resources") or {}
    request = memory_bytes(resources.get("requests")) or memory_bytes(resources.get("limits"))
    score = 1000 - (1000 * request) // max(1, capacity_bytes)
    return min(999, max(3, score))


def shares(milli: int) -> int:
    """cgroup v1 cpu.shares for a request; runtimes turn it into a weight on v2."""
    return max(SHARES_MIN, milli * SHARES_PER_CPU // 1000)


def oci_resources(container: Value) -> Value:
    """OCI linux.resources of a container's requests and limits."""
    resources = container.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    request_milli = cpu_milli(requests) if "cpu" in requests else cpu_milli(limits)
    cpu: Value = {"shares": shares(request_milli)}
    limit_milli = cpu_milli(limits)
    if limit_milli:
        cpu["period"] = QUOTA_PERIOD_US
        cpu["quota"] = max(QUOTA_MIN_US, limit_milli * QUOTA_PERIOD_US // 1000)
    wanted: Value = {"cpu": cpu}
    limit_bytes = memory_bytes(limits)
    if limit_bytes:
        wanted["memory"] = {"limit": limit_bytes}
    return wanted


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """What a Pod's control group is held to. quota_us: of 100 ms; 0 is without a limit."""

    shares: int
    quota_us: int = 0
    memory_bytes: int = 0


def group_figures(pod: Value) -> GroupFigures:
    """The Pod's own limits, or the sum of its containers' where every one has a limit.

    Source: pkg/kubelet/cm, ResourceConfigForPod; KEP-2837, pod level resources.
    """
    spec = pod["spec"]
    named = (spec.get("resources") or {}).get("limits") or {}
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    all_limits = [(container.get("resources") or {}).get("limits") or {} for container in containers]
    quota_us = limit_bytes = 0
    if "cpu" in named or (all_limits and all(cpu_milli(limits) for limits in all_limits)):
        quota_us = max(QUOTA_MIN_US, pod_amount(pod, "cpu", "limits") * QUOTA_PERIOD_US // 1000)
    if "memory" in named or (all_limits and all(memory_bytes(limits) for limits in all_limits)):
        limit_bytes = pod_amount(pod, "memory", "limits")
    return GroupFigures(shares(pod_request(pod, "cpu")), quota_us, limit_bytes)


def widest(one: GroupFigures, other: GroupFigures) -> GroupFigures:
    """What holds both: the larger of each figure, none where either has none."""

    def larger(first: int, second: int) -> int:
        return max(first, second) if first and second else 0

    return GroupFigures(
        max(one.shares, other.shares),
        larger(one.quota_us, other.quota_us),
        larger(one.memory_bytes, other.memory_bytes),
    )


def pod_request(pod: Value, name: str) -> int:
    """Milli units (cpu) or units (others) that the Pod asks of the node: the most it needs at one time."""
    return pod_amount(pod, name, "requests")


def pod_amount(pod: Value, name: str, side: str) -> int:
    """The requests or the limits of the whole Pod. side: requests or limits.

    Source: k8s.io/component-helpers/resource, PodRequests (sidecars add up, init containers peak).
    """
    spec = pod["spec"]
    measure = cpu_milli if name == "cpu" else _measure(name)
    level = spec.get("resources") or {}
    if (level.get(side) or {}).get(name) is not None:
        return measure(level[side]) + measure(spec.get("overhead"))
    total = sum(measure((c.get("resources") or {}).get(side)) for c in spec.get("containers") or ())
    sidecars = peak = 0
    for container in spec.get("initContainers") or ():
        amount = measure((container.get("resources") or {}).get(side))
        if container.get("restartPolicy") == "Always":
            sidecars += amount
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + amount)
    return max(total + sidecars, peak) + measure(spec.get("overhead"))


def _measure(name: str) -> Callable[[Mapping[str, object] | None], int]:
    return lambda amounts: parse((amounts or {}).get(name, 0)).whole
