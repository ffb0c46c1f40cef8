"""Which records a Service has. Source: Kubernetes DNS-Based Service Discovery 1.1, sections 2.3 to 2.5.

Values are plain: a `Records` maps (name, type) to contents. Endpoints without a hostname get the
identifier that CoreDNS gives them, their address with dashes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maru.core.document import Value
from maru.wire.dns.message import AAAA, CNAME, PTR, SRV, A, service_content
from maru.wire.dns.names import BadName, encode_name

Records = dict[tuple[bytes, int], list[bytes]]
"""(name, type) to contents; a content stands once."""

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class ReadyEndpoint:
    """address: IPv4 or IPv6; ports: (name, protocol in lower case, number)."""

    address: str
    hostname: str
    ports: tuple[tuple[str, str, int], ...]


def service_records(service: Value, slices: Sequence[Value], domain: bytes) -> Records:
    """All records of one Service; `domain` is the cluster's name."""
    metadata, spec = service["metadata"], service["spec"]
    records: Records = {}
    try:
        name = encode_name(f"{metadata['name']}.{metadata['namespace']}.svc")[:-1] + domain
        if spec.get("type") == "ExternalName":
            _add(records, name, CNAME, encode_name(spec.get("externalName") or "invalid"))
            return records
        addresses = [address for address in spec.get("clusterIPs") or [spec.get("clusterIP") or ""] if address]
        if not addresses or addresses == ["None"]:
            _headless(records, name, _ready(slices, bool(spec.get("publishNotReadyAddresses"))))
            return records
        for address in addresses:
            _add_address(records, name, address)
            _add(records, reverse_of(address), PTR, name)
        for port in spec.get("ports") or []:
            owner = _port_owner(name, port.get("name") or "", port.get("protocol") or "TCP")
            _add_service(records, owner, port["port"], name)
    except BadName:
        return {}
    return records


def reverse_of(address: str) -> bytes:
    """Where the PTR record of an address stands. Raises BadName when it is none."""
    try:
        return encode_name(ipaddress.ip_address(address).reverse_pointer)
    except ValueError as error:
        raise BadName(str(error)) from error


def _headless(records: Records, name: bytes, endpoints: Iterator[ReadyEndpoint]) -> None:
    for endpoint in endpoints:
        hostname = encode_name(endpoint.hostname or _dashed(endpoint.address))[:-1] + name
        _add_address(records, name, endpoint.address)
        _add_address(records, hostname, endpoint.address)
        _add(records, reverse_of(endpoint.address), PTR, hostname)
        for port_name, protocol, number in endpoint.ports:
            _add_service(records, _port_owner(name, port_name, protocol), number, hostname)


def _ready(slices: Sequence[Value], is_any_published: bool) -> Iterator[ReadyEndpoint]:
    for piece in slices:
        ports = tuple(
            (port.get("name") or "", port.get("protocol") or "TCP", port.get("port") or 0)
            for port in piece.get("ports") or []
        )
        for endpoint in piece.get("endpoints") or []:
            ready = (endpoint.get("conditions") or {}).get("ready")
            if ready is False and not is_any_published:
                continue
            for address in endpoint["addresses"]:
                yield ReadyEndpoint(address, endpoint.get("hostname") or "", ports)


def _port_owner(name: bytes, port_name: str, protocol: str) -> bytes:
    """_port._protocol.name; empty for a port without a name, which has no SRV record."""
    return encode_name(f"_{port_name}._{protocol}")[:-1] + name if port_name else b""


def _add_service(records: Records, owner: bytes, number: int, target: bytes) -> None:
    if owner:
        _add(records, owner, SRV, service_content(number, target))


def _add_address(records: Records, name: bytes, address: str) -> None:
    packed = ipaddress.ip_address(address).packed
    _add(records, name, A if len(packed) == 4 else AAAA, packed)


def _add(records: Records, name: bytes, kind: int, content: bytes) -> None:
    contents = records.setdefault((name, kind), [])
    if content not in contents:
        contents.append(content)


def _dashed(address: str) -> str:
    return address.replace(".", "-").replace(":", "-")
