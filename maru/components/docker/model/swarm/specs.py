"""A service's specification: what it must keep to, and what stands where it says nothing.

Error texts are those of swarm's control API. Source: Docker Engine API v1.50, ServiceSpec; moby/swarmkit,
manager/controlapi/service.go and api/defaults/service.go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maru.components.docker.model.swarm.entries import without_nulls
from maru.components.docker.model.swarm.names import in_go_case
from maru.components.docker.model.swarm.placement import parse_constraints
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported

SECOND_NS = 1_000_000_000
DELAY_NS, MONITOR_NS, GRACE_NS = 5 * SECOND_NS, 5 * SECOND_NS, 10 * SECOND_NS
MODES = ("Replicated", "Global", "ReplicatedJob", "GlobalJob")
_NAME = re.compile(r"[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*")
_IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.:/@-]*")
_CPU_MIN, _MEMORY_MIN = 1_000_000, 4 << 20
_FLOW = {"Parallelism": 1, "FailureAction": "pause", "Monitor": MONITOR_NS, "MaxFailureRatio": 0, "Order": "stop-first"}
_RUNTIMES = ("", "container")


def refused(words: str, code: str = "InvalidArgument", status: int = 400) -> Invalid:
    """An error as it comes through dockerd from swarm's own API."""
    return Invalid(what=f"rpc error: code = {code} desc = {words}", why="", status=status)


def read_spec(body: Value) -> Value:
    """The specification of a request or a document, whole and checked. Raises Invalid, NotSupported."""
    try:
        return _read(body)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise refused(f"the specification has the wrong form: {error!r}") from error


def _read(body: Value) -> Value:
    given = in_go_case(without_nulls(body))
    assert isinstance(given, dict)
    spec: Value = given
    spec.setdefault("Labels", {})
    template = spec.setdefault("TaskTemplate", {})
    if str(template.get("Runtime") or "") not in _RUNTIMES:
        raise NotSupported(what=f"task runtime {template['Runtime']} is not supported by Maru", why="")
    template.setdefault("ForceUpdate", 0)
    template.setdefault("Runtime", "container")
    mode = spec.setdefault("Mode", {}) or spec["Mode"]
    if not mode:
        mode["Replicated"] = {}
    if "Replicated" in mode:
        mode["Replicated"].setdefault("Replicas", 1)
    if "ReplicatedJob" in mode:
        mode["ReplicatedJob"].setdefault("MaxConcurrent", 1)
        mode["ReplicatedJob"].setdefault("TotalCompletions", mode["ReplicatedJob"]["MaxConcurrent"])
    _check(spec)
    template["ContainerSpec"].setdefault("Isolation", "default")
    return spec


def mode_of(spec: Value) -> str:
    """Replicated, Global, ReplicatedJob or GlobalJob."""
    mode = spec.get("Mode")
    return next((name for name in MODES if isinstance(mode, dict) and name in mode), "Replicated")


def replicas_of(spec: Value) -> int:
    """Of a replicated service."""
    mode = spec.get("Mode")
    given = mode.get("Replicated") if isinstance(mode, dict) else None
    return int(given.get("Replicas") or 0) if isinstance(given, dict) else 1


def flow_of(spec: Value, *, is_rollback: bool) -> Value:
    """The parameters of an update or a rollback, with what stands where nothing was said."""
    given = spec.get("RollbackConfig" if is_rollback else "UpdateConfig") or {}
    flow = {**_FLOW, **given}
    if given and "Monitor" in given and not given["Monitor"]:
        flow["Monitor"] = MONITOR_NS
    for name in ("FailureAction", "Order"):
        flow[name] = flow[name] or _FLOW[name]
    return flow


def with_defaults(spec: Value) -> Value:
    """The specification as `insertDefaults` shows it."""
    template = spec.get("TaskTemplate") or {}
    container = template.get("ContainerSpec") or {}
    resources = template.get("Resources") or {}
    restart = template.get("RestartPolicy") or {}
    return {
        **spec,
        "TaskTemplate": {
            **template,
            "ContainerSpec": {"StopGracePeriod": GRACE_NS, "DNSConfig": {}, **container},
            "Resources": {"Limits": {}, "Reservations": {}, **resources},
            "RestartPolicy": {"Condition": "any", "Delay": DELAY_NS, "MaxAttempts": 0, **restart},
            "Placement": template.get("Placement") or {},
        },
        "UpdateConfig": flow_of(spec, is_rollback=False),
        "RollbackConfig": flow_of(spec, is_rollback=True),
        "EndpointSpec": {"Mode": "vip", **(spec.get("EndpointSpec") or {})},
    }


def networks_of(spec: Value) -> Sequence[Value]:
    """What its tasks are attached to; the older place of it counts where the newer says nothing."""
    template = spec.get("TaskTemplate") or {}
    return template.get("Networks") or spec.get("Networks") or ()


def template_of(spec: Value) -> Value:
    """What a task is made from."""
    template = {**(spec.get("TaskTemplate") or {})}
    networks = networks_of(spec)
    return {**template, "Networks": list(networks)} if networks else template


def is_changed(before: Value, after: Value) -> bool:
    """Whether tasks of the one are not those of the other. Values: {"template", "endpoint"}."""
    return _essence(before) != _essence(after)


def _essence(made_from: Value) -> Value:
    template = {**made_from["template"]}
    template["Placement"] = {
        key: value for key, value in (template.get("Placement") or {}).items() if key in ("Platforms",)
    }
    return {"template": template, "endpoint": made_from["endpoint"]}


