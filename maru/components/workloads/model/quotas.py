"""Resource quotas: what a namespace uses of what its quotas bound.

Source: k8s.io/apiserver/pkg/quota and k8s.io/kubernetes/pkg/quota/v1/evaluator/core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from maru.core.document import Value
from maru.kinds.label_selector import Requirement
from maru.kinds.pod_requests import effective
from maru.kinds.pod_state import is_terminal
from maru.kinds.quantity import NANO, Quantity, parse

COUNTED = {
    "pods": "pods",
    "services": "services",
    "replicationcontrollers": "replicationcontrollers",
    "resourcequotas": "resourcequotas",
    "secrets": "secrets",
    "configmaps": "configmaps",
    "persistentvolumeclaims": "persistentvolumeclaims",
}
_SERVICE_COUNTS = ("services.nodeports", "services.loadbalancers")
_CLASS_MARK = ".storageclass.storage.k8s.io/"

Listing = Callable[[str], Sequence[Value]]
"""The documents of the namespace by storage name (pods, deployments.apps)."""


def used(quota: Value, listing: Listing) -> Mapping[str, str]:
    """What is used of every resource that spec.hard bounds, in canonical form."""
    hard = quota["spec"].get("hard") or {}
    pods = [pod for pod in listing("pods") if not is_terminal(pod) and _in_scope(quota, pod)]
    usage = {}
    for name, limit in hard.items():
        amount = _amount(name, pods, listing)
        usage[name] = str(Quantity(amount, parse(limit).family))
    return usage


def _amount(name: str, pods: Sequence[Value], listing: Listing) -> int:
    if name in ("pods", "count/pods"):
        return len(pods if name == "pods" else listing("pods")) * NANO
    if name.startswith("count/"):
        return len(listing(name.removeprefix("count/"))) * NANO
    if name in COUNTED:
        return len(listing(COUNTED[name])) * NANO
    if name in _SERVICE_COUNTS:
        return _service_count(name, listing("services")) * NANO
    if name == "requests.storage" or _CLASS_MARK in name:
        return _storage(name, listing("persistentvolumeclaims"))
    field, dot, resource = name.partition(".")
    if field == "limits" and dot:
        return _sum(pods, "limits", resource)
    return _sum(pods, "requests", resource if field == "requests" and dot else name)


def _sum(pods: Iterable[Value], field: str, resource: str) -> int:
    return sum(effective(pod, field).get(resource, 0) for pod in pods)


def _service_count(name: str, services: Iterable[Value]) -> int:
    if name == "services.loadbalancers":
        return sum(1 for service in services if service["spec"].get("type") == "LoadBalancer")
    return sum(
        1
        for service in services
        if service["spec"].get("type") in ("NodePort", "LoadBalancer")
        for port in service["spec"].get("ports") or ()
        if port.get("nodePort")
    )


def _storage(name: str, claims: Iterable[Value]) -> int:
    class_name, mark, resource = name.partition(_CLASS_MARK)
    chosen = [claim for claim in claims if not mark or claim["spec"].get("storageClassName") == class_name]
    if mark and resource == "persistentvolumeclaims":
        return len(chosen) * NANO
    requests = [(claim["spec"].get("resources") or {}).get("requests") or {} for claim in chosen]
    return sum(parse(request.get("storage", "0")).nano for request in requests)


def _in_scope(quota: Value, pod: Value) -> bool:
    spec = quota["spec"]
    expressions = list((spec.get("scopeSelector") or {}).get("matchExpressions") or ())
    expressions += [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    return all(_matches(pod, each) for each in expressions)


def _matches(pod: Value, expression: Value) -> bool:
    spec = pod["spec"]
    is_best_effort = not any(effective(pod, field) for field in ("requests", "limits"))
    match expression["scopeName"]:
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return is_best_effort
        case "NotBestEffort":
            return not is_best_effort
        case "PriorityClass":
            name = spec.get("priorityClassName")
            labels = {"name": name} if name else {}
            values = tuple(expression.get("values") or ())
            return Requirement("name", expression["operator"], values).matches(labels)
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(spec)
    return False


def _crosses_namespaces(spec: Value) -> bool:
    affinity = spec.get("affinity") or {}
    terms: list[Value] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [each["podAffinityTerm"] for each in preferred]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)
