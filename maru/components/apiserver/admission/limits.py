"""LimitRanger: defaults and bounds of what containers, Pods and claims may ask for in a namespace.

Source: k8s.io/kubernetes/plugin/pkg/admission/limitranger; core/v1 LimitRange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.apiserver.admission.review import CREATE, UPDATE, Review, Rule
from maru.components.apiserver.errors import denied
from maru.core.document import Resource, Value
from maru.core.store.interface import Store
from maru.kinds.pod_requests import effective
from maru.kinds.quantity import NANO, parse
from maru.kinds.resources import LIMITRANGES, PERSISTENTVOLUMECLAIMS, PODS

_ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger(Rule):
    """Applies every LimitRange of the namespace."""

    name = "LimitRanger"

    def __init__(self, store: Store) -> None:
        self._store = store

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates of Pods and claims, and resizes of both."""
        if resource.storage == PODS.storage:
            return (operation == CREATE and not subresource) or (operation == UPDATE and subresource == "resize")
        return resource.storage == PERSISTENTVOLUMECLAIMS.storage and operation in (CREATE, UPDATE) and not subresource

    async def admit(self, review: Review) -> None:
        """Fills in default requests and limits."""
        ranges = self._ranges(review.namespace)
        if ranges and review.operation == CREATE and review.resource.storage == PODS.storage:
            assert review.value is not None
            _default(review.value, ranges)

    async def check(self, review: Review) -> None:
        """Raises Denied naming every bound that is broken."""
        ranges = self._ranges(review.namespace)
        if not ranges:
            return
        assert review.value is not None
        if review.resource.storage == PODS.storage:
            faults = _pod_faults(review.value, ranges)
        else:
            faults = _claim_faults(review.value, ranges)
        if faults:
            listing = faults[0] if len(faults) == 1 else "[" + ", ".join(faults) + "]"
            raise denied(review.resource, review.name or review.value["metadata"].get("name", ""), listing)

    def _ranges(self, namespace: str) -> list[Value]:
        documents = self._store.list(LIMITRANGES.storage, namespace).documents
        return [limit for one in documents for limit in (one.value.get("spec") or {}).get("limits") or ()]


def _default(pod: Value, ranges: Sequence[Value]) -> None:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for limit in ranges:
        if limit.get("type") == "Container":
            limits.update(limit.get("default") or {})
            requests.update(limit.get("defaultRequest") or {})
    notes: list[str] = []
    for field, label in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(field) or ():
            resources = container.setdefault("resources", {})
            set_requests = _fill(resources, "requests", requests)
            set_limits = _fill(resources, "limits", limits)
            for kind, names in (("request", set_requests), ("limit", set_limits)):
                if names:
                    notes.append(f"{', '.join(sorted(names))} {kind} for {label} {container['name']}")
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[_ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)


def _fill(resources: Value, field: str, defaults: Mapping[str, str]) -> list[str]:
    have = resources.get(field) or {}
    missing = {name: amount for name, amount in defaults.items() if name not in have}
    if missing:
        resources[field] = {**have, **missing}
    return list(missing)


def _pod_faults(pod: Value, ranges: Sequence[Value]) -> list[str]:
    faults: list[str] = []
    for limit in ranges:
        if limit.get("type") == "Container":
            for field in ("containers", "initContainers"):
                for container in pod["spec"].get(field) or ():
                    resources = container.get("resources") or {}
                    asked = {name: parse(text).nano for name, text in (resources.get("requests") or {}).items()}
                    bound = {name: parse(text).nano for name, text in (resources.get("limits") or {}).items()}
                    faults += _faults(limit, "Container", asked, bound)
        elif limit.get("type") == "Pod":
            faults += _faults(limit, "Pod", effective(pod), effective(pod, "limits"))
    return faults


def _claim_faults(claim: Value, ranges: Sequence[Value]) -> list[str]:
    resources = (claim.get("spec") or {}).get("resources") or {}
    asked = {name: parse(text).nano for name, text in (resources.get("requests") or {}).items()}
    faults: list[str] = []
    for limit in ranges:
        if limit.get("type") == "PersistentVolumeClaim":
            faults += _faults(limit, "PersistentVolumeClaim", asked, {})
    return faults


def _faults(limit: Value, kind: str, requests: Mapping[str, int], limits: Mapping[str, int]) -> list[str]:
    faults: list[str] = []
    for name, text in (limit.get("min") or {}).items():
        least = parse(text).nano
        asked = requests.get(name)
        if asked is None:
            faults.append(f"minimum {name} usage per {kind} is {text}.  No request is specified")
        elif asked < least:
            faults.append(f"minimum {name} usage per {kind} is {text}, but request is {_shown(asked)}")
        bound = limits.get(name)
        if bound is not None and bound < least:
            faults.append(f"minimum {name} usage per {kind} is {text}, but limit is {_shown(bound)}")
    for name, text in (limit.get("max") or {}).items():
        most = parse(text).nano
        bound = requests.get(name) if kind == "PersistentVolumeClaim" else limits.get(name)
        word = "request" if kind == "PersistentVolumeClaim" else "limit"
        if bound is None:
            faults.append(f"maximum {name} usage per {kind} is {text}.  No {word} is specified")
        elif bound > most:
            faults.append(f"maximum {name} usage per {kind} is {text}, but {word} is {_shown(bound)}")
    for name, text in (limit.get("maxLimitRequestRatio") or {}).items():
        most = parse(text).nano
        asked, bound = requests.get(name), limits.get(name)
        if not asked or not bound:
            faults.append(f"{name} max limit to request ratio per {kind} is {text}, but no request or limit is given")
        elif bound * NANO > most * asked:
            ratio = bound / asked
            faults.append(f"{name} max limit to request ratio per {kind} is {text}, but provided ratio is {ratio:.6f}")
    return faults


def _shown(nano: int) -> str:
    """A bound as the message shows it: whole units, or thousandths."""
    return str(nano // NANO) if nano % NANO == 0 else f"{nano // 10**6}m"
