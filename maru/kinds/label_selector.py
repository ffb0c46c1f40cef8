"""Label selectors: which labels match.

A missing selector matches nothing, an empty one everything, as the API says of LabelSelector.
Node selector terms share the requirements, with Gt and Lt beside.
Source: k8s.io/apimachinery/pkg/labels, Requirement.Matches; core/v1 NodeSelectorRequirement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maru.core.document import Value

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label. operator: In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """True when `labels` meet it; NotIn is also met by an absent label."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value)
        return False

    def _compares(self, value: str | None) -> bool:
        try:
            have, want = int(value or ""), int(self.values[0])
        except (ValueError, IndexError):
            return False
        return have > want if self.operator == "Gt" else have < want


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All `requirements` together; `nothing` matches no labels at all."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @property
    def is_empty(self) -> bool:
        """True when it matches everything."""
        return not self.nothing and not self.requirements

    def matches(self, labels: Labels) -> bool:
        """True when `labels` meet every requirement."""
        return not self.nothing and all(requirement.matches(labels) for requirement in self.requirements)


NOTHING = LabelSelector(nothing=True)


def from_selector(selector: Value | None) -> LabelSelector:
    """A metav1.LabelSelector (matchLabels and matchExpressions)."""
    if selector is None:
        return NOTHING
    equal = [Requirement(key, "In", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    others = [requirement_of(expression) for expression in selector.get("matchExpressions") or ()]
    return LabelSelector((*equal, *others))


def from_labels(labels: Labels | None) -> LabelSelector:
    """The plain map of Services and ReplicationControllers; an empty one matches nothing."""
    if not labels:
        return NOTHING
    return LabelSelector(tuple(Requirement(key, "In", (value,)) for key, value in labels.items()))


def requirement_of(expression: Value) -> Requirement:
    """One entry of matchExpressions or of a node selector term."""
    return Requirement(expression["key"], expression["operator"], tuple(expression.get("values") or ()))
