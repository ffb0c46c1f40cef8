"""Services: their defaults and rules; addresses and node ports are given out elsewhere.

Source: k8s.io/kubernetes/pkg/registry/core/service; pkg/apis/core/validation, ValidateService.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.columns.core import SERVICE_COLUMNS
from maru.kinds.rules.text import (
    check,
    check_labels,
    check_one_of,
    duplicate,
    immutable,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_port,
    required,
)
from maru.kinds.strategy import Cause, Strategy

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITY_S = 10800


class ServiceStrategy(Strategy):
    """Services."""

    columns = SERVICE_COLUMNS
    has_generation = False

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        spec["type"] = spec.get("type") or "ClusterIP"
        spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
        if spec["sessionAffinity"] == "ClientIP":
            config = spec["sessionAffinityConfig"] = spec.get("sessionAffinityConfig") or {}
            config.setdefault("clientIP", {}).setdefault("timeoutSeconds", AFFINITY_S)
        for port in spec.get("ports") or []:
            port["protocol"] = port.get("protocol") or "TCP"
            if port.get("targetPort") in (None, "", 0):
                port["targetPort"] = port.get("port")
        if spec["type"] != "ExternalName":
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec["type"] in ("NodePort", "LoadBalancer"):
            spec.setdefault("externalTrafficPolicy", "Cluster")
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"loadBalancer": {}}

    def prepare_update(self, value: Value, old: Value, subresource: str) -> None:
        spec = value["spec"]
        if spec["type"] not in ("NodePort", "LoadBalancer") and old["spec"]["type"] != spec["type"]:
            spec.pop("externalTrafficPolicy", None)
            spec.pop("allocateLoadBalancerNodePorts", None)
            for port in spec.get("ports") or []:
                port.pop("nodePort", None)

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes = check_one_of(spec["type"], TYPES, "spec.type")
        causes += check_one_of(spec["sessionAffinity"], ("ClientIP", "None"), "spec.sessionAffinity")
        causes += check_labels(spec.get("selector"), "spec.selector")
        is_headless = spec.get("clusterIP") == "None"
        if spec["type"] == "ExternalName":
            name = spec.get("externalName") or ""
            causes += (
                check(is_dns_subdomain, "spec.externalName", name.rstrip("."))
                if name
                else [required("spec.externalName")]
            )
        elif not spec.get("ports") and not is_headless:
            causes.append(required("spec.ports"))
        if is_headless and spec["type"] in ("NodePort", "LoadBalancer"):
            causes.append(
                invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {spec['type']} services")
            )
        for name in ("internalTrafficPolicy", "externalTrafficPolicy"):
            causes += check_one_of(spec.get(name), ("Cluster", "Local"), f"spec.{name}")
        return [*causes, *_check_ports(spec.get("ports") or [])]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        before, now = old["spec"].get("clusterIP"), value["spec"].get("clusterIP")
        kept = value["spec"]["type"] != "ExternalName" and old["spec"]["type"] != "ExternalName"
        if kept and before and now != before:
            return [immutable("spec.clusterIPs[0]", [now] if now else None, "may not change once set")]
        return ()


def _check_ports(ports: Sequence[Value]) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    places: set[tuple[object, object]] = set()
    for index, port in enumerate(ports):
        field = f"spec.ports[{index}]"
        name = port.get("name") or ""
        if name:
            causes += check(is_dns_label, f"{field}.name", name)
        elif len(ports) > 1:
            causes.append(required(f"{field}.name"))
        if name and name in names:
            causes.append(duplicate(f"{field}.name", name))
        names.add(name)
        causes += [invalid(f"{field}.port", port.get("port"), why) for why in is_port(port.get("port"))]
        causes += check_one_of(port.get("protocol"), ("SCTP", "TCP", "UDP"), f"{field}.protocol")
        if isinstance(port.get("targetPort"), int):
            causes += [invalid(f"{field}.targetPort", port["targetPort"], why) for why in is_port(port["targetPort"])]
        place = (port.get("protocol"), port.get("port"))
        if place in places:
            causes.append(duplicate(field, {"protocol": place[0], "port": place[1]}))
        places.add(place)
    return causes
