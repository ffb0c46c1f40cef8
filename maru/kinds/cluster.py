"""Access, networking, storage, scheduling, policy and API machinery kinds: their defaults and rules.

Source: k8s.io/kubernetes/pkg/apis/{rbac,networking,storage,scheduling,policy,certificates,admissionregistration,...}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Value
from maru.kinds.columns import cluster as columns
from maru.kinds.columns.workloads import HORIZONTALPODAUTOSCALER_COLUMNS, PODDISRUPTIONBUDGET_COLUMNS
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.templated import check_count as check_int_or_percent
from maru.kinds.rules.text import check_not_negative, check_one_of, immutable, invalid, required, unsupported
from maru.kinds.strategy import Cause, Column, Strategy

RBAC = "rbac.authorization.k8s.io"


class Shown(Strategy):
    """A kind with columns and nothing else of its own."""

    def __init__(self, shown: Sequence[Column], *, has_status: bool = True, has_generation: bool = False) -> None:
        self.columns = shown
        self.has_status = has_status
        self.has_generation = has_generation


class RoleStrategy(Shown):
    """Roles and ClusterRoles: every rule has verbs, and resources with groups or (cluster-wide) paths."""

    def __init__(self, *, is_cluster: bool) -> None:
        super().__init__(columns.ROLE_COLUMNS, has_status=False)
        self._is_cluster = is_cluster

    def validate(self, value: Value) -> Sequence[Cause]:
        causes: list[Cause] = []
        for index, rule in enumerate(value.get("rules") or []):
            field = f"rules[{index}]"
            if not rule.get("verbs"):
                causes.append(required(f"{field}.verbs", "verbs must contain at least one value"))
            if rule.get("nonResourceURLs"):
                if not self._is_cluster:
                    why = "namespaced rules cannot apply to non-resource URLs"
                    causes.append(invalid(f"{field}.nonResourceURLs", rule["nonResourceURLs"], why))
                if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                    why = "rules cannot apply to both regular resources and non-resource URLs"
                    causes.append(invalid(f"{field}.nonResourceURLs", rule["nonResourceURLs"], why))
                continue
            if not rule.get("apiGroups"):
                causes.append(required(f"{field}.apiGroups", "resource rules must supply at least one api group"))
            if not rule.get("resources"):
                causes.append(required(f"{field}.resources", "resource rules must supply at least one resource"))
        return causes


class BindingStrategy(Shown):
    """RoleBindings and ClusterRoleBindings: the role they point at never changes."""

    def __init__(self, *, is_cluster: bool) -> None:
        super().__init__(columns.BINDING_COLUMNS, has_status=False)
        self._roles = ("ClusterRole",) if is_cluster else ("ClusterRole", "Role")

    def default(self, value: Value) -> None:
        role = value.get("roleRef")
        if role is not None and not role.get("apiGroup"):
            role["apiGroup"] = RBAC
        for subject in value.get("subjects") or []:
            if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
                subject["apiGroup"] = RBAC

    def validate(self, value: Value) -> Sequence[Cause]:
        role = value.get("roleRef") or {}
        causes = [] if role.get("name") else [required("roleRef.name")]
        if role.get("kind") not in self._roles:
            causes.append(unsupported("roleRef.kind", role.get("kind"), self._roles))
        if role.get("apiGroup") not in (RBAC, None):
            causes.append(unsupported("roleRef.apiGroup", role["apiGroup"], (RBAC,)))
        for index, subject in enumerate(value.get("subjects") or []):
            field = f"subjects[{index}]"
            if not subject.get("name"):
                causes.append(required(f"{field}.name"))
            if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
                causes.append(required(f"{field}.namespace"))
            if subject.get("kind") not in ("User", "Group", "ServiceAccount"):
                causes.append(unsupported(f"{field}.kind", subject.get("kind"), ("ServiceAccount", "User", "Group")))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if value.get("roleRef") != old.get("roleRef"):
            return [immutable("roleRef", value.get("roleRef"), "cannot change roleRef")]
        return ()


class SigningRequestStrategy(Shown):
    """CertificateSigningRequests: who asks is written by the server, what is asked never changes."""

    def __init__(self) -> None:
        super().__init__(columns.CERTIFICATESIGNINGREQUEST_COLUMNS)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {}

    def prepare_update(self, value: Value, old: Value, subresource: str) -> None:
        value["spec"] = old["spec"]
        before = old.get("status") or {}
        status = value["status"] = value.get("status") or {}
        if subresource == "approval":
            value["status"] = {**before, "conditions": status.get("conditions") or []}
        elif subresource != "status":
            value["status"] = before

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value.get("spec") or {}
        causes = [required(f"spec.{name}") for name in ("request", "signerName", "usages") if not spec.get(name)]
        name = spec.get("signerName") or ""
        if name and "/" not in name:
            why = "should be a fully qualified domain and path of the form 'example.com/signer-name'"
            causes.append(invalid("spec.signerName", name, why))
        seconds = spec.get("expirationSeconds")
        if seconds is not None and seconds < 600:
            causes.append(
                invalid(
                    "spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)"
                )
            )
        return causes

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        return {"spec.signerName": (value.get("spec") or {}).get("signerName", "")}


class IngressStrategy(Shown):
    """Ingresses."""

    def __init__(self) -> None:
        super().__init__(columns.INGRESS_COLUMNS, has_generation=True)

    def prepare_create(self, value: Value) -> None:
        value["status"] = {"loadBalancer": {}}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value.get("spec") or {}
        causes: list[Cause] = []
        if not spec.get("rules") and not spec.get("defaultBackend"):
            causes.append(invalid("spec", {}, "either `defaultBackend` or `rules` must be specified"))
        for index, rule in enumerate(spec.get("rules") or []):
            for number, path in enumerate((rule.get("http") or {}).get("paths") or []):
                field = f"spec.rules[{index}].http.paths[{number}]"
                if not path.get("pathType"):
                    causes.append(required(f"{field}.pathType", "pathType must be specified"))
                causes += check_one_of(
                    path.get("pathType") or None, ("Exact", "ImplementationSpecific", "Prefix"), f"{field}.pathType"
                )
                if path.get("pathType") in ("Exact", "Prefix") and not str(path.get("path", "")).startswith("/"):
                    causes.append(invalid(f"{field}.path", path.get("path"), "must be an absolute path"))
        return causes


class NetworkPolicyStrategy(Shown):
    """NetworkPolicies: which directions they speak of follows from what they say."""

    def __init__(self) -> None:
        super().__init__(columns.NETWORKPOLICY_COLUMNS, has_status=False, has_generation=True)

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
        for rule in [*(spec.get("ingress") or []), *(spec.get("egress") or [])]:
            for port in (rule or {}).get("ports") or []:
                port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, value: Value) -> Sequence[Cause]:
        return check_selector(value["spec"].get("podSelector") or {}, "spec.podSelector")


class EndpointSliceStrategy(Shown):
    """EndpointSlices."""

    def __init__(self) -> None:
        super().__init__(columns.ENDPOINTSLICE_COLUMNS, has_status=False, has_generation=True)

    def default(self, value: Value) -> None:
        for port in value.get("ports") or []:
            port.setdefault("name", "")
            port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, value: Value) -> Sequence[Cause]:
        causes = check_one_of(value.get("addressType", ""), ("FQDN", "IPv4", "IPv6"), "addressType")
        for index, endpoint in enumerate(value.get("endpoints") or []):
            if not endpoint.get("addresses"):
                causes.append(required(f"endpoints[{index}].addresses", "must contain at least 1 address"))
        return causes

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if value.get("addressType") != old.get("addressType"):
            return [immutable("addressType", value.get("addressType"))]
        return ()


class DisruptionBudgetStrategy(Shown):
    """PodDisruptionBudgets."""

    def __init__(self) -> None:
        super().__init__(PODDISRUPTIONBUDGET_COLUMNS, has_generation=True)

    def prepare_create(self, value: Value) -> None:
        counted = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
        value["status"] = dict.fromkeys(counted, 0)

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value.get("spec") or {}
        causes: list[Cause] = []
        if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
            causes.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
        for name in ("minAvailable", "maxUnavailable"):
            causes += check_int_or_percent(spec.get(name), f"spec.{name}")
        return [*causes, *check_selector(spec.get("selector") or {}, "spec.selector")]


class AutoscalerStrategy(Shown):
    """HorizontalPodAutoscalers, kept in version 2."""

    def __init__(self) -> None:
        super().__init__(HORIZONTALPODAUTOSCALER_COLUMNS)

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        if spec.get("minReplicas") is None:
            spec["minReplicas"] = 1
        if not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": 80}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
        behavior = spec.get("behavior")
        if behavior is not None:
            _default_scaling(behavior.setdefault("scaleUp", {}), window_s=0, pods=True)
            _default_scaling(behavior.setdefault("scaleDown", {}), window_s=None, pods=False)

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        most, least = spec.get("maxReplicas", 0), spec.get("minReplicas", 1)
        causes = check_not_negative(least, "spec.minReplicas")
        if most < 1:
            causes.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
        elif most < least:
            causes.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
        reference = spec.get("scaleTargetRef") or {}
        return causes + [
            required(f"spec.scaleTargetRef.{name}") for name in ("kind", "name") if not reference.get(name)
        ]


class StorageClassStrategy(Shown):
    """StorageClasses never change but for their labels and expansion."""

    def __init__(self) -> None:
        super().__init__(columns.STORAGECLASS_COLUMNS, has_status=False)

    def default(self, value: Value) -> None:
        value["reclaimPolicy"] = value.get("reclaimPolicy") or "Delete"
        value["volumeBindingMode"] = value.get("volumeBindingMode") or "Immediate"

    def validate(self, value: Value) -> Sequence[Cause]:
        causes = [] if value.get("provisioner") else [required("provisioner")]
        causes += check_one_of(value["reclaimPolicy"], ("Delete", "Retain"), "reclaimPolicy")
        return causes + check_one_of(
            value["volumeBindingMode"], ("Immediate", "WaitForFirstConsumer"), "volumeBindingMode"
        )

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        fixed = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")
        return [immutable(name, value.get(name)) for name in fixed if value.get(name) != old.get(name)]


class CsiDriverStrategy(Shown):
    """CSIDrivers."""

    def __init__(self) -> None:
        super().__init__(columns.CSIDRIVER_COLUMNS, has_status=False)

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        for name, usual in (
            ("attachRequired", True),
            ("podInfoOnMount", False),
            ("storageCapacity", False),
            ("fsGroupPolicy", "ReadWriteOnceWithFSType"),
            ("requiresRepublish", False),
            ("seLinuxMount", False),
            ("volumeLifecycleModes", ["Persistent"]),
        ):
            if spec.get(name) is None:
                spec[name] = usual


class PriorityClassStrategy(Shown):
    """PriorityClasses: value and preemption never change."""

    def __init__(self) -> None:
        super().__init__(columns.PRIORITYCLASS_COLUMNS, has_status=False)

    def default(self, value: Value) -> None:
        value["preemptionPolicy"] = value.get("preemptionPolicy") or "PreemptLowerPriority"

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        if value.get("value") != old.get("value"):
            return [Cause("value", "FieldValueForbidden", "Forbidden: may not be changed in an update.")]
        return ()


class WebhookConfigurationStrategy(Shown):
    """Mutating and validating webhook configurations."""

    def __init__(self, *, is_mutating: bool) -> None:
        super().__init__(columns.WEBHOOKCONFIGURATION_COLUMNS, has_status=False, has_generation=True)
        self._is_mutating = is_mutating

    def default(self, value: Value) -> None:
        for webhook in value.get("webhooks") or []:
            webhook["failurePolicy"] = webhook.get("failurePolicy") or "Fail"
            webhook["matchPolicy"] = webhook.get("matchPolicy") or "Equivalent"
            webhook.setdefault("namespaceSelector", {})
            webhook.setdefault("objectSelector", {})
            if webhook.get("timeoutSeconds") is None:
                webhook["timeoutSeconds"] = 10
            if self._is_mutating:
                webhook["reinvocationPolicy"] = webhook.get("reinvocationPolicy") or "Never"
            for rule in webhook.get("rules") or []:
                rule["scope"] = rule.get("scope") or "*"
            service = (webhook.get("clientConfig") or {}).get("service")
            if service is not None and service.get("port") is None:
                service["port"] = 443

    def validate(self, value: Value) -> Sequence[Cause]:
        causes: list[Cause] = []
        for index, webhook in enumerate(value.get("webhooks") or []):
            field = f"webhooks[{index}]"
            if not webhook.get("sideEffects"):
                causes.append(required(f"{field}.sideEffects", "must specify one of None, NoneOnDryRun"))
            elif webhook["sideEffects"] not in ("None", "NoneOnDryRun"):
                causes.append(unsupported(f"{field}.sideEffects", webhook["sideEffects"], ("None", "NoneOnDryRun")))
            if not webhook.get("admissionReviewVersions"):
                causes.append(required(f"{field}.admissionReviewVersions", "must specify one of v1, v1beta1"))
            config = webhook.get("clientConfig") or {}
            if bool(config.get("url")) == bool(config.get("service")):
                causes.append(required(f"{field}.clientConfig", "exactly one of url or service is required"))
        return causes


class AdmissionPolicyStrategy(Shown):
    """ValidatingAdmissionPolicies and MutatingAdmissionPolicies."""

    def __init__(self, shown: Sequence[Column]) -> None:
        super().__init__(shown, has_generation=True)

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        spec["failurePolicy"] = spec.get("failurePolicy") or "Fail"
        constraints = spec.get("matchConstraints")
        if constraints is not None:
            default_match(constraints)


class AdmissionPolicyBindingStrategy(Shown):
    """Bindings of admission policies."""

    def __init__(self) -> None:
        super().__init__(columns.ADMISSIONPOLICYBINDING_COLUMNS, has_status=False, has_generation=True)

    def default(self, value: Value) -> None:
        match = value.setdefault("spec", {}).get("matchResources")
        if match is not None:
            default_match(match)


class FlowSchemaStrategy(Shown):
    """FlowSchemas."""

    def __init__(self) -> None:
        super().__init__(columns.FLOWSCHEMA_COLUMNS, has_generation=True)

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        if not spec.get("matchingPrecedence"):
            spec["matchingPrecedence"] = 1000


class PriorityLevelStrategy(Shown):
    """PriorityLevelConfigurations."""

    def __init__(self) -> None:
        super().__init__(columns.PRIORITYLEVELCONFIGURATION_COLUMNS, has_generation=True)

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        limited = spec.get("limited")
        if limited is not None:
            if limited.get("nominalConcurrencyShares") is None:
                limited["nominalConcurrencyShares"] = 30
            if limited.get("lendablePercent") is None:
                limited["lendablePercent"] = 0
            response = limited.setdefault("limitResponse", {"type": "Reject"})
            if response.get("type") == "Queue":
                queuing = response.setdefault("queuing", {})
                for name, usual in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
                    queuing[name] = queuing.get(name) or usual


def default_match(match: Value) -> None:
    """The defaults of matchConstraints and matchResources."""
    match["matchPolicy"] = match.get("matchPolicy") or "Equivalent"
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for rule in [*(match.get("resourceRules") or []), *(match.get("excludeResourceRules") or [])]:
        rule["scope"] = rule.get("scope") or "*"


def _default_scaling(rules: Value, *, window_s: int | None, pods: bool) -> None:
    rules["selectPolicy"] = rules.get("selectPolicy") or "Max"
    if window_s is not None and rules.get("stabilizationWindowSeconds") is None:
        rules["stabilizationWindowSeconds"] = window_s
    if not rules.get("policies"):
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        rules["policies"] = [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent] if pods else [percent]
