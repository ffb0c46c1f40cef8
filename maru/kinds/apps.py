"""Deployments, ReplicaSets, StatefulSets, DaemonSets and their revisions.

Source: k8s.io/kubernetes/pkg/apis/apps/v1, defaults; pkg/apis/apps/validation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.columns import workloads as columns
from maru.kinds.defaults.pod_spec import default_pod_spec
from maru.kinds.label_selector import from_selector
from maru.kinds.rules.pod_spec import check_pod_spec
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.text import (
    check_labels,
    check_not_negative,
    check_one_of,
    immutable,
    invalid,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause, Strategy

PERCENT = re.compile(r"\d+%")


class _Templated(Strategy):
    """What kinds with a selector and a Pod template share."""

    template_restart_policies: Sequence[str] = ("Always",)

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        if spec.get("template") is not None:
            default_pod_spec(spec["template"].setdefault("spec", {}))
        self.default_spec(spec)

    def default_spec(self, spec: Value) -> None:
        """The kind's own defaults."""

    def prepare_create(self, value: Value) -> None:
        value.pop("status", None)

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes = check_not_negative(spec.get("replicas"), "spec.replicas")
        causes += check_not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
        causes += check_not_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")
        template = spec.get("template")
        if template is None:
            return [*causes, required("spec.template")]
        labels = (template.get("metadata") or {}).get("labels") or {}
        selector = spec.get("selector")
        if not selector:
            causes.append(required("spec.selector"))
        else:
            problems = check_selector(selector, "spec.selector")
            causes += problems
            if not (selector.get("matchLabels") or selector.get("matchExpressions")):
                causes.append(
                    invalid("spec.selector", selector, f"empty selector is invalid for {value['kind'].lower()}")
                )
            elif not problems and not from_selector(selector).matches(labels):
                causes.append(
                    invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
                )
        causes += check_labels(labels, "spec.template.metadata.labels")
        causes += check_pod_spec(self.template_spec(spec), "spec.template.spec")
        policy = template["spec"].get("restartPolicy")
        if policy not in self.template_restart_policies:
            causes.append(unsupported("spec.template.spec.restartPolicy", policy, self.template_restart_policies))
        return [*causes, *self.validate_spec(spec)]

    def template_spec(self, spec: Value) -> Value:
        """The Pod specification that is checked: as the Pods will have it."""
        template: Value = spec["template"]["spec"]
        return template

    def validate_spec(self, spec: Value) -> Sequence[Cause]:
        """The kind's own rules."""
        return ()

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if value["spec"].get("selector") != old["spec"].get("selector"):
            return [immutable("spec.selector", value["spec"].get("selector"))]
        return ()


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
        strategy = spec["strategy"]
        causes = check_one_of(strategy["type"], ("Recreate", "RollingUpdate"), "spec.strategy.type")
        rolling = strategy.get("rollingUpdate")
        if strategy["type"] == "Recreate" and rolling:
            why = "may not be specified when strategy `type` is 'Recreate'"
            causes.append(Cause("spec.strategy.rollingUpdate", "FieldValueForbidden", f"Forbidden: {why}"))
        elif rolling:
            for name in ("maxUnavailable", "maxSurge"):
                causes += check_int_or_percent(rolling.get(name), f"spec.strategy.rollingUpdate.{name}")
            if all(rolling.get(name) in (0, "0%") for name in ("maxUnavailable", "maxSurge")):
                why = "may not be 0 when `maxSurge` is 0"
                causes.append(invalid("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], why))
        deadline, ready_s = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds") or 0
        if deadline is not None and deadline <= ready_s:
            causes.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
        return causes


class ReplicaSetStrategy(_Templated):
    """ReplicaSets."""

    columns = columns.REPLICASET_COLUMNS

    def default_spec(self, spec: Value) -> None:
        _default(spec, "replicas", 1)


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
            _default(claim.setdefault("spec", {}), "volumeMode", "Filesystem")
            _default(claim, "status", {"phase": "Pending"})

    def template_spec(self, spec: Value) -> Value:
        # Claim templates become volumes of the same name, which containers may mount.
        template: Value = spec["template"]["spec"]
        claimed = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates") or []]
        kept = [volume for volume in template.get("volumes") or [] if volume.get("name") not in claimed]
        return {**template, "volumes": [*kept, *({"name": name, "emptyDir": {}} for name in claimed)]}

    def validate_spec(self, spec: Value) -> Sequence[Cause]:
        causes = check_one_of(spec["podManagementPolicy"], ("OrderedReady", "Parallel"), "spec.podManagementPolicy")
        causes += check_one_of(
            spec["updateStrategy"]["type"], ("OnDelete", "RollingUpdate"), "spec.updateStrategy.type"
        )
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
        return [Cause("spec", "FieldValueForbidden", f"Forbidden: {why}")]


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

    def validate_spec(self, spec: Value) -> Sequence[Cause]:
        return check_one_of(spec["updateStrategy"]["type"], ("OnDelete", "RollingUpdate"), "spec.updateStrategy.type")


class ControllerRevisionStrategy(Strategy):
    """Revisions: their data never changes."""

    columns = columns.CONTROLLERREVISION_COLUMNS
    has_status = False
    has_generation = False

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        return [immutable("data", None)] if value.get("data") != old.get("data") else ()


def check_int_or_percent(number: object, field: str) -> list[Cause]:
    """A number of 0 or more, or a percentage like 25%."""
    if isinstance(number, str) and not PERCENT.fullmatch(number):
        why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%' or '93%')"
        return [invalid(field, number, why)]
    return check_not_negative(number, field)


def _default(holder: Value, name: str, value: object) -> None:
    if holder.get(name) is None:
        holder[name] = value
