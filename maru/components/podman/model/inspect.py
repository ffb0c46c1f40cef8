"""A container as `podman inspect` shows it, out of what the Engine API says.

podman 5 has lists and names where podman 4 had texts and numbers, so the client's version counts.
Source: podman 5.5 and 4.3, libpod/define/container_inspect.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from signal import Signals

from maru.components.podman.model.names import bare, podman_network
from maru.components.podman.model.remembered import ANNOTATION, Remembered, of_host_config
from maru.core.document import Value
from maru.wire.docker.signals import parse_signal

ON_FAILURE = ("none", "none", "kill", "restart", "stop")


@dataclass(frozen=True, slots=True)
class View:
    """engine: the Engine API's inspect. status: podman's word. image_name: the full one; image_digest: or "".

    root_path: of its root file system, "" where it is not laid out.
    """

    engine: Value
    status: str
    image_name: str = ""
    image_digest: str = ""
    root_path: str = ""

    @property
    def id(self) -> str:
        return str(self.engine["Id"])

    @property
    def name(self) -> str:
        return str(self.engine["Name"]).removeprefix("/")

    @property
    def remembered(self) -> Remembered:
        return of_host_config(self.engine["HostConfig"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.engine["Config"].get("Labels") or {})

    @property
    def is_running(self) -> bool:
        return self.status in ("running", "paused")


def inspected(view: View, major: int) -> Value:
    """The whole of it for a client of libpod `major`."""
    engine, remembered = view.engine, view.remembered
    driver = {"Name": "overlay", "Data": {"MergedDir": view.root_path} if view.root_path else {}}
    folder = str(engine["HostsPath"]).rpartition("/")[0]
    shown: Value = {
        "Id": view.id,
        "Created": engine["Created"],
        "Path": engine["Path"],
        "Args": engine["Args"],
        "State": _state(view),
        "Image": bare(engine["Image"]),
        "ImageDigest": view.image_digest,
        "ImageName": view.image_name,
        "Rootfs": "",
        "Pod": remembered.pod,
        "ResolvConfPath": engine["ResolvConfPath"],
        "HostnamePath": engine["HostnamePath"],
        "HostsPath": engine["HostsPath"],
        "StaticDir": folder,
        "OCIRuntime": engine["HostConfig"]["Runtime"],
        "ConmonPidFile": "",
        "PidFile": "",
        "Name": view.name,
        "RestartCount": engine["RestartCount"],
        "Driver": "overlay",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": engine.get("AppArmorProfile") or "",
        "EffectiveCaps": [],
        "BoundingCaps": [],
        "ExecIDs": engine.get("ExecIDs") or [],
        "GraphDriver": driver,
        "Mounts": [mount_value(mount, remembered) for mount in visible_mounts(view)],
        "Dependencies": _dependencies(engine["HostConfig"]),
        "NetworkSettings": _network_settings(view),
        "Namespace": "",
        "IsInfra": remembered.is_infra,
        "IsService": False,
        "KubeExitCodePropagation": "invalid",
        "lockNumber": 0,
        "Config": _config(view, major),
        "HostConfig": _host_config(view),
    }
    for name in ("SizeRw", "SizeRootFs"):
        if name in engine:
            shown[name] = engine[name]
    return shown


def visible_mounts(view: View) -> Sequence[Value]:
    """Without those that are how secrets and the time zone get in, and without tmpfs, as podman."""
    remembered = view.remembered
    hidden = remembered.secret_folder
    return [
        mount
        for mount in view.engine["Mounts"]
        if mount["Type"] != "tmpfs"
        and not (hidden and str(mount["Source"]).startswith(f"{hidden}/"))
        and not (remembered.timezone and mount["Destination"] == "/etc/localtime")
    ]


def mount_value(mount: Value, remembered: Remembered) -> Value:
    """One of `Mounts`."""
    return {
        "Type": mount["Type"],
        "Name": mount.get("Name", ""),
        "Source": mount["Source"],
        "Destination": mount["Destination"],
        "Driver": mount.get("Driver", ""),
        "Mode": "",
        "Options": remembered.options.get(mount["Destination"]) or ["rbind"],
        "RW": mount["RW"],
        "Propagation": mount.get("Propagation") or "rprivate",
    }


def port_map(view: View) -> Value:
    """Ports as published, or where it does not run, as they will be."""
    now: Value = view.engine["NetworkSettings"].get("Ports") or {}
    if view.is_running and now:
        return now
    asked: Value = view.engine["HostConfig"].get("PortBindings") or {}
    exposed: Value = view.engine["Config"].get("ExposedPorts") or {}
    return {**dict.fromkeys(exposed), **asked}


def _state(view: View) -> Value:
    state = view.engine["State"]
    shown: Value = {
        "OciVersion": "1.0.2",
        "Status": view.status,
        "Running": view.status == "running",
        "Paused": view.status == "paused",
        "Restarting": state["Restarting"],
        "OOMKilled": state["OOMKilled"],
        "Dead": state["Dead"],
        "Pid": state["Pid"],
        "ExitCode": state["ExitCode"],
        "Error": state["Error"],
        "StartedAt": state["StartedAt"],
        "FinishedAt": state["FinishedAt"],
        "CheckpointedAt": "0001-01-01T00:00:00Z",
        "RestoredAt": "0001-01-01T00:00:00Z",
    }
    health = state.get("Health")
    if health is not None:
        shown["Health"] = {**health, "Log": health.get("Log") or []}
    return shown


def _config(view: View, major: int) -> Value:
    config, remembered = dict(view.engine["Config"]), view.remembered
    signal = config.get("StopSignal") or "SIGTERM"
    number = parse_signal(str(signal))
    hidden = set(remembered.secret_env)
    annotations: Value = dict(view.engine["HostConfig"].get("Annotations") or {})
    annotations.pop(ANNOTATION, None)
    words: list[str] = config.get("Entrypoint") or []
    shown = config | {
        "Env": [entry for entry in config.get("Env") or () if entry.partition("=")[0] not in hidden],
        "Image": view.image_name,
        "Labels": view.labels,
        "Entrypoint": words if major >= 5 else " ".join(words),
        "StopSignal": Signals(number).name if major >= 5 else number,
        "Annotations": {"io.container.manager": "libpod", **annotations} if remembered.is_libpod else annotations,
        "HealthcheckOnFailureAction": ON_FAILURE[remembered.on_failure],
        "CreateCommand": remembered.command or None,
        "Timezone": remembered.timezone or None,
        "Umask": "0022",
        "Timeout": 0,
        "StopTimeout": 10 if config.get("StopTimeout") is None else config["StopTimeout"],
        "Passwd": True,
        "Secrets": [
            {k: v for k, v in each.items() if k in ("Name", "ID", "UID", "GID", "Mode")} for each in remembered.secrets
        ],
        "sdNotifyMode": "container",
    }
    return {name: value for name, value in shown.items() if value is not None}


def _host_config(view: View) -> Value:
    engine, remembered = dict(view.engine["HostConfig"]), view.remembered
    annotations: Value = dict(engine.pop("Annotations", None) or {})
    annotations.pop(ANNOTATION, None)
    engine.pop("Mounts", None)
    log = engine["LogConfig"]
    path = str(view.engine.get("LogPath") or "")
    return engine | {
        "Binds": [*remembered.binds, *(engine.get("Binds") or ())],
        "Tmpfs": {**(engine.get("Tmpfs") or {}), **remembered.tmpfs},
        "NetworkMode": podman_network(engine["NetworkMode"]) if engine["NetworkMode"] != "bridge" else "bridge",
        "CgroupManager": "cgroupfs",
        "CgroupMode": engine.get("CgroupnsMode") or "host",
        "Cgroups": "default",
        "LogConfig": {"Type": log["Type"], "Config": log["Config"] or None, "Path": path, "Tag": "", "Size": "0B"},
        "Annotations": annotations,
        "UTSMode": engine.get("UTSMode") or "private",
        "PidMode": engine.get("PidMode") or "private",
        "PidsLimit": engine.get("PidsLimit") or 0,
        "ExtraHosts": engine.get("ExtraHosts") or [],
        "SecurityOpt": engine.get("SecurityOpt") or [],
        "CapAdd": engine.get("CapAdd") or [],
        "CapDrop": engine.get("CapDrop") or [],
        "GroupAdd": engine.get("GroupAdd") or [],
        "VolumesFrom": engine.get("VolumesFrom"),
        "MemorySwappiness": engine.get("MemorySwappiness") or 0,
        "OomKillDisable": bool(engine.get("OomKillDisable")),
        "Init": bool(engine.get("Init")),
        "IntelRdtClosID": "",
        "DiskQuota": 0,
        "KernelMemory": 0,
    }


def _network_settings(view: View) -> Value:
    engine = view.engine["NetworkSettings"]
    networks = {podman_network(name): _endpoint(name, value) for name, value in (engine.get("Networks") or {}).items()}
    networks = {name: value for name, value in networks.items() if name not in ("host", "none")}
    first: Value = next(iter(networks.values()), {})
    shown: Value = {name: first.get(name, empty) for name, empty in _ADDRESSES}
    return shown | {
        "Bridge": "",
        "SandboxID": engine.get("SandboxID") or "",
        "SandboxKey": engine.get("SandboxKey") or "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": port_map(view),
        "Networks": networks,
    }


_ADDRESSES: tuple[tuple[str, object], ...] = (
    ("EndpointID", ""),
    ("Gateway", ""),
    ("GlobalIPv6Address", ""),
    ("GlobalIPv6PrefixLen", 0),
    ("IPAddress", ""),
    ("IPPrefixLen", 0),
    ("IPv6Gateway", ""),
    ("MacAddress", ""),
)


def _endpoint(name: str, value: Value) -> Value:
    shown = {key: value.get(key, empty) for key, empty in _ADDRESSES}
    network = podman_network(name)
    return shown | {
        "NetworkID": network,
        "DriverOpts": value.get("DriverOpts"),
        "IPAMConfig": value.get("IPAMConfig"),
        "Links": value.get("Links"),
        "Aliases": value.get("Aliases") or [],
    }


def _dependencies(host: Value) -> list[str]:
    modes = [str(host.get(name) or "") for name in ("NetworkMode", "IpcMode", "PidMode")]
    return list(dict.fromkeys(mode.partition(":")[2] for mode in modes if mode.startswith("container:")))
