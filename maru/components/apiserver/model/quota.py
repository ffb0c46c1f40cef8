"""What one document uses of a quota, and which quotas look at it.

Pure. Source: k8s.io/kubernetes/pkg/quota/v1/evaluator/core (pods, services, persistent_volume_claims);
core/v1 ResourceQuotaSpec scopes.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.core.document import Resource, Value
from maru.kinds.pod_requests import effective
from maru.kinds.quantity import NANO, Quantity, parse
from maru.kinds.resources import PERSISTENTVOLUMECLAIMS, PODS, SERVICES

_ONE = Quantity(NANO)
_COUNTED = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
    }
)
_PLAIN = frozenset({"cpu", "memory", "ephemeral-storage"})
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"

Usage = Mapping[str, Quantity]


def usage_of(stored: Resource, value: Value) -> Usage:
    """By quota resource name. What has ended uses nothing but its place in count/."""
    suffix = f".{stored.group}" if stored.group else ""
    usage: dict[str, Quantity] = {f"count/{stored.plural}{suffix}": _ONE}
    if stored.storage == PODS.storage:
        if not _has_ended(value):
            usage["pods"] = _ONE
            usage.update(_pod(value))
    elif stored.storage in _COUNTED:
        usage[stored.plural] = _ONE
        if stored.storage == SERVICES.storage:
            usage.update(_service(value))
        elif stored.storage == PERSISTENTVOLUMECLAIMS.storage:
            usage.update(_claim(value))
    return usage


def missing_of(stored: Resource, value: Value, hard: Mapping[str, object]) -> list[str]:
    """What a Pod's containers must say because the quota counts it: limits.cpu for: a,b."""
    if stored.storage != PODS.storage:
        return []
    found: list[str] = []
    for key in sorted(hard):
        field, _, name = key.partition(".") if key.startswith(("limits.", "requests.")) else ("requests", "", key)
        if name not in _PLAIN:
            continue
        silent = [
            one["name"]
            for listing in ("containers", "initContainers")
            for one in value["spec"].get(listing) or ()
            if name not in ((one.get("resources") or {}).get(field) or {})
        ]
        if silent and name not in ((value["spec"].get("resources") or {}).get(field) or {}):
            found.append(f"{key} for: {','.join(silent)}")
    return found


def matches_scopes(spec: Value, stored: Resource, value: Value) -> bool:
    """Whether a quota's scopes let it look at this document."""
    terms = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    terms += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    if not terms:
        return True
    if stored.storage != PODS.storage:
        return False
    return all(_in_scope(term, value) for term in terms)


def _in_scope(term: Value, pod: Value) -> bool:
    name, spec = term["scopeName"], pod["spec"]
    if name in ("Terminating", "NotTerminating"):
        return bool((spec.get("activeDeadlineSeconds") is not None) == (name == "Terminating"))
    if name in ("BestEffort", "NotBestEffort"):
        is_best_effort = not effective(pod) and not effective(pod, "limits")
        return bool(is_best_effort == (name == "BestEffort"))
    if name == "PriorityClass":
        return _matches(term, spec.get("priorityClassName") or "")
    if name == "CrossNamespacePodAffinity":
        return _crosses(spec)
    return False


def _matches(term: Value, text: str) -> bool:
    values = term.get("values") or ()
    operator = str(term.get("operator"))
    if operator == "Exists":
        return text != ""
    if operator == "DoesNotExist":
        return text == ""
    return bool((text in values) == (operator == "In"))


def _crosses(spec: Value) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        terms = list(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        terms += [
            one["podAffinityTerm"] for one in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def _has_ended(pod: Value) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _pod(pod: Value) -> Usage:
    usage: dict[str, Quantity] = {}
    for field in ("requests", "limits"):
        for name, nano in effective(pod, field).items():
            family = "DecimalSI" if name == "cpu" else "BinarySI"
            usage[f"{field}.{name}"] = Quantity(nano, family)
            if field == "requests" and name in _PLAIN:
                usage[name] = Quantity(nano, family)
    return usage


def _service(service: Value) -> Usage:
    spec = service.get("spec") or {}
    usage: dict[str, Quantity] = {}
    ports = len(spec.get("ports") or ())
    if spec.get("type") == "LoadBalancer":
        usage["services.loadbalancers"] = _ONE
    if spec.get("type") == "NodePort" or (
        spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)
    ):
        usage["services.nodeports"] = Quantity(ports * NANO)
    return usage


def _claim(claim: Value) -> Usage:
    spec = claim.get("spec") or {}
    usage: dict[str, Quantity] = {}
    name = spec.get("storageClassName")
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked is not None:
        usage["requests.storage"] = parse(asked)
    if name:
        usage[f"{name}{_STORAGE_CLASS}persistentvolumeclaims"] = _ONE
        if asked is not None:
            usage[f"{name}{_STORAGE_CLASS}requests.storage"] = parse(asked)
    return usage
