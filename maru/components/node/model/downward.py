"""What a Pod may learn of itself: fieldRef and resourceFieldRef, for variables and files alike.

Source: Kubernetes documentation, "Downward API"; pkg/fieldpath; component-helpers/resource,
ExtractContainerResourceValue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.node.errors import REASON_CONFIG, StartFailed
from maru.core.document import Value
from maru.kinds.quantity import parse

_KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the Pod stands. allocatable: the node's, as quantities by resource name."""

    node_name: str
    host_ips: Sequence[str] = ()
    pod_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)


def field_value(pod: Value, path: str, around: Surroundings) -> str:
    """The text of a fieldRef. Raises StartFailed for a path there is not."""
    metadata = pod["metadata"]
    keyed = _KEYED.match(path)
    if keyed:
        return str((metadata.get(keyed[1]) or {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return format_map(metadata.get(path.removeprefix("metadata.")) or {})
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": around.node_name,
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": around.host_ips[0] if around.host_ips else "",
        "status.hostIPs": ",".join(around.host_ips),
        "status.podIP": around.pod_ips[0] if around.pod_ips else "",
        "status.podIPs": ",".join(around.pod_ips),
    }
    if path not in known:
        raise StartFailed(REASON_CONFIG, f"unsupported fieldPath: {path}")
    return str(known[path])


def resource_value(pod: Value, reference: Value, container_name: str, around: Surroundings) -> str:
    """The number of a resourceFieldRef, in its divisor, rounded up."""
    wanted = reference.get("containerName") or container_name
    name = reference["resource"]
    side, _, resource = name.partition(".")
    containers = (*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ()))
    for container in containers:
        if container["name"] != wanted:
            continue
        resources = container.get("resources") or {}
        amounts = resources.get(side) or {}
        amount = amounts.get(resource)
        if amount is None and side == "limits":
            amount = around.allocatable.get(resource)
        quantity = parse(amount if amount is not None else 0)
        divisor = parse(reference.get("divisor") or 0).nano or 10**9
        return str(-(-quantity.nano // divisor))
    raise StartFailed(REASON_CONFIG, f"container {wanted} not found")


def format_map(entries: Mapping[str, str]) -> str:
    """Labels or annotations as lines key="value", ascending by key, values escaped."""
    return "\n".join(f"{key}={_quoted(value)}" for key, value in sorted(entries.items()))


def _quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'
