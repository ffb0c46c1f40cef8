"""The nodes and what runs on them, kept up to date change by change.

A Pod that was just given a node counts there at once (it is assumed), before its binding comes back
through the watch. Source: k8s.io/kubernetes/pkg/scheduler/backend/cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from maru.components.scheduler.model.pods import PodFacts
from maru.core.document import Value
from maru.kinds.pod_requests import Amounts, amounts_of

WILDCARD = "0.0.0.0"


@dataclass(slots=True)
class NodeState:
    """One node. used and scored: nano units by resource; ports: how many Pods hold each."""

    name: str
    value: Value
    pods: dict[str, PodFacts] = field(default_factory=dict)
    used: Amounts = field(default_factory=dict)
    scored: Amounts = field(default_factory=dict)
    ports: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Value, ...] = ()
    allocatable: Amounts = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    exists: bool = True

    def read(self, value: Value) -> None:
        """Take over a revision of the node."""
        self.value = value
        self.labels = value["metadata"].get("labels") or {}
        self.taints = tuple(value.get("spec", {}).get("taints") or ())
        status = value.get("status", {})
        self.allocatable = amounts_of(status.get("allocatable") or status.get("capacity"))
        self.images = {
            name: int(image.get("sizeBytes") or 0)
            for image in status.get("images") or ()
            for name in image.get("names") or ()
        }
        self.exists = True

    @property
    def is_cordoned(self) -> bool:
        """spec.unschedulable."""
        return bool(self.value.get("spec", {}).get("unschedulable"))

    def add(self, pod: PodFacts) -> None:
        """Count a Pod."""
        self._count(pod, 1)
        self.pods[pod.uid] = pod

    def remove(self, uid: str) -> None:
        """Stop counting a Pod."""
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._count(pod, -1)

    def _count(self, pod: PodFacts, sign: int) -> None:
        for total, amounts in ((self.used, pod.requests), (self.scored, pod.scored)):
            for name, amount in amounts.items():
                total[name] = total.get(name, 0) + sign * amount
        for port in pod.host_ports:
            self.ports[port] += sign
            if not self.ports[port]:
                del self.ports[port]

    def has_port_clash(self, pod: PodFacts) -> bool:
        """True when a host port it wants is taken; an address clashes with itself and with all addresses."""
        return any(
            protocol == held_protocol
            and port == held_port
            and (address == held_address or WILDCARD in (address, held_address))
            for address, protocol, port in pod.host_ports
            for held_address, held_protocol, held_port in self.ports
        )

    def copy(self) -> NodeState:
        """An independent state with the same Pods."""
        return NodeState(
            self.name,
            self.value,
            dict(self.pods),
            dict(self.used),
            dict(self.scored),
            Counter(self.ports),
            self.labels,
            self.taints,
            self.allocatable,
            self.images,
            self.exists,
        )


class Snapshot:
    """All nodes, and where each counted Pod is."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeState] = {}
        self._places: dict[str, str] = {}
        self._assumed: set[str] = set()
        self._nominated: dict[str, PodFacts] = {}

    def nodes(self) -> dict[str, NodeState]:
        """The nodes that exist, by name; not to be changed."""
        return {name: state for name, state in self._nodes.items() if state.exists}

    def node(self, name: str) -> NodeState | None:
        """A node that exists."""
        state = self._nodes.get(name)
        return state if state is not None and state.exists else None

    def set_node(self, value: Value) -> None:
        """A node appeared or changed."""
        name = value["metadata"]["name"]
        state = self._nodes.setdefault(name, NodeState(name, value))
        state.read(value)

    def drop_node(self, name: str) -> None:
        """A node is gone; Pods that are still bound to it stay counted should it return."""
        state = self._nodes.get(name)
        if state is None:
            return
        state.exists = False
        if not state.pods:
            del self._nodes[name]

    def set_pod(self, pod: PodFacts) -> None:
        """A bound Pod appeared or changed."""
        self.drop_pod(pod.uid)
        self._put(pod, pod.node_name)

    def assume(self, pod: PodFacts, node: str) -> None:
        """Count `pod` on `node` although nobody has confirmed it yet."""
        self.drop_pod(pod.uid)
        self._put(pod, node)
        self._assumed.add(pod.uid)

    def is_assumed(self, uid: str) -> bool:
        """True between `assume` and the confirmation or the failure."""
        return uid in self._assumed

    def drop_pod(self, uid: str) -> None:
        """A Pod is gone, has ended, or was not bound after all."""
        self._assumed.discard(uid)
        self._nominated.pop(uid, None)
        node = self._places.pop(uid, None)
        if node is None:
            return
        state = self._nodes[node]
        state.remove(uid)
        if not state.exists and not state.pods:
            del self._nodes[node]

    def nominate(self, pod: PodFacts) -> None:
        """Room is being made for `pod` on the node its status names."""
        self._nominated[pod.uid] = pod

    def unnominate(self, uid: str) -> None:
        """It no longer waits for room."""
        self._nominated.pop(uid, None)

    def nominated_on(self, node: str, pod: PodFacts) -> Iterable[PodFacts]:
        """Others at least as important as `pod` that wait for room on `node`."""
        return [
            other
            for other in self._nominated.values()
            if other.nominated == node and other.uid != pod.uid and other.priority >= pod.priority
        ]

    def _put(self, pod: PodFacts, node: str) -> None:
        state = self._nodes.get(node)
        if state is None:
            placeholder: Value = {"metadata": {"name": node}}
            state = NodeState(node, placeholder, exists=False)
            self._nodes[node] = state
        state.add(pod)
        self._places[pod.uid] = node
