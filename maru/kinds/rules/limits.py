"""Rules of limit ranges and quotas.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateLimitRange, ValidateResourceQuotaSpec.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.rules.pods.resources import HUGE, STANDARD, amount, check_amount
from maru.kinds.rules.text import check, duplicate, forbidden, invalid, is_qualified_name, required, unsupported
from maru.kinds.strategy import Cause

LIMIT_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
SCOPES = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
)
_AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_QUOTA_NAMES = frozenset(
    {
        *STANDARD,
        "configmaps",
        "limits.cpu",
        "limits.ephemeral-storage",
        "limits.memory",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "requests.cpu",
        "requests.ephemeral-storage",
        "requests.memory",
        "requests.storage",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
        "storage",
    }
)


def check_limits(limits: Sequence[Value], field: str) -> list[Cause]:
    """spec.limits of a LimitRange: one per type, and amounts in order."""
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, limit in enumerate(limits):
        at, kind = f"{field}[{index}]", limit.get("type") or ""
        if "/" not in kind and kind not in LIMIT_TYPES:
            causes.append(unsupported(f"{at}.type", kind, LIMIT_TYPES) if kind else required(f"{at}.type"))
        if kind in seen:
            causes.append(duplicate(f"{at}.type", kind))
        seen.add(kind)
        causes += _check_limit(limit, at, kind)
    return causes


def check_quota(spec: Value, field: str) -> list[Cause]:
    """The specification of a ResourceQuota."""
    causes: list[Cause] = []
    for name, text in (spec.get("hard") or {}).items():
        at = f"{field}.hard[{name}]"
        causes += _check_quota_name(name, at)
        causes += check_amount(name, text, at)
    scopes = spec.get("scopes") or []
    causes += [unsupported(f"{field}.scopes", scope, SCOPES) for scope in scopes if scope not in SCOPES]
    if {"BestEffort", "NotBestEffort"} <= set(scopes) or {"Terminating", "NotTerminating"} <= set(scopes):
        causes.append(invalid(f"{field}.scopes", scopes, "conflicting scopes"))
    for index, rule in enumerate((spec.get("scopeSelector") or {}).get("matchExpressions") or []):
        at, scope, operator = (
            f"{field}.scopeSelector.matchExpressions[{index}]",
            rule.get("scopeName"),
            rule.get("operator"),
        )
        if scope not in SCOPES:
            causes.append(unsupported(f"{at}.scopeName", scope or "", SCOPES))
        values = rule.get("values") or []
        if operator in ("In", "NotIn"):
            if not values:
                why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                causes.append(required(f"{at}.values", why))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                causes.append(invalid(f"{at}.values", values, why))
        else:
            causes.append(invalid(f"{at}.operator", operator or "", "not a valid selector operator"))
    return causes


def _check_limit(limit: Value, at: str, kind: str) -> list[Cause]:
    causes: list[Cause] = []
    for group in _AMOUNTS:
        for name, text in (limit.get(group) or {}).items():
            causes += check(is_qualified_name, f"{at}.{group}[{name}]", name)
            causes += check_amount(name, text, f"{at}.{group}[{name}]")
    if kind == "Pod":
        why = "may not be specified when `type` is 'Pod'"
        causes += [forbidden(f"{at}.{group}", why) for group in ("default", "defaultRequest") if limit.get(group)]
    if (
        kind == "PersistentVolumeClaim"
        and not (limit.get("min") or {}).get("storage")
        and (not (limit.get("max") or {}).get("storage"))
    ):
        causes.append(
            required(f"{at}.limits", "either minimum or maximum storage value is required, but neither was provided")
        )
    groups = {group: limit.get(group) or {} for group in _AMOUNTS}
    for name in sorted({name for group in groups.values() for name in group}):
        causes += _check_order({group: one[name] for group, one in groups.items() if name in one}, name, at)
    return causes


def _check_order(given: Value, name: str, at: str) -> list[Cause]:
    """min <= defaultRequest <= default <= max."""
    causes: list[Cause] = []
    for low, high, field in (
        ("min", "max", "min"),
        ("min", "defaultRequest", "defaultRequest"),
        ("defaultRequest", "max", "defaultRequest"),
        ("defaultRequest", "default", "defaultRequest"),
        ("min", "default", "default"),
        ("default", "max", "default"),
    ):
        if low in given and high in given and amount(given[low]).nano > amount(given[high]).nano:
            words = {"min": "min", "max": "max", "default": "default", "defaultRequest": "default request"}
            why = f"{words[low]} value {given[low]} is greater than {words[high]} value {given[high]}"
            causes.append(invalid(f"{at}.{field}[{name}]", given[field], why))
    ratio = given.get("maxLimitRequestRatio")
    if ratio is not None and amount(ratio).nano < 10**9:
        causes.append(invalid(f"{at}.maxLimitRequestRatio[{name}]", ratio, f"ratio {ratio} is less than 1"))
    return causes


def _check_quota_name(name: str, at: str) -> list[Cause]:
    causes = check(is_qualified_name, at, name)
    if causes or "/" in name or name in _QUOTA_NAMES or name.startswith((HUGE, "requests.")):
        return causes
    why = "must be a standard resource type or fully qualified"
    return [invalid(at, name, why), invalid(at, name, "must be a standard resource for quota")]
