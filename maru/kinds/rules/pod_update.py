"""What an update of a Pod may change: the main resource, its ephemeral containers, its resources, its status.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidatePodUpdate, ValidatePodEphemeralContainersUpdate,
ValidatePodResize, ValidatePodStatusUpdate.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.rules.pod_spec import SECONDS_MAX
from maru.kinds.rules.text import forbidden, immutable, invalid
from maru.kinds.strategy import Cause

UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_OWN_RULES = frozenset({"activeDeadlineSeconds", "tolerations", "schedulingGates", "ephemeralContainers"})
_GATED_RULES = frozenset({"nodeSelector", "affinity"})
_RESIZED = ("cpu", "memory")
_NODE_AFFINITY = "nodeAffinity"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def check_update(spec: Value, old: Value) -> list[Cause]:
    """A write to the Pod itself."""
    for group in ("containers", "initContainers"):
        if len(spec.get(group) or []) != len(old.get(group) or []):
            return [forbidden(f"spec.{group}", "pod updates may not add or remove containers")]
    causes = _check_deadline(spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    causes += _check_tolerations(spec.get("tolerations") or [], old.get("tolerations") or [])
    causes += _check_gates(spec.get("schedulingGates") or [], old.get("schedulingGates") or [])
    is_gated = bool(old.get("schedulingGates"))
    if is_gated:
        causes += _check_gated(spec, old)
    have, want = _rest(old, is_gated=is_gated), _rest(spec, is_gated=is_gated)
    if (old.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        want["terminationGracePeriodSeconds"] = have["terminationGracePeriodSeconds"]
    if have != want:
        changed = sorted(name for name in have.keys() | want.keys() if have.get(name) != want.get(name))
        names = ", ".join(f"spec.{name}" for name in changed)
        causes.append(forbidden("spec", f"pod updates may not change fields other than {UPDATABLE}\n{names}"))
    return causes


def check_ephemeral(spec: Value, old: Value) -> list[Cause]:
    """The ephemeralcontainers subresource: what is there stays as it is."""
    field = "spec.ephemeralContainers"
    new = {container.get("name"): container for container in spec.get("ephemeralContainers") or []}
    causes: list[Cause] = []
    for container in old.get("ephemeralContainers") or []:
        name = container.get("name")
        if name not in new:
            causes.append(forbidden(field, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif new[name] != container:
            causes.append(forbidden(field, f'existing ephemeral containers "{name}" may not be changed\n'))
    return causes


def check_resize(spec: Value, old: Value, classes: tuple[str, str]) -> list[Cause]:
    """The resize subresource. classes: the QoS class now and before."""
    causes: list[Cause] = []
    if classes[0] != classes[1]:
        causes.append(invalid("spec", classes[0], "Pod QOS Class may not change as a result of resizing"))
    for group in ("initContainers", "containers"):
        for index, before in enumerate(old.get(group) or []):
            now = (spec.get(group) or [])[index]
            causes += _check_resized(now, before, f"spec.{group}[{index}].resources", is_init=group == "initContainers")
    return causes


def check_status(value: Value, old: Value) -> list[Cause]:
    """The status subresource: the class stays, and an ended container of a Pod that is not restarted does, too."""
    status, before = value.get("status") or {}, old.get("status") or {}
    causes: list[Cause] = []
    if before.get("qosClass") and status.get("qosClass") != before["qosClass"]:
        causes.append(immutable("status.qosClass", status.get("qosClass") or ""))
    policy = old["spec"].get("restartPolicy")
    if policy == "Always":
        return causes
    sidecars = {
        one.get("name") for one in old["spec"].get("initContainers") or [] if one.get("restartPolicy") is not None
    } | {one.get("name") for one in old["spec"].get("containers") or [] if one.get("restartPolicy") is not None}
    for field in ("containerStatuses", "initContainerStatuses"):
        now = {one.get("name"): one for one in status.get(field) or []}
        for index, one in enumerate(before.get(field) or []):
            ended = (one.get("state") or {}).get("terminated")
            if ended is None or one.get("name") not in now or one.get("name") in sidecars:
                continue
            if policy == "OnFailure" and ended.get("exitCode"):
                continue
            if (now[one.get("name")].get("state") or {}).get("terminated") is None:
                why = "may not be transitioned to non-terminated state"
                causes.append(forbidden(f"status.{field}[{index}].state", why))
    return causes


def _rest(spec: Value, *, is_gated: bool) -> Value:
    """The specification without what has rules of its own."""
    left_out = _OWN_RULES | _GATED_RULES if is_gated else _OWN_RULES
    kept = {name: field for name, field in spec.items() if name not in left_out}
    for group in ("containers", "initContainers"):
        if spec.get(group):
            kept[group] = [{name: field for name, field in one.items() if name != "image"} for one in spec[group]]
    if is_gated:
        affinity = {name: field for name, field in (spec.get("affinity") or {}).items() if name != _NODE_AFFINITY}
        kept["affinity"] = affinity
    return kept


def _check_deadline(seconds: int | None, before: int | None) -> list[Cause]:
    field = "spec.activeDeadlineSeconds"
    if seconds is None:
        why = "must not update from a positive integer to nil value"
        return [invalid(field, None, why)] if before is not None else []
    if not 0 <= seconds <= SECONDS_MAX:
        return [invalid(field, seconds, f"must be between 0 and {SECONDS_MAX}, inclusive")]
    if before is not None and before < seconds:
        return [invalid(field, seconds, "must be less than or equal to previous value")]
    return []


def _check_tolerations(tolerations: Sequence[Value], old: Sequence[Value]) -> list[Cause]:
    have = [{**one, "tolerationSeconds": None} for one in tolerations]
    if all({**one, "tolerationSeconds": None} in have for one in old):
        return []
    return [forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]


def _check_gates(gates: Sequence[Value], old: Sequence[Value]) -> list[Cause]:
    known = {gate.get("name") for gate in old}
    return [
        forbidden(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
        )
        for index, gate in enumerate(gates)
        if gate.get("name") not in known
    ]


def _check_gated(spec: Value, old: Value) -> list[Cause]:
    """A gated Pod's choice of nodes may only be narrowed."""
    causes: list[Cause] = []
    have, want = old.get("nodeSelector") or {}, spec.get("nodeSelector") or {}
    if any(want.get(key) != value for key, value in have.items()):
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        causes.append(invalid("spec.nodeSelector", want, why))
    field = f"spec.affinity.{_NODE_AFFINITY}.{_REQUIRED}.nodeSelectorTerms"
    before = _required_terms(old)
    after = _required_terms(spec)
    if before and len(before) != len(after):
        why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [*causes, invalid(field, after, why)]
    for index, term in enumerate(before):
        for name in ("matchExpressions", "matchFields"):
            kept = all(rule in (after[index].get(name) or []) for rule in term.get(name) or [])
            if not kept or (not (term.get("matchExpressions") or term.get("matchFields")) and after[index] != term):
                why = "only additions are allowed (no mutations or deletions)"
                causes.append(invalid(f"{field}[{index}]", after[index], why))
                break
    return causes


def _required_terms(spec: Value) -> Sequence[Value]:
    node = (spec.get("affinity") or {}).get(_NODE_AFFINITY) or {}
    return (node.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []


def _check_resized(container: Value, old: Value, field: str, *, is_init: bool) -> list[Cause]:
    if is_init and old.get("restartPolicy") != "Always":
        why = "resources for non-sidecar init containers are immutable"
        return [forbidden("spec", why)] if container != old else []
    causes: list[Cause] = []
    now, before = container.get("resources") or {}, old.get("resources") or {}
    for group in ("requests", "limits"):
        if (before.get(group) or {}).keys() - (now.get(group) or {}).keys():
            causes.append(forbidden(f"{field}.{group}", f"resource {group} cannot be removed"))
        changed = {
            name
            for name in (before.get(group) or {}).keys() | (now.get(group) or {}).keys()
            if (before.get(group) or {}).get(name) != (now.get(group) or {}).get(name)
        }
        if changed - set(_RESIZED):
            what = "only cpu and memory resources for sidecar containers are mutable" if is_init else ""
            causes.append(forbidden("spec", what or "only cpu and memory resources are mutable"))
    return causes
