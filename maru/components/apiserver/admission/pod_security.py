"""PodSecurity: a namespace's labels say how much its Pods may do to the node.

enforce refuses Pods; warn tells who writes Pods or what makes them. Source: Kubernetes docs, "Pod
Security Admission"; k8s.io/pod-security-admission/admission.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.components.apiserver.admission.review import CREATE, UPDATE, Review, Rule
from maru.components.apiserver.errors import denied
from maru.components.apiserver.model.pod_security import LEVELS, PRIVILEGED, faults
from maru.core.document import Resource, Value, key_of
from maru.core.store.interface import Store
from maru.kinds.resources import NAMESPACES, PODS

_LABEL = "pod-security.kubernetes.io/"
_TEMPLATES: Mapping[str, Sequence[str]] = {
    "replicationcontrollers": ("spec", "template"),
    "podtemplates": ("template",),
    "deployments.apps": ("spec", "template"),
    "replicasets.apps": ("spec", "template"),
    "statefulsets.apps": ("spec", "template"),
    "daemonsets.apps": ("spec", "template"),
    "jobs.batch": ("spec", "template"),
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
}


class PodSecurity(Rule):
    """Checks Pods and Pod templates against the levels of the namespace."""

    name = "PodSecurity"

    def __init__(self, store: Store) -> None:
        self._store = store

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates and updates of Pods and of kinds with a Pod template."""
        if operation not in (CREATE, UPDATE) or subresource not in ("", "ephemeralcontainers"):
            return False
        return resource.storage == PODS.storage or resource.storage in _TEMPLATES

    async def check(self, review: Review) -> None:
        """Raises Denied; adds warnings."""
        namespace = self._store.get(key_of(NAMESPACES, "", review.namespace))
        labels = (namespace.metadata.get("labels") or {}) if namespace is not None else {}
        enforce, warn = labels.get(f"{_LABEL}enforce", PRIVILEGED), labels.get(f"{_LABEL}warn", PRIVILEGED)
        if (enforce == PRIVILEGED and warn == PRIVILEGED) or review.value is None:
            return
        is_pod = review.stored.storage == PODS.storage
        spec = review.value["spec"] if is_pod else _template(review.stored.storage, review.value)
        if review.old is not None and is_pod and spec == review.old.get("spec"):
            return
        if is_pod and enforce in LEVELS:
            broken = faults(enforce, spec)
            if broken:
                name = review.name or review.value["metadata"].get("name", "")
                raise denied(PODS, name, _words(labels, "enforce", broken))
        if warn in LEVELS:
            broken = faults(warn, spec)
            if broken:
                review.warnings.append(f"would {_words(labels, 'warn', broken).replace('violates', 'violate')}")


def _words(labels: Value, mode: str, broken: Sequence[str]) -> str:
    version = labels.get(f"{_LABEL}{mode}-version", "latest")
    return f'violates PodSecurity "{labels[_LABEL + mode]}:{version}": {", ".join(broken)}'


def _template(storage: str, value: Value) -> Value:
    found = value
    for name in _TEMPLATES[storage]:
        found = found.get(name) or {}
    return found.get("spec") or {}
