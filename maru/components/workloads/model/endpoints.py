"""Who stands behind a Service: its Pods as addresses and ports, for Endpoints and EndpointSlices alike.

Source: k8s.io/endpointslice/util and k8s.io/kubernetes/pkg/controller/endpoint.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maru.components.workloads.model.values import drop_empty
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Value
from maru.kinds.pod_state import condition, is_deleting, is_ready, is_terminal, node_name

HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
ENDPOINTS_MANAGER = "endpoint-controller"
ADDRESSES_MAX = 1000  # in one Endpoints document

Ports = tuple[tuple[str, str, int, str], ...]
"""(name, protocol, port, appProtocol) in the order of the Service; hashable."""


@dataclass(frozen=True, slots=True)
class Member:
    """One Pod behind a Service, by one of its addresses."""

    address: str
    pod: Value
    ports: Ports
    is_ready: bool
    is_serving: bool
    is_terminating: bool


def is_headless(service: Value) -> bool:
    """True when it has no address of its own."""
    return str(service["spec"].get("clusterIP")) == "None"


def members(service: Value, pods: Iterable[Value], family: str) -> list[Member]:
    """The Pods of `pods` that stand behind `service` with an address of `family` (IPv4 or IPv6); by address."""
    spec = service["spec"]
    publishes_all = bool(spec.get("publishNotReadyAddresses"))
    found = []
    for pod in pods:
        address = address_of(pod, family)
        if not address or is_terminal(pod):
            continue
        serving, terminating = is_ready(pod), is_deleting(pod)
        ready = publishes_all or (serving and not terminating)
        found.append(Member(address, pod, ports_for(service, pod), ready, serving, terminating))
    return sorted(found, key=lambda member: (member.address, member.pod["metadata"].get("uid") or ""))


def address_of(pod: Value, family: str) -> str:
    """The Pod's address of `family`, or empty."""
    status = pod.get("status", {})
    listed = [entry["ip"] for entry in status.get("podIPs") or ()] or [status.get("podIP") or ""]
    return next((address for address in listed if address and family_of(address) == family), "")


def family_of(address: str) -> str:
    """IPv4 or IPv6."""
    return "IPv6" if ipaddress.ip_address(address).version == 6 else "IPv4"


def families(service: Value) -> list[str]:
    """The address families a Service has; IPv4 when it does not say."""
    return list(service["spec"].get("ipFamilies") or ("IPv4",))


def ports_for(service: Value, pod: Value) -> Ports:
    """The ports of `service` as this Pod has them; ports it does not name are left out."""
    ports = []
    for port in service["spec"].get("ports") or ():
        number = target_port(port, pod)
        if number is not None:
            ports.append((port.get("name") or "", port.get("protocol") or "TCP", number, port.get("appProtocol") or ""))
    return tuple(ports)


def target_port(port: Value, pod: Value) -> int | None:
    """The number that a Service port leads to in a Pod, by number or by the name of a container port."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    containers = [
        *(spec.get("containers") or ()),
        *(each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"),
    ]
    for container in containers:
        for listed in container.get("ports") or ():
            same_protocol = (listed.get("protocol") or "TCP") == (port.get("protocol") or "TCP")
            if listed.get("name") == target and same_protocol:
                return int(listed["containerPort"])
    return int(target) if str(target).isdigit() else None


def target_reference(pod: Value) -> Value:
    """The reference from an endpoint to its Pod."""
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata.get("uid") or "",
    }


def host_name(service: Value, pod: Value) -> str:
    """The name the Pod has within the Service's domain, or empty."""
    spec = pod["spec"]
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        return str(spec["hostname"])
    return ""


def trigger_time(service: Value, found: Sequence[Member]) -> str:
    """When the newest change happened that the endpoints reflect: the Service's creation or a Pod's turn."""
    moments = [parse_rfc3339(service["metadata"]["creationTimestamp"])]
    for member in found:
        ready = condition(member.pod, "Ready")
        if ready is not None and ready.get("lastTransitionTime"):
            moments.append(parse_rfc3339(ready["lastTransitionTime"]))
    return rfc3339(max(moments))


def subsets(service: Value, found: Sequence[Member]) -> list[Value]:
    """The subsets of an Endpoints document: members with the same ports together, ready and not ready apart."""
    publishes_all = bool(service["spec"].get("publishNotReadyAddresses"))
    grouped: dict[Ports, tuple[list[Value], list[Value]]] = {}
    kept = [member for member in found if publishes_all or not member.is_terminating]
    ready_first = sorted(kept, key=lambda member: not (publishes_all or member.is_serving))[:ADDRESSES_MAX]
    for member in sorted(ready_first, key=lambda member: member.address):
        if service["spec"].get("ports") and not member.ports:
            continue
        entry = drop_empty(
            {
                "ip": member.address,
                "hostname": host_name(service, member.pod),
                "nodeName": node_name(member.pod),
                "targetRef": target_reference(member.pod),
            }
        )
        ready, not_ready = grouped.setdefault(member.ports, ([], []))
        (ready if publishes_all or member.is_serving else not_ready).append(entry)
    return [
        {
            **({"addresses": ready} if ready else {}),
            **({"notReadyAddresses": not_ready} if not_ready else {}),
            **({"ports": [_endpoint_port(port) for port in ports]} if ports else {}),
        }
        for ports, (ready, not_ready) in sorted(grouped.items())
    ]


def _endpoint_port(port: tuple[str, str, int, str]) -> Value:
    name, protocol, number, app_protocol = port
    return drop_empty({"name": name, "port": number, "protocol": protocol, "appProtocol": app_protocol})


def endpoints_metadata(service: Value, found: Sequence[Member]) -> Value:
    """Labels and annotations of an Endpoints document."""
    labels = dict(service["metadata"].get("labels") or {})
    labels[MANAGED_BY] = ENDPOINTS_MANAGER
    labels.pop(HEADLESS, None)
    if is_headless(service):
        labels[HEADLESS] = ""
    annotations = {TRIGGER_TIME: trigger_time(service, found)}
    if len(found) > ADDRESSES_MAX:
        annotations[OVER_CAPACITY] = "truncated"
    return {"labels": labels, "annotations": annotations}
