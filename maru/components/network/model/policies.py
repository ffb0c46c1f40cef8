"""NetworkPolicies: which Pods of this node are isolated, and what may come and go all the same.

Pods that the same policies select form a group; what a group allows is a few ranges, however many Pods
there are. A Pod without a group in a direction is not isolated in it.
Source: Kubernetes concepts, "Network Policies"; networking/v1 NetworkPolicy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.network.model.boxes import (
    ANYTHING,
    PORT_MAX,
    Box,
    Ports,
    address_box,
    disjoint,
    joined,
    network_boxes,
)
from maru.components.network.model.forwarding import PROTOCOLS
from maru.core.document import Value
from maru.kinds.label_selector import from_selector

INGRESS, EGRESS = "Ingress", "Egress"

NamedPorts = Mapping[tuple[str, str], int]
"""(name, protocol) to number."""

Group = tuple[str, frozenset[tuple[str, str]], tuple[tuple[tuple[str, str], int], ...]]
"""Direction, the policies, and (for Ingress) the Pods' named ports that they speak of."""


@dataclass(frozen=True)
class PolicyPod:
    """What policies see of a Pod that has an address."""

    namespace: str
    labels: Mapping[str, str]
    address: str
    ports: NamedPorts
    is_local: bool


@dataclass(slots=True)
class PolicyPlan:
    """groups: by direction, the group of each isolated address; allowed: what each group lets through."""

    groups: dict[str, dict[str, Group]] = field(default_factory=lambda: {INGRESS: {}, EGRESS: {}})
    allowed: dict[Group, list[Box]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Scene:
    """Everything a policy can speak of. namespaces: labels by name."""

    pods: Sequence[PolicyPod]
    namespaces: Mapping[str, Mapping[str, str]]
    policies: Mapping[tuple[str, str], Value]


def plan_policies(
    policies: Iterable[Value], pods: Sequence[PolicyPod], namespaces: Mapping[str, Mapping[str, str]]
) -> PolicyPlan:
    """What the node enforces. Pods of other nodes only count as peers."""
    by_key = {(policy["metadata"]["namespace"], policy["metadata"]["name"]): policy for policy in policies}
    scene = _Scene(pods, namespaces, by_key)
    plan = PolicyPlan()
    selecting: dict[tuple[int, str], set[tuple[str, str]]] = {}
    for key, policy in by_key.items():
        selector = from_selector(policy["spec"].get("podSelector") or {})
        for number, pod in enumerate(pods):
            if pod.is_local and pod.namespace == key[0] and selector.matches(pod.labels):
                for direction in directions(policy["spec"]):
                    selecting.setdefault((number, direction), set()).add(key)
    for (number, direction), keys in selecting.items():
        pod = pods[number]
        group = (direction, frozenset(keys), _spoken_ports(scene, keys, pod) if direction == INGRESS else ())
        plan.groups[direction][pod.address] = group
        if group not in plan.allowed:
            plan.allowed[group] = _allowed(scene, keys, direction, pod)
    return plan


def directions(spec: Value) -> Sequence[str]:
    """policyTypes, with their default."""
    return spec.get("policyTypes") or ([INGRESS, EGRESS] if spec.get("egress") else [INGRESS])


def _spoken_ports(
    scene: _Scene, keys: Iterable[tuple[str, str]], pod: PolicyPod
) -> tuple[tuple[tuple[str, str], int], ...]:
    spoken = {
        (port["port"], port.get("protocol") or "TCP")
        for key in keys
        for rule in scene.policies[key]["spec"].get("ingress") or []
        for port in rule.get("ports") or []
        if isinstance(port.get("port"), str)
    }
    return tuple(sorted((name, number) for name, number in pod.ports.items() if name in spoken))


def _allowed(scene: _Scene, keys: Iterable[tuple[str, str]], direction: str, pod: PolicyPod) -> list[Box]:
    boxes: list[Box] = []
    for key in keys:
        spec = scene.policies[key]["spec"]
        for rule in spec.get("ingress" if direction == INGRESS else "egress") or []:
            peers = rule.get("from" if direction == INGRESS else "to") or []
            boxes += _rule_boxes(
                scene, rule.get("ports") or [], peers, key[0], pod.ports if direction == INGRESS else None
            )
    return disjoint(boxes)


def _rule_boxes(
    scene: _Scene, ports: Sequence[Value], peers: Sequence[Value], namespace: str, own_ports: NamedPorts | None
) -> list[Box]:
    """own_ports: what names of ports mean; None: what they mean at each peer."""
    plain = _ports(ports, own_ports or {})
    if not peers:
        boxes = network_boxes("0.0.0.0/0", (), plain) if plain else []
        if own_ports is None and any(isinstance(port.get("port"), str) for port in ports):
            boxes += [address_box(pod.address, found) for pod in scene.pods if (found := _ports(ports, pod.ports))]
        return boxes
    boxes = []
    for peer in peers:
        if block := peer.get("ipBlock"):
            if plain and ":" not in block["cidr"]:
                boxes += network_boxes(block["cidr"], [e for e in block.get("except") or [] if ":" not in e], plain)
            continue
        for pod in _peer_pods(scene, peer, namespace):
            found = plain if own_ports is not None else _ports(ports, pod.ports)
            if found:
                boxes.append(address_box(pod.address, found))
    return boxes


def _peer_pods(scene: _Scene, peer: Value, namespace: str) -> Iterable[PolicyPod]:
    pods = from_selector(peer["podSelector"]) if peer.get("podSelector") is not None else None
    spaces = {namespace}
    if peer.get("namespaceSelector") is not None:
        selector = from_selector(peer["namespaceSelector"])
        spaces = {name for name, labels in scene.namespaces.items() if selector.matches(labels)}
    return (pod for pod in scene.pods if pod.namespace in spaces and (pods is None or pods.matches(pod.labels)))


def _ports(ports: Sequence[Value], names: NamedPorts) -> Ports:
    """Empty when no port of the rule exists here."""
    if not ports:
        return ANYTHING
    found: list[Ports] = []
    for port in ports:
        protocol = port.get("protocol") or "TCP"
        number = PROTOCOLS.get(protocol)
        wanted = port.get("port")
        if number is None:
            continue
        if wanted is None:
            found.append(((number, number, 0, PORT_MAX),))
            continue
        first = names.get((wanted, protocol), 0) if isinstance(wanted, str) else int(wanted)
        if first:
            found.append(((number, number, first, int(port.get("endPort") or first)),))
    return joined(found)
