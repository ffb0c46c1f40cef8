"""Rules of containers: regular, init (sidecars among them) and ephemeral ones.

Source: k8s.io/kubernetes/pkg/apis/core/validation, validateContainers, validateInitContainers,
validateEphemeralContainers, validateContainerCommon.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from maru.core.document import Value
from maru.kinds.rules.pods.environment import check_env, check_env_from
from maru.kinds.rules.pods.handlers import PROBES, check_probes
from maru.kinds.rules.pods.mounts import check_devices, check_mounts
from maru.kinds.rules.pods.resources import check_resources
from maru.kinds.rules.pods.security import check_container_security
from maru.kinds.rules.text import (
    check,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_port,
    is_port_name,
    not_found,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
PROTOCOLS = ("SCTP", "TCP", "UDP")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")
RESTART_RULES_MAX = 20
_NOT_EPHEMERAL = (
    "ports",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
)
_INIT_WORDS = "may not be set for init containers without restartPolicy=Always"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container's rules need of its Pod. volumes: by name; claims: names of resourceClaims."""

    volumes: dict[str, Value] = field(default_factory=dict)
    claims: Set[str] = frozenset()
    restart_policy: str = "Always"
    grace_s: int | None = None
    host_users: bool = True
    is_pod: bool = False


def check_containers(spec: Value, path: str, around: Surroundings) -> list[Cause]:
    """All containers of a specification."""
    causes = _check_regular(spec.get("containers") or [], f"{path}.containers", around)
    causes += _check_init(spec, f"{path}.initContainers", around)
    return causes + _check_ephemeral(spec, f"{path}.ephemeralContainers", around)


def _check_regular(containers: Sequence[Value], path: str, around: Surroundings) -> list[Cause]:
    if not containers:
        return [required(path)]
    causes: list[Cause] = []
    names: set[str] = set()
    for index, container in enumerate(containers):
        at = f"{path}[{index}]"
        causes += _check_common(container, at, around)
        causes += _check_unique(container, at, names)
        causes += check_probes(container, at, around.grace_s)
        causes += _check_restart(container, at)
    return causes + _check_host_ports(containers, path)


def _check_init(spec: Value, path: str, around: Surroundings) -> list[Cause]:
    causes: list[Cause] = []
    names = {container.get("name") or "" for container in spec.get("containers") or []}
    for index, container in enumerate(spec.get("initContainers") or []):
        at = f"{path}[{index}]"
        causes += _check_common(container, at, around)
        causes += _check_restart(container, at)
        causes += _check_unique(container, at, names)
        causes += _check_host_ports([container], path)
        if container.get("restartPolicy") == "Always":
            causes += check_probes(container, at, around.grace_s)
        else:
            given = [name for name in ("lifecycle", *PROBES) if container.get(name) is not None]
            causes += [forbidden(f"{at}.{name}", _INIT_WORDS) for name in given]
    return causes


def _check_ephemeral(spec: Value, path: str, around: Surroundings) -> list[Cause]:
    causes: list[Cause] = []
    others = {one.get("name") or "" for group in ("containers", "initContainers") for one in spec.get(group) or []}
    names = set(others)
    why = "cannot be set for an Ephemeral Container"
    for index, container in enumerate(spec.get("ephemeralContainers") or []):
        at = f"{path}[{index}]"
        causes += _check_common(container, at, around)
        causes += _check_unique(container, at, names)
        target = container.get("targetContainerName")
        if target and target not in others:
            causes.append(not_found(f"{at}.targetContainerName", target))
        causes += [forbidden(f"{at}.{name}", why) for name in _NOT_EPHEMERAL if container.get(name)]
        for number, mount in enumerate(container.get("volumeMounts") or []):
            given = [name for name in ("subPath", "subPathExpr") if mount.get(name)]
            causes += [forbidden(f"{at}.volumeMounts[{number}].{name}", why) for name in given]
    return causes


