"""Warnings about Pods and templates: what is accepted and yet hardly meant.

Source: k8s.io/kubernetes/pkg/api/pod, warnings.go; pkg/api/node, util.go (labels that are no more).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from maru.core.document import Value
from maru.kinds.quantity import NANO
from maru.kinds.rules.pods.resources import amount

DEPRECATED_LABELS: Mapping[str, str] = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_ANNOTATIONS: Mapping[str, str] = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_VOLUMES: Mapping[str, str] = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_SECCOMP_WORDS = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_BYTES = ("memory", "ephemeral-storage")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def warn_pod(spec: Value, metadata: Value, path: str = "") -> list[str]:
    """The warnings of a specification. path: empty for a Pod, that of the template otherwise."""
    at = f"{path}.spec" if path else "spec"
    return [
        *_labels(spec, at),
        *_annotations(spec, metadata, path),
        *_volumes(spec, at),
        *_twice(spec.get("hostAliases") or [], f"{at}.hostAliases", "ip"),
        *_twice(spec.get("imagePullSecrets") or [], f"{at}.imagePullSecrets", "name"),
        *_nameless(spec.get("imagePullSecrets") or [], f"{at}.imagePullSecrets"),
        *_fractions(spec.get("overhead") or {}, f"{at}.overhead"),
        *(text for where, container in _containers(spec, at) for text in _container(container, where)),
        *_ports(spec, at),
    ]


def _containers(spec: Value, at: str) -> Iterator[tuple[str, Value]]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(group) or []):
            yield f"{at}.{group}[{index}]", container


def _labels(spec: Value, at: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or {}:
        if key in DEPRECATED_LABELS:
            yield f"{at}.nodeSelector[{key}]: {DEPRECATED_LABELS[key]}"
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = [
        (f"{at}.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms[{index}]", term)
        for index, term in enumerate((node.get(_REQUIRED) or {}).get("nodeSelectorTerms") or [])
    ]
    terms += [
        (f"{at}.affinity.nodeAffinity.{_PREFERRED}[{index}].preference", one.get("preference") or {})
        for index, one in enumerate(node.get(_PREFERRED) or [])
    ]
    for where, term in terms:
        for index, rule in enumerate(term.get("matchExpressions") or []):
            key = rule.get("key", "")
            if key in DEPRECATED_LABELS:
                yield f"{where}.matchExpressions[{index}].key: {key} is {DEPRECATED_LABELS[key]}"
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or []):
        where, key = f"{at}.topologySpreadConstraints[{index}]", constraint.get("topologyKey", "")
        if key in DEPRECATED_LABELS:
            yield f"{where}.topologyKey: {key} is {DEPRECATED_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{where}.labelSelector: a null labelSelector results in matching no pod"


def _annotations(spec: Value, metadata: Value, path: str) -> Iterator[str]:
    at = f"{path}.metadata.annotations" if path else "metadata.annotations"
    annotations = metadata.get("annotations") or {}
    for key, text in _ANNOTATIONS.items():
        if key in annotations:
            yield f"{at}[{key}]: {text}"
    if _SECCOMP_POD in annotations and not (spec.get("securityContext") or {}).get("seccompProfile"):
        yield f"{at}[{_SECCOMP_POD}]: {_SECCOMP_WORDS}"
    for _, container in _containers(spec, ""):
        key = f"{_SECCOMP_CONTAINER}{container.get('name', '')}"
        if key in annotations and not (container.get("securityContext") or {}).get("seccompProfile"):
            yield f"{at}[{key}]: {_SECCOMP_WORDS}"


def _volumes(spec: Value, at: str) -> Iterator[str]:
    for index, volume in enumerate(spec.get("volumes") or []):
        where = f"{at}.volumes[{index}]"
        for kind, text in _VOLUMES.items():
            if volume.get(kind) is not None:
                yield f"{where}.{kind}: {text}"
        claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec") or {}
        yield from warn_claim(claim, f"{where}.ephemeral.volumeClaimTemplate.spec")


def warn_claim(spec: Value, at: str) -> Iterator[str]:
    """The warnings of a claim's specification."""
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is not None and amount(storage).nano % NANO:
        yield f'{at}.resources.requests[storage]: fractional byte value "{storage}" is invalid, must be an integer'


def _twice(items: Sequence[Value], at: str, name: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = item.get(name) or ""
        if value in seen:
            yield f'{at}[{index}].{name}: duplicate {name} "{value}"'
        seen.add(value)


def _nameless(items: Sequence[Value], at: str) -> Iterator[str]:
    for index, item in enumerate(items):
        if not item.get("name"):
            yield f'{at}[{index}].name: invalid empty name ""'


def _fractions(amounts: Mapping[str, object], at: str) -> Iterator[str]:
    for name in _BYTES:
        if name in amounts and amount(amounts[name]).nano % NANO:
            yield f'{at}[{name}]: fractional byte value "{amounts[name]}" is invalid, must be an integer'


def _container(container: Value, at: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    for group in ("limits", "requests"):
        yield from _fractions(resources.get(group) or {}, f"{at}.resources.{group}")
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or []):
        name, text = variable.get("name") or "", variable.get("value") or ""
        if name in seen:
            reference = f"$({name})"
            if variable.get("valueFrom") is not None or text == reference or reference not in text:
                yield (
                    f'{at}.env[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
                )
        seen.add(name)


def _ports(spec: Value, at: str) -> Iterator[str]:
    known: dict[tuple[object, object], list[tuple[str, Value]]] = {}
    for where, container in _containers(spec, at):
        for index, port in enumerate(container.get("ports") or []):
            here = f"{where}.ports[{index}]"
            others = known.setdefault((port.get("containerPort"), port.get("protocol")), [])
            for there, other in others:
                if _place(port) == _place(other):
                    yield f"{here}: duplicate port definition with {there}"
                elif not port.get("hostPort") or not other.get("hostPort") or "" in (_place(port)[0], _place(other)[0]):
                    yield f"{here}: overlapping port definition with {there}"
            others.append((here, port))


def _place(port: Value) -> tuple[str, int]:
    return port.get("hostIP") or "", port.get("hostPort") or 0
