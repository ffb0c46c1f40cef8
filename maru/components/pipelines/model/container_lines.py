"""A container's line as an event's fields: the CRI record, and what is known of its container.

Source: the kubelet's CRI logging design document; Elastic Common Schema, "container", "orchestrator";
the fields of Filebeat's add_kubernetes_metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from maru.core.document import Value

PART_BYTES_MAX = 1 << 20  # of one line put together from parts

_STREAMS = (b"stdout", b"stderr")


class LineParts:
    """Puts the parts of long lines together, by stream."""

    def __init__(self) -> None:
        self._parts: dict[bytes, list[bytes]] = {}

    def whole(self, record: bytes) -> Value | None:
        """The fields of a record that ends a line; None while it goes on. What is no record is a line by itself."""
        parts = record.split(b" ", 3)
        if len(parts) < 3 or parts[1] not in _STREAMS:
            return {"message": record.decode("utf-8", "replace")}
        stream, content = parts[1], parts[3] if len(parts) > 3 else b""
        held = self._parts.get(stream)
        if parts[2].startswith(b"P"):
            held = self._parts.setdefault(stream, [])
            held.append(content)
            if sum(map(len, held)) < PART_BYTES_MAX:
                return None
            content = b""
        if held:
            content = b"".join((*held, content))
            self._parts.pop(stream)
        fields: Value = {"message": content.decode("utf-8", "replace"), "stream": stream.decode()}
        moment = _moment(parts[0])
        if moment is not None:
            fields["@timestamp"] = moment
        return fields


def pod_fields(pod: Value, container: str, node: str) -> Value:
    """kubernetes and container fields of a Pod's container."""
    metadata, status = pod["metadata"], pod.get("status", {})
    statuses: Sequence[Value] = [
        *status.get("containerStatuses", ()),
        *status.get("initContainerStatuses", ()),
        *status.get("ephemeralContainerStatuses", ()),
    ]
    about = next((each for each in statuses if each.get("name") == container), {})
    kubernetes: Value = {
        "namespace": metadata.get("namespace", ""),
        "pod": {"name": metadata["name"], "uid": metadata.get("uid", "")},
        "container": {"name": container},
        "node": {"name": node},
    }
    if status.get("podIP"):
        kubernetes["pod"]["ip"] = status["podIP"]
    if metadata.get("labels"):
        # A dot in a label's name would make objects of it, and labels would conflict with each other.
        kubernetes["labels"] = {name.replace(".", "_"): value for name, value in metadata["labels"].items()}
    fields: Value = {"kubernetes": kubernetes}
    if about.get("containerID"):
        image = about.get("image", "")
        fields["container"] = {"id": about["containerID"].split("://")[-1], "image": {"name": image}}
    return fields


def docker_fields(container: Value, node: str) -> Value:
    """container fields of a docker container, from its document's spec."""
    about: Value = {"id": container.get("id", ""), "name": container.get("name", "").lstrip("/")}
    about["image"] = {"name": container.get("image", "")}
    labels = container.get("config", {}).get("Labels") or {}
    if labels:
        about["labels"] = {name.replace(".", "_"): value for name, value in labels.items()}
    return {"container": about, "host": {"name": node}}


def _moment(stamp: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp.decode("ascii")).astimezone(UTC)
    except ValueError:
        return None
