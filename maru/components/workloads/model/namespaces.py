"""What a namespace that is being deleted says about itself.

Source: k8s.io/kubernetes/pkg/controller/namespace/deletion, status_condition_utils.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from maru.components.workloads.model.values import set_condition
from maru.core.document import Value

FINALIZER = "kubernetes"


@dataclass(frozen=True, slots=True)
class Remains:
    """What is still there: counts by kind and by finalizer, and what could not be deleted and why."""

    kinds: Mapping[str, int] = field(default_factory=dict)
    finalizers: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when the namespace can go."""
        return not self.kinds and not self.failures


def terminating_status(namespace: Value, remains: Remains, now: datetime) -> Value:
    """The status with phase Terminating and the five conditions."""
    status = namespace.get("status", {})
    conditions = list(status.get("conditions") or ())
    for kind, verdict, reason, message in _conditions(remains):
        conditions = set_condition(conditions, kind, verdict, reason, message, now=now)
    return {**status, "phase": "Terminating", "conditions": conditions}


def _conditions(remains: Remains) -> list[tuple[str, str, str, str]]:
    failed = f"Failed to delete all resource types: {'; '.join(remains.failures)}" if remains.failures else ""
    left = ", ".join(f"{kind} has {count} resource instances" for kind, count in sorted(remains.kinds.items()))
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(remains.finalizers.items()))
    content = "All content successfully deleted, may be waiting on finalization"
    return [
        (
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "True",
            "ContentDeletionFailed",
            f"Failed to delete all resource types: {failed}",
        )
        if failed
        else ("NamespaceDeletionContentFailure", "False", "ContentDeleted", content),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain", f"Some resources are remaining: {left}")
        if left
        else ("NamespaceContentRemaining", "False", "ContentRemoved", "All content successfully removed"),
        (
            "NamespaceFinalizersRemaining",
            "True",
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {held}",
        )
        if held
        else (
            "NamespaceFinalizersRemaining",
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ]
