"""From a Service and its EndpointSlices to what its frontends forward to.

Ready endpoints serve; when there are none, those that are terminating but still serve. Under a Local
policy only endpoints of this node count. Only IPv4. Source: Kubernetes concepts "Virtual IPs and
service proxies"; KEP-1669 (terminating endpoints), KEP-2086 (internalTrafficPolicy), KEP-1860 (ipMode).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.network.model.forwarding import NODE, PROTOCOLS, Backend, Forwarding, Frontend
from maru.core.document import Value

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
AFFINITY_DEFAULT_S = 10800


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint for one port."""

    backend: Backend
    is_ready: bool
    is_leaving: bool  # terminating, but still serves
    is_local: bool


def plan_service(service: Value, slices: Sequence[Value], node_name: str) -> dict[Frontend, Forwarding]:
    """All frontends of a Service; none for one without a cluster address."""
    spec = service["spec"]
    cluster_ips = [ip for ip in spec.get("clusterIPs") or [spec.get("clusterIP") or ""] if _is_ipv4(ip)]
    if spec.get("type") == "ExternalName" or not cluster_ips:
        return {}
    plan: dict[Frontend, Forwarding] = {}
    for port in spec.get("ports") or []:
        protocol = port.get("protocol") or "TCP"
        if protocol not in PROTOCOLS:
            continue
        candidates = _candidates(slices, port.get("name") or "", protocol, node_name)
        inner = _inner(spec, candidates)
        for address in cluster_ips:
            plan[Frontend(address, protocol, port["port"])] = inner
        outer = _outer(spec, candidates)
        for address in spec.get("externalIPs") or []:
            if _is_ipv4(address):
                plan[Frontend(address, protocol, port["port"])] = outer
        guarded = _guarded(spec, outer)
        for address in _balancer_addresses(service):
            plan[Frontend(address, protocol, port["port"])] = guarded
        if port.get("nodePort"):
            plan[Frontend(NODE, protocol, port["nodePort"])] = outer
    return plan


def count_local_endpoints(slices: Sequence[Value], node_name: str) -> int:
    """How many ready endpoints this node has: what a health check of the Local policy asks."""
    addresses = {
        endpoint["addresses"][0]
        for piece in slices
        for endpoint in piece.get("endpoints") or []
        if endpoint.get("nodeName") == node_name and _is_ready(endpoint)
    }
    return len(addresses)


def _inner(spec: Value, candidates: Sequence[Candidate]) -> Forwarding:
    everywhere = _usable(candidates)
    affinity_s = _affinity_s(spec)
    if spec.get("internalTrafficPolicy") == "Local":
        here = _usable([candidate for candidate in candidates if candidate.is_local])
        return Forwarding(here, affinity_s=affinity_s, closed="drop" if everywhere else "reject")
    return Forwarding(everywhere, affinity_s=affinity_s)


def _outer(spec: Value, candidates: Sequence[Candidate]) -> Forwarding:
    everywhere = _usable(candidates)
    affinity_s = _affinity_s(spec)
    if spec.get("externalTrafficPolicy") != "Local":
        return Forwarding(everywhere, affinity_s=affinity_s)
    here = _usable([candidate for candidate in candidates if candidate.is_local])
    return Forwarding(everywhere, here, affinity_s)


def _guarded(spec: Value, outer: Forwarding) -> Forwarding:
    sources = tuple(
        source.strip() for source in spec.get("loadBalancerSourceRanges") or [] if ":" not in source and source.strip()
    )
    if not sources or "0.0.0.0/0" in sources:
        return outer
    return Forwarding(outer.cluster, outer.local, outer.affinity_s, outer.masquerade, outer.closed, sources)


def _usable(candidates: Sequence[Candidate]) -> tuple[Backend, ...]:
    ready = {candidate.backend for candidate in candidates if candidate.is_ready}
    return tuple(sorted(ready or {candidate.backend for candidate in candidates if candidate.is_leaving}))


def _candidates(slices: Sequence[Value], port_name: str, protocol: str, node_name: str) -> list[Candidate]:
    found: list[Candidate] = []
    for piece in slices:
        if piece.get("addressType") != "IPv4" or piece["metadata"].get("deletionTimestamp"):
            continue
        number = _port_number(piece, port_name, protocol)
        if number == 0:
            continue
        for endpoint in piece.get("endpoints") or []:
            conditions = endpoint.get("conditions") or {}
            is_leaving = bool(conditions.get("serving", True)) and bool(conditions.get("terminating"))
            backend = Backend(endpoint["addresses"][0], number)
            is_local = endpoint.get("nodeName") == node_name
            found.append(Candidate(backend, _is_ready(endpoint), is_leaving, is_local))
    return found


def _port_number(piece: Value, name: str, protocol: str) -> int:
    for port in piece.get("ports") or []:
        if (port.get("name") or "") == name and (port.get("protocol") or "TCP") == protocol:
            return int(port.get("port") or 0)
    return 0


def _is_ready(endpoint: Value) -> bool:
    ready = (endpoint.get("conditions") or {}).get("ready")
    return ready is None or bool(ready)


def _affinity_s(spec: Value) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    client_ip = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(client_ip.get("timeoutSeconds") or AFFINITY_DEFAULT_S)


def _balancer_addresses(service: Value) -> list[str]:
    if service["spec"].get("type") != "LoadBalancer":
        return []
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return [entry["ip"] for entry in ingress if _is_ipv4(entry.get("ip", "")) and entry.get("ipMode") != "Proxy"]


def _is_ipv4(address: str) -> bool:
    return "." in address
