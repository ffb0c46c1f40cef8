"""Rules between Pods: affinity and anti-affinity by topology, and even spread over domains.

What a Pod's rules need to know of all other Pods is counted once per attempt, then each node is a
look-up. Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins, interpodaffinity and podtopologyspread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from maru.components.scheduler.model.nodes import NodeState
from maru.components.scheduler.model.pods import PodFacts, SpreadRule
from maru.components.scheduler.model.terms import Labels, PodTerm, untolerated
from maru.components.scheduler.model.verdicts import Refusal

AFFINITY = Refusal("node(s) didn't match pod affinity rules", final=True)
ANTI_AFFINITY = Refusal("node(s) didn't match pod anti-affinity rules")
EXISTING_ANTI_AFFINITY = Refusal("node(s) didn't satisfy existing pods anti-affinity rules")
SPREAD = Refusal("node(s) didn't match pod topology spread constraints")
SPREAD_NO_LABEL = Refusal("node(s) didn't match pod topology spread constraints (missing required label)", final=True)
_HARD_EFFECTS = frozenset(("NoSchedule", "NoExecute"))

Domain = tuple[str, str]
"""(topology key, value)."""


class PodRules:
    """The required affinity and anti-affinity between one Pod and all that run."""

    def __init__(self, pod: PodFacts, nodes: Mapping[str, NodeState], namespaces: Mapping[str, Labels]) -> None:
        self._pod = pod
        self._near: Counter[Domain] = Counter()
        self._away: Counter[Domain] = Counter()
        self._forbidden: set[Domain] = set()
        for state in nodes.values():
            for other in state.pods.values():
                self._count(other, state.labels, namespaces)
        self._may_be_first = bool(pod.near) and all(
            term.matches(pod.namespace, pod.labels, namespaces) for term in pod.near
        )

    def _count(self, other: PodFacts, labels: Labels, namespaces: Mapping[str, Labels]) -> None:
        pod = self._pod
        for term in other.away:
            if term.topology_key in labels and term.matches(pod.namespace, pod.labels, namespaces):
                self._forbidden.add((term.topology_key, labels[term.topology_key]))
        if other.is_deleting:
            return
        if pod.near and all(term.matches(other.namespace, other.labels, namespaces) for term in pod.near):
            self._near.update(_domains(pod.near, labels))
        for term in pod.away:
            if term.matches(other.namespace, other.labels, namespaces):
                self._away.update(_domains((term,), labels))

    def refusal(self, state: NodeState) -> Refusal | None:
        """Why the node cannot take the Pod, if it cannot."""
        labels = state.labels
        if any(term.topology_key not in labels for term in self._pod.near):
            return AFFINITY
        counted = all(self._near[domain] > 0 for domain in _domains(self._pod.near, labels))
        if self._pod.near and not counted and not (self._may_be_first and not self._near):
            return AFFINITY
        if any(self._away[domain] > 0 for domain in _domains(self._pod.away, labels)):
            return ANTI_AFFINITY
        if any((key, value) in self._forbidden for key, value in labels.items()):
            return EXISTING_ANTI_AFFINITY
        return None


def _domains(terms: Iterable[PodTerm], labels: Labels) -> list[Domain]:
    return [(term.topology_key, labels[term.topology_key]) for term in terms if term.topology_key in labels]


class SpreadCounts:
    """How the Pods that one rule selects are spread over its domains."""

    def __init__(self, pod: PodFacts, rule: SpreadRule, nodes: Mapping[str, NodeState]) -> None:
        self.rule = rule
        self._self_match = 1 if rule.selector.matches(pod.labels) else 0
        self._counts: dict[str, int] = {}
        keys = [each.topology_key for each in pod.spread if each.hard == rule.hard]
        for state in nodes.values():
            if not _is_eligible(pod, rule, state) or any(key not in state.labels for key in keys):
                continue
            domain = state.labels[rule.topology_key]
            self._counts.setdefault(domain, 0)
            self._counts[domain] += sum(
                1
                for other in state.pods.values()
                if other.namespace == pod.namespace and not other.is_deleting and rule.selector.matches(other.labels)
            )

    def refusal(self, state: NodeState) -> Refusal | None:
        """Why the node would make the spread too uneven, if it would."""
        domain = state.labels.get(self.rule.topology_key)
        if domain is None:
            return SPREAD_NO_LABEL
        least = min(self._counts.values(), default=0)
        if len(self._counts) < self.rule.min_domains:
            least = 0
        skew = self._counts.get(domain, 0) + self._self_match - least
        return SPREAD if skew > self.rule.max_skew else None

    def count(self, state: NodeState) -> int | None:
        """How many there are in the node's domain; None when it is in none."""
        domain = state.labels.get(self.rule.topology_key)
        return None if domain is None else self._counts.get(domain, 0)


def _is_eligible(pod: PodFacts, rule: SpreadRule, state: NodeState) -> bool:
    if rule.honor_affinity and not pod.demand.allows(state.name, state.labels):
        return False
    return not rule.honor_taints or untolerated(pod.tolerations, state.taints, _HARD_EFFECTS) is None