def check_change(before: Value, after: Value) -> None:
    """What an update may not do. Raises Invalid."""
    if before.get("Name") != after.get("Name"):
        raise refused("renaming services is not supported", "Unimplemented", 501)
    if mode_of(before) != mode_of(after):
        raise refused("service mode change is not allowed", "Unimplemented", 501)


def check_name(name: str) -> None:
    """Of a service, a secret's and a config's are wider. Raises Invalid."""
    if not name:
        raise refused("meta: name must be provided")
    if not _NAME.fullmatch(name):
        raise refused("name must be valid as a DNS name component")
    if len(name) > 63:
        raise refused("name must be 63 characters or fewer")


def _check(spec: Value) -> None:
    check_name(str(spec.get("Name") or ""))
    template = spec["TaskTemplate"]
    container = template.get("ContainerSpec")
    if not container:
        raise refused("TaskSpec: missing runtime")
    _check_container(container)
    _check_template(template)
    for name in ("UpdateConfig", "RollbackConfig"):
        _check_flow(spec.get(name) or {})
    _check_endpoint(spec.get("EndpointSpec") or {})
    mode = spec["Mode"]
    if len(mode) > 1 or not set(mode) <= set(MODES):
        raise refused("Mode: exactly one mode must be given")
    if int((mode.get("Replicated") or {}).get("Replicas") or 0) < 0:
        raise refused("Number of replicas must be non-negative")
    if mode_of(spec).endswith("Job"):
        if spec.get("UpdateConfig"):
            raise refused("Job-mode services do not support update config")
        if spec.get("RollbackConfig"):
            raise refused("Job-mode services do not support rollback config")
        if (template.get("RestartPolicy") or {}).get("Condition") == "any":
            raise refused("job-mode services do not support restart condition any")


def _check_container(container: Value) -> None:
    image = str(container.get("Image") or "")
    if not image:
        raise refused("ContainerSpec: image reference must be provided")
    if not _IMAGE.fullmatch(image):
        raise refused(f'ContainerSpec: "{image}" is not a valid repository/tag')
    targets = [str(mount.get("Target") or "") for mount in container.get("Mounts") or ()]
    for target in targets:
        if targets.count(target) > 1:
            raise refused(f"ContainerSpec: duplicate mount point: {target}")
    for kind in ("Secrets", "Configs"):
        files = [str((each.get("File") or {}).get("Name") or "") for each in container.get(kind) or ()]
        for name in files:
            if name and files.count(name) > 1:
                word = kind.lower()[:-1]
                raise refused(f"{word} references have a conflicting target: '{name}'")
    if container.get("CredentialSpec") or (container.get("Privileges") or {}).get("CredentialSpec"):
        raise NotSupported(what="credential specs are for Windows", why="")


def _check_template(template: Value) -> None:
    resources = template.get("Resources") or {}
    for part in (resources.get("Limits") or {}, resources.get("Reservations") or {}):
        cpu, memory = int(part.get("NanoCPUs") or 0), int(part.get("MemoryBytes") or 0)
        if cpu and cpu < _CPU_MIN:
            raise refused(f"invalid cpu value {cpu / SECOND_NS:g}: Must be at least {_CPU_MIN / SECOND_NS:g}")
        if memory and memory < _MEMORY_MIN:
            raise refused(f"invalid memory value {memory}: Must be at least 4MiB")
    restart = template.get("RestartPolicy") or {}
    for name, words in (("Delay", "restart-delay"), ("Window", "restart-window")):
        if int(restart.get(name) or 0) < 0:
            raise refused(f"TaskSpec: {words} cannot be negative")
    if str(restart.get("Condition") or "any") not in ("any", "none", "on-failure"):
        raise refused(f"invalid RestartCondition: {restart['Condition']}")
    try:
        parse_constraints((template.get("Placement") or {}).get("Constraints") or ())
    except ValueError as error:
        raise refused(str(error)) from error


def _check_flow(flow: Value) -> None:
    for name, words in (("Delay", "update-delay"), ("Monitor", "update-monitor")):
        if int(flow.get(name) or 0) < 0:
            raise refused(f"TaskSpec: {words} cannot be negative")
    if not 0 <= float(flow.get("MaxFailureRatio") or 0) <= 1:
        raise refused("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1")
    if str(flow.get("FailureAction") or "pause") not in ("pause", "continue", "rollback"):
        raise refused(f"unrecognized update failure action {flow['FailureAction']}")
    if str(flow.get("Order") or "stop-first") not in ("stop-first", "start-first"):
        raise refused(f"unrecognized update order {flow['Order']}")


def _check_endpoint(endpoint: Value) -> None:
    mode = str(endpoint.get("Mode") or "vip")
    if mode not in ("vip", "dnsrr"):
        raise refused(f"invalid EndpointSpec: {mode}")
    seen: set[tuple[str, int, str]] = set()
    for port in endpoint.get("Ports") or ():
        port.setdefault("Protocol", "tcp")
        port.setdefault("PublishMode", "ingress")
        if not 0 < int(port.get("TargetPort") or 0) < 1 << 16:
            raise refused("EndpointSpec: TargetPort must be between 1 and 65535")
        if mode == "dnsrr" and port["PublishMode"] == "ingress":
            raise refused("EndpointSpec: port published with ingress mode can't be used with dnsrr mode")
        place = (port["Protocol"], int(port.get("PublishedPort") or 0), port["PublishMode"])
        if place[1] and place in seen:
            raise refused("EndpointSpec: duplicate published ports provided")
        seen.add(place)
