"""The Pod Security Standards: what baseline and restricted forbid, in the words of the admission plugin.

Pure. Source: Kubernetes docs, "Pod Security Standards"; k8s.io/pod-security-admission/policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from maru.core.document import Value

PRIVILEGED = "privileged"
BASELINE = "baseline"
RESTRICTED = "restricted"
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
_BASELINE_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_SELINUX_TYPES = frozenset({"", "container_engine_t", "container_init_t", "container_kvm_t", "container_t"})
_RESTRICTED_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SECCOMP = ("RuntimeDefault", "Localhost")

Check = Callable[[Value, Sequence[Value]], str]
"""(spec, all containers) to a fault, "" if there is none."""


def faults(level: str, spec: Value) -> list[str]:
    """What breaks `level`, each with its detail in brackets; ascending by check."""
    if level == PRIVILEGED:
        return []
    containers = [
        one for field in ("initContainers", "containers", "ephemeralContainers") for one in spec.get(field) or ()
    ]
    checks = _BASELINE if level == BASELINE else _RESTRICTED
    return [fault for check in checks if (fault := check(spec, containers))]


def _host_namespaces(spec: Value, _: Sequence[Value]) -> str:
    used = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return f"host namespaces ({', '.join(used)})" if used else ""


def _privileged(_: Value, containers: Sequence[Value]) -> str:
    named = _names(one for one in containers if _context(one).get("privileged"))
    return f"privileged ({named} must not set securityContext.privileged=true)" if named else ""


def _capabilities(_: Value, containers: Sequence[Value]) -> str:
    found: list[str] = []
    guilty: list[Value] = []
    for one in containers:
        added = [name for name in _added(one) if name not in _BASELINE_CAPABILITIES]
        if added:
            guilty.append(one)
            found += added
    if not guilty:
        return ""
    listing = ", ".join(f'"{name}"' for name in sorted(set(found)))
    return f"non-default capabilities ({_names(guilty)} must not include {listing} in securityContext.capabilities.add)"


def _host_paths(spec: Value, _: Sequence[Value]) -> str:
    used = [f'"{one["name"]}"' for one in spec.get("volumes") or () if one.get("hostPath") is not None]
    return f"hostPath volumes ({_plural('volume', used)} {', '.join(used)})" if used else ""


def _host_ports(_: Value, containers: Sequence[Value]) -> str:
    guilty = [one for one in containers if any(port.get("hostPort") for port in one.get("ports") or ())]
    ports = sorted({port["hostPort"] for one in guilty for port in one.get("ports") or () if port.get("hostPort")})
    if not guilty:
        return ""
    return f"hostPort ({_names(guilty)} uses {_plural('hostPort', ports)} {', '.join(map(str, ports))})"


def _selinux(spec: Value, containers: Sequence[Value]) -> str:
    options = [(spec.get("securityContext") or {}).get("seLinuxOptions")]
    options += [_context(one).get("seLinuxOptions") for one in containers]
    wrong = [f'type "{one["type"]}"' for one in options if one and (one.get("type") or "") not in _SELINUX_TYPES]
    wrong += ["user may not be set" for one in options if one and one.get("user")]
    wrong += ["role may not be set" for one in options if one and one.get("role")]
    if not wrong:
        return ""
    return f"seLinuxOptions (pod or containers set forbidden securityContext.seLinuxOptions: {'; '.join(wrong)})"


def _proc_mount(_: Value, containers: Sequence[Value]) -> str:
    guilty = [one for one in containers if _context(one).get("procMount") not in (None, "", "Default")]
    return f"procMount ({_names(guilty)} must not set securityContext.procMount)" if guilty else ""


def _seccomp(spec: Value, containers: Sequence[Value]) -> str:
    guilty = [one for one in containers if (_context(one).get("seccompProfile") or {}).get("type") == "Unconfined"]
    is_pod = ((spec.get("securityContext") or {}).get("seccompProfile") or {}).get("type") == "Unconfined"
    if not guilty and not is_pod:
        return ""
    who = " and ".join([*(["pod"] if is_pod else []), *([_names(guilty)] if guilty else [])])
    return f'seccompProfile ({who} must not set securityContext.seccompProfile.type to "Unconfined")'


def _sysctls(spec: Value, _: Sequence[Value]) -> str:
    wrong = [
        one["name"]
        for one in (spec.get("securityContext") or {}).get("sysctls") or ()
        if one["name"] not in _SAFE_SYSCTLS
    ]
    return f"forbidden sysctls ({', '.join(wrong)})" if wrong else ""


def _volume_types(spec: Value, _: Sequence[Value]) -> str:
    wrong: dict[str, str] = {}
    for one in spec.get("volumes") or ():
        kinds = [name for name in one if name != "name"]
        if any(kind not in _RESTRICTED_VOLUMES for kind in kinds):
            wrong[one["name"]] = kinds[0]
    if not wrong:
        return ""
    names = ", ".join(f'"{name}"' for name in wrong)
    kinds_text = ", ".join(f'"{kind}"' for kind in sorted(set(wrong.values())))
    plural = "s" if len(wrong) > 1 else ""
    verb = "use" if len(wrong) > 1 else "uses"
    return f"restricted volume types (volume{plural} {names} {verb} restricted volume type{plural} {kinds_text})"


def _escalation(spec: Value, containers: Sequence[Value]) -> str:
    guilty = [one for one in containers if _context(one).get("allowPrivilegeEscalation") is not False]
    if not guilty or _is_windows(spec):
        return ""
    return (
        f"allowPrivilegeEscalation != false ({_names(guilty)} must set securityContext.allowPrivilegeEscalation=false)"
    )


def _dropped(spec: Value, containers: Sequence[Value]) -> str:
    if _is_windows(spec):
        return ""
    keeping = [one for one in containers if "ALL" not in ((_context(one).get("capabilities") or {}).get("drop") or ())]
    adding = [one for one in containers if any(name != "NET_BIND_SERVICE" for name in _added(one))]
    details: list[str] = []
    if keeping:
        details.append(f'{_names(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        extra = sorted({name for one in adding for name in _added(one) if name != "NET_BIND_SERVICE"})
        listing = ", ".join(f'"{name}"' for name in extra)
        details.append(f"{_names(adding)} must not include {listing} in securityContext.capabilities.add")
    return f"unrestricted capabilities ({'; '.join(details)})" if details else ""


def _non_root(spec: Value, containers: Sequence[Value]) -> str:
    of_pod = (spec.get("securityContext") or {}).get("runAsNonRoot")
    wrong = [one for one in containers if _context(one).get("runAsNonRoot") is False]
    unset = [one for one in containers if _context(one).get("runAsNonRoot") is None]
    if wrong:
        return f"runAsNonRoot != true ({_names(wrong)} must not set securityContext.runAsNonRoot=false)"
    if of_pod is True or not unset:
        return ""
    return f"runAsNonRoot != true (pod or {_names(unset)} must set securityContext.runAsNonRoot=true)"


def _root_user(spec: Value, containers: Sequence[Value]) -> str:
    guilty = [one for one in containers if _context(one).get("runAsUser") == 0]
    is_pod = (spec.get("securityContext") or {}).get("runAsUser") == 0
    if not guilty and not is_pod:
        return ""
    who = " and ".join([*(["pod"] if is_pod else []), *([_names(guilty)] if guilty else [])])
    return f"runAsUser=0 ({who} must not set runAsUser=0)"


def _seccomp_set(spec: Value, containers: Sequence[Value]) -> str:
    if _is_windows(spec):
        return ""
    of_pod = ((spec.get("securityContext") or {}).get("seccompProfile") or {}).get("type")
    types = [(one, (_context(one).get("seccompProfile") or {}).get("type")) for one in containers]
    guilty = [one for one, kind in types if (kind or of_pod) not in _SECCOMP]
    if not guilty:
        return ""
    return (
        f"seccompProfile (pod or {_names(guilty)} must set securityContext.seccompProfile.type to "
        '"RuntimeDefault" or "Localhost")'
    )


def _context(container: Value) -> Value:
    found: Value = container.get("securityContext") or {}
    return found


def _added(container: Value) -> Sequence[str]:
    found: Sequence[str] = ((container.get("securityContext") or {}).get("capabilities") or {}).get("add") or ()
    return found


def _is_windows(spec: Value) -> bool:
    return bool((spec.get("os") or {}).get("name") == "windows")


def _names(containers: Iterable[Value]) -> str:
    """container "a", or containers "a", "b"; "" for none."""
    names = [f'"{one["name"]}"' for one in containers]
    return f"{_plural('container', names)} {', '.join(names)}" if names else ""


def _plural(word: str, things: Sequence[object]) -> str:
    return word if len(things) == 1 else f"{word}s"


_COMMON: tuple[Check, ...] = (_host_namespaces, _host_paths, _host_ports, _privileged, _proc_mount, _selinux, _sysctls)
_BASELINE: tuple[Check, ...] = (_capabilities, *_COMMON, _seccomp)
_RESTRICTED: tuple[Check, ...] = (
    *_COMMON,
    _escalation,
    _dropped,
    _volume_types,
    _non_root,
    _root_user,
    _seccomp_set,
)
