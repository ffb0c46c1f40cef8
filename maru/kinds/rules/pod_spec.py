"""The rules of a Pod's specification, for Pods and for templates.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidatePodSpec.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maru.core.document import Value
from maru.core.errors import Invalid
from maru.kinds.quantity import parse
from maru.kinds.rules.text import (
    ENV_NAME,
    PORT_NAME,
    check,
    check_labels,
    check_not_negative,
    check_one_of,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_port,
    is_qualified_name,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause

RESTART_POLICIES = ("Always", "Never", "OnFailure")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")


def check_pod_spec(spec: Value, path: str) -> list[Cause]:
    """All causes; empty for a good specification."""
    causes = check_volumes(spec.get("volumes") or [], f"{path}.volumes")
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    seen: set[str] = set()
    if not spec.get("containers"):
        causes.append(required(f"{path}.containers"))
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(group) or []):
            field = f"{path}.{group}[{index}]"
            causes += check_container(container, field, volumes, is_init=group == "initContainers")
            name = container.get("name", "")
            if name in seen:
                causes.append(duplicate(f"{field}.name", name))
            seen.add(name)
    causes += check_one_of(spec.get("restartPolicy"), RESTART_POLICIES, f"{path}.restartPolicy")
    causes += check_one_of(spec.get("dnsPolicy"), DNS_POLICIES, f"{path}.dnsPolicy")
    causes += check_labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    causes += _check_dns(spec, path)
    causes += _check_names(spec, path)
    causes += _check_tolerations(spec.get("tolerations") or [], f"{path}.tolerations")
    causes += _check_spread(spec.get("topologySpreadConstraints") or [], f"{path}.topologySpreadConstraints")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        causes.append(invalid(f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive"))
    causes += _check_host_ports(spec, path)
    return causes


def check_container(container: Value, field: str, volumes: set[object], *, is_init: bool) -> list[Cause]:
    """One container of any group."""
    name = container.get("name", "")
    causes = check(is_dns_label, f"{field}.name", name) if name else [required(f"{field}.name")]
    image = container.get("image", "")
    if not image:
        causes.append(required(f"{field}.image"))
    elif image != image.strip():
        causes.append(invalid(f"{field}.image", image, "must not have leading or trailing whitespace"))
    causes += check_one_of(container.get("imagePullPolicy"), PULL_POLICIES, f"{field}.imagePullPolicy")
    causes += check_one_of(
        container.get("terminationMessagePolicy"),
        ("FallbackToLogsOnError", "File"),
        f"{field}.terminationMessagePolicy",
    )
    causes += _check_ports(container.get("ports") or [], f"{field}.ports")
    causes += _check_env(container, field)
    causes += _check_mounts(container.get("volumeMounts") or [], f"{field}.volumeMounts", volumes)
    causes += check_resources(container.get("resources") or {}, f"{field}.resources")
    is_sidecar = container.get("restartPolicy") == "Always"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            if is_init and not is_sidecar:
                causes.append(
                    forbidden(f"{field}.{probe}", "may not be set for init containers without restartPolicy=Always")
                )
            causes += _check_probe(container[probe], f"{field}.{probe}", needs_one=probe != "readinessProbe")
    for hook, handler in (container.get("lifecycle") or {}).items():
        if isinstance(handler, dict):
            causes += _check_handler(handler, f"{field}.lifecycle.{hook}", HOOK_HANDLERS)
    causes += _check_security(container.get("securityContext") or {}, f"{field}.securityContext")
    return causes


def check_volumes(volumes: Sequence[Value], field: str) -> list[Cause]:
    """Names, and exactly one source each."""
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        name = volume.get("name", "")
        causes += check(is_dns_label, f"{field}[{index}].name", name) if name else [required(f"{field}[{index}].name")]
        if name in seen:
            causes.append(duplicate(f"{field}[{index}].name", name))
        seen.add(name)
        sources = [source for source in volume if source != "name" and volume[source] is not None]
        if not sources:
            causes.append(required(f"{field}[{index}]", "must specify a volume type"))
        causes += [
            forbidden(f"{field}[{index}].{source}", "may not specify more than 1 volume type") for source in sources[1:]
        ]
        if volume.get("hostPath") is not None and not volume["hostPath"].get("path"):
            causes.append(required(f"{field}[{index}].hostPath.path"))
    return causes


def check_resources(resources: Value, field: str) -> list[Cause]:
    """Quantities that can be read, and no request over its limit."""
    causes: list[Cause] = []
    amounts: dict[str, dict[str, int]] = {"limits": {}, "requests": {}}
    for group, read in amounts.items():
        for name, text in (resources.get(group) or {}).items():
            causes += check(is_qualified_name, f"{field}.{group}", name)
            try:
                read[name] = parse(text).nano
            except Invalid:
                causes.append(invalid(f"{field}.{group}[{name}]", text, "must be a valid quantity"))
                continue
            if read[name] < 0:
                causes.append(invalid(f"{field}.{group}[{name}]", text, "must be greater than or equal to 0"))
    for name, requested in amounts["requests"].items():
        if name in amounts["limits"] and requested > amounts["limits"][name]:
            why = f"must be less than or equal to {name} limit of {resources['limits'][name]}"
            causes.append(invalid(f"{field}.requests", resources["requests"][name], why))
    return causes


def _check_ports(ports: Sequence[Value], field: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{field}[{index}]"
        name = port.get("name")
        if name:
            if len(name) > 15 or not PORT_NAME.fullmatch(name) or not re.search("[a-z]", name):
                why = "must be no more than 15 characters of lower case letters, digits and '-', one of them a letter"
                causes.append(invalid(f"{at}.name", name, why))
            if name in names:
                causes.append(duplicate(f"{at}.name", name))
            names.add(name)
        if not port.get("containerPort"):
            causes.append(required(f"{at}.containerPort"))
        else:
            causes += [
                invalid(f"{at}.containerPort", port["containerPort"], why) for why in is_port(port["containerPort"])
            ]
        if port.get("hostPort"):
            causes += [invalid(f"{at}.hostPort", port["hostPort"], why) for why in is_port(port["hostPort"])]
        causes += check_one_of(port.get("protocol"), PROTOCOLS, f"{at}.protocol")
    return causes


def _check_env(container: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, variable in enumerate(container.get("env") or []):
        name, at = variable.get("name", ""), f"{field}.env[{index}]"
        if not name:
            causes.append(required(f"{at}.name"))
        elif not ENV_NAME.fullmatch(name):
            causes.append(
                invalid(
                    f"{at}.name",
                    name,
                    "a valid environment variable name must consist only of printable ASCII characters other than '='",
                )
            )
        source = variable.get("valueFrom")
        if source is not None:
            kinds = [kind for kind in source if source[kind] is not None]
            if variable.get("value"):
                causes.append(invalid(f"{at}.valueFrom", "", "may not be specified when `value` is not empty"))
            if not kinds:
                causes.append(
                    invalid(
                        f"{at}.valueFrom",
                        "",
                        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
                    )
                )
            elif len(kinds) > 1:
                causes.append(invalid(f"{at}.valueFrom", "", "may not have more than one field specified at a time"))
    return causes


def _check_mounts(mounts: Sequence[Value], field: str, volumes: set[object]) -> list[Cause]:
    causes: list[Cause] = []
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        at = f"{field}[{index}]"
        name, path = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            causes.append(required(f"{at}.name"))
        elif name not in volumes:
            causes.append(Cause(f"{at}.name", "FieldValueNotFound", f'Not found: "{name}"'))
        if not path:
            causes.append(required(f"{at}.mountPath"))
        elif path in paths:
            causes.append(invalid(f"{at}.mountPath", path, "must be unique"))
        paths.add(path)
        below = mount.get("subPath") or ""
        if below.startswith("/"):
            causes.append(invalid(f"{at}.subPath", below, "must be a relative path"))
        if ".." in below.split("/"):
            causes.append(invalid(f"{at}.subPath", below, "must not contain '..'"))
    return causes


def _check_probe(probe: Value, field: str, *, needs_one: bool) -> list[Cause]:
    causes = _check_handler(probe, field, HANDLERS)
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        causes += check_not_negative(probe.get(name), f"{field}.{name}")
    if needs_one and probe.get("successThreshold", 1) not in (None, 1):
        causes.append(invalid(f"{field}.successThreshold", probe["successThreshold"], "must be 1"))
    return causes


def _check_handler(handler: Value, field: str, kinds: Sequence[str]) -> list[Cause]:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    causes = [] if given else [required(field, "must specify a handler type")]
    causes += [forbidden(f"{field}.{kind}", "may not specify more than 1 handler type") for kind in given[1:]]
    if handler.get("exec") is not None and not handler["exec"].get("command"):
        causes.append(required(f"{field}.exec.command"))
    for kind in ("httpGet", "tcpSocket", "grpc"):
        action = handler.get(kind)
        if action is not None and isinstance(action.get("port"), int):
            causes += [invalid(f"{field}.{kind}.port", action["port"], why) for why in is_port(action["port"])]
    return causes


def _check_security(context: Value, field: str) -> list[Cause]:
    causes = check_not_negative(context.get("runAsUser"), f"{field}.runAsUser")
    causes += check_not_negative(context.get("runAsGroup"), f"{field}.runAsGroup")
    if context.get("privileged") and context.get("allowPrivilegeEscalation") is False:
        causes.append(
            invalid(field, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
        )
    return causes


def _check_dns(spec: Value, path: str) -> list[Cause]:
    config = spec.get("dnsConfig") or {}
    if spec.get("dnsPolicy") == "None" and not config.get("nameservers"):
        return [
            required(
                f"{path}.dnsConfig.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None"
            )
        ]
    if len(config.get("nameservers") or []) > 3:
        return [
            invalid(f"{path}.dnsConfig.nameservers", config["nameservers"], "must not have more than 3 nameservers")
        ]
    return []


def _check_names(spec: Value, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for field, rule in (
        ("serviceAccountName", is_dns_subdomain),
        ("nodeName", is_dns_subdomain),
        ("hostname", is_dns_label),
        ("subdomain", is_dns_label),
        ("priorityClassName", is_dns_subdomain),
        ("runtimeClassName", is_dns_subdomain),
    ):
        if spec.get(field):
            causes += check(rule, f"{path}.{field}", spec[field])
    return causes


def _check_tolerations(tolerations: Sequence[Value], field: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, toleration in enumerate(tolerations):
        at, operator = f"{field}[{index}]", toleration.get("operator") or "Equal"
        if toleration.get("key"):
            causes += check(is_qualified_name, f"{at}.key", toleration["key"])
        elif operator != "Exists":
            causes.append(
                invalid(
                    f"{at}.operator",
                    operator,
                    'operator must be Exists when `key` is empty, which means "match all values and all keys"',
                )
            )
        if operator not in ("Equal", "Exists"):
            causes.append(unsupported(f"{at}.operator", operator, ("Equal", "Exists")))
        if operator == "Exists" and toleration.get("value"):
            causes.append(invalid(f"{at}.operator", toleration, "value must be empty when `operator` is 'Exists'"))
        if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
            causes.append(
                invalid(
                    f"{at}.effect",
                    toleration.get("effect"),
                    "effect must be 'NoExecute' when `tolerationSeconds` is set",
                )
            )
        causes += check_one_of(toleration.get("effect") or None, EFFECTS, f"{at}.effect")
    return causes


def _check_spread(constraints: Sequence[Value], field: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, constraint in enumerate(constraints):
        at = f"{field}[{index}]"
        if constraint.get("maxSkew", 0) <= 0:
            causes.append(invalid(f"{at}.maxSkew", constraint.get("maxSkew"), "must be greater than zero"))
        if not constraint.get("topologyKey"):
            causes.append(required(f"{at}.topologyKey", "can not be empty"))
        causes += check_one_of(
            constraint.get("whenUnsatisfiable", ""), ("DoNotSchedule", "ScheduleAnyway"), f"{at}.whenUnsatisfiable"
        )
    return causes


def _check_host_ports(spec: Value, path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[tuple[object, ...]] = set()
    for index, container in enumerate(spec.get("containers") or []):
        for number, port in enumerate(container.get("ports") or []):
            if not port.get("hostPort"):
                continue
            at = f"{path}.containers[{index}].ports[{number}]"
            place = (port.get("protocol", "TCP"), port.get("hostIP", ""), port["hostPort"])
            if place in seen:
                causes.append(duplicate(f"{at}.hostPort", f"{place[0]}/{place[1]}/{place[2]}"))
            seen.add(place)
            if spec.get("hostNetwork") and port["hostPort"] != port.get("containerPort"):
                causes.append(
                    invalid(
                        f"{at}.containerPort",
                        port.get("containerPort"),
                        "must match `hostPort` when `hostNetwork` is true",
                    )
                )
    return causes
