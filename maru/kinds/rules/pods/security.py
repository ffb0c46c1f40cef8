"""Rules of security contexts, of Pods and of containers.

Source: k8s.io/kubernetes/pkg/apis/core/validation, validatePodSpecSecurityContext, ValidateSecurityContext.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.rules.network import check_local_path
from maru.kinds.rules.text import duplicate, forbidden, invalid, required, unsupported
from maru.kinds.strategy import Cause

ID_MAX = 2**31 - 1
SYSCTL_MAX = 253
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL = re.compile(rf"({_SEGMENT}[\./])*{_SEGMENT}")
_NAMESPACED = (("net.", "hostNetwork"), ("kernel.shm", "hostIPC"), ("kernel.msg", "hostIPC"), ("fs.mqueue.", "hostIPC"))
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")


def check_pod_security(spec: Value, field: str) -> list[Cause]:
    """spec.securityContext, with the host namespaces that stand beside it."""
    context = spec.get("securityContext") or {}
    causes: list[Cause] = []
    for name in ("fsGroup", "runAsUser", "runAsGroup"):
        causes += _check_id(context.get(name), f"{field}.{name}", "group" if name != "runAsUser" else "user")
    for index, number in enumerate(context.get("supplementalGroups") or []):
        causes += _check_id(number, f"{field}.supplementalGroups[{index}]", "group")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        causes.append(invalid(f"{field}.shareProcessNamespace", True, why))
    causes += _check_sysctls(context.get("sysctls") or [], spec, f"{field}.sysctls")
    causes += _check_choice(context, field, "fsGroupChangePolicy", ("Always", "OnRootMismatch"))
    causes += _check_profiles(context, field)
    causes += _check_choice(context, field, "supplementalGroupsPolicy", ("Merge", "Strict"))
    return causes + _check_choice(context, field, "seLinuxChangePolicy", ("MountOption", "Recursive"))


def check_container_security(context: Value, field: str, *, host_users: bool) -> list[Cause]:
    """A container's securityContext. host_users: the Pod shares the host's user namespace."""
    causes: list[Cause] = []
    for name in ("runAsUser", "runAsGroup"):
        causes += _check_id(context.get(name), f"{field}.{name}", "group" if name == "runAsGroup" else "user")
    mount = context.get("procMount")
    if mount is not None:
        if mount not in ("Default", "Unmasked"):
            causes.append(unsupported(f"{field}.procMount", mount, ("Default", "Unmasked")))
        elif mount == "Unmasked" and host_users:
            causes.append(invalid(f"{field}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    causes += _check_profiles(context, field)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            causes.append(invalid(field, context, why))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or []):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            causes.append(invalid(field, context, why))
    return causes


def check_host_users(spec: Value, path: str) -> list[Cause]:
    """A Pod with users of its own keeps away from the host's other namespaces."""
    if spec.get("hostUsers") is not False:
        return []
    names = (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC"))
    why = "when `pod.Spec.HostUsers` is false"
    return [forbidden(f"{path}.{shown}", why) for name, shown in names if spec.get(name)]


def _check_id(number: object, field: str, what: str) -> list[Cause]:
    if isinstance(number, int) and not 0 <= number <= ID_MAX:
        return [invalid(field, number, f"must be between 0 and {ID_MAX}, inclusive")]
    return []


def _check_choice(context: Value, field: str, name: str, choices: Sequence[str]) -> list[Cause]:
    chosen = context.get(name)
    return [] if chosen is None or chosen in choices else [unsupported(f"{field}.{name}", chosen, choices)]


def _check_profiles(context: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    for name, word in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        profile = context.get(name)
        if profile is not None:
            causes += _check_profile(profile, f"{field}.{name}", word)
    return causes


def _check_profile(profile: Value, field: str, word: str) -> list[Cause]:
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        return [required(f"{field}.type", f"type is required when {word[:1].lower()}{word[1:]}Profile is set")]
    if kind not in _PROFILES:
        return [unsupported(f"{field}.type", kind, _PROFILES)]
    if kind != "Localhost":
        why = f"can only be set when {word} type is Localhost"
        return [invalid(f"{field}.localhostProfile", local, why)] if local is not None else []
    if not local:
        return [required(f"{field}.localhostProfile", f"must be set when {word} type is Localhost")]
    if word == "seccomp":
        return check_local_path(local, f"{field}.localhostProfile")
    if local != local.strip():
        return [invalid(f"{field}.localhostProfile", local, "must not be padded with whitespace")]
    return []


def _check_sysctls(sysctls: Sequence[Value], spec: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        name, at = sysctl.get("name") or "", f"{field}[{index}].name"
        if not name:
            causes.append(required(at))
        elif len(name) > SYSCTL_MAX or not SYSCTL.fullmatch(name):
            why = f"must have at most {SYSCTL_MAX} characters and match regex ^{SYSCTL.pattern}$"
            causes.append(invalid(at, name, why))
        elif name in seen:
            causes.append(duplicate(at, name))
        seen.add(name)
        for prefix, shared in _NAMESPACED:
            if name.replace("/", ".").startswith(prefix) and spec.get(shared):
                causes.append(invalid(at, name, f"may not be specified when '{shared}' is true"))
    return causes
