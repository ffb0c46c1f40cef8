"""What a container may do: user and groups, capabilities, seccomp, what is masked.

A container's securityContext overrides the Pod's, field by field. Source: Kubernetes documentation,
"Configure a Security Context"; pkg/kubelet/kuberuntime, verifyRunAsNonRoot; containerd's defaults for
capabilities, masked and read-only paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.node.errors import REASON_CONFIG, StartFailed
from maru.core.document import Value

CAPABILITIES_DEFAULT = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)

# Linux's capabilities in their numeric order, 0 to 40. Source: linux/capability.h.
CAPABILITIES_ALL = tuple(
    "CAP_" + name
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ]
)

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class User:
    """Who a container's process runs as. groups: supplementary ids. home: "" when not known."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = ""


@dataclass(frozen=True, slots=True)
class UserDatabase:
    """The lines of an image's /etc/passwd and /etc/group."""

    passwd: Sequence[str] = ()
    group: Sequence[str] = ()


def effective(pod: Value, container: Value) -> Value:
    """The container's security context with the Pod's fields behind it."""
    of_pod = pod["spec"].get("securityContext") or {}
    shared = ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile", "seLinuxOptions", "appArmorProfile")
    merged = {name: of_pod[name] for name in shared if of_pod.get(name) is not None}
    merged.update(
        {name: value for name, value in (container.get("securityContext") or {}).items() if value is not None}
    )
    return merged


def user_of(pod: Value, container: Value, image_user: str, database: UserDatabase) -> User:
    """Who it runs as. Raises StartFailed when runAsNonRoot cannot be kept or a name is not known."""
    context = effective(pod, container)
    of_pod = pod["spec"].get("securityContext") or {}
    name, _, group_name = image_user.partition(":")
    uid = context.get("runAsUser")
    if context.get("runAsNonRoot"):
        _verify_non_root(pod, container, uid, name)
    entry = _passwd_entry(database, str(uid) if uid is not None else name or "0")
    if uid is None:
        if entry is None and not name.isdigit() and name:
            raise StartFailed("CreateContainerError", f"unable to find user {name}: no matching entries in passwd file")
        uid = int(entry[2]) if entry else int(name or 0)
    gid = context.get("runAsGroup")
    if gid is None:
        if group_name and context.get("runAsUser") is None:
            gid = _group_id(database, group_name)
        else:
            gid = int(entry[3]) if entry else 0
    groups = [int(group) for group in of_pod.get("supplementalGroups") or ()]
    if of_pod.get("supplementalGroupsPolicy") != "Strict" and entry is not None:
        groups += _memberships(database, entry[0])
    if of_pod.get("fsGroup") is not None:
        groups.append(int(of_pod["fsGroup"]))
    unique = tuple(dict.fromkeys([gid, *groups]))
    return User(uid, gid, unique, entry[5] if entry else "")


def _verify_non_root(pod: Value, container: Value, uid: int | None, image_user: str) -> None:
    metadata = pod["metadata"]
    where = f'(pod: "{metadata["name"]}_{metadata["namespace"]}({metadata["uid"]})", container: {container["name"]})'
    if uid is not None:
        if uid == 0:
            raise StartFailed(REASON_CONFIG, f"container's runAsUser breaks non-root policy {where}")
        return
    if image_user in ("", "0", "root"):
        raise StartFailed(REASON_CONFIG, f"container has runAsNonRoot and image will run as root {where}")
    if not image_user.isdigit():
        why = (
            f"container has runAsNonRoot and image has non-numeric user ({image_user}), cannot verify user is non-root"
        )
        raise StartFailed(REASON_CONFIG, f"{why} {where}")


def _passwd_entry(database: UserDatabase, user: str) -> list[str] | None:
    column = 2 if user.isdigit() else 0
    for line in database.passwd:
        fields = line.split(":")
        if len(fields) >= 7 and fields[column] == user and fields[2].isdigit() and fields[3].isdigit():
            return fields
    return None


def _group_id(database: UserDatabase, group: str) -> int:
    for line in database.group:
        fields = line.split(":")
        if len(fields) >= 3 and group in (fields[0], fields[2]) and fields[2].isdigit():
            return int(fields[2])
    if group.isdigit():
        return int(group)
    raise StartFailed("CreateContainerError", f"unable to find group {group}: no matching entries in group file")


def _memberships(database: UserDatabase, name: str) -> list[int]:
    found = []
    for line in database.group:
        fields = line.split(":")
        if len(fields) >= 4 and fields[2].isdigit() and name in fields[3].split(","):
            found.append(int(fields[2]))
    return found


def capabilities_of(container: Value) -> Sequence[str]:
    """The capabilities that bound the container's processes, ascending by number."""
    context = container.get("securityContext") or {}
    if context.get("privileged"):
        return CAPABILITIES_ALL
    changes = context.get("capabilities") or {}
    add = {_capability(name) for name in changes.get("add") or ()}
    drop = {_capability(name) for name in changes.get("drop") or ()}
    have = set(CAPABILITIES_ALL if "CAP_ALL" in add else CAPABILITIES_DEFAULT)
    if "CAP_ALL" in drop:
        have = set(CAPABILITIES_ALL) if "CAP_ALL" in add else set()
    have = (have - drop) | (add - {"CAP_ALL"})
    unknown = sorted(have - set(CAPABILITIES_ALL))
    if unknown:
        raise StartFailed("CreateContainerError", f"unknown capability {unknown[0]}")
    return [name for name in CAPABILITIES_ALL if name in have]


def _capability(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"


def no_new_privileges(container: Value) -> bool:
    """True when a process may not gain more than its parent has."""
    return (container.get("securityContext") or {}).get("allowPrivilegeEscalation") is False


def is_privileged(container: Value) -> bool:
    """True when the container may do what the machine's root may."""
    return bool((container.get("securityContext") or {}).get("privileged"))


def is_unmasked(container: Value) -> bool:
    """True when /proc is shown as it is."""
    context = container.get("securityContext") or {}
    return bool(context.get("privileged")) or context.get("procMount") == "Unmasked"
