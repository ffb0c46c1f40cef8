"""Pods: their defaults, what of them may change, and how they are selected and shown.

Source: k8s.io/kubernetes/pkg/registry/core/pod, strategy; pkg/apis/core/validation, ValidatePodUpdate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Value
from maru.kinds.columns.pods import POD_COLUMNS, POD_TEMPLATE_COLUMNS
from maru.kinds.defaults.pod_spec import all_containers, default_pod_only, default_pod_spec
from maru.kinds.rules.pod_spec import check_pod_spec
from maru.kinds.rules.text import immutable
from maru.kinds.strategy import Cause, Strategy

_FORBIDDEN_UPDATE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


class PodStrategy(Strategy):
    """Pods are deleted in two steps: the node ends the grace period."""

    columns = POD_COLUMNS
    graceful_deletion = True

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        default_pod_spec(spec)
        default_pod_only(spec)

    def prepare_create(self, value: Value) -> None:
        value["spec"].pop("ephemeralContainers", None)
        value["status"] = {"phase": "Pending", "qosClass": qos_class(value["spec"])}

    def prepare_update(self, value: Value, old: Value, subresource: str) -> None:
        if subresource == "status":
            value["spec"] = old["spec"]
            value["metadata"].pop("deletionTimestamp", None)
            if old["metadata"].get("deletionTimestamp"):
                value["metadata"]["deletionTimestamp"] = old["metadata"]["deletionTimestamp"]
            value.setdefault("status", {}).setdefault("qosClass", (old.get("status") or {}).get("qosClass"))
        else:
            value["status"] = old.get("status") or {}

    def validate(self, value: Value) -> Sequence[Cause]:
        return check_pod_spec(value["spec"], "spec")

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if subresource in ("status", "binding", "resize", "ephemeralcontainers"):
            return ()
        have, want = _comparable(old["spec"]), _comparable(value["spec"])
        _allow_ungating(have, want)
        if have != want:
            return [Cause("spec", "FieldValueForbidden", f"Forbidden: {_FORBIDDEN_UPDATE}")]
        return _check_tolerations_grow(value["spec"], old["spec"])

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        spec, status = value.get("spec") or {}, value.get("status") or {}
        return {
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.restartPolicy": spec.get("restartPolicy", ""),
            "spec.schedulerName": spec.get("schedulerName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
            "status.phase": status.get("phase", ""),
            "status.podIP": status.get("podIP", ""),
            "status.nominatedNodeName": status.get("nominatedNodeName", ""),
        }


class PodTemplateStrategy(Strategy):
    """PodTemplate documents: a stored template that nothing acts on."""

    columns = POD_TEMPLATE_COLUMNS
    has_status = False

    def default(self, value: Value) -> None:
        default_pod_spec(value.setdefault("template", {}).setdefault("spec", {}))


def qos_class(spec: Value) -> str:
    """Guaranteed, Burstable or BestEffort. Source: Kubernetes documentation, "Pod Quality of Service Classes"."""
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    is_guaranteed, has_any = True, False
    for container in containers:
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        named = {name for name in (*requests, *limits) if name in ("cpu", "memory")}
        has_any = has_any or bool(named)
        if not {"cpu", "memory"} <= set(limits) or any(
            requests.get(name, limits[name]) != limits[name] for name in ("cpu", "memory")
        ):
            is_guaranteed = False
    if not has_any:
        return "BestEffort"
    return "Guaranteed" if is_guaranteed else "Burstable"


def _comparable(spec: Value) -> Value:
    """The specification without what an update may change."""
    kept = {
        name: field
        for name, field in spec.items()
        if name not in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "ephemeralContainers")
    }
    for group in ("containers", "initContainers"):
        if spec.get(group):
            kept[group] = [{name: field for name, field in one.items() if name != "image"} for one in spec[group]]
    return kept


def _allow_ungating(have: Value, want: Value) -> None:
    """While a Pod is gated, gates may go and node selection may be tightened."""
    gates = have.get("schedulingGates")
    if not gates:
        return
    left = [gate["name"] for gate in want.get("schedulingGates") or []]
    if set(left) <= {gate["name"] for gate in gates}:
        for name in ("schedulingGates", "nodeSelector", "affinity"):
            have.pop(name, None)
            want.pop(name, None)


def _check_tolerations_grow(spec: Value, old: Value) -> Sequence[Cause]:
    have = spec.get("tolerations") or []
    for toleration in old.get("tolerations") or []:
        same = [{**one, "tolerationSeconds": None} for one in have]
        if {**toleration, "tolerationSeconds": None} not in same:
            return [
                Cause(
                    "spec.tolerations",
                    "FieldValueForbidden",
                    "Forbidden: existing toleration can not be modified except its tolerationSeconds",
                )
            ]
    for name in ("activeDeadlineSeconds",):
        if old.get(name) is not None and (spec.get(name) is None or spec[name] > old[name]):
            return [immutable(f"spec.{name}", spec.get(name), "must be less than or equal to previous value")]
    return []


def container_names(spec: Value) -> Sequence[str]:
    """The names of all containers, ephemeral ones included."""
    return [container["name"] for container in all_containers(spec)]
