"""Networks of a container, between the Engine API's words and the contract's.

Source: Docker Engine API v1.50, EndpointSettings, PortMap; contracts/container_network.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maru.components.docker.model.container import Container
from maru.contracts.container_network import Connectivity, Endpoint, Join, PortRequest, PublishedPort
from maru.core.document import Value
from maru.wire.docker.ports import parse_host_ports, parse_port

Resolve = Callable[[str], str]
"""A container's id by any reference."""


def joins_of(container: Container, resolve: Resolve) -> Sequence[Join]:
    """The networks it is to join: that of its mode first, unless it was disconnected from it; none if from all."""
    mode = container.network_mode
    names = sorted(container.networks, key=lambda name: name != mode) or ["none"]
    return [join_of(name, container.networks.get(name) or {}, container, resolve) for name in names]


def join_of(network: str, settings: Value, container: Container, resolve: Resolve) -> Join:
    """One of them."""
    addresses = settings.get("IPAMConfig") or {}
    is_own = network not in ("bridge", "host", "none")
    aliases = list(settings.get("Aliases") or ())
    if is_own:
        aliases += [container.id[:12]]
        if container.config.get("Hostname") and container.config["Hostname"] not in aliases:
            aliases.append(container.config["Hostname"])
    links = list(settings.get("Links") or ())
    if is_own and network == container.network_mode:
        links += list(container.host_config.get("Links") or ())
    pairs = [entry.partition(":")[::2] for entry in links]
    return Join(
        network=network,
        aliases=aliases,
        links=[(resolve(name), alias or name) for name, alias in pairs],
        ip=addresses.get("IPv4Address") or "",
        ip6=addresses.get("IPv6Address") or "",
        mac=settings.get("MacAddress") or "",
        link_local_ips=addresses.get("LinkLocalIPs") or (),
        driver_options=settings.get("DriverOpts") or {},
        gateway_priority=int(settings.get("GwPriority") or 0),
    )


def port_requests(container: Container) -> Sequence[PortRequest]:
    """What is to be published. Raises ValueError for what create has let through by mistake."""
    host = container.host_config
    requests = []
    for port, bindings in (host["PortBindings"] or {}).items():
        first, last, protocol = parse_port(port)
        for number in range(first, last + 1):
            for binding in bindings or [{}]:
                low, high = parse_host_ports(str(binding.get("HostPort") or ""))
                requests.append(PortRequest(number, protocol, binding.get("HostIp") or "", low, high))
    if host["PublishAllPorts"]:
        bound = {(request.container_port, request.protocol) for request in requests}
        for port in container.config.get("ExposedPorts") or {}:
            first, last, protocol = parse_port(port)
            requests += [
                PortRequest(number, protocol) for number in range(first, last + 1) if (number, protocol) not in bound
            ]
    return requests


def port_map(container: Container, connectivity: Connectivity | None) -> Value:
    """`NetworkSettings.Ports`: exposed ones without a binding are null."""
    shown: Value = {}
    if connectivity is None:
        return shown
    for port in (*(container.config.get("ExposedPorts") or {}), *(container.host_config["PortBindings"] or {})):
        first, last, protocol = parse_port(port)
        for number in range(first, last + 1):
            shown.setdefault(f"{number}/{protocol}", None)
    for port_now in connectivity.ports:
        key = f"{port_now.container_port}/{port_now.protocol}"
        shown[key] = [*(shown.get(key) or ()), {"HostIp": port_now.host_ip, "HostPort": str(port_now.host_port)}]
    return shown


def port_list(container: Container, connectivity: Connectivity | None) -> list[Value]:
    """`Ports` of a list."""
    shown: list[Value] = []
    for key, bindings in port_map(container, connectivity).items():
        number, _, protocol = key.partition("/")
        if not bindings:
            shown.append({"PrivatePort": int(number), "Type": protocol})
        for binding in bindings or ():
            place = {"PublicPort": int(binding["HostPort"]), "Type": protocol}
            shown.append({"IP": binding["HostIp"], "PrivatePort": int(number)} | place)
    return shown


def port_words(ports: Sequence[PublishedPort]) -> str:
    """As people read them: 0.0.0.0:8080->80/tcp."""
    shown = []
    for port in ports:
        address = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
        shown.append(f"{address}:{port.host_port}->{port.container_port}/{port.protocol}")
    return ", ".join(shown)


def endpoint_value(settings: Value, endpoint: Endpoint | None) -> Value:
    """One of `NetworkSettings.Networks`. settings: what was asked for; endpoint: None while it does not run."""
    shown: Value = {
        "IPAMConfig": settings.get("IPAMConfig"),
        "Links": settings.get("Links"),
        "Aliases": settings.get("Aliases"),
        "MacAddress": "",
        "DriverOpts": settings.get("DriverOpts"),
        "GwPriority": settings.get("GwPriority") or 0,
        "NetworkID": "",
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }
    if endpoint is None:
        return shown | {"MacAddress": settings.get("MacAddress") or ""}
    return shown | {
        "MacAddress": endpoint.mac,
        "NetworkID": endpoint.network_id,
        "EndpointID": endpoint.id,
        "Gateway": endpoint.gateway,
        "IPAddress": endpoint.ip,
        "IPPrefixLen": endpoint.prefix,
        "IPv6Gateway": endpoint.gateway6,
        "GlobalIPv6Address": endpoint.ip6,
        "GlobalIPv6PrefixLen": endpoint.prefix6,
        "DNSNames": list(endpoint.dns_names) or None,
    }


def legacy_links(own_name: str, alias: str, other: Container, address: str) -> list[str]:
    """Variables that a link on the default bridge brings. Source: Docker's documentation, "Legacy container links"."""
    prefix = alias.upper().replace("-", "_")
    entries = [f"{prefix}_NAME=/{own_name}/{alias}"]
    ports = sorted(other.config.get("ExposedPorts") or {})
    for place, port in enumerate(ports):
        number, _, protocol = port.partition("/")
        protocol = protocol or "tcp"
        url = f"{protocol}://{address}:{number}"
        if place == 0:
            entries.append(f"{prefix}_PORT={url}")
        base = f"{prefix}_PORT_{number}_{protocol.upper()}"
        entries += [f"{base}={url}", f"{base}_ADDR={address}", f"{base}_PORT={number}", f"{base}_PROTO={protocol}"]
    for entry in other.config.get("Env") or ():
        name, _, value = entry.partition("=")
        if name not in ("HOME", "PATH"):
            entries.append(f"{prefix}_ENV_{name}={value}")
    return entries
