"""Label and field selectors: parsed once, then asked of many documents.

Source: k8s.io/apimachinery/pkg/labels and pkg/fields; Kubernetes docs, "Labels and Selectors".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term. operator: =, !=, in, notin, exists, !, gt, lt. values: ascending."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the term holds for the labels."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Selector:
    """All of `requirements`; none selects everything. `nothing` selects nothing (a nil LabelSelector)."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether all terms hold."""
        raise NotImplementedError

    def exact(self, key: str) -> str | None:
        """The value that `key` must have, if a term says so."""
        raise NotImplementedError


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def parse_labels(text: str) -> Selector:
    """A labelSelector query parameter. Raises BadSelector."""
    raise NotImplementedError


def parse_fields(text: str) -> Selector:
    """A fieldSelector query parameter; keys are field paths (metadata.name). Raises BadSelector."""
    raise NotImplementedError


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """A meta/v1 LabelSelector value; None selects nothing, {} everything. Raises BadSelector."""
    raise NotImplementedError


def unsupported_fields(selector: Selector, supported: Sequence[str]) -> Sequence[str]:
    """The keys of a field selector that the kind does not have."""
    return [one.key for one in selector.requirements if one.key not in supported]
