"""The OCI runtime configuration of a docker container.

Everything that was decided elsewhere (user, namespaces, paths on the host) comes in as a `Blueprint`; the
layers and the root's path are the runtime's affair. Source: OCI runtime specification 1.2, config.md;
moby oci/defaults.go and daemon/oci_linux.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.docker.model.container import Container
from maru.components.docker.model.create import process_words
from maru.components.docker.model.host_config import Facts
from maru.components.docker.model.resources import oci_resources, rlimits
from maru.components.docker.model.security import Security
from maru.core.document import Value

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT_PATH = "/sbin/docker-init"


@dataclass(frozen=True, slots=True)
class User:
    """Who a process runs as. groups: supplementary ids. home: "" when not known."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A device node. kind: b, c or p. access: what the container may do: r, w, m."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int
    access: str = "rwm"


@dataclass(frozen=True, slots=True)
class Bind:
    """A path of the host at `target`. options: mount options, as the OCI configuration names them."""

    source: str
    target: str
    options: Sequence[str]
    kind: str = "bind"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What is decided about one run. namespaces: kind to path of those it joins, "" for a new one.

    binds: in the order of their depth. shm_path: a memory file system of the host for /dev/shm, "" for its own.
    init_path: the init program on the host, "" for none.
    """

    container: Container
    facts: Facts
    security: Security
    user: User
    namespaces: Mapping[str, str]
    cgroup: str
    hostname: str
    binds: Sequence[Bind] = ()
    shm_path: str = ""
    init_path: str = ""
    devices: Sequence[Device] = field(default_factory=tuple)


def oci_spec(plan: Blueprint) -> Value:
    """The configuration, without what the runtime adds."""
    host = plan.container.host_config
    linux: Value = {
        "namespaces": [
            {"type": kind, "path": path} if path else {"type": kind} for kind, path in plan.namespaces.items()
        ],
        "resources": oci_resources(host, plan.facts) | {"devices": _device_rules(plan)},
        "cgroupsPath": plan.cgroup,
    }
    if not plan.security.has_open_paths:
        linux["maskedPaths"] = host["MaskedPaths"] or []
        linux["readonlyPaths"] = host["ReadonlyPaths"] or []
    if plan.security.seccomp is not None:
        linux["seccomp"] = plan.security.seccomp
    if plan.devices:
        linux["devices"] = [_device(device) for device in plan.devices]
    if host.get("Sysctls"):
        linux["sysctl"] = host["Sysctls"]
    spec: Value = {
        "ociVersion": "1.0.2",
        "process": first_process(plan),
        "mounts": _mounts(plan),
        "linux": linux,
        "root": {"readonly": bool(host["ReadonlyRootfs"])},
    }
    if "uts" in plan.namespaces and not plan.namespaces["uts"]:
        spec["hostname"] = plan.hostname
        if plan.container.config.get("Domainname"):
            spec["domainname"] = plan.container.config["Domainname"]
    if host.get("Annotations"):
        spec["annotations"] = host["Annotations"]
    return spec


def first_process(plan: Blueprint) -> Value:
    """The OCI process object of the container's command."""
    container = plan.container
    words = process_words(container.config)
    if plan.init_path:
        words = [INIT_PATH, "--", *words]
    process = process_of(plan.security, plan.user, words, is_terminal=container.is_terminal) | limits_of(container)
    process["env"] = environment(container, plan.user, is_terminal=container.is_terminal)
    process["cwd"] = container.config.get("WorkingDir") or "/"
    process["oomScoreAdj"] = container.host_config["OomScoreAdj"]
    width, height = (container.host_config.get("ConsoleSize") or [0, 0])[::-1]
    if container.is_terminal and width and height:
        process["consoleSize"] = {"width": width, "height": height}
    return process


def process_of(security: Security, user: User, words: Sequence[str], *, is_terminal: bool) -> Value:
    """An OCI process object; environment and folder are the caller's."""
    is_root = user.uid == 0
    sets = ("bounding", "effective", "permitted") if is_root else ("bounding",)
    process: Value = {
        "terminal": is_terminal,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
        "args": list(words),
        "cwd": "/",
        "capabilities": {name: list(security.capabilities) for name in sets},
        "noNewPrivileges": security.no_new_privileges,
    }
    if security.apparmor:
        process["apparmorProfile"] = security.apparmor
    return process


def limits_of(container: Container) -> Value:
    """What of an OCI process object holds for each process of a container, those of an exec included."""
    limits = rlimits(container.host_config)
    return {"rlimits": limits} if limits else {}


def environment(container: Container, user: User, *, is_terminal: bool, more: Sequence[str] = ()) -> list[str]:
    """Variables of a process: Docker's own, the container's, then `more`; NAME without = takes one away."""
    known = {"PATH": PATH.partition("=")[2], "HOSTNAME": container.config.get("Hostname") or ""}
    if not known["HOSTNAME"]:
        del known["HOSTNAME"]
    if is_terminal:
        known["TERM"] = "xterm"
    for entry in (*(container.config.get("Env") or ()), *more):
        name, equals, value = entry.partition("=")
        if equals:
            known[name] = value
        else:
            known.pop(name, None)
    if user.home:
        known.setdefault("HOME", user.home)
    return [f"{name}={value}" for name, value in known.items()]


def _mounts(plan: Blueprint) -> list[Value]:
    host = plan.container.host_config
    access = "rw" if plan.security.is_privileged else "ro"
    mounts: list[Value] = [
        _mount("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount(
            "/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
        ),
        _mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", access]),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", access]),
        _mount("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ]
    if plan.shm_path:
        mounts.append(_mount("/dev/shm", "bind", plan.shm_path, ["rbind", "rw", "rprivate"]))  # noqa: S108
    elif host["IpcMode"] != "none":
        size = f"size={host['ShmSize']}"
        mounts.append(_mount("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", size]))  # noqa: S108
    taken = {bind.target for bind in plan.binds}
    mounts = [mount for mount in mounts if mount["destination"] not in taken]
    if plan.init_path:
        mounts.append(_mount(INIT_PATH, "bind", plan.init_path, ["bind", "ro"]))
    mounts += [_mount(bind.target, bind.kind, bind.source, bind.options) for bind in plan.binds]
    return mounts


def _mount(destination: str, kind: str, source: str, options: Sequence[str]) -> Value:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _device(device: Device) -> Value:
    return {
        "path": device.path,
        "type": device.kind,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }


def _device_rules(plan: Blueprint) -> list[Value]:
    if plan.security.is_privileged:
        return [{"allow": True, "access": "rwm"}]
    rules: list[Value] = [{"allow": False, "access": "rwm"}]
    for device in plan.devices:
        numbers = {"major": device.major, "minor": device.minor}
        rules.append({"allow": True, "type": device.kind, "access": device.access, **numbers})
    for text in plan.container.host_config.get("DeviceCgroupRules") or ():
        kind, numbers_text, access = text.split(" ")
        major, _, minor = numbers_text.partition(":")
        rule: Value = {"allow": True, "type": kind, "access": access}
        rule |= {name: int(value) for name, value in (("major", major), ("minor", minor)) if value != "*"}
        rules.append(rule)
    return rules
