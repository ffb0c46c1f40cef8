"""Deployments, ReplicaSets, StatefulSets, DaemonSets and their revisions.

Source: k8s.io/kubernetes/pkg/apis/apps/v1, defaults; pkg/apis/apps/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Value
from maru.kinds.columns import workloads as columns
from maru.kinds.defaults.pod_spec import default_pod_spec
from maru.kinds.pods import warn_template
from maru.kinds.rules.pod_spec import check_template
from maru.kinds.rules.templated import check_at_most_all, check_count, check_lasting, check_template_selector, is_zero
from maru.kinds.rules.text import (
    check,
    check_not_negative,
    forbidden,
    immutable,
    invalid,
    is_dns_label,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause, Strategy


class _Templated(Strategy):
    """What kinds with a selector and a Pod template share."""

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        template = spec["template"] = spec.get("template") or {}
        template["metadata"] = template.get("metadata") or {}
        default_pod_spec(template.setdefault("spec", {}))
        self.default_spec(spec)

    def default_spec(self, spec: Value) -> None:
        """The kind's own defaults."""

    def prepare_create(self, value: Value) -> None:
        value["status"] = {}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes: list[Cause] = []
        for name in ("replicas", "minReadySeconds"):
            causes += check_not_negative(spec.get(name), f"spec.{name}")
        causes += check_template_selector(spec, value.get("kind", "").lower())
        causes += check_template(self.template(spec), "spec.template")
        causes += check_lasting(spec["template"], "spec.template")
        causes += self.validate_spec(spec)
        return [*causes, *check_not_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")]

    def template(self, spec: Value) -> Value:
        """The Pod template that is checked: as the Pods will have it."""
        template: Value = spec["template"]
        return template

    def validate_spec(self, spec: Value) -> Sequence[Cause]:
        """The kind's own rules."""
        return ()

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if value["spec"].get("selector") != old["spec"].get("selector"):
            return [immutable("spec.selector", value["spec"].get("selector"))]
        return ()

    def warnings(self, value: Value, old: Value | None = None) -> Sequence[str]:
        return warn_template(value, old, ("spec", "template"))


class DeploymentStrategy(_Templated):
    """Deployments."""

    columns = columns.DEPLOYMENT_COLUMNS

    def default_spec(self, spec: Value) -> None:
        _default(spec, "replicas", 1)
        strategy = spec["strategy"] = spec.get("strategy") or {}
        strategy["type"] = strategy.get("type") or "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
            _default(rolling, "maxUnavailable", "25%")
            _default(rolling, "maxSurge", "25%")
        _default(spec, "revisionHistoryLimit", 10)
        _default(spec, "progressDeadlineSeconds", 600)

    def validate_spec(self, spec: Value) -> Sequence[Cause]:
        causes = _check_strategy(spec["strategy"], "spec.strategy")
        deadline_s, ready_s = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds") or 0
        if deadline_s is not None:
            at = "spec.progressDeadlineSeconds"
            causes += check_not_negative(deadline_s, at)
            if deadline_s <= ready_s:
                causes.append(invalid(at, deadline_s, "must be greater than minReadySeconds"))
        return causes


class ReplicaSetStrategy(_Templated):
    """ReplicaSets."""

    columns = columns.REPLICASET_COLUMNS

    def default_spec(self, spec: Value) -> None:
        _default(spec, "replicas", 1)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"replicas": 0}

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        return {"status.replicas": str((value.get("status") or {}).get("replicas", 0))}


