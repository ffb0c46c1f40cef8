"""Networks between three forms: the contract's, the Engine API's, and that of their documents.

Source: Docker Engine API v1.50, Network, NetworkCreateRequest, IPAM; contracts/container_network.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from maru.components.docker.model.overlay import is_ingress, shown_driver, shown_options, shown_scope
from maru.contracts.container_network import Endpoint, Network, NetworkSpec, Pool
from maru.core.document import Value
from maru.core.errors import Invalid

SCOPE = "local"
_IS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,60}[a-z0-9])?")


class PoolSpec(msgspec.Struct, rename="camel"):
    """A range of a network's document; what is left empty is chosen."""

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    auxiliary: dict[str, str] = {}


class NetworkDocument(msgspec.Struct, rename="camel"):
    """What a network's document asks for."""

    name: str
    driver: str = "bridge"
    pools: list[PoolSpec] = []
    enable_ipv4: bool = msgspec.field(default=True, name="enableIPv4")
    enable_ipv6: bool = msgspec.field(default=False, name="enableIPv6")
    internal: bool = False
    attachable: bool = False
    config_only: bool = False
    config_from: str = ""
    options: dict[str, str] = {}
    labels: dict[str, str] = {}


def spec_of_body(body: Value) -> NetworkSpec:
    """What a create asks for. Raises Invalid for what has the wrong form."""
    ipam = body.get("IPAM") or {}
    try:
        pools = [
            Pool(
                subnet=str(each.get("Subnet") or ""),
                gateway=str(each.get("Gateway") or ""),
                ip_range=str(each.get("IPRange") or ""),
                auxiliary=_texts(each.get("AuxiliaryAddresses") or each.get("AuxAddress")),
            )
            for each in ipam.get("Config") or ()
        ]
        return NetworkSpec(
            name=str(body.get("Name") or ""),
            driver=str(body.get("Driver") or "bridge"),
            pools=pools,
            enable_ipv4=body.get("EnableIPv4") is not False,
            enable_ipv6=bool(body.get("EnableIPv6")),
            internal=bool(body.get("Internal")),
            attachable=bool(body.get("Attachable")),
            ingress=bool(body.get("Ingress")),
            config_only=bool(body.get("ConfigOnly")),
            config_from=str((body.get("ConfigFrom") or {}).get("Network") or ""),
            options=_texts(body.get("Options")),
            labels=_texts(body.get("Labels")),
            ipam_driver=str(ipam.get("Driver") or "default"),
            ipam_options=_texts(ipam.get("Options")),
            # Clients of an API below 1.44 may say that they do not mind.
            allow_duplicate=body.get("CheckDuplicate") is False,
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise Invalid(what=f"invalid network config: {error}", why="") from error


def network_value(network: Network, *, with_containers: bool) -> Value:
    """As an inspect shows it; a list leaves the containers out."""
    spec = network.spec
    containers = network.endpoints.values() if with_containers else ()
    return {
        "Name": spec.name,
        "Id": network.id,
        "Created": network.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
        "Scope": shown_scope(spec),
        "Driver": shown_driver(spec),
        "EnableIPv4": spec.enable_ipv4,
        "EnableIPv6": spec.enable_ipv6,
        "IPAM": {
            "Driver": spec.ipam_driver or "default",
            "Options": dict(spec.ipam_options) or None,
            "Config": [_pool_value(pool) for pool in spec.pools],
        },
        "Internal": spec.internal,
        "Attachable": spec.attachable,
        "Ingress": is_ingress(spec),
        "ConfigFrom": {"Network": spec.config_from},
        "ConfigOnly": spec.config_only,
        "Containers": {endpoint.container_id: _container_value(endpoint) for endpoint in containers},
        "Options": dict(shown_options(spec)),
        "Labels": dict(spec.labels),
    }


def document_name(network: Network) -> str:
    """The name itself where it can be one of a document, else one that follows from the id."""
    return network.name if _IS_NAME.fullmatch(network.name) else f"network-{network.id[:12]}"


def document_spec(network: Network) -> Value:
    """What a document of this network says it asked for."""
    spec = network.spec
    pools = [PoolSpec(pool.subnet, pool.gateway, pool.ip_range, dict(pool.auxiliary)) for pool in spec.pools]
    document = NetworkDocument(
        name=spec.name,
        driver=spec.driver,
        pools=pools,
        enable_ipv4=spec.enable_ipv4,
        enable_ipv6=spec.enable_ipv6,
        internal=spec.internal,
        attachable=spec.attachable,
        config_only=spec.config_only,
        config_from=spec.config_from,
        options=dict(spec.options),
        labels=dict(spec.labels),
    )
    value: Value = msgspec.to_builtins(document)
    return value


def document_status(network: Network) -> Value:
    """What a document of this network says of how it is."""
    return {
        "id": network.id,
        "subnets": [pool.subnet for pool in network.spec.pools],
        "gateways": [pool.gateway for pool in network.spec.pools],
        "containers": {endpoint.container_name: endpoint.ip or endpoint.ip6 for endpoint in network.endpoints.values()},
        "message": "",
    }


def spec_of_document(name: str, spec: Value) -> NetworkSpec:
    """What a document asks for; its own name stands where the spec has none. Raises Invalid."""
    try:
        asked = msgspec.convert({"name": name, **spec}, NetworkDocument)
    except msgspec.ValidationError as error:
        raise Invalid(what=f"network {name}", why=str(error), fix="mend its spec") from error
    return NetworkSpec(
        name=asked.name,
        driver=asked.driver,
        pools=[Pool(pool.subnet, pool.gateway, pool.ip_range, pool.auxiliary) for pool in asked.pools],
        enable_ipv4=asked.enable_ipv4,
        enable_ipv6=asked.enable_ipv6,
        internal=asked.internal,
        attachable=asked.attachable,
        config_only=asked.config_only,
        config_from=asked.config_from,
        options=asked.options,
        labels=asked.labels,
    )


def _texts(value: object) -> Mapping[str, str]:
    """A map of strings. Raises TypeError."""
    if not value:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not a map of strings")
    return {str(key): str(each) for key, each in value.items()}


def _pool_value(pool: Pool) -> Value:
    value: Value = {"Subnet": pool.subnet}
    if pool.ip_range:
        value["IPRange"] = pool.ip_range
    if pool.gateway:
        value["Gateway"] = pool.gateway
    if pool.auxiliary:
        value["AuxiliaryAddresses"] = dict(pool.auxiliary)
    return value


def _container_value(endpoint: Endpoint) -> Value:
    return {
        "Name": endpoint.container_name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": f"{endpoint.ip}/{endpoint.prefix}" if endpoint.ip else "",
        "IPv6Address": f"{endpoint.ip6}/{endpoint.prefix6}" if endpoint.ip6 else "",
    }
