"""Services: their defaults and rules; addresses and node ports are given out elsewhere.

Source: k8s.io/kubernetes/pkg/registry/core/service; pkg/apis/core/validation, ValidateService.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Value
from maru.kinds.columns.core import SERVICE_COLUMNS
from maru.kinds.rules.network import check_cidr, check_ordinary_ip, family
from maru.kinds.rules.text import (
    check,
    check_labels,
    check_port,
    duplicate,
    forbidden,
    immutable,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_port,
    is_qualified_name,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause, Strategy

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITY_S = 10800
AFFINITY_S_MAX = 86400
PROTOCOLS = ("SCTP", "TCP", "UDP")
POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_OUTSIDE = frozenset({"NodePort", "LoadBalancer"})
_EXTERNAL_NAME = "may not be set for ExternalName services"


class ServiceStrategy(Strategy):
    """Services."""

    columns = SERVICE_COLUMNS
    has_generation = False

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        spec["type"] = spec.get("type") or "ClusterIP"
        spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
        if spec["sessionAffinity"] == "None":
            spec.pop("sessionAffinityConfig", None)
        elif spec["sessionAffinity"] == "ClientIP":
            config = spec["sessionAffinityConfig"] = spec.get("sessionAffinityConfig") or {}
            client = config["clientIP"] = config.get("clientIP") or {}
            client.setdefault("timeoutSeconds", AFFINITY_S)
        for port in spec.get("ports") or []:
            port["protocol"] = port.get("protocol") or "TCP"
            if port.get("targetPort") in (None, "", 0):
                port["targetPort"] = port.get("port", 0)
        if spec["type"] in ("ClusterIP", *_OUTSIDE):
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if _is_outside(spec) and not spec.get("externalTrafficPolicy"):
            spec["externalTrafficPolicy"] = "Cluster"
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"loadBalancer": {}}

    def prepare_update(self, value: Value, old: Value, subresource: str) -> None:
        spec, before = value["spec"], old["spec"]
        if before.get("type") == spec["type"]:
            return
        if before.get("type") in _OUTSIDE and spec["type"] not in _OUTSIDE:
            known = {
                (port.get("protocol"), port.get("port")): port.get("nodePort") for port in before.get("ports") or []
            }
            for port in spec.get("ports") or []:
                if port.get("nodePort") == known.get((port.get("protocol"), port.get("port"))):
                    port.pop("nodePort", None)
            if not _is_outside(spec) and spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy"):
                spec.pop("externalTrafficPolicy", None)
        if before.get("type") == "LoadBalancer":
            for name in ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"):
                if spec.get(name) == before.get(name):
                    spec.pop(name, None)
        if spec["type"] == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if spec.get(name) == before.get(name):
                    spec.pop(name, None)

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes = _check_type(spec)
        causes += _check_ports(spec)
        causes += check_labels(spec.get("selector"), "spec.selector")
        causes += _check_affinity(spec)
        causes += _check_families(spec)
        for index, text in enumerate(spec.get("externalIPs") or []):
            causes += check_ordinary_ip(text or "", f"spec.externalIPs[{index}]")
        if spec["type"] not in TYPES:
            causes.append(unsupported("spec.type", spec["type"], TYPES))
        causes += _check_duplicates(spec)
        return [*causes, *_check_balancer(spec), *_check_traffic(spec)]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        spec, before = value["spec"], old["spec"]
        causes: list[Cause] = []
        if spec["type"] != "ExternalName" and before.get("type") != "ExternalName":
            had, has = before.get("clusterIP"), spec.get("clusterIP")
            if had and has != had:
                causes.append(immutable("spec.clusterIPs[0]", [has] if has else None, "may not change once set"))
        is_same_kind = spec["type"] == before.get("type") == "LoadBalancer"
        if is_same_kind and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
            why = "may not change once set"
            causes.append(immutable("spec.loadBalancerClass", spec.get("loadBalancerClass"), why))
        if _needs_check(spec) and _needs_check(before):
            had, has = before.get("healthCheckNodePort"), spec.get("healthCheckNodePort")
            if has and had and has != had:
                causes.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
        return causes

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        spec = value.get("spec") or {}
        return {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        spec = value["spec"]
        texts: list[str] = []
        is_headless = spec.get("clusterIP") == "None"
        if spec.get("externalIPs"):
            texts.append("spec.externalIPs is deprecated and will be disabled by default in a future release")
        if spec.get("loadBalancerIP") and is_headless:
            texts.append("spec.loadBalancerIP is ignored for headless services")
        if spec.get("externalName") and spec["type"] != "ExternalName":
            texts.append('spec.externalName is ignored when spec.type is not "ExternalName"')
        if spec.get("sessionAffinity") == "ClientIP" and is_headless:
            texts.append("spec.SessionAffinity is ignored for headless services")
        if spec.get("trafficDistribution") == "PreferClose":
            texts.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone" instead')
        return texts


def _is_outside(spec: Value) -> bool:
    """Whether it can be reached from outside of the cluster."""
    return spec["type"] in _OUTSIDE or (spec["type"] == "ClusterIP" and bool(spec.get("externalIPs")))


def _needs_check(spec: Value) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _check_type(spec: Value) -> list[Cause]:
    kind, is_headless = spec["type"], spec.get("clusterIP") == "None"
    causes: list[Cause] = []
    if not spec.get("ports") and not is_headless and kind != "ExternalName":
        causes.append(required("spec.ports"))
    if is_headless and kind in _OUTSIDE:
        causes.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if kind == "ExternalName":
        if spec.get("clusterIP") or spec.get("clusterIPs"):
            causes.append(forbidden("spec.clusterIPs", _EXTERNAL_NAME))
        causes += [
            forbidden(f"spec.{name}", _EXTERNAL_NAME) for name in ("ipFamilies", "ipFamilyPolicy") if spec.get(name)
        ]
        name = (spec.get("externalName") or "").removesuffix(".")
        causes += check(is_dns_subdomain, "spec.externalName", name) if name else [required("spec.externalName")]
    return causes


def _check_ports(spec: Value) -> list[Cause]:
    causes: list[Cause] = []
    ports = spec.get("ports") or []
    names: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"spec.ports[{index}]", port.get("name") or ""
        if name:
            causes += check(is_dns_label, f"{at}.name", name)
            if name in names:
                causes.append(duplicate(f"{at}.name", name))
            names.add(name)
        elif len(ports) > 1:
            causes.append(required(f"{at}.name"))
        causes += [invalid(f"{at}.port", port.get("port", 0), why) for why in is_port(port.get("port", 0))]
        if port.get("protocol") not in PROTOCOLS:
            causes.append(unsupported(f"{at}.protocol", port.get("protocol"), PROTOCOLS))
        causes += check_port(port.get("targetPort"), f"{at}.targetPort")
        if port.get("appProtocol") is not None:
            causes += check(is_qualified_name, f"{at}.appProtocol", port["appProtocol"])
    return causes


def _check_duplicates(spec: Value) -> list[Cause]:
    causes: list[Cause] = []
    node_ports: set[tuple[object, object]] = set()
    places: set[tuple[object, object]] = set()
    for index, port in enumerate(spec.get("ports") or []):
        at, protocol = f"spec.ports[{index}]", port.get("protocol")
        number = port.get("nodePort")
        if number and spec["type"] == "ClusterIP":
            causes.append(forbidden(f"{at}.nodePort", "may not be used when `type` is 'ClusterIP'"))
        if number and (protocol, number) in node_ports:
            causes.append(duplicate(f"{at}.nodePort", number))
        node_ports.add((protocol, number))
        if (protocol, port.get("port")) in places:
            causes.append(duplicate(at, {"protocol": protocol, "port": port.get("port"), "targetPort": 0}))
        places.add((protocol, port.get("port")))
    return causes


def _check_affinity(spec: Value) -> list[Cause]:
    kind = spec["sessionAffinity"]
    if kind not in ("ClientIP", "None"):
        return [unsupported("spec.sessionAffinity", kind, ("ClientIP", "None"))]
    if kind == "None":
        return []
    seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
    if 0 < seconds <= AFFINITY_S_MAX:
        return []
    at = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
    return [invalid(at, seconds, f"must be greater than 0 and less than {AFFINITY_S_MAX}")]


def _check_families(spec: Value) -> list[Cause]:
    if spec["type"] == "ExternalName":
        return []
    causes: list[Cause] = []
    families, policy = spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    for index, one in enumerate(families):
        if one not in FAMILIES:
            causes.append(unsupported(f"spec.ipFamilies[{index}]", one, FAMILIES))
        if one in families[:index]:
            causes.append(duplicate(f"spec.ipFamilies[{index}]", one))
    if policy is not None and policy not in FAMILY_POLICIES:
        causes.append(unsupported("spec.ipFamilyPolicy", policy, FAMILY_POLICIES))
    addresses = spec.get("clusterIPs") or []
    if addresses and (spec.get("clusterIP") or "") != addresses[0]:
        why = "first value must match `clusterIP`"
        causes.append(invalid("spec.clusterIPs", addresses, why))
    for index, text in enumerate(addresses):
        if text == "None":
            if len(addresses) > 1:
                causes.append(invalid("spec.clusterIPs", addresses, "'None' must be the first and only value"))
        elif text and not family(text):
            why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            causes.append(invalid(f"spec.clusterIPs[{index}]", text, why))
    return causes


def _check_balancer(spec: Value) -> list[Cause]:
    is_balancer = spec["type"] == "LoadBalancer"
    only = "may only be used when `type` is 'LoadBalancer'"
    causes: list[Cause] = []
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges and not is_balancer:
        causes.append(forbidden("spec.LoadBalancerSourceRanges", only))
    for index, text in enumerate(ranges):
        causes += check_cidr((text or "").strip(), f"spec.LoadBalancerSourceRanges[{index}]")
    if spec.get("allocateLoadBalancerNodePorts") is not None and not is_balancer:
        causes.append(forbidden("spec.allocateLoadBalancerNodePorts", only))
    chosen = spec.get("loadBalancerClass")
    if chosen is not None:
        if not is_balancer:
            causes.append(forbidden("spec.loadBalancerClass", only))
        causes += check(is_qualified_name, "spec.loadBalancerClass", chosen)
    return causes


def _check_traffic(spec: Value) -> list[Cause]:
    causes: list[Cause] = []
    external, internal = spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")
    if not _is_outside(spec):
        if external:
            why = "may only be set for externally-accessible services"
            causes.append(invalid("spec.externalTrafficPolicy", external, why))
    elif external not in POLICIES:
        causes.append(unsupported("spec.externalTrafficPolicy", external, POLICIES))
    port = spec.get("healthCheckNodePort")
    if port and not _needs_check(spec):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        causes.append(invalid("spec.healthCheckNodePort", port, why))
    if internal is not None and internal not in POLICIES:
        causes.append(unsupported("spec.internalTrafficPolicy", internal, POLICIES))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in DISTRIBUTIONS:
        causes.append(unsupported("spec.trafficDistribution", distribution, DISTRIBUTIONS))
    return causes
