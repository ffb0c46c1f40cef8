"""What a container may do: user and groups, capabilities, seccomp, what is masked.

A container's securityContext overrides the Pod's, field by field. Source: Kubernetes documentation,
"Configure a Security Context"; pkg/kubelet/kuberuntime, verifyRunAsNonRoot; containerd's defaults for
capabilities, masked and read-only paths.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from maru.components.node.errors import REASON_CONFIG, StartFailed
from maru.core.document import Value
from maru.wire.oci.confinement import CAPABILITIES_ALL, CAPABILITIES_DEFAULT

# Profiles that the runtimes of this world load as their default, the first that is loaded is taken.
APPARMOR_DEFAULTS = ("maru-default", "cri-containerd.apparmor.d", "docker-default", "containers-default")


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


def apparmor_profile(pod: Value, container: Value) -> Value:
    """The AppArmor profile asked for, from the field or the annotation it had before; empty if none is.

    Source: Kubernetes documentation, "Restrict a Container's Access to Resources with AppArmor".
    """
    profile: Value = effective(pod, container).get("appArmorProfile") or {}
    name = f"container.apparmor.security.beta.kubernetes.io/{container['name']}"
    noted = (pod["metadata"].get("annotations") or {}).get(name, "")
    if profile or not noted:
        return profile
    kind = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}.get(noted, "Localhost")
    return (
        {"type": kind, "localhostProfile": noted.removeprefix("localhost/")} if kind == "Localhost" else {"type": kind}
    )


def apparmor_name(pod: Value, container: Value, loaded: Collection[str]) -> str:
    """The loaded profile the container runs under, "" for none. Raises StartFailed when it is not loaded."""
    profile = apparmor_profile(pod, container)
    kind = profile.get("type", "Unconfined")
    if kind == "Unconfined" or is_privileged(container):
        return ""
    candidates = APPARMOR_DEFAULTS if kind == "RuntimeDefault" else (profile.get("localhostProfile", ""),)
    for name in candidates:
        if name in loaded:
            return name
    raise StartFailed("CreateContainerError", f"apparmor profile not found {candidates[0]}")


def selinux_label(pod: Value, container: Value) -> str:
    """user:role:type:level of the container's processes, "" when none is asked for."""
    options = effective(pod, container).get("seLinuxOptions") or {}
    if not any(options.values()):
        return ""
    defaults = {"user": "system_u", "role": "system_r", "type": "container_t", "level": "s0"}
    return ":".join(options.get(name) or default for name, default in defaults.items())


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
