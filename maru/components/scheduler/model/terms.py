"""The small languages of placement: tolerations, node selector terms, Pod affinity terms.

Source: k8s.io/component-helpers/scheduling/corev1; k8s.io/kube-scheduler/framework, AffinityTerm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maru.core.document import Value
from maru.kinds.label_selector import LabelSelector, Requirement, from_selector, requirement_of

Labels = Mapping[str, str]


def tolerates(tolerations: Iterable[Value], taint: Value) -> bool:
    """True when one of `tolerations` covers `taint`."""
    return any(_covers(toleration, taint) for toleration in tolerations)


def _covers(toleration: Value, taint: Value) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    key = toleration.get("key") or ""
    if key and key != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(tolerations: Sequence[Value], taints: Iterable[Value], effects: frozenset[str]) -> Value | None:
    """The first taint with one of `effects` that is not tolerated."""
    for taint in taints:
        if taint.get("effect") in effects and not tolerates(tolerations, taint):
            return taint
    return None


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """One NodeSelectorTerm: all of labels and fields; an empty one matches nothing."""

    labels: tuple[Requirement, ...]
    fields: tuple[Requirement, ...]

    def matches(self, name: str, labels: Labels) -> bool:
        """True for a node called `name` with `labels`."""
        if not self.labels and not self.fields:
            return False
        return all(each.matches(labels) for each in self.labels) and all(
            each.matches({"metadata.name": name}) for each in self.fields
        )


def node_term(term: Value) -> NodeTerm:
    """A NodeSelectorTerm."""
    return NodeTerm(
        tuple(requirement_of(each) for each in term.get("matchExpressions") or ()),
        tuple(requirement_of(each) for each in term.get("matchFields") or ()),
    )


@dataclass(frozen=True, slots=True)
class NodeDemand:
    """Where a Pod may run: its nodeSelector, and any one of the required terms (None: no demand)."""

    selector: tuple[Requirement, ...]
    required: tuple[NodeTerm, ...] | None
    preferred: tuple[tuple[int, NodeTerm], ...]

    def allows(self, name: str, labels: Labels) -> bool:
        """True when the node may take the Pod."""
        if not all(each.matches(labels) for each in self.selector):
            return False
        return self.required is None or any(term.matches(name, labels) for term in self.required)


def node_demand(spec: Value) -> NodeDemand:
    """The demands of a Pod's spec on its node."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return NodeDemand(
        tuple(Requirement(key, "In", (value,)) for key, value in (spec.get("nodeSelector") or {}).items()),
        None if required is None else tuple(node_term(each) for each in required.get("nodeSelectorTerms") or ()),
        tuple(
            (int(each["weight"]), node_term(each.get("preference") or {}))
            for each in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ),
    )


@dataclass(frozen=True, slots=True)
class PodTerm:
    """One PodAffinityTerm of a Pod. namespaces: by name; namespace_selector: by label (None: by name only)."""

    topology_key: str
    selector: LabelSelector
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None
    weight: int = 0

    def matches(self, namespace: str, labels: Labels, namespace_labels: Mapping[str, Labels]) -> bool:
        """True for a Pod in `namespace` with `labels`."""
        if namespace not in self.namespaces and (
            self.namespace_selector is None or not self.namespace_selector.matches(namespace_labels.get(namespace, {}))
        ):
            return False
        return self.selector.matches(labels)


def with_label_keys(selector: Value | None, labels: Labels, match: Iterable[str], mismatch: Iterable[str]) -> Value:
    """`selector` narrowed to the Pod's own value of each key in `match`, and away from it for `mismatch`."""
    merged = dict(selector or {})
    extra = [{"key": key, "operator": "In", "values": [labels[key]]} for key in match if key in labels]
    extra += [{"key": key, "operator": "NotIn", "values": [labels[key]]} for key in mismatch if key in labels]
    if extra:
        merged["matchExpressions"] = [*(merged.get("matchExpressions") or ()), *extra]
    return merged


def pod_term(term: Value, namespace: str, labels: Labels, weight: int = 0) -> PodTerm:
    """A PodAffinityTerm of a Pod in `namespace` with `labels`."""
    chosen = term.get("labelSelector")
    if chosen is not None:
        chosen = with_label_keys(chosen, labels, term.get("matchLabelKeys") or (), term.get("mismatchLabelKeys") or ())
    names = frozenset(term.get("namespaces") or ())
    by_label = term.get("namespaceSelector")
    if not names and by_label is None:
        names = frozenset((namespace,))
    return PodTerm(
        term["topologyKey"],
        from_selector(chosen),
        names,
        None if by_label is None else from_selector(by_label),
        weight,
    )


def pod_terms(affinity: Value, namespace: str, labels: Labels) -> tuple[tuple[PodTerm, ...], tuple[PodTerm, ...]]:
    """(required, preferred) terms of a podAffinity or podAntiAffinity."""
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return (
        tuple(pod_term(each, namespace, labels) for each in required),
        tuple(pod_term(each["podAffinityTerm"], namespace, labels, int(each["weight"])) for each in preferred),
    )
