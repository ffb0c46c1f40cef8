"""What an event says of a container: image, name, labels. Source: moby daemon/events.go."""

from __future__ import annotations

from maru.components.docker.controllers.boxes import Box
from maru.components.docker.controllers.dock import Dock


def attributes(box: Box, **more: str) -> dict[str, str]:
    """Labels first, so that they cannot hide what is said here."""
    labels = {str(key): str(value) for key, value in (box.container.config.get("Labels") or {}).items()}
    return labels | more | {"image": box.container.image, "name": box.name}


def tell(dock: Dock, box: Box, action: str, **more: str) -> None:
    """Publish an event of a container."""
    dock.events.publish("container", action, box.id, attributes(box, **more))