def _check_common(container: Value, at: str, around: Surroundings) -> list[Cause]:
    name, image = container.get("name") or "", container.get("image") or ""
    causes = check(is_dns_label, f"{at}.name", name) if name else [required(f"{at}.name")]
    if not image:
        causes.append(required(f"{at}.image"))
    elif around.is_pod and image != image.strip():
        causes.append(invalid(f"{at}.image", image, "must not have leading or trailing whitespace"))
    causes += _check_choice(container, at, "terminationMessagePolicy", MESSAGE_POLICIES)
    causes += _check_ports(container.get("ports") or [], f"{at}.ports")
    causes += check_env(container.get("env") or [], f"{at}.env")
    causes += check_env_from(container.get("envFrom") or [], f"{at}.envFrom")
    causes += check_mounts(container, around.volumes, f"{at}.volumeMounts")
    causes += check_devices(container, around.volumes, f"{at}.volumeDevices")
    causes += _check_choice(container, at, "imagePullPolicy", PULL_POLICIES)
    causes += check_resources(container.get("resources") or {}, f"{at}.resources", around.claims)
    causes += _check_resize(container.get("resizePolicy") or [], f"{at}.resizePolicy", around.restart_policy)
    context = container.get("securityContext") or {}
    return causes + check_container_security(context, f"{at}.securityContext", host_users=around.host_users)


def _check_choice(container: Value, at: str, name: str, choices: Sequence[str]) -> list[Cause]:
    chosen = container.get(name) or ""
    if not chosen:
        return [required(f"{at}.{name}")]
    return [] if chosen in choices else [unsupported(f"{at}.{name}", chosen, choices)]


def _check_unique(container: Value, at: str, names: set[str]) -> list[Cause]:
    name = container.get("name") or ""
    if name in names:
        return [duplicate(f"{at}.name", name)]
    if name:
        names.add(name)
    return []


def _check_restart(container: Value, at: str) -> list[Cause]:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or []
    choices = ("Always", "Never", "OnFailure")
    causes: list[Cause] = []
    if policy is not None and policy not in choices:
        causes.append(unsupported(f"{at}.restartPolicy", policy, choices))
    if not rules:
        return causes
    field_at = f"{at}.restartPolicyRules"
    if policy is None:
        causes.append(required(f"{at}.restartPolicy", "must specify restartPolicy when restart rules are used"))
    elif policy == "Always" and ".initContainers" in at:
        causes.append(forbidden(field_at, "restartPolicyRules are not allowed for sidecar containers"))
    if len(rules) > RESTART_RULES_MAX:
        causes.append(Cause(field_at, "FieldValueTooLong", f"Too long: may not be more than {RESTART_RULES_MAX} bytes"))
    for index, rule in enumerate(rules):
        if rule.get("action") not in ("Restart", "RestartAllContainers"):
            causes.append(unsupported(f"{field_at}[{index}].action", rule.get("action") or "", ("Restart",)))
        codes = rule.get("exitCodes")
        if codes is None:
            causes.append(required(f"{field_at}[{index}].exitCodes", "must be specified"))
        elif codes.get("operator") not in ("In", "NotIn"):
            at_operator = f"{field_at}[{index}].exitCodes.operator"
            causes.append(unsupported(at_operator, codes.get("operator") or "", ("In", "NotIn")))
    return causes


def _check_ports(ports: Sequence[Value], path: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        at, name, number = f"{path}[{index}]", port.get("name") or "", port.get("containerPort") or 0
        if name:
            problems = is_port_name(name)
            causes += [invalid(f"{at}.name", name, problem) for problem in problems]
            if not problems and name in names:
                causes.append(duplicate(f"{at}.name", name))
            names.add(name)
        if not number:
            causes.append(required(f"{at}.containerPort"))
        else:
            causes += [invalid(f"{at}.containerPort", number, problem) for problem in is_port(number)]
        if port.get("hostPort"):
            causes += [invalid(f"{at}.hostPort", port["hostPort"], problem) for problem in is_port(port["hostPort"])]
        causes += _check_choice(port, at, "protocol", PROTOCOLS)
    return causes


def _check_host_ports(containers: Sequence[Value], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or []):
            if not port.get("hostPort"):
                continue
            place = f"{port.get('protocol', 'TCP')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if place in seen:
                causes.append(duplicate(f"{path}[{index}].ports[{number}].hostPort", place))
            seen.add(place)
    return causes


def _check_resize(policies: Sequence[Value], at: str, restart_policy: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, how = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            causes.append(duplicate(f"{at}[{index}]", name))
        seen.add(name)
        if name not in ("cpu", "memory"):
            causes.append(unsupported(at, name, ("cpu", "memory")) if name else required(at))
        if how not in RESIZE_POLICIES:
            causes.append(unsupported(at, how, RESIZE_POLICIES) if how else required(at))
        elif restart_policy == "Never" and how != "NotRequired":
            causes.append(invalid(at, how, "must be 'NotRequired' when `restartPolicy` is 'Never'"))
    return causes
