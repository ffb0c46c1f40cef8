"""Events: podman's words for docker's. Source: podman libpod/events/config.go; pkg/domain/entities/events.go."""

from __future__ import annotations

from collections.abc import Mapping

from maru.core.document import Value
from maru.wire.docker.filters import Filters

_WORDS: Mapping[str, str] = {
    "die": "died",
    "destroy": "remove",
    "unpause": "unpause",
    "delete": "remove",
    "exec_create": "exec",
    "exec_die": "exec_died",
    "extract-to-dir": "copy",
    "archive-path": "copy",
}
_SAME = ("id", "image", "label", "type", "volume", "network", "container", "pod")
KNOWN = ("container", "event", "image", "label", "pod", "volume", "network", "type", "id", "until", "since")


def engine_filters(filters: Filters) -> dict[str, list[str]]:
    """What the engine can be asked for; events and pods are looked at here."""
    return {
        name: list(values)
        for name, values in filters.items()
        if name in ("container", "image", "label", "volume", "network", "type")
    }


def shown(event: Value, filters: Filters, pod_of: Mapping[str, str]) -> Value | None:
    """As podman says it, None where a filter leaves it out. pod_of: a container's pod, by ids."""
    action, _, health = str(event["Action"]).partition(": ")
    word = _WORDS.get(action, action)
    wanted = filters.get("event")
    if wanted and word not in wanted and action not in wanted:
        return None
    actor = str(event["Actor"]["ID"])
    if filters.get("pod") and not any(pod_of.get(actor, "-").startswith(each) for each in filters["pod"]):
        return None
    attributes = dict(event["Actor"].get("Attributes") or {})
    if action == "die" and "exitCode" in attributes:
        attributes["containerExitCode"] = attributes["exitCode"]
    return {
        **event,
        "Action": word,
        "status": word,
        "id": actor,
        "HealthStatus": health,
        "Actor": {"ID": actor, "Attributes": attributes},
    }
