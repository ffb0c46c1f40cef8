"""What a delete comes to: gone now, marked and waiting, or nothing because it is under way already.

Pure. Source: k8s.io/apiserver/pkg/registry/rest/delete.go (BeforeDelete), registry/generic/registry/
store.go (deletionFinalizersForGarbageCollection), pkg/registry/core/pod/strategy.go (CheckGracefulDelete).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from maru.components.apiserver.model.metadata import FOREGROUND, ORPHAN
from maru.components.apiserver.model.options import RemoveOptions
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Value

DEFAULT_POD_GRACE_S = 30
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a CustomResourceDefinition until its documents are gone; set when its deletion is first asked for."""


class Fate(Enum):
    """GONE: remove it. MARKED: keep it as it is now (perhaps unchanged). PENDING: leave it as it is."""

    GONE = "gone"
    MARKED = "marked"
    PENDING = "pending"


def decide(value: Value, options: RemoveOptions, default_propagation: str, is_graceful: bool, now: datetime) -> Fate:
    """Decide about `value` (owned, changed in place when MARKED). is_graceful: the kind waits for a grace period."""
    metadata: Value = value["metadata"]
    grace_s = _grace_s(value, options) if is_graceful else 0
    if is_graceful and metadata.get("deletionTimestamp") and metadata.get("deletionGracePeriodSeconds"):
        if options.grace_s is None or grace_s >= int(metadata["deletionGracePeriodSeconds"]):
            return Fate.PENDING
        began = parse_rfc3339(metadata["deletionTimestamp"]) - timedelta(
            seconds=int(metadata["deletionGracePeriodSeconds"])
        )
        metadata["deletionTimestamp"] = rfc3339(began + timedelta(seconds=grace_s))
        metadata["deletionGracePeriodSeconds"] = grace_s
    elif is_graceful and not metadata.get("deletionTimestamp"):
        metadata["deletionTimestamp"] = rfc3339(now + timedelta(seconds=grace_s))
        metadata["deletionGracePeriodSeconds"] = grace_s
        _bump(metadata)
    before = list(metadata.get("finalizers") or ())
    finalizers = _finalizers(before, options.propagation, default_propagation)
    if _needs_cleanup(value) and CLEANUP not in finalizers:
        finalizers.append(CLEANUP)
    if finalizers != before:
        metadata["finalizers"] = finalizers
        if not finalizers:
            del metadata["finalizers"]
    if finalizers or _spec_finalizers(value):
        _mark(value, now)
        return Fate.MARKED
    if is_graceful and grace_s > 0:
        return Fate.MARKED
    return Fate.GONE


def _grace_s(value: Value, options: RemoveOptions) -> int:
    """Seconds that a Pod is given. 0 for one that no node runs or that has ended."""
    spec = value.get("spec") or {}
    grace_s = options.grace_s
    if grace_s is None:
        own = spec.get("terminationGracePeriodSeconds")
        grace_s = int(own) if own is not None else DEFAULT_POD_GRACE_S
    if not spec.get("nodeName") or (value.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return 0
    return grace_s if grace_s >= 0 else 1


def _finalizers(before: Sequence[str], propagation: str, default: str) -> list[str]:
    """The finalizers with the garbage collector's two as the propagation wants them."""
    orphan, foreground = ORPHAN in before, FOREGROUND in before
    if propagation:
        orphan, foreground = propagation == "Orphan", propagation == "Foreground"
    elif not orphan and not foreground:
        orphan, foreground = default == "Orphan", default == "Foreground"
    kept = [name for name in before if name not in (ORPHAN, FOREGROUND) or (orphan if name == ORPHAN else foreground)]
    if orphan and ORPHAN not in kept:
        kept.append(ORPHAN)
    if foreground and FOREGROUND not in kept:
        kept.append(FOREGROUND)
    return kept


def _spec_finalizers(value: Value) -> bool:
    return value.get("kind") == "Namespace" and bool((value.get("spec") or {}).get("finalizers"))


def _needs_cleanup(value: Value) -> bool:
    """Whether this is a definition whose kind has been served and whose deletion begins now."""
    if value.get("kind") != "CustomResourceDefinition" or value["metadata"].get("deletionTimestamp"):
        return False
    conditions = (value.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)


def _mark(value: Value, now: datetime) -> None:
    metadata = value["metadata"]
    if not metadata.get("deletionTimestamp"):
        metadata["deletionTimestamp"] = rfc3339(now)
        _bump(metadata)
        if value.get("kind") != "Namespace":
            metadata["deletionGracePeriodSeconds"] = 0
    elif value.get("kind") != "Namespace":
        metadata.setdefault("deletionGracePeriodSeconds", 0)
    if value.get("kind") == "Namespace":
        value.setdefault("status", {})["phase"] = "Terminating"


def _bump(metadata: Value) -> None:
    if metadata.get("generation"):
        metadata["generation"] = int(metadata["generation"]) + 1
