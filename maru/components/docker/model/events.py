"""Events: what happened, as `docker events` tells it, and which of them somebody asked for.

Source: Docker Engine API v1.50, SystemEvents; moby daemon/events/filter.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from maru.core.document import Value
from maru.wire.docker.filters import Filters, has_labels
from maru.wire.docker.moments import nanoseconds

KNOWN = frozenset(
    {"container", "daemon", "event", "image", "label", "network", "plugin", "scope", "type", "volume"}
    | {"config", "health_status", "node", "secret", "service"}
)


@dataclass(frozen=True, slots=True)
class Event:
    """kind: container, image, volume, network, daemon. actor: an id or a name."""

    at: datetime
    kind: str
    action: str
    actor: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """local, or swarm for what belongs to all its nodes."""
        return "swarm" if self.kind in ("service", "node", "secret", "config") else "local"

    def value(self) -> Value:
        """As it goes over the wire."""
        stamp_ns = nanoseconds(self.at)
        shown: Value = {}
        if self.kind in ("container", "image"):
            shown = {"status": self.action, "id": self.actor}
            if self.kind == "container" and self.attributes.get("image"):
                shown["from"] = self.attributes["image"]
        return shown | {
            "Type": self.kind,
            "Action": self.action,
            "Actor": {"ID": self.actor, "Attributes": dict(self.attributes)},
            "scope": self.scope,
            "time": stamp_ns // 1_000_000_000,
            "timeNano": stamp_ns,
        }


def accepts(filters: Filters, event: Event) -> bool:
    """Every filter given must accept; of one filter any value may."""
    if filters.get("type") and event.kind not in filters["type"]:
        return False
    if filters.get("event") and not any(_is_action(event.action, wanted) for wanted in filters["event"]):
        return False
    if filters.get("health_status") and event.action.removeprefix("health_status: ") not in filters["health_status"]:
        return False
    if filters.get("label") and not has_labels(event.attributes, filters["label"]):
        return False
    if filters.get("scope") and event.scope not in filters["scope"]:
        return False
    for kind in ("container", "image", "volume", "network", "daemon", "plugin", "service", "node", "secret", "config"):
        wanted = filters.get(kind)
        if wanted and not (event.kind == kind and any(_is_actor(event, each) for each in wanted)):
            image = event.attributes.get("image", "")
            if kind == "image" and event.kind == "container" and any(_is_image(image, each) for each in wanted):
                continue
            return False
    return True


def _is_action(action: str, wanted: str) -> bool:
    return action == wanted or action.partition(":")[0] == wanted


def _is_actor(event: Event, wanted: str) -> bool:
    name = event.attributes.get("name", "")
    return wanted in (event.actor, name) or (len(wanted) >= 4 and event.actor.startswith(wanted))


def _is_image(image: str, wanted: str) -> bool:
    return image == wanted or image.partition(":")[0] == wanted
