"""How many replicas the use of one resource asks for. Pure.

Pods that are not ready count as using nothing when that would scale up, Pods without figures as
using what they ask for when that would scale down, and nothing when up: both only ever dampen.
Amounts are thousandths of the resource's unit.
Source: k8s.io/kubernetes/pkg/controller/podautoscaler/replica_calculator.go; Kubernetes docs,
"Horizontal Pod Autoscaling", Algorithm details.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

from maru.core.clock import parse_rfc3339
from maru.core.document import Value
from maru.core.errors import Invalid, Unavailable
from maru.kinds.pod_state import condition, is_deleting
from maru.kinds.quantity import parse

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Figure:
    """What one Pod used: milli (summed over its containers), at a time, over a window."""

    milli: int
    taken_at: datetime
    window_s: float


@dataclass(frozen=True, slots=True)
class Rules:
    """tolerance_up, tolerance_down: the part by which a ratio may miss 1 before anything is done.

    cpu_initialization_s: of a Pod's life in which its use of cpu counts only when it is ready and was for a
    whole window. initial_readiness_s: a Pod that became unready within it was never ready.
    """

    now: datetime
    tolerance_up: float = 0.1
    tolerance_down: float = 0.1
    cpu_initialization_s: float = 300.0
    initial_readiness_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted: percent of what Pods request, or milli for each Pod. container: only this one, "" for all."""

    resource: str
    percent: int | None = None
    milli: int | None = None
    container: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """replicas that one metric asks for; percent (None if not asked for) and milli: what Pods use on average."""

    replicas: int
    percent: int | None
    milli: int


@dataclass(frozen=True, slots=True)
class _Groups:
    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Ratio:
    ratio: float
    percent: int | None
    milli: int


def propose(
    current: int, target: Target, pods: Sequence[Value], figures: Mapping[str, Figure], rules: Rules
) -> Proposal:
    """The replicas wanted where there are `current`; pods: all that the selector finds, by name in `figures`.

    Raises Unavailable where nothing can be said yet, Invalid where a Pod requests nothing to measure by.
    """
    if not pods:
        raise _unknown("No pods returned by selector while calculating replica count")
    groups = _grouped(pods, figures, target.resource, rules)
    used = {name: each.milli for name, each in figures.items() if name not in groups.ignored | groups.unready}
    requests = _requests(pods, target) if target.percent is not None else {}
    if not used:
        raise _unknown("did not receive metrics for targeted pods (pods might be unready)")
    first = _ratio(used, requests, target)
    starting = bool(groups.unready) and first.ratio > 1
    answer = Proposal(current, first.percent, first.milli)
    if not starting and not groups.missing:
        if _is_within(first.ratio, rules):
            return answer
        return replace(answer, replicas=_up(first.ratio * groups.ready))
    for name in groups.missing:
        if first.ratio < 1:
            used[name] = _wanted(name, requests, target)
        elif first.ratio > 1 or target.percent is None:
            used[name] = 0
    if starting:
        used |= dict.fromkeys(groups.unready, 0)
    ratio = _ratio(used, requests, target).ratio
    if _is_within(ratio, rules) or (first.ratio < 1 < ratio) or (ratio < 1 < first.ratio):
        return answer
    replicas = _up(ratio * len(used))
    if (ratio < 1 and replicas > current) or (ratio > 1 and replicas < current):
        return answer
    return replace(answer, replicas=replicas)


def _grouped(pods: Sequence[Value], figures: Mapping[str, Figure], resource: str, rules: Rules) -> _Groups:
    ready = 0
    unready, missing, ignored = set(), set(), set()
    for pod in pods:
        name = pod["metadata"]["name"]
        phase = (pod.get("status") or {}).get("phase")
        if is_deleting(pod) or phase == "Failed":
            ignored.add(name)
        elif phase == "Pending":
            unready.add(name)
        elif name not in figures:
            missing.add(name)
        elif resource == CPU and _is_starting(pod, figures[name], rules):
            unready.add(name)
        else:
            ready += 1
    return _Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_starting(pod: Value, figure: Figure, rules: Rules) -> bool:
    """Whether what it uses says nothing, as it starts."""
    ready, started = condition(pod, "Ready"), (pod.get("status") or {}).get("startTime")
    if ready is None or not started:
        return True
    is_unready = ready["status"] == "False"
    moved_at = parse_rfc3339(ready.get("lastTransitionTime") or started)
    started_at = parse_rfc3339(started)
    if started_at + timedelta(seconds=rules.cpu_initialization_s) > rules.now:
        return is_unready or figure.taken_at < moved_at + timedelta(seconds=figure.window_s)
    return is_unready and started_at + timedelta(seconds=rules.initial_readiness_s) > moved_at


def _requests(pods: Sequence[Value], target: Target) -> dict[str, int]:
    return {pod["metadata"]["name"]: _request(pod, target) for pod in pods}


def _request(pod: Value, target: Target) -> int:
    spec = pod["spec"]
    whole = ((spec.get("resources") or {}).get("requests") or {}).get(target.resource)
    if whole is not None and not target.container:
        return parse(whole).milli
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    total = 0
    for container in (*(spec.get("containers") or ()), *sidecars):
        if target.container in ("", container["name"]):
            asked = ((container.get("resources") or {}).get("requests") or {}).get(target.resource)
            if asked is None:
                name = pod["metadata"]["name"]
                why = f"missing request for {target.resource} in container {container['name']} of Pod {name}"
                raise Invalid(what="", why=why)
            total += parse(asked).milli
    return total


def _ratio(used: Mapping[str, int], requests: Mapping[str, int], target: Target) -> _Ratio:
    if target.percent is None:
        assert target.milli is not None, "a target has a percentage or an amount"
        average = sum(used.values()) // len(used)
        return _Ratio(average / target.milli, None, average)
    known = [name for name in used if name in requests]
    total, asked = sum(used[name] for name in known), sum(requests[name] for name in known)
    if asked == 0:
        raise _unknown("no metrics returned matched known pods")
    percent = total * 100 // asked
    return _Ratio(percent / target.percent, percent, total // len(known))


def _wanted(name: str, requests: Mapping[str, int], target: Target) -> int:
    """What a Pod without figures is taken to use when there would be fewer."""
    if target.percent is None:
        assert target.milli is not None, "a target has a percentage or an amount"
        return target.milli
    return requests[name] * max(100, target.percent) // 100


def _is_within(ratio: float, rules: Rules) -> bool:
    return 1 - rules.tolerance_down <= ratio <= 1 + rules.tolerance_up


def _up(replicas: float) -> int:
    return ceil(replicas)


def _unknown(why: str) -> Unavailable:
    return Unavailable(what="", why=why)
