"""How fast a target may go from what it has to what its metrics ask for. Pure.

What was recommended within a window is remembered and dampens; policies bound how many replicas come
or go within their period; minimum and maximum come last.
Source: k8s.io/kubernetes/pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicas and its
kin with behaviors); Kubernetes docs, "Configurable scaling behavior".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from maru.core.document import Value

_UP_FACTOR, _UP_LEAST = 2, 4  # without behavior: to the double, or to four

READY = ("ReadyForNewScale", "recommended size matches current size")
_HIGHEST = "recent recommendations were higher than current one, applying the highest recent recommendation"
_LOWEST = "recent recommendations were lower than current one, applying the lowest recent recommendation"
_WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_FAST_UP = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_FAST_DOWN = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")

Said = tuple[str, str]
"""(reason, message) of a condition."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """A recommendation (replicas) or a change (by how many, more than 0), and when, in seconds of one clock."""

    count: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered of one autoscaler; oldest first."""

    recommended: tuple[Stamped, ...] = ()
    ups: tuple[Stamped, ...] = ()
    downs: tuple[Stamped, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """least, most: minReplicas and maxReplicas. behavior: spec.behavior, or None."""

    least: int
    most: int
    behavior: Value | None
    down_window_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Paced:
    """replicas: what to scale to. able, limited: what the conditions say; is_limited: its status."""

    replicas: int
    able: Said
    limited: Said
    is_limited: bool
    past: Past


def pace(current: int, desired: int, bounds: Bounds, past: Past, now_s: float) -> Paced:
    """Where to go now from `current` when metrics ask for `desired`."""
    if bounds.behavior is None:
        steady = max(desired, *_since(past.recommended, now_s - bounds.down_window_s), desired)
        able = READY if steady == desired else ("ScaleDownStabilized", _HIGHEST)
        replicas, limited = _bounded_plainly(current, steady, bounds)
    else:
        steady = _steadied(current, desired, bounds, past, now_s)
        able = READY
        if steady != desired:
            able = ("ScaleUpStabilized", _LOWEST) if desired >= current else ("ScaleDownStabilized", _HIGHEST)
        replicas, limited = _bounded(current, steady, bounds, past, now_s)
    kept_s = max(window_s(bounds, "scaleUp"), window_s(bounds, "scaleDown"))
    recommended = tuple(each for each in past.recommended if each.at_s > now_s - kept_s)
    now_past = Past((*recommended, Stamped(desired, now_s)), past.ups, past.downs)
    return Paced(replicas, able, limited, replicas != steady, now_past)


def scaled(current: int, replicas: int, bounds: Bounds, past: Past, now_s: float) -> Past:
    """`past` with the change that was just made; those older than any policy looks back are let go."""
    if bounds.behavior is None:
        return past
    ups, downs = _young(past.ups, bounds, "scaleUp", now_s), _young(past.downs, bounds, "scaleDown", now_s)
    change = Stamped(abs(replicas - current), now_s)
    return Past(
        past.recommended,
        (*ups, change) if replicas > current else ups,
        downs if replicas > current else (*downs, change),
    )


def window_s(bounds: Bounds, direction: str) -> float:
    """The stabilization window of scaleUp or scaleDown."""
    own = ((bounds.behavior or {}).get(direction) or {}).get("stabilizationWindowSeconds")
    if own is not None:
        return float(own)
    return bounds.down_window_s if direction == "scaleDown" else 0.0


def _since(entries: Sequence[Stamped], since_s: float) -> list[int]:
    return [each.count for each in entries if each.at_s > since_s]


def _steadied(current: int, desired: int, bounds: Bounds, past: Past, now_s: float) -> int:
    lowest = min(desired, *_since(past.recommended, now_s - window_s(bounds, "scaleUp")), desired)
    highest = max(desired, *_since(past.recommended, now_s - window_s(bounds, "scaleDown")), desired)
    return min(max(current, lowest), highest)


def _bounded_plainly(current: int, desired: int, bounds: Bounds) -> tuple[int, Said]:
    limit = max(_UP_FACTOR * current, _UP_LEAST)
    if desired < bounds.least:
        return bounds.least, _FEW
    if desired > min(limit, bounds.most):
        return (limit, _FAST_UP) if bounds.most > limit else (bounds.most, _MANY)
    return desired, _WITHIN


def _bounded(current: int, desired: int, bounds: Bounds, past: Past, now_s: float) -> tuple[int, Said]:
    if desired > current:
        limit = max(current, _limit(current, bounds, past, now_s, is_up=True))
        if desired > min(limit, bounds.most):
            return (limit, _FAST_UP) if bounds.most > limit else (bounds.most, _MANY)
    elif desired < current:
        limit = min(current, _limit(current, bounds, past, now_s, is_up=False))
        if desired < max(limit, bounds.least):
            return (limit, _FAST_DOWN) if bounds.least < limit else (bounds.least, _FEW)
    return desired, _WITHIN


def _limit(current: int, bounds: Bounds, past: Past, now_s: float, *, is_up: bool) -> int:
    """The most (up) or the fewest (down) replicas that the policies let be now."""
    rules = (bounds.behavior or {}).get("scaleUp" if is_up else "scaleDown") or {}
    choice = rules.get("selectPolicy") or "Max"
    if choice == "Disabled":
        return current
    proposals: list[int] = []
    for policy in _policies(rules, is_up=is_up):
        since_s = now_s - policy["periodSeconds"]
        began = current - sum(_since(past.ups, since_s)) + sum(_since(past.downs, since_s))
        value = policy["value"] if is_up else -policy["value"]
        if policy["type"] == "Pods":
            proposals.append(began + value)
        elif is_up:
            proposals.append(ceil(began * (1 + value / 100)))
        else:
            proposals.append(int(began * (1 + value / 100)))
    return max(proposals) if (choice == "Max") == is_up else min(proposals)


def _policies(rules: Value, *, is_up: bool) -> Sequence[Value]:
    """Those given, or the API's defaults, which a side that was left out has too."""
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    return rules.get("policies") or (
        [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent] if is_up else [percent]
    )


def _young(changes: Sequence[Stamped], bounds: Bounds, direction: str, now_s: float) -> tuple[Stamped, ...]:
    rules = (bounds.behavior or {}).get(direction) or {}
    longest_s = max(each["periodSeconds"] for each in _policies(rules, is_up=direction == "scaleUp"))
    return tuple(each for each in changes if each.at_s > now_s - longest_s)
