"""Whether a node can take a task: availability, constraints, platform, resources, ports, replicas per node.

Each question is a filter, as in the scheduler of Pods; they differ in words and in what they read. The order
and the words are swarm's. Source: Docker's documentation, "Control service placement"; moby/swarmkit,
manager/scheduler/filter.go and pipeline.go, manager/constraint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.core.document import Value

_CONSTRAINT = re.compile(r"\s*([a-zA-Z0-9._-]+(?:\.[^=!]*)?)\s*(==|!=)\s*(.*?)\s*")
_VALUE = re.compile(r"(?i)[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+")
_KEYS = ("node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch")
_PREFIXES = ("node.labels.", "engine.labels.")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as placement sees it. nano_cpus, memory_bytes: all it has; the reserved ones are taken by live tasks.

    ports: (protocol, port) published in host mode; replicas: live tasks by service id.
    """

    id: str
    hostname: str
    role: str
    availability: str
    address: str
    labels: Mapping[str, str]
    engine_labels: Mapping[str, str]
    os: str
    architecture: str
    nano_cpus: int
    memory_bytes: int
    reserved_nano_cpus: int = 0
    reserved_memory_bytes: int = 0
    ports: frozenset[tuple[str, int]] = frozenset()
    replicas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Constraint:
    """key==value or key!=value; keys in small letters but for the names of labels."""

    key: str
    is_equal: bool
    value: str

    def holds(self, node: NodeFacts) -> bool:
        """Values are compared without regard to case, as swarm does."""
        if self.key == "node.ip":
            return (node.address == self.value) == self.is_equal
        return (self._actual(node).lower() == self.value.lower()) == self.is_equal

    def _actual(self, node: NodeFacts) -> str:
        if self.key.startswith("node.labels."):
            return node.labels.get(self.key.removeprefix("node.labels."), "")
        if self.key.startswith("engine.labels."):
            return node.engine_labels.get(self.key.removeprefix("engine.labels."), "")
        return {
            "node.id": node.id,
            "node.hostname": node.hostname,
            "node.role": node.role,
            "node.platform.os": node.os,
            "node.platform.arch": _architecture(node.architecture),
        }[self.key]


def parse_constraints(texts: Sequence[str]) -> Sequence[Constraint]:
    """Raises ValueError in swarm's words."""
    found = []
    for text in texts:
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            raise ValueError(f"constraint expected one operator from ==, !=: {text!r}".replace("'", '"'))
        key, operator, value = match[1].strip(), match[2], match[3]
        prefix = next((each for each in _PREFIXES if key.lower().startswith(each)), "")
        key = prefix + key[len(prefix) :] if prefix else key.lower()
        if not prefix and key not in _KEYS:
            raise ValueError(f"constraint key '{key}' is invalid")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"value '{value}' is invalid")
        if key == "node.platform.arch":
            value = _architecture(value)
        found.append(Constraint(key, operator == "==", value))
    return found


def is_suited(node: NodeFacts, template: Value) -> bool:
    """What a task that stands on the node already must keep to: availability, and the constraints."""
    placement = template.get("Placement") or {}
    return node.availability != "drain" and all(
        each.holds(node) for each in parse_constraints(placement.get("Constraints") or ())
    )


def refusal(node: NodeFacts, template: Value, service_id: str, ports: Sequence[tuple[str, int]]) -> str:
    """Why the node cannot take one more task, "" when it can. ports: those it publishes in host mode."""
    placement = template.get("Placement") or {}
    reserved = (template.get("Resources") or {}).get("Reservations") or {}
    if node.availability != "active":
        return "1 node not available for new tasks"
    if (
        int(reserved.get("NanoCPUs") or 0) > node.nano_cpus - node.reserved_nano_cpus
        or int(reserved.get("MemoryBytes") or 0) > node.memory_bytes - node.reserved_memory_bytes
        or reserved.get("GenericResources")
    ):
        return "insufficient resources on 1 node"
    if not all(each.holds(node) for each in parse_constraints(placement.get("Constraints") or ())):
        return "scheduling constraints not satisfied on 1 node"
    platforms = placement.get("Platforms") or ()
    if platforms and not any(_is_platform(node, each) for each in platforms):
        return "unsupported platform on 1 node"
    if any(port in node.ports for port in ports):
        return "host-mode port already in use on 1 node"
    most = int(placement.get("MaxReplicas") or 0)
    if most and node.replicas.get(service_id, 0) >= most:
        return "max replicas per node limit exceed"
    return ""


def host_ports(endpoint: Value) -> Sequence[tuple[str, int]]:
    """What a task of an EndpointSpec publishes on its own node."""
    return [
        (str(port.get("Protocol") or "tcp"), int(port["PublishedPort"]))
        for port in endpoint.get("Ports") or ()
        if port.get("PublishMode") == "host" and port.get("PublishedPort")
    ]


def _is_platform(node: NodeFacts, wanted: Value) -> bool:
    architecture, system = str(wanted.get("Architecture") or ""), str(wanted.get("OS") or "")
    fits = not architecture or _architecture(architecture) == _architecture(node.architecture)
    return fits and (not system or system.lower() == node.os)


def _architecture(name: str) -> str:
    return _ARCHITECTURES.get(name.lower(), name.lower())
