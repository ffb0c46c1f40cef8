"""A container as `docker inspect` and `docker ps` show it.

Source: Docker Engine API v1.50, ContainerInspect, ContainerList.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maru.components.docker.model.container import Container, State, mount_value, state_value, status_text
from maru.components.docker.model.create import process_words
from maru.components.docker.model.networks import endpoint_value, port_list, port_map
from maru.contracts.container_network import Connectivity
from maru.core.document import Value
from maru.wire.docker.moments import moment_of


@dataclass(frozen=True, slots=True)
class View:
    """All that is shown. pid: 0 while it does not run. sizes: bytes written and bytes in all, None if not asked."""

    container: Container
    state: State
    pid: int = 0
    connectivity: Connectivity | None = None
    exec_ids: Sequence[str] = ()
    names: Sequence[str] = ()
    folder: Path = Path("/")
    log_path: str = ""
    sizes: tuple[int, int] | None = None


def inspected(view: View) -> Value:
    """The whole of it."""
    container, folder = view.container, view.folder
    words = process_words(container.config)
    shown: Value = {
        "Id": container.id,
        "Created": container.created,
        "Path": words[0] if words else "",
        "Args": words[1:],
        "State": state_value(view.state, view.pid),
        "Image": container.image_id,
        "ResolvConfPath": str(folder / "resolv.conf"),
        "HostnamePath": str(folder / "hostname"),
        "HostsPath": str(folder / "hosts"),
        "LogPath": view.log_path if container.log_driver == "json-file" else "",
        "Name": f"/{container.name}",
        "RestartCount": view.state.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(view.exec_ids) or None,
        "HostConfig": _host_config(container, view.names),
        "GraphDriver": {"Name": "overlay2", "Data": None},
        "Mounts": [mount_value(point) for point in container.mounts],
        "Config": container.config,
        "NetworkSettings": _network_settings(view),
    }
    if view.sizes is not None:
        shown["SizeRw"], shown["SizeRootFs"] = view.sizes
    return shown


def listed(view: View, now: datetime) -> Value:
    """One of a list."""
    container = view.container
    created = moment_of(container.created)
    shown: Value = {
        "Id": container.id,
        "Names": [f"/{name}" for name in view.names],
        "Image": container.image,
        "ImageID": container.image_id,
        "Command": " ".join(_quoted(word) for word in process_words(container.config)),
        "Created": int(created.timestamp()) if created else 0,
        "Ports": port_list(container, view.connectivity) if view.state.is_running else [],
        "Labels": container.config.get("Labels") or {},
        "State": view.state.state,
        "Status": status_text(view.state, now),
        "HostConfig": {"NetworkMode": container.network_mode},
        "NetworkSettings": {"Networks": _endpoints(view)},
        "Mounts": [mount_value(point) for point in container.mounts],
    }
    if view.sizes is not None:
        shown["SizeRw"], shown["SizeRootFs"] = view.sizes
    return shown


def _host_config(container: Container, names: Sequence[str]) -> Value:
    shown = dict(container.host_config)
    links = shown.get("Links")
    if links and container.network_mode == "bridge":
        pairs = [entry.partition(":")[::2] for entry in links]
        shown["Links"] = [
            f"/{name.removeprefix('/')}:/{container.name}/{alias or name.removeprefix('/')}" for name, alias in pairs
        ]
    return shown


def _network_settings(view: View) -> Value:
    endpoints = _endpoints(view)
    first: Mapping[str, object] = endpoints.get("bridge") or {}
    shown: Value = {
        "Bridge": "",
        "SandboxID": view.container.id if view.connectivity else "",
        "SandboxKey": str(view.folder / "namespaces" / "net") if view.connectivity else "",
        "Ports": port_map(view.container, view.connectivity) if view.state.is_running else {},
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
    }
    for name, empty in (
        ("EndpointID", ""),
        ("Gateway", ""),
        ("GlobalIPv6Address", ""),
        ("GlobalIPv6PrefixLen", 0),
        ("IPAddress", ""),
        ("IPPrefixLen", 0),
        ("IPv6Gateway", ""),
        ("MacAddress", ""),
    ):
        shown[name] = first.get(name, empty)
    return shown | {"Networks": endpoints}


def _endpoints(view: View) -> Value:
    container = view.container
    now = {each.network_name: each for each in view.connectivity.endpoints} if view.connectivity else {}
    names = dict.fromkeys([*container.networks, *now])
    shown = {}
    for name in names:
        settings = container.networks.get(name) or {}
        shown[name] = endpoint_value(settings, now.get(name))
    return shown


def _quoted(word: str) -> str:
    if not word or any(mark in word for mark in " \t\"'\\"):
        escaped = word.replace("'", "'\\''")
        return f"'{escaped}'"
    return word