class StatefulSetStrategy(_Templated):
    """StatefulSets: only a few fields of the specification may change."""

    columns = columns.STATEFULSET_COLUMNS
    _mutable = (
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    )

    def default_spec(self, spec: Value) -> None:
        _default(spec, "replicas", 1)
        _default(spec, "podManagementPolicy", "OrderedReady")
        _default(spec, "serviceName", "")
        update = spec["updateStrategy"] = spec.get("updateStrategy") or {}
        update["type"] = update.get("type") or "RollingUpdate"
        if update["type"] == "RollingUpdate":
            update["rollingUpdate"] = update.get("rollingUpdate") or {}
            _default(update["rollingUpdate"], "partition", 0)
        _default(spec, "revisionHistoryLimit", 10)
        policy = spec["persistentVolumeClaimRetentionPolicy"] = spec.get("persistentVolumeClaimRetentionPolicy") or {}
        _default(policy, "whenDeleted", "Retain")
        _default(policy, "whenScaled", "Retain")
        for claim in spec.get("volumeClaimTemplates") or []:
            claim.setdefault("apiVersion", "v1")
            claim.setdefault("kind", "PersistentVolumeClaim")
            claim.setdefault("metadata", {})
            _default(claim.setdefault("spec", {}), "volumeMode", "Filesystem")
            _default(claim, "status", {"phase": "Pending"})

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"replicas": 0, "availableReplicas": 0}

    def template(self, spec: Value) -> Value:
        # Claim templates become volumes of the same name, which containers may mount.
        template: Value = spec["template"]
        pod = template["spec"]
        claimed = [claim["metadata"].get("name") or "" for claim in spec.get("volumeClaimTemplates") or []]
        kept = [volume for volume in pod.get("volumes") or [] if volume.get("name") not in claimed]
        claims = [
            {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(claimed) if name
        ]
        return {**template, "spec": {**pod, "volumes": [*kept, *claims]}}

    def validate_spec(self, spec: Value) -> Sequence[Cause]:
        causes = _one_of(spec, "spec", "podManagementPolicy", ("OrderedReady", "Parallel"))
        update = spec["updateStrategy"]
        causes += _one_of(update, "spec.updateStrategy", "type", ("RollingUpdate", "OnDelete"))
        rolling = update.get("rollingUpdate")
        at = "spec.updateStrategy.rollingUpdate"
        if update["type"] == "OnDelete" and rolling is not None:
            causes.append(invalid(at, rolling, "only allowed for updateStrategy 'RollingUpdate'"))
        elif rolling:
            causes += check_not_negative(rolling.get("partition"), f"{at}.partition")
            most = rolling.get("maxUnavailable")
            causes += check_count(most, f"{at}.maxUnavailable")
            if most is not None and is_zero(most):
                causes.append(invalid(f"{at}.maxUnavailable", most, "cannot be 0"))
            causes += check_at_most_all(most, f"{at}.maxUnavailable")
        policy = spec["persistentVolumeClaimRetentionPolicy"]
        for name in ("whenDeleted", "whenScaled"):
            if policy.get(name) not in ("Retain", "Delete"):
                at = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
                causes.append(unsupported(at, policy.get(name), ("Retain", "Delete")))
        causes += check_not_negative((spec.get("ordinals") or {}).get("start"), "spec.ordinals.start")
        if spec.get("serviceName"):
            causes += check(is_dns_label, "spec.serviceName", spec["serviceName"])
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        have = {name: field for name, field in old["spec"].items() if name not in self._mutable}
        want = {name: field for name, field in value["spec"].items() if name not in self._mutable}
        if have == want:
            return ()
        why = (
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
            "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        )
        return [forbidden("spec", why)]


class DaemonSetStrategy(_Templated):
    """DaemonSets."""

    columns = columns.DAEMONSET_COLUMNS

    def default_spec(self, spec: Value) -> None:
        update = spec["updateStrategy"] = spec.get("updateStrategy") or {}
        update["type"] = update.get("type") or "RollingUpdate"
        if update["type"] == "RollingUpdate":
            rolling = update["rollingUpdate"] = update.get("rollingUpdate") or {}
            _default(rolling, "maxUnavailable", 1)
            _default(rolling, "maxSurge", 0)
        _default(spec, "revisionHistoryLimit", 10)

    def prepare_create(self, value: Value) -> None:
        counted = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady")
        value["status"] = dict.fromkeys(counted, 0)

    def validate_spec(self, spec: Value) -> Sequence[Cause]:
        update = spec["updateStrategy"]
        if update["type"] not in ("RollingUpdate", "OnDelete"):
            return [unsupported("spec.updateStrategy.type", update["type"], ("RollingUpdate", "OnDelete"))]
        rolling = update.get("rollingUpdate")
        if update["type"] == "OnDelete" or rolling is None:
            return []
        at = "spec.updateStrategy.rollingUpdate"
        most, more = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        causes: list[Cause] = []
        for name, number in (("maxUnavailable", most), ("maxSurge", more)):
            causes += check_count(number, f"{at}.{name}")
            causes += check_at_most_all(number, f"{at}.{name}")
        if not is_zero(most) and not is_zero(more):
            causes.append(invalid(f"{at}.maxSurge", more, "may not be set when maxUnavailable is non-zero"))
        elif is_zero(most) and is_zero(more):
            causes.append(required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
        return causes


class ControllerRevisionStrategy(Strategy):
    """Revisions: their data never changes."""

    columns = columns.CONTROLLERREVISION_COLUMNS
    has_status = False
    has_generation = False

    def validate(self, value: Value) -> Sequence[Cause]:
        causes = check_not_negative(value.get("revision"), "revision")
        return causes if value.get("data") is not None else [*causes, required("data", "data is mandatory")]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        return [immutable("data", value.get("data"))] if value.get("data") != old.get("data") else ()


def _check_strategy(strategy: Value, at: str) -> list[Cause]:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    if kind not in ("Recreate", "RollingUpdate"):
        return [unsupported(f"{at}.type", kind, ("Recreate", "RollingUpdate"))]
    if kind == "Recreate":
        why = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden(f"{at}.rollingUpdate", why)] if rolling is not None else []
    causes: list[Cause] = []
    rolling = rolling or {}
    for name in ("maxUnavailable", "maxSurge"):
        causes += check_count(rolling.get(name), f"{at}.rollingUpdate.{name}")
    most = rolling.get("maxUnavailable")
    if is_zero(most) and is_zero(rolling.get("maxSurge")):
        causes.append(invalid(f"{at}.rollingUpdate.maxUnavailable", most, "may not be 0 when `maxSurge` is 0"))
    return causes + check_at_most_all(most, f"{at}.rollingUpdate.maxUnavailable")


def _one_of(holder: Value, path: str, name: str, choices: Sequence[str]) -> list[Cause]:
    chosen = holder.get(name) or ""
    if not chosen:
        return [required(f"{path}.{name}")]
    if chosen in choices:
        return []
    return [invalid(f"{path}.{name}", chosen, "must be " + " or ".join(f"'{choice}'" for choice in choices))]


def _default(holder: Value, name: str, value: object) -> None:
    if holder.get(name) is None:
        holder[name] = value
