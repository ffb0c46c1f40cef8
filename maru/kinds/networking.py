"""Ingresses, network policies, EndpointSlices, service ranges and addresses: defaults and rules.

Source: k8s.io/kubernetes/pkg/apis/networking (v1/defaults.go, validation), pkg/apis/discovery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network

from maru.core.document import Value
from maru.kinds.columns import cluster as columns
from maru.kinds.rules.network import check_cidr, check_host, check_ordinary_ip, family
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.text import (
    check,
    check_port,
    duplicate,
    forbidden,
    immutable,
    invalid,
    is_dns_1035_label,
    is_dns_label,
    is_dns_subdomain,
    is_path_segment,
    is_port,
    is_port_name,
    is_qualified_name,
    required,
    too_long,
    too_many,
    unsupported,
)
from maru.kinds.shown import Shown
from maru.kinds.strategy import Cause

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
PROTOCOLS = ("TCP", "UDP", "SCTP")
POLICY_TYPES = ("Ingress", "Egress")
CONTROLLER_BYTES_MAX = 250
ADDRESSES_MAX = 100
ENDPOINTS_MAX = 1000
PORTS_MAX = 20000
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_BAD_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")


class IngressStrategy(Shown):
    """Ingresses."""

    def __init__(self) -> None:
        super().__init__(columns.INGRESS_COLUMNS, has_generation=True)

    def default(self, value: Value) -> None:
        value["spec"] = value.get("spec") or {}

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"loadBalancer": {}}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes: list[Cause] = []
        if not spec.get("rules") and spec.get("defaultBackend") is None:
            causes.append(invalid("spec", None, "either `defaultBackend` or `rules` must be specified"))
        if spec.get("defaultBackend") is not None:
            causes += _check_backend(spec["defaultBackend"], "spec.defaultBackend")
        for index, rule in enumerate(spec.get("rules") or []):
            causes += _check_rule(rule, f"spec.rules[{index}]")
        for index, tls in enumerate(spec.get("tls") or []):
            for number, host in enumerate(tls.get("hosts") or []):
                at = f"spec.tls[{index}].hosts[{number}]"
                causes += [one for one in check_host(host or "", at) if "not an IP" not in one.message]
            if tls.get("secretName"):
                causes += check(is_dns_subdomain, f"spec.tls[{index}].secretName", tls["secretName"])
        if spec.get("ingressClassName") is not None:
            causes += check(is_dns_subdomain, "spec.ingressClassName", spec["ingressClassName"])
        return causes

    def validate_create(self, value: Value) -> Sequence[Cause]:
        named = (value["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION)
        chosen = value["spec"].get("ingressClassName")
        if named is None or chosen is None or named == chosen:
            return ()
        why = "must match `ingressClassName` when both are specified"
        return [invalid(f"annotations.{_CLASS_ANNOTATION}", named, why)]

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        if _CLASS_ANNOTATION not in (value["metadata"].get("annotations") or {}) or old is not None:
            return ()
        return [f"annotation \"{_CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"]


class IngressClassStrategy(Shown):
    """IngressClasses: their controller never changes."""

    def __init__(self) -> None:
        super().__init__(columns.INGRESSCLASS_COLUMNS, has_status=False, has_generation=True)

    def default(self, value: Value) -> None:
        parameters = (value.get("spec") or {}).get("parameters")
        if parameters is not None:
            parameters["scope"] = parameters.get("scope") or "Cluster"

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value.get("spec") or {}
        controller = spec.get("controller") or ""
        causes: list[Cause] = []
        if not controller:
            causes.append(required("spec.controller"))
        elif len(controller) > CONTROLLER_BYTES_MAX:
            causes.append(too_long("spec.controller", CONTROLLER_BYTES_MAX))
        elif "/" not in controller:
            why = 'must be a domain-prefixed path (such as "acme.io/foo")'
            causes.append(invalid("spec.controller", controller, why))
        parameters = spec.get("parameters")
        return causes if parameters is None else [*causes, *_check_parameters(parameters, "spec.parameters")]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        now, before = ((one.get("spec") or {}).get("controller") for one in (value, old))
        return [immutable("spec.controller", now)] if now != before else ()


class NetworkPolicyStrategy(Shown):
    """NetworkPolicies: which directions they speak of follows from what they say."""

    def __init__(self) -> None:
        super().__init__(columns.NETWORKPOLICY_COLUMNS, has_status=False, has_generation=True)

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        spec["podSelector"] = spec.get("podSelector") or {}
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
        for rule in [*(spec.get("ingress") or []), *(spec.get("egress") or [])]:
            for port in (rule or {}).get("ports") or []:
                port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes = check_selector(spec["podSelector"], "spec.podSelector")
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for index, rule in enumerate(spec.get(direction) or []):
                at = f"spec.{direction}[{index}]"
                for number, port in enumerate(rule.get("ports") or []):
                    causes += _check_policy_port(port, f"{at}.ports[{number}]")
                for number, peer in enumerate(rule.get(peers) or []):
                    causes += _check_peer(peer, f"{at}.{peers}[{number}]")
        types = spec.get("policyTypes") or []
        if len(types) > len(POLICY_TYPES):
            return [*causes, invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
        return causes + [
            unsupported(f"spec.policyTypes[{index}]", one, POLICY_TYPES)
            for index, one in enumerate(types)
            if one not in POLICY_TYPES
        ]


class EndpointSliceStrategy(Shown):
    """EndpointSlices."""

    generation_fields = ("addressType", "endpoints", "ports")

    def __init__(self) -> None:
        super().__init__(columns.ENDPOINTSLICE_COLUMNS, has_status=False, has_generation=True)

    def default(self, value: Value) -> None:
        for port in value.get("ports") or []:
            port.setdefault("name", "")
            port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, value: Value) -> Sequence[Cause]:
        kind = value.get("addressType") or ""
        causes: list[Cause] = []
        if not kind:
            causes.append(required("addressType"))
        elif kind not in ("FQDN", "IPv4", "IPv6"):
            causes.append(unsupported("addressType", kind, ("FQDN", "IPv4", "IPv6")))
        endpoints, ports = value.get("endpoints") or [], value.get("ports") or []
        if len(endpoints) > ENDPOINTS_MAX:
            return [*causes, too_many("endpoints", len(endpoints), ENDPOINTS_MAX)]
        for index, endpoint in enumerate(endpoints):
            causes += _check_endpoint(endpoint, f"endpoints[{index}]", kind)
        if len(ports) > PORTS_MAX:
            return [*causes, too_many("ports", len(ports), PORTS_MAX)]
        names: set[str] = set()
        for index, port in enumerate(ports):
            name = port.get("name") or ""
            if name:
                causes += check(is_dns_label, f"ports[{index}].name", name)
            if name in names:
                causes.append(duplicate(f"ports[{index}].name", name))
            names.add(name)
            if port.get("protocol") not in PROTOCOLS:
                causes.append(unsupported(f"ports[{index}].protocol", port.get("protocol"), ("SCTP", "TCP", "UDP")))
            if port.get("appProtocol") is not None:
                causes += check(is_qualified_name, f"ports[{index}].appProtocol", port["appProtocol"])
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if value.get("addressType") != old.get("addressType"):
            return [immutable("addressType", value.get("addressType"))]
        return ()


class ServiceCidrStrategy(Shown):
    """ServiceCIDRs: one or two ranges that never change."""

    def __init__(self) -> None:
        super().__init__(columns.SERVICECIDR_COLUMNS)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {}

    def validate(self, value: Value) -> Sequence[Cause]:
        ranges = (value.get("spec") or {}).get("cidrs") or []
        if not ranges:
            return [required("spec.cidrs", "at least one CIDR required")]
        if len(ranges) > 2:
            why = "may only hold up to 2 values"
            return [invalid("spec", ranges, why)]
        return [cause for index, text in enumerate(ranges) for cause in check_cidr(text or "", f"spec.cidrs[{index}]")]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        now, before = ((one.get("spec") or {}).get("cidrs") for one in (value, old))
        return [immutable("spec.cidrs", now)] if now != before else ()


class IpAddressStrategy(Shown):
    """IPAddresses: who holds one never changes."""

    def __init__(self) -> None:
        super().__init__(columns.IPADDRESS_COLUMNS, has_status=False)

    def validate(self, value: Value) -> Sequence[Cause]:
        parent = (value.get("spec") or {}).get("parentRef")
        if parent is None:
            return [required("spec.parentRef")]
        return [required(f"spec.parentRef.{name}") for name in ("resource", "name") if not parent.get(name)]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        now, before = ((one.get("spec") or {}).get("parentRef") for one in (value, old))
        return [immutable("spec.parentRef", now)] if now != before else ()

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        parent = (value.get("spec") or {}).get("parentRef") or {}
        return {f"spec.parentRef.{name}": parent.get(name, "") for name in ("group", "resource", "namespace", "name")}


def _check_rule(rule: Value, field: str) -> list[Cause]:
    causes = check_host(rule["host"], f"{field}.host") if rule.get("host") else []
    http = rule.get("http")
    if http is None:
        return causes
    if not http.get("paths"):
        causes.append(required(f"{field}.http.paths"))
    for index, path in enumerate(http.get("paths") or []):
        causes += _check_path(path, f"{field}.http.paths[{index}]")
    return causes


def _check_path(path: Value, field: str) -> list[Cause]:
    kind, text = path.get("pathType"), path.get("path") or ""
    if kind is None:
        return [required(f"{field}.pathType", "pathType must be specified")]
    causes: list[Cause] = []
    if kind not in PATH_TYPES:
        causes.append(unsupported(f"{field}.pathType", kind, PATH_TYPES))
    elif not text.startswith("/") and (text or kind != "ImplementationSpecific"):
        causes.append(invalid(f"{field}.path", text, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        problems = [f"must not contain '{bad}'" for bad in _BAD_PATHS if bad in text]
        problems += [f"cannot end with '{bad}'" for bad in _BAD_ENDS if text.endswith(bad)]
        causes += [invalid(f"{field}.path", text, problem) for problem in problems]
    return causes + _check_backend(path.get("backend") or {}, f"{field}.backend")


def _check_backend(backend: Value, field: str) -> list[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [invalid(field, "", "cannot set both resource and service backends")]
    if resource is not None:
        return [required(f"{field}.resource.{name}") for name in ("kind", "name") if not resource.get(name)]
    if service is None:
        return [invalid(field, "", "resource or service backend is required")]
    name = service.get("name") or ""
    causes = check(is_dns_1035_label, f"{field}.service.name", name) if name else [required(f"{field}.service.name")]
    port = service.get("port") or {}
    if port.get("name") and port.get("number"):
        causes.append(invalid(field, "", "cannot set both port name & port number"))
    elif port.get("name"):
        causes += check(is_port_name, f"{field}.service.port.name", port["name"])
    elif port.get("number"):
        at = f"{field}.service.port.number"
        causes += [invalid(at, port["number"], problem) for problem in is_port(port["number"])]
    else:
        causes.append(required(field, "port name or number is required"))
    return causes


def _check_parameters(parameters: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    if parameters.get("apiGroup") is not None:
        causes += check(is_dns_subdomain, f"{field}.apiGroup", parameters["apiGroup"])
    for name in ("kind", "name"):
        text = parameters.get(name) or ""
        causes += check(is_path_segment, f"{field}.{name}", text) if text else [required(f"{field}.{name}")]
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope not in ("Cluster", "Namespace"):
        causes.append(unsupported(f"{field}.scope", scope, ("Cluster", "Namespace")))
    elif scope == "Namespace" and namespace is None:
        causes.append(required(f"{field}.namespace", "`parameters.scope` is set to 'Namespace'"))
    elif scope == "Cluster" and namespace is not None:
        causes.append(forbidden(f"{field}.namespace", "`parameters.scope` is set to 'Cluster'"))
    return causes


def _check_policy_port(port: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    if port.get("protocol") not in (None, *PROTOCOLS):
        causes.append(unsupported(f"{field}.protocol", port["protocol"], PROTOCOLS))
    first, last = port.get("port"), port.get("endPort")
    if first is not None:
        causes += check_port(first, f"{field}.port")
    if last is None:
        return causes
    at = f"{field}.endPort"
    if first is None:
        causes.append(invalid(at, last, "may not be specified when `port` is not specified"))
    elif isinstance(first, str):
        causes.append(invalid(at, last, "may not be specified when `port` is non-numeric"))
    else:
        if last < first:
            causes.append(invalid(at, last, "must be greater than or equal to `port`"))
        causes += [invalid(at, last, problem) for problem in is_port(last)]
    return causes


def _check_peer(peer: Value, field: str) -> list[Cause]:
    selectors = [name for name in ("podSelector", "namespaceSelector") if peer.get(name) is not None]
    causes = [cause for name in selectors for cause in check_selector(peer[name], f"{field}.{name}")]
    block = peer.get("ipBlock")
    if block is not None:
        causes += _check_block(block, f"{field}.ipBlock")
        if selectors:
            causes.append(forbidden(field, "may not specify both ipBlock and another peer"))
    elif not selectors:
        causes.append(required(field, "must specify a peer"))
    return causes


def _check_block(block: Value, field: str) -> list[Cause]:
    text = block.get("cidr") or ""
    if not text:
        return [required(f"{field}.cidr")]
    causes = check_cidr(text, f"{field}.cidr")
    if causes:
        return causes
    whole = ip_network(text, strict=False)
    for index, part in enumerate(block.get("except") or []):
        at = f"{field}.except[{index}]"
        problems = check_cidr(part or "", at)
        causes += problems
        if problems:
            continue
        inner = ip_network(part, strict=False)
        is_inside = inner.version == whole.version and inner.network_address in whole
        if not is_inside or inner.prefixlen <= whole.prefixlen:
            causes.append(invalid(at, part, "must be a strict subset of `cidr`"))
    return causes


def _check_endpoint(endpoint: Value, field: str, kind: str) -> list[Cause]:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        return [required(f"{field}.addresses", "must contain at least 1 address")]
    if len(addresses) > ADDRESSES_MAX:
        return [too_many(f"{field}.addresses", len(addresses), ADDRESSES_MAX)]
    causes: list[Cause] = []
    for index, address in enumerate(addresses):
        at, text = f"{field}.addresses[{index}]", address or ""
        if kind == "FQDN":
            causes += check(is_dns_subdomain, at, text.removesuffix("."))
        elif kind in ("IPv4", "IPv6"):
            if family(text) != kind:
                causes.append(invalid(at, text, f"must be a valid {kind} address"))
            causes += check_ordinary_ip(text, at)
    if endpoint.get("nodeName"):
        causes += check(is_dns_subdomain, f"{field}.nodeName", endpoint["nodeName"])
    if endpoint.get("hostname"):
        causes += check(is_dns_label, f"{field}.hostname", endpoint["hostname"])
    for number, zone in enumerate((endpoint.get("hints") or {}).get("forZones") or []):
        if not zone.get("name"):
            causes.append(required(f"{field}.hints.forZones[{number}].name"))
    return causes
