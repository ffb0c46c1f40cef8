"""A SpecGenerator as the Engine API's ContainerCreate asks for the same.

Source: podman pkg/specgen/generate/*.go, pkg/specgen/namespaces.go; Docker Engine API v1.50, ContainerCreate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maru.components.podman.model import mounts, refused
from maru.components.podman.model.names import engine_network
from maru.components.podman.model.remembered import ANNOTATION, Remembered, kept
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported
from maru.wire.libpod.spec import ContainerSpec, Namespace, NetworkOptions, Port
from maru.wire.oci.confinement import MASKED_PATHS, READONLY_PATHS

LOG_DRIVERS = {"k8s-file": "json-file", "json-file": "json-file", "none": "none", "": "json-file"}


@dataclass(frozen=True, slots=True)
class PodShare:
    """What a container gets of its pod. infra: the infra container's id, or ""; shared: net, ipc, uts, pid."""

    pod: str
    infra: str = ""
    shared: tuple[str, ...] = ()


def create_body(spec: ContainerSpec, image: str, share: PodShare | None, remembered: Remembered) -> Value:
    """image: as the engine knows it. Raises Invalid, NotSupported."""
    refused.check(spec)
    networks = joined_networks(spec)
    remembered.is_libpod = True
    remembered.pod = share.pod if share is not None else ""
    remembered.on_failure = spec.health_check_on_failure_action or 0
    remembered.command = list(spec.create_command or ())
    remembered.timezone = spec.timezone
    host = _host_config(spec, remembered)
    host |= _modes(spec, share, networks)
    body: Value = {
        "Image": image,
        "Hostname": spec.hostname,
        "User": spec.user,
        "WorkingDir": spec.work_dir,
        "Env": _environment(spec),
        "Labels": dict(spec.labels or {}),
        "Tty": bool(spec.terminal),
        "OpenStdin": bool(spec.stdin),
        "StdinOnce": bool(spec.stdin),
        "Cmd": spec.command,
        "Entrypoint": _entrypoint(spec.entrypoint),
        "ExposedPorts": _exposed(spec),
        "Healthcheck": _health(spec),
        "HostConfig": host,
    }
    if spec.stop_signal is not None:
        body["StopSignal"] = str(spec.stop_signal)
    if spec.stop_timeout is not None:
        body["StopTimeout"] = spec.stop_timeout
    if networks:
        endpoints = {engine_network(name): _endpoint(spec, options) for name, options in networks.items()}
        body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    host["Annotations"] = {**(spec.annotations or {}), ANNOTATION: kept(remembered)}
    return body


def joined_networks(spec: ContainerSpec) -> Mapping[str, NetworkOptions | None]:
    """By name, in the order that they are joined."""
    return spec.networks or {name: None for name in spec.cni_networks or () if name}


def port_bindings(ports: Sequence[Port]) -> Value:
    """`PortBindings`. Raises Invalid."""
    bindings: Value = {}
    for port in ports:
        if not 0 < port.container_port < 65536:
            raise Invalid(what=f"container port {port.container_port} is not 1..65535", why="")
        for protocol in (port.protocol or "tcp").split(","):
            for step in range(max(1, port.range)):
                key = f"{port.container_port + step}/{protocol.strip().lower()}"
                host_port = str(port.host_port + step) if port.host_port else ""
                bindings.setdefault(key, []).append({"HostIp": port.host_ip, "HostPort": host_port})
    return bindings


def _host_config(spec: ContainerSpec, remembered: Remembered) -> Value:
    host: Value = {
        "Binds": [],
        "Mounts": mounts.engine_mounts(spec, remembered),
        "VolumesFrom": spec.volumes_from,
        "PortBindings": port_bindings(spec.portmappings or ()),
        "PublishAllPorts": bool(spec.publish_image_ports),
        "RestartPolicy": {"Name": spec.restart_policy or "no", "MaximumRetryCount": spec.restart_tries or 0},
        "AutoRemove": bool(spec.remove),
        "Init": bool(spec.init),
        "Privileged": bool(spec.privileged),
        "CapAdd": spec.cap_add,
        "CapDrop": spec.cap_drop,
        "GroupAdd": spec.groups,
        "SecurityOpt": _security(spec),
        "ReadonlyRootfs": bool(spec.read_only_filesystem),
        "Sysctls": dict(spec.sysctl or {}) or None,
        "OomScoreAdj": spec.oom_score_adj or 0,
        "ShmSize": spec.shm_size or 0,
        "CgroupParent": spec.cgroup_parent,
        "Runtime": spec.oci_runtime,
        "Dns": spec.dns_server or [],
        "DnsSearch": spec.dns_search or [],
        "DnsOptions": spec.dns_option or [],
        "ExtraHosts": spec.hostadd,
        "Devices": [_device(device) for device in spec.devices or ()],
        "DeviceCgroupRules": [_device_rule(rule) for rule in spec.device_cgroup_rule or ()] or None,
        "Ulimits": [
            {"Name": limit.type.lower().removeprefix("rlimit_"), "Soft": limit.soft, "Hard": limit.hard}
            for limit in spec.r_limits or ()
        ],
        "LogConfig": _log(spec),
    }
    return host | resources(spec.resource_limits or {}) | _paths(spec) | _block_io(spec)


