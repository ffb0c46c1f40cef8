"""The OCI runtime configuration of one container.

Everything that was decided elsewhere (user, variables, paths on the host) comes in as a `Blueprint`;
the layers and the root's path are the runtime's affair. Source: OCI runtime specification 1.2,
config.md; containerd's default mounts and devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maru.components.node.errors import StartFailed
from maru.components.node.model.environment import expand
from maru.components.node.model.resources import oci_resources
from maru.components.node.model.security import (
    User,
    capabilities_of,
    is_privileged,
    is_unmasked,
    no_new_privileges,
    selinux_label,
)
from maru.contracts.image_store import ImageConfig
from maru.core.document import Value
from maru.wire.oci.confinement import MASKED_PATHS, READONLY_PATHS

PATH_DEFAULT = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A folder or file of the host inside the container."""

    host_path: str
    container_path: str
    is_readonly: bool = False
    propagation: str = ""  # None, HostToContainer, Bidirectional
    is_recursive_readonly: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A device node of the host, for privileged containers. kind: b, c or p."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What is decided about a container. namespaces: kind to path of those it joins; new ones have path ""."""

    pod: Value
    container: Value
    image: ImageConfig
    user: User
    variables: Mapping[str, str]
    hostname: str
    namespaces: Mapping[str, str]
    cgroup: str = ""  # of the container, from the root of the hierarchy
    mounts: Sequence[MountPoint] = ()
    shm_path: str = ""
    oom_score_adj: int = 0
    seccomp: Value | None = None
    apparmor: str = ""  # a loaded profile
    devices: Sequence[Device] = field(default_factory=tuple)


def oci_spec(plan: Blueprint) -> Value:
    """The configuration, without what the runtime adds. Raises StartFailed when there is no command."""
    container = plan.container
    context = container.get("securityContext") or {}
    resources = oci_resources(container)
    resources["devices"] = [{"allow": is_privileged(container), "access": "rwm"}]
    linux: Value = {
        "namespaces": [
            {"type": kind, "path": path} if path else {"type": kind} for kind, path in plan.namespaces.items()
        ],
        "resources": resources,
    }
    if plan.cgroup:
        linux["cgroupsPath"] = plan.cgroup
    if not is_unmasked(container):
        linux["maskedPaths"] = list(MASKED_PATHS)
        linux["readonlyPaths"] = list(READONLY_PATHS)
    if plan.seccomp is not None:
        linux["seccomp"] = plan.seccomp
    if label := selinux_label(plan.pod, container):
        linux["mountLabel"] = label.replace(":container_t:", ":container_file_t:")
    if plan.devices:
        linux["devices"] = [
            {
                "path": d.path,
                "type": d.kind,
                "major": d.major,
                "minor": d.minor,
                "fileMode": d.mode,
                "uid": d.uid,
                "gid": d.gid,
            }
            for d in plan.devices
        ]
    spec: Value = {
        "ociVersion": "1.0.2",
        "process": process_of(
            plan, command_of(container, plan.image, plan.variables), terminal=bool(container.get("tty"))
        ),
        "mounts": _mounts(plan),
        "linux": linux,
    }
    if context.get("readOnlyRootFilesystem"):
        spec["root"] = {"readonly": True}
    return spec


def command_of(container: Value, image: ImageConfig, variables: Mapping[str, str]) -> Sequence[str]:
    """Entrypoint and command, as the Pod overrides the image. Raises StartFailed when there is none."""
    command = [expand(part, variables) for part in container.get("command") or ()]
    arguments = [expand(part, variables) for part in container.get("args") or ()]
    if not command:
        command = list(image.entrypoint)
        arguments = arguments or list(image.command)
    line = [*command, *arguments]
    if not line:
        raise StartFailed("CreateContainerError", "no command specified")
    return line


def process_of(plan: Blueprint, args: Sequence[str], *, terminal: bool) -> Value:
    """The OCI process object for the container's first process, or for one more in it."""
    capabilities = list(capabilities_of(plan.container))
    confinement = {"apparmorProfile": plan.apparmor, "selinuxLabel": selinux_label(plan.pod, plan.container)}
    return {
        **{name: value for name, value in confinement.items() if value},
        "terminal": terminal,
        "user": {"uid": plan.user.uid, "gid": plan.user.gid, "additionalGids": list(plan.user.groups)},
        "args": list(args),
        "env": _environment(plan, terminal=terminal),
        "cwd": plan.container.get("workingDir") or plan.image.working_dir or "/",
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        "noNewPrivileges": no_new_privileges(plan.container),
        "oomScoreAdj": plan.oom_score_adj,
    }


def _environment(plan: Blueprint, *, terminal: bool) -> Sequence[str]:
    known = dict(entry.partition("=")[::2] for entry in (PATH_DEFAULT, *plan.image.env))
    known["HOSTNAME"] = plan.hostname
    if terminal:
        known.setdefault("TERM", "xterm")
    if plan.user.home:
        known.setdefault("HOME", plan.user.home)
    known.update(plan.variables)
    return [f"{name}={value}" for name, value in known.items()]


def _mounts(plan: Blueprint) -> list[Value]:
    is_open = is_privileged(plan.container)
    cgroup_access = "rw" if is_open else "ro"
    mounts: list[Value] = [
        _mount("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount(
            "/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
        ),
        _mount("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
        _mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", cgroup_access]),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", cgroup_access]),
    ]
    if plan.shm_path:
        mounts.append(_mount("/dev/shm", "bind", plan.shm_path, ["rbind", "rw", "rprivate"]))  # noqa: S108
    taken = {point.container_path.rstrip("/") or "/" for point in plan.mounts}
    mounts = [mount for mount in mounts if mount["destination"] not in taken]
    # Shallow paths first, so that no mount hides one made before it.
    for point in sorted(plan.mounts, key=lambda point: point.container_path.rstrip("/").count("/")):
        access = "ro" if point.is_readonly else "rw"
        if point.is_readonly and point.is_recursive_readonly:
            access = "rro"
        options = ["rbind", access, _PROPAGATION.get(point.propagation, "rprivate")]
        mounts.append(_mount(point.container_path, "bind", point.host_path, options))
    return mounts


def _mount(destination: str, kind: str, source: str, options: Sequence[str]) -> Value:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}
