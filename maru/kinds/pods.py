"""Pods and stored Pod templates: their defaults, what of them may change, how they are selected and shown.

Source: k8s.io/kubernetes/pkg/registry/core/pod, strategy; pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Value
from maru.kinds.columns.pods import POD_COLUMNS, POD_TEMPLATE_COLUMNS
from maru.kinds.defaults.pod_spec import default_pod_only, default_pod_spec
from maru.kinds.rules.pod_spec import check_pod_spec, check_template
from maru.kinds.rules.pod_update import check_ephemeral, check_resize, check_status, check_update
from maru.kinds.rules.pod_warnings import warn_pod
from maru.kinds.rules.pods.resources import amount
from maru.kinds.rules.text import forbidden, is_dns_label
from maru.kinds.strategy import Cause, Strategy

COUNTED = ("cpu", "memory")
_ACCOUNT_MISSING = "must not be specified when serviceAccountName is not set"


class PodStrategy(Strategy):
    """Pods are deleted in two steps: the node ends the grace period."""

    columns = POD_COLUMNS
    graceful_deletion = True

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        default_pod_spec(spec)
        default_pod_only(spec)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"phase": "Pending", "qosClass": qos_class(value["spec"])}
        gates = value["spec"].get("schedulingGates")
        if gates:
            why = "Scheduling is blocked due to non-empty scheduling gates"
            condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": why}
            value["status"]["conditions"] = [condition]

    def prepare_update(self, value: Value, old: Value, subresource: str) -> None:
        if subresource == "status":
            value["spec"] = old["spec"]
            value["metadata"].pop("deletionTimestamp", None)
            if old["metadata"].get("deletionTimestamp"):
                value["metadata"]["deletionTimestamp"] = old["metadata"]["deletionTimestamp"]
            before = (old.get("status") or {}).get("qosClass")
            status = value["status"] = value.get("status") or {}
            if before and not status.get("qosClass"):
                status["qosClass"] = before
        else:
            value["status"] = old.get("status") or {}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes = check_pod_spec(spec, "spec", is_pod=True)
        if not spec.get("serviceAccountName"):
            causes += [
                forbidden(f"spec.volumes[{index}].projected.sources[{number}].serviceAccountToken", _ACCOUNT_MISSING)
                for index, volume in enumerate(spec.get("volumes") or [])
                for number, source in enumerate((volume.get("projected") or {}).get("sources") or [])
                if source.get("serviceAccountToken") is not None
            ]
        return causes

    def validate_create(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes: list[Cause] = []
        if spec.get("ephemeralContainers"):
            causes.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
        if spec.get("nodeName") and spec.get("schedulingGates"):
            causes.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        match subresource:
            case "":
                return check_update(value["spec"], old["spec"])
            case "status":
                return check_status(value, old)
            case "ephemeralcontainers":
                return check_ephemeral(value["spec"], old["spec"])
            case "resize":
                return check_resize(value["spec"], old["spec"], (qos_class(value["spec"]), qos_class(old["spec"])))
        return ()

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        spec, status = value.get("spec") or {}, value.get("status") or {}
        ips = status.get("podIPs") or []
        return {
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.restartPolicy": spec.get("restartPolicy", ""),
            "spec.schedulerName": spec.get("schedulerName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
            "status.phase": status.get("phase", ""),
            "status.podIP": ips[0].get("ip", "") if ips else status.get("podIP", ""),
            "status.nominatedNodeName": status.get("nominatedNodeName", ""),
        }

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        named = [] if old is not None else warn_pod_name(value["metadata"].get("name") or "")
        return [*named, *warn_pod(value.get("spec") or {}, value["metadata"])]


class PodTemplateStrategy(Strategy):
    """PodTemplate documents: a stored template that nothing acts on."""

    columns = POD_TEMPLATE_COLUMNS
    has_status = False
    generation_fields = ("template",)

    def default(self, value: Value) -> None:
        template = value["template"] = value.get("template") or {}
        default_pod_spec(template.setdefault("spec", {}))

    def validate(self, value: Value) -> Sequence[Cause]:
        return check_template(value["template"], "template")

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        return warn_template(value, old, ("template",))


def qos_class(spec: Value) -> str:
    """Guaranteed, Burstable or BestEffort. Source: Kubernetes documentation, "Pod Quality of Service Classes"."""
    pod_level = spec.get("resources") or {}
    if pod_level.get("requests") or pod_level.get("limits"):
        holders = [pod_level]
    else:
        groups = ("initContainers", "containers")
        holders = [one.get("resources") or {} for group in groups for one in spec.get(group) or []]
    is_guaranteed, has_any = True, False
    for resources in holders:
        requests, limits = (_counted(resources.get(group) or {}) for group in ("requests", "limits"))
        has_any = has_any or bool(requests or limits)
        if len(limits) < len(COUNTED) or any(requests.get(name, nano) != nano for name, nano in limits.items()):
            is_guaranteed = False
    if not has_any:
        return "BestEffort"
    return "Guaranteed" if is_guaranteed else "Burstable"


def _counted(listed: Mapping[str, object]) -> Mapping[str, int]:
    """What counts for the class, in nano units; what cannot be read is another rule's cause."""
    amounts = {name: amount(listed[name]).nano for name in COUNTED if name in listed}
    return {name: nano for name, nano in amounts.items() if nano > 0}


def warn_pod_name(name: str) -> list[str]:
    """What names Pods are given by may surprise as host names."""
    problems = is_dns_label(name)
    if not name or not problems:
        return []
    listed = " ".join(problems)
    why = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
    return [f"metadata.name: {why}: [{listed}]"]


def warn_template(value: Value, old: Value | None, path: Sequence[str]) -> list[str]:
    """The warnings of the template at `path`, if a write brings or changes it."""
    template, before = value, old
    for step in path:
        template = template.get(step) or {}
        before = (before or {}).get(step) or {}
    if old is not None and template == before:
        return []
    return warn_pod(template.get("spec") or {}, template.get("metadata") or {}, ".".join(path))