def resources(limits: Value) -> Value:
    """OCI resource limits as HostConfig says them. Raises Invalid, NotSupported."""
    cpu, memory, pids, block = (_section(limits, name) for name in ("cpu", "memory", "pids", "blockIO"))
    for name in ("network", "rdma", "hugepageLimits", "unified", "devices"):
        if limits.get(name):
            raise NotSupported(what=f"resource_limits.{name} is not supported", why="", fix="leave it out")
    for name in ("kernel", "kernelTCP"):
        if memory.get(name):
            raise NotSupported(what=f"resource_limits.memory.{name} is not supported", why="", fix="leave it out")
    asked: Value = {
        "CpuShares": cpu.get("shares"),
        "CpuQuota": cpu.get("quota"),
        "CpuPeriod": cpu.get("period"),
        "CpuRealtimePeriod": cpu.get("realtimePeriod"),
        "CpuRealtimeRuntime": cpu.get("realtimeRuntime"),
        "CpusetCpus": cpu.get("cpus"),
        "CpusetMems": cpu.get("mems"),
        "Memory": memory.get("limit"),
        "MemoryReservation": memory.get("reservation"),
        "MemorySwap": memory.get("swap"),
        "MemorySwappiness": memory.get("swappiness"),
        "OomKillDisable": memory.get("disableOOMKiller"),
        "PidsLimit": pids.get("limit"),
        "BlkioWeight": block.get("weight"),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _section(limits: Value, name: str) -> Value:
    section = limits.get(name) or {}
    if not isinstance(section, dict) or not all(isinstance(each, str | int | None) for each in section.values()):
        raise Invalid(what=f"{name} of the resource limits cannot be read: {section!r}", why="")
    return section


def _modes(spec: ContainerSpec, share: PodShare | None, networks: Mapping[str, object]) -> Value:
    user = spec.userns.nsmode if spec.userns else ""
    if user not in ("", "host", "default", "private", "pod"):
        raise NotSupported(what=f"user namespace mode {user!r} is not supported", why="")
    modes: Value = {
        "NetworkMode": _mode(spec.netns, share, "net"),
        "PidMode": _mode(spec.pidns, share, "pid"),
        "IpcMode": _mode(spec.ipcns, share, "ipc"),
        "UTSMode": _mode(spec.utsns, share, "uts"),
        "CgroupnsMode": _mode(spec.cgroupns, share, "cgroup"),
    }
    net = modes["NetworkMode"]
    if modes["UTSMode"].startswith("container:"):
        if modes["UTSMode"] != net:
            raise NotSupported(what="a UTS namespace is shared together with the network namespace only", why="")
        modes["UTSMode"] = ""
    elif net.startswith("container:") and modes["UTSMode"] != "host":
        modes["UTSMode"] = "private"
    if modes["IpcMode"] in ("", "shareable", "private") and not modes["IpcMode"].startswith("container:"):
        modes["IpcMode"] = "shareable" if modes["IpcMode"] != "private" else "private"
    if net in ("", "private", "default", "bridge"):
        modes["NetworkMode"] = engine_network(next(iter(networks), "")) if networks else "bridge"
    elif net not in ("host", "none") and not net.startswith("container:"):
        raise NotSupported(what=f"network mode {net!r} is not supported", why="", fix="use bridge, host, none")
    elif networks or spec.portmappings:
        if share is not None and net == f"container:{share.infra}":
            raise Invalid(what="network cannot be configured when it is shared with a pod", why="")
        if networks:
            raise Invalid(what=f"networks and the network mode {net} cannot be used together", why="")
    return modes


def _mode(asked: Namespace | None, share: PodShare | None, kind: str) -> str:
    """ "" for the default, container:ID, or what was asked for. Raises Invalid, NotSupported."""
    mode, value = (asked.nsmode, asked.value) if asked is not None else ("", "")
    if ":" in mode and not value:
        mode, _, value = mode.partition(":")
    if mode in ("", "default", "pod") and share is not None and share.infra and kind in share.shared:
        return f"container:{share.infra}"
    if mode == "pod":
        if share is None:
            raise Invalid(what=f"the {kind} namespace of a pod is asked for, and there is no pod", why="")
        return ""
    if mode == "container":
        return f"container:{value}"
    if mode in ("path", "ns"):
        raise NotSupported(what=f"a {kind} namespace by its path is not supported", why="")
    return "" if mode == "default" else mode


def _endpoint(spec: ContainerSpec, options: NetworkOptions | None) -> Value:
    given = options or NetworkOptions()
    addresses = [*(given.static_ips or ()), *([spec.static_ip] if spec.static_ip else [])]
    if given.interface_name not in ("", "eth0"):
        raise NotSupported(what="names of network interfaces are not supported", why="", fix="leave interface_name out")
    settings: Value = {"Aliases": given.aliases}
    if addresses:
        settings["IPAMConfig"] = {
            "IPv4Address": next((each for each in addresses if ":" not in each), ""),
            "IPv6Address": next((each for each in addresses if ":" in each), ""),
        }
    if given.static_mac or spec.static_mac:
        settings["MacAddress"] = given.static_mac or spec.static_mac
    if given.options:
        settings["DriverOpts"] = dict(given.options)
    return settings


def _environment(spec: ContainerSpec) -> list[str]:
    given = {"container": "podman", **(spec.env or {})}
    entries = [name if value is None else f"{name}={value}" for name, value in given.items()]
    return entries + [name for name in spec.unsetenv or () if name not in given]


def _entrypoint(given: list[str] | str | None) -> list[str] | None:
    if given is None:
        return None
    words = [given] if isinstance(given, str) else list(given)
    return words or [""]


def _exposed(spec: ContainerSpec) -> Value:
    exposed: Value = {}
    for port, protocols in (spec.expose or {}).items():
        exposed |= {f"{port}/{protocol.strip() or 'tcp'}": {} for protocol in protocols.split(",")}
    return exposed | {port: {} for port in port_bindings(spec.portmappings or ())}


def _health(spec: ContainerSpec) -> Value | None:
    if spec.no_healthcheck:
        return {"Test": ["NONE"]}
    check = spec.healthconfig
    if check is None:
        return None
    words = list(check.Test or ())
    if words and words[0] not in ("NONE", "CMD", "CMD-SHELL"):
        words = ["CMD", *words]
    return {
        "Test": words or None,
        "Interval": check.Interval,
        "Timeout": check.Timeout,
        "StartPeriod": check.StartPeriod,
        "Retries": check.Retries,
    }


def _security(spec: ContainerSpec) -> list[str]:
    options = ["no-new-privileges"] if spec.no_new_privileges else []
    if spec.seccomp_profile_path == "unconfined":
        options.append("seccomp=unconfined")
    if spec.apparmor_profile:
        options.append(f"apparmor={spec.apparmor_profile}")
    return options


def _paths(spec: ContainerSpec) -> Value:
    if not spec.mask and not spec.unmask:
        return {}
    shown = {part for text in spec.unmask or () for part in text.split(":")}
    if "ALL" in shown:
        return {"MaskedPaths": list(spec.mask or ()), "ReadonlyPaths": []}
    hidden = [*MASKED_PATHS, *(part for text in spec.mask or () for part in text.split(":"))]
    return {
        "MaskedPaths": [path for path in hidden if path not in shown],
        "ReadonlyPaths": [path for path in READONLY_PATHS if path not in shown],
    }


def _block_io(spec: ContainerSpec) -> Value:
    asked = {
        "BlkioWeightDevice": _by_device(spec.weight_device, "weight", "Weight"),
        "BlkioDeviceReadBps": _by_device(spec.throttle_read_bps, "rate", "Rate"),
        "BlkioDeviceWriteBps": _by_device(spec.throttle_write_bps, "rate", "Rate"),
        "BlkioDeviceReadIOps": _by_device(spec.throttle_read_iops, "rate", "Rate"),
        "BlkioDeviceWriteIOps": _by_device(spec.throttle_write_iops, "rate", "Rate"),
    }
    return {name: value for name, value in asked.items() if value}


def _by_device(given: Value | None, name: str, engine_name: str) -> list[Value]:
    return [{"Path": path, engine_name: entry.get(name) or 0} for path, entry in (given or {}).items()]


def _device(device: Value) -> Value:
    path, _, rest = str(device.get("path") or "").partition(":")
    target, _, access = rest.partition(":")
    if target and not target.startswith("/"):
        target, access = "", target
    return {"PathOnHost": path, "PathInContainer": target or path, "CgroupPermissions": access or "rwm"}


def _device_rule(rule: Value) -> str:
    numbers = [rule.get("major"), rule.get("minor")]
    major, minor = ("*" if number in (None, -1) else str(number) for number in numbers)
    return f"{rule.get('type') or 'a'} {major}:{minor} {rule.get('access') or 'rwm'}"


def _log(spec: ContainerSpec) -> Value:
    asked = spec.log_configuration
    driver = (asked.driver if asked is not None else "") or ""
    if driver not in LOG_DRIVERS:
        raise NotSupported(
            what=f"log driver {driver!r} is not supported", why="", fix="use k8s-file, json-file or none"
        )
    config = {"max-size": str(asked.size)} if asked is not None and asked.size else {}
    if asked is not None and asked.path:
        raise NotSupported(what="paths of logs are not supported", why="", fix="leave log_configuration.path out")
    options = {name: value for name, value in ((asked.options if asked else None) or {}).items() if name != "path"}
    return {"Type": LOG_DRIVERS[driver], "Config": {**options, **config}}
