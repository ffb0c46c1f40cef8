"""What a Pod's status says, in the words that controllers share.

Source: k8s.io/kubernetes/pkg/api/v1/pod, IsPodReady, IsPodAvailable; pkg/controller, IsPodActive.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from maru.core.clock import parse_rfc3339
from maru.core.document import Value


def condition(value: Value, kind: str) -> Value | None:
    """The status condition of type `kind`, of any document."""
    for entry in value.get("status", {}).get("conditions") or ():
        if entry["type"] == kind:
            found: Value = entry
            return found
    return None


def is_ready(pod: Value) -> bool:
    """True when the Ready condition is True."""
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def ready_since(pod: Value) -> datetime | None:
    """When it became ready, if it is."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True" or not ready.get("lastTransitionTime"):
        return None
    return parse_rfc3339(ready["lastTransitionTime"])


def available_in_s(pod: Value, min_ready_s: int, now: datetime) -> float | None:
    """Seconds until it counts as available: 0 when it does, None when it is not even ready."""
    if not is_ready(pod):
        return None
    if min_ready_s == 0:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, (since + timedelta(seconds=min_ready_s) - now).total_seconds())


def phase(pod: Value) -> str:
    """Pending, Running, Succeeded, Failed or Unknown; Pending when nobody has said yet."""
    return str(pod.get("status", {}).get("phase") or "Pending")


def is_terminal(pod: Value) -> bool:
    """True when it has run to its end."""
    return phase(pod) in ("Succeeded", "Failed")


def is_deleting(value: Value) -> bool:
    """True when deletion was asked for."""
    return bool(value["metadata"].get("deletionTimestamp"))


def is_active(pod: Value) -> bool:
    """True when it counts as a replica: neither ended nor being deleted."""
    return not is_terminal(pod) and not is_deleting(pod)


def container_statuses(pod: Value) -> Iterable[Value]:
    """The statuses of init and ordinary containers."""
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def restarts_max(pod: Value) -> int:
    """The most restarts of one ordinary container."""
    counts = [entry.get("restartCount", 0) for entry in pod.get("status", {}).get("containerStatuses") or ()]
    return max(counts, default=0)


def node_name(pod: Value) -> str:
    """The node it is bound to, or empty."""
    return str(pod.get("spec", {}).get("nodeName") or "")
