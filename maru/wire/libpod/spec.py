"""What is asked of a container and of a pod: SpecGenerator and PodSpecGenerator.

Names and shapes are podman's; fields that are not named here podman would not act upon, or they stand in the
list of those that are refused. Source: podman 5.5, pkg/specgen/specgen.go, podspecgen.go; pkg/specgen/namespaces.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

Json = dict[str, Any]
T = TypeVar("T", bound=msgspec.Struct)


class Namespace(msgspec.Struct):
    """nsmode: private, host, container, pod, path, bridge, none, default and so on; value: of container and path."""

    nsmode: str = ""
    value: str = ""


class NamedVolume(msgspec.Struct):
    """A volume by name; an empty one is anonymous."""

    Name: str = ""
    Dest: str = ""
    Options: list[str] | None = None
    SubPath: str = ""
    IsAnonymous: bool = False


class Mount(msgspec.Struct):
    """A mount as the OCI configuration says it. type: bind, tmpfs, volume and others."""

    destination: str = ""
    type: str = "bind"
    source: str = ""
    options: list[str] | None = None


class Port(msgspec.Struct):
    """range: how many in a row, 0 and 1 for one. host_port 0: any free one. protocol: several with commas."""

    container_port: int = 0
    host_port: int = 0
    host_ip: str = ""
    protocol: str = "tcp"
    range: int = 0


class SecretUse(msgspec.Struct):
    """A secret as a file. source: its name or id; target "": /run/secrets/NAME."""

    source: str = ""
    target: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0


class Healthy(msgspec.Struct):
    """A health check; times in nanoseconds."""

    Test: list[str] | None = None
    Interval: int = 0
    Timeout: int = 0
    StartPeriod: int = 0
    Retries: int = 0


class LogConfiguration(msgspec.Struct):
    """size: bytes at which the log is turned over, 0 for never."""

    driver: str | None = None
    path: str | None = None
    size: int | None = None
    options: Mapping[str, str] | None = None


class NetworkOptions(msgspec.Struct):
    """One network that is joined."""

    static_ips: list[str] | None = None
    aliases: list[str] | None = None
    static_mac: str = ""
    interface_name: str = ""
    options: Mapping[str, str] | None = None


class Limit(msgspec.Struct):
    """One of r_limits; -1 for unlimited."""

    type: str = ""
    soft: int = 0
    hard: int = 0


class ContainerSpec(msgspec.Struct):
    """SpecGenerator, as far as it is acted upon."""

    name: str = ""
    image: str = ""
    pod: str = ""
    command: list[str] | None = None
    entrypoint: list[str] | str | None = None
    env: Mapping[str, str | None] | None = None
    env_host: bool | None = None
    unsetenv: list[str] | None = None
    unsetenvall: bool | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    terminal: bool | None = None
    stdin: bool | None = None
    user: str = ""
    groups: list[str] | None = None
    work_dir: str = ""
    hostname: str = ""
    stop_signal: int | str | None = None
    stop_timeout: int | None = None
    restart_policy: str = ""
    restart_tries: int | None = None
    remove: bool | None = None
    remove_image: bool | None = msgspec.field(name="removeImage", default=None)
    init: bool | None = None
    privileged: bool | None = None
    cap_add: list[str] | None = None
    cap_drop: list[str] | None = None
    no_new_privileges: bool | None = None
    selinux_opts: list[str] | None = None
    seccomp_profile_path: str = ""
    apparmor_profile: str = ""
    read_only_filesystem: bool | None = None
    read_write_tmpfs: bool | None = None
    mask: list[str] | None = None
    unmask: list[str] | None = None
    sysctl: Mapping[str, str] | None = None
    r_limits: list[Limit] | None = None
    resource_limits: Json | None = None
    weight_device: Json | None = msgspec.field(name="weightDevice", default=None)
    throttle_read_bps: Json | None = msgspec.field(name="throttleReadBpsDevice", default=None)
    throttle_write_bps: Json | None = msgspec.field(name="throttleWriteBpsDevice", default=None)
    throttle_read_iops: Json | None = msgspec.field(name="throttleReadIOPSDevice", default=None)
    throttle_write_iops: Json | None = msgspec.field(name="throttleWriteIOPSDevice", default=None)
    oom_score_adj: int | None = None
    shm_size: int | None = None
    cgroup_parent: str = ""
    oci_runtime: str = ""
    devices: list[Json] | None = None
    mounts: list[Mount] | None = None
    volumes: list[NamedVolume] | None = None
    volumes_from: list[str] | None = None
    image_volumes: list[Json] | None = None
    image_volume_mode: str = ""
    secrets: list[SecretUse] | None = None
    secret_env: Mapping[str, str] | None = None
    healthconfig: Healthy | None = None
    no_healthcheck: bool | None = None
    health_check_on_failure_action: int | None = None
    log_configuration: LogConfiguration | None = None
    portmappings: list[Port] | None = None
    publish_image_ports: bool | None = None
    expose: Mapping[str, str] | None = None
    netns: Namespace | None = None
    pidns: Namespace | None = None
    ipcns: Namespace | None = None
    utsns: Namespace | None = None
    userns: Namespace | None = None
    cgroupns: Namespace | None = None
    networks: Mapping[str, NetworkOptions | None] | None = None
    cni_networks: list[str | None] | None = None
    static_ip: str | None = None
    static_mac: str | None = None
    dns_server: list[str] | None = None
    dns_search: list[str] | None = None
    dns_option: list[str] | None = None
    hostadd: list[str] | None = None
    timezone: str = ""
    umask: str = ""
    systemd: str | None = None
    create_command: list[str] | None = msgspec.field(name="containerCreateCommand", default=None)
    dependencies: list[str] | None = msgspec.field(name="dependencyContainers", default=None)
    rootfs: str = ""
    overlay_volumes: list[Json] | None = None
    chroot_directories: list[str] | None = None
    idmappings: Json | None = None
    rootfs_propagation: str = ""
    unified: Mapping[str, str] | None = None
    storage_opts: Mapping[str, str] | None = None
    use_image_hosts: bool | None = None
    use_image_resolve_conf: bool | None = None
    init_container_type: str = ""
    cgroups_mode: str = ""
    sdnotify_mode: str = msgspec.field(name="sdnotifyMode", default="")
    procfs_opts: list[str] | None = None
    network_options: Json | None = None
    conmon_pid_file: str = ""
    passwd_entry: str = ""
    group_entry: str = ""
    host_device_list: list[Json] | None = None
    device_cgroup_rule: list[Json] | None = None
    startup_health: Json | None = msgspec.field(name="startupHealthConfig", default=None)
    intel_rdt: Json | None = msgspec.field(name="intelRdt", default=None)
    timeout: int = 0
    env_merge: list[str] | None = None
    base_hosts_file: str = ""
    personality: Json | None = None
    preserve_fds: int = 0
    preserve_fd: list[int] | None = None
    artifact_volumes: list[Json] | None = None
    use_image_hostname: bool | None = None
    init_path: str = ""
    health_log_destination: str = msgspec.field(name="healthLogDestination", default="")
    health_log_count: int = msgspec.field(name="healthMaxLogCount", default=0)
    health_log_size: int = msgspec.field(name="healthMaxLogSize", default=0)


class PodSpec(msgspec.Struct):
    """PodSpecGenerator, as far as it is acted upon."""

    name: str = ""
    hostname: str = ""
    labels: Mapping[str, str] | None = None
    no_infra: bool | None = None
    infra_name: str = ""
    infra_image: str = ""
    infra_command: list[str] | None = None
    shared_namespaces: list[str] | None = None
    exit_policy: str = ""
    restart_policy: str = ""
    netns: Namespace | None = None
    pidns: Namespace | None = None
    ipcns: Namespace | None = None
    utsns: Namespace | None = None
    userns: Namespace | None = None
    portmappings: list[Port] | None = None
    networks: Mapping[str, NetworkOptions | None] | None = None
    cni_networks: list[str | None] | None = None
    static_ip: str | None = None
    static_mac: str | None = None
    dns_server: list[str] | None = None
    dns_search: list[str] | None = None
    dns_option: list[str] | None = None
    hostadd: list[str] | None = None
    mounts: list[Mount] | None = None
    volumes: list[NamedVolume] | None = None
    volumes_from: list[str] | None = None
    resource_limits: Json | None = None
    sysctl: Mapping[str, str] | None = None
    cgroup_parent: str = ""
    pod_create_command: list[str] | None = None
    overlay_volumes: list[Json] | None = None


def read_container(text: bytes) -> ContainerSpec:
    """Raises ValueError, saying where."""
    return _read(text, ContainerSpec)


def read_pod(text: bytes) -> PodSpec:
    """Raises ValueError, saying where."""
    return _read(text, PodSpec)


def _read(text: bytes, kind: type[T]) -> T:
    try:
        given = msgspec.json.decode(text or b"{}", type=dict[str, Any])
        return msgspec.convert(_folded(given, kind), kind, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ValueError(f"failed to decode specgen: {error}") from error


def _folded(given: Json, kind: type[msgspec.Struct]) -> Json:
    """With the names that `kind` has: Go reads them in any case, and clients rely on it. Nulls mean nothing."""
    names = {name.lower(): name for name in kind.__struct_encode_fields__}
    read: Json = {}
    for key, value in given.items():
        name = names.get(key.lower())
        if name is None or value is None or (name in read and key != name):
            continue
        inner = _INNER.get(name)
        if inner is not None and isinstance(value, list):
            read[name] = [_folded(each, inner) if isinstance(each, dict) else each for each in value]
        elif inner is not None and isinstance(value, dict):
            read[name] = _folded(value, inner)
        else:
            read[name] = value
    return read


_INNER: Mapping[str, type[msgspec.Struct]] = {
    "healthconfig": Healthy,
    "log_configuration": LogConfiguration,
    "mounts": Mount,
    "portmappings": Port,
    "r_limits": Limit,
    "secrets": SecretUse,
    "volumes": NamedVolume,
    **dict.fromkeys(("netns", "pidns", "ipcns", "utsns", "userns", "cgroupns"), Namespace),
}
