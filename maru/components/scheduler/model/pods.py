"""A Pod as the scheduler sees it: everything it asks for, read once per revision.

Source: k8s.io/kube-scheduler/framework, PodInfo; k8s.io/kubernetes/pkg/scheduler/util, non-zero requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maru.components.scheduler.model.terms import NodeDemand, PodTerm, node_demand, pod_terms, with_label_keys
from maru.core.document import Value
from maru.kinds.label_selector import LabelSelector, from_selector
from maru.kinds.pod_requests import Amounts, effective
from maru.kinds.quantity import NANO

NONZERO_CPU = NANO // 10  # 100m, what a Pod that asks for nothing counts as in scores
NONZERO_MEMORY = 200 * 1024 * 1024 * NANO
COUNTED = ("cpu", "memory")
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_SPEC = ("nodeName", "schedulingGates", "preemptionPolicy")
_STATUS = ("conditions", "nominatedNodeName", "startTime")


@dataclass(frozen=True, slots=True)
class SpreadRule:
    """One topologySpreadConstraint. hard: DoNotSchedule."""

    topology_key: str
    max_skew: int
    hard: bool
    min_domains: int
    selector: LabelSelector
    honor_affinity: bool
    honor_taints: bool


@dataclass(frozen=True, slots=True)
class PodFacts:
    """One revision of a Pod. value: what else is asked of it (`_looked_at`), as ten thousand may wait.

    Amounts are nano units; host_ports: (address, protocol, port).
    """

    value: Value
    uid: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    priority: int
    requests: Amounts
    scored: Amounts
    host_ports: tuple[tuple[str, str, int], ...]
    demand: NodeDemand
    tolerations: tuple[Value, ...]
    near: tuple[PodTerm, ...]
    near_preferred: tuple[PodTerm, ...]
    away: tuple[PodTerm, ...]
    away_preferred: tuple[PodTerm, ...]
    spread: tuple[SpreadRule, ...]
    claims: tuple[str, ...]
    controller_uid: str

    @property
    def node_name(self) -> str:
        """The node it is bound to, or empty."""
        return str(self.value["spec"].get("nodeName") or "")

    @property
    def nominated(self) -> str:
        """The node that room was made on, or empty."""
        return str(self.value.get("status", {}).get("nominatedNodeName") or "")

    @property
    def is_deleting(self) -> bool:
        """True when deletion was asked for."""
        return bool(self.value["metadata"].get("deletionTimestamp"))

    @property
    def is_gated(self) -> bool:
        """True while scheduling gates hold it."""
        return bool(self.value["spec"].get("schedulingGates"))

    @property
    def key(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"


def facts_of(pod: Value) -> PodFacts:
    """Read a Pod."""
    metadata, spec = pod["metadata"], pod["spec"]
    namespace = metadata.get("namespace") or ""
    labels = metadata.get("labels") or {}
    requests = effective(pod)
    affinity = spec.get("affinity") or {}
    near, near_preferred = pod_terms(affinity.get("podAffinity") or {}, namespace, labels)
    away, away_preferred = pod_terms(affinity.get("podAntiAffinity") or {}, namespace, labels)
    controller = next((each for each in metadata.get("ownerReferences") or () if each.get("controller")), None)
    return PodFacts(
        value=_looked_at(pod),
        uid=metadata.get("uid") or "",
        namespace=namespace,
        name=metadata["name"],
        labels=labels,
        priority=int(spec.get("priority") or 0),
        requests=requests,
        scored={
            "cpu": requests.get("cpu") or NONZERO_CPU,
            "memory": requests.get("memory") or NONZERO_MEMORY,
        },
        host_ports=_host_ports(spec),
        demand=node_demand(spec),
        tolerations=tuple(spec.get("tolerations") or ()),
        near=near,
        near_preferred=near_preferred,
        away=away,
        away_preferred=away_preferred,
        spread=tuple(_spread_rule(rule, labels) for rule in spec.get("topologySpreadConstraints") or ()),
        claims=_claims(pod),
        controller_uid=controller["uid"] if controller is not None else "",
    )


def _looked_at(pod: Value) -> Value:
    """The parts of a Pod that placing it, saying so and making room read."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
        "spec": {
            **{name: spec[name] for name in _SPEC if name in spec},
            "containers": [{"image": container.get("image") or ""} for container in spec.get("containers") or ()],
        },
        "status": {name: status[name] for name in _STATUS if name in status},
    }


def _host_ports(spec: Value) -> tuple[tuple[str, str, int], ...]:
    containers = [
        *(spec.get("containers") or ()),
        *(each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"),
    ]
    return tuple(
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", int(port["hostPort"]))
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def _spread_rule(rule: Value, labels: Mapping[str, str]) -> SpreadRule:
    selector = rule.get("labelSelector")
    if selector is not None:
        selector = with_label_keys(selector, labels, rule.get("matchLabelKeys") or (), ())
    return SpreadRule(
        topology_key=rule["topologyKey"],
        max_skew=int(rule["maxSkew"]),
        hard=rule.get("whenUnsatisfiable") != "ScheduleAnyway",
        min_domains=int(rule.get("minDomains") or 1),
        selector=from_selector(selector),
        honor_affinity=rule.get("nodeAffinityPolicy") != "Ignore",
        honor_taints=rule.get("nodeTaintsPolicy") == "Honor",
    )


def _claims(pod: Value) -> tuple[str, ...]:
    names = []
    for volume in pod["spec"].get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            names.append(volume["persistentVolumeClaim"]["claimName"])
        elif "ephemeral" in volume:
            names.append(f"{pod['metadata']['name']}-{volume['name']}")
    return tuple(names)
