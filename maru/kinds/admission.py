"""Webhook configurations, admission policies, flow schemas, priority levels and API services: defaults and rules.

Source: k8s.io/kubernetes/pkg/apis/{admissionregistration,flowcontrol} (v1/defaults.go, validation);
k8s.io/kube-aggregator/pkg/apis/apiregistration/validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from maru.core.document import Value
from maru.kinds.columns import cluster as columns
from maru.kinds.rules.network import is_fully_qualified
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.text import (
    check,
    check_not_negative,
    duplicate,
    forbidden,
    invalid,
    is_dns_1035_label,
    is_dns_subdomain,
    is_port,
    is_qualified_name,
    required,
    shown,
    unsupported,
)
from maru.kinds.shown import Shown
from maru.kinds.strategy import Cause, Column

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
ACTIONS = ("Audit", "Deny", "Warn")
TIMEOUT_S_MAX = 30
PRECEDENCE_MAX = 10_000
CONDITIONS_MAX = 64
_EXEMPT = "exempt"


class WebhookConfigurationStrategy(Shown):
    """Mutating and validating webhook configurations."""

    generation_fields = ("webhooks",)

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
        names: set[str] = set()
        for index, webhook in enumerate(value.get("webhooks") or []):
            field, name = f"webhooks[{index}]", webhook.get("name") or ""
            causes += check(is_fully_qualified, f"{field}.name", name) if name else [required(f"{field}.name")]
            if name and name in names:
                causes.append(duplicate(f"{field}.name", name))
            names.add(name)
            causes += _check_webhook(webhook, field)
            policy = webhook.get("reinvocationPolicy")
            if self._is_mutating and policy not in ("Never", "IfNeeded"):
                causes.append(unsupported(f"{field}.reinvocationPolicy", policy, ("IfNeeded", "Never")))
        return causes


class AdmissionPolicyStrategy(Shown):
    """ValidatingAdmissionPolicies and MutatingAdmissionPolicies."""

    def __init__(self, shown_as: Sequence[Column]) -> None:
        super().__init__(shown_as, has_generation=True)

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        spec["failurePolicy"] = spec.get("failurePolicy") or "Fail"
        if spec.get("matchConstraints") is not None:
            default_match(spec["matchConstraints"])

    def prepare_create(self, value: Value) -> None:
        value["status"] = {}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes: list[Cause] = []
        if spec["failurePolicy"] not in FAILURE_POLICIES:
            causes.append(unsupported("spec.failurePolicy", spec["failurePolicy"], FAILURE_POLICIES))
        kind = spec.get("paramKind")
        if kind is not None:
            causes += [required(f"spec.paramKind.{name}") for name in ("apiVersion", "kind") if not kind.get(name)]
        match = spec.get("matchConstraints")
        if match is None:
            causes.append(required("spec.matchConstraints"))
        else:
            causes += _check_match(match, "spec.matchConstraints")
            if not match.get("resourceRules"):
                causes.append(required("spec.matchConstraints.resourceRules"))
        if value.get("kind") != "MutatingAdmissionPolicy":
            causes += _check_validations(spec)
        return [*causes, *_check_conditions(spec.get("matchConditions") or [], "spec.matchConditions")]


class AdmissionPolicyBindingStrategy(Shown):
    """Bindings of admission policies."""

    def __init__(self) -> None:
        super().__init__(columns.ADMISSIONPOLICYBINDING_COLUMNS, has_status=False, has_generation=True)

    def default(self, value: Value) -> None:
        match = value.setdefault("spec", {}).get("matchResources")
        if match is not None:
            default_match(match)

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        name = spec.get("policyName") or ""
        causes = check(is_dns_subdomain, "spec.policyName", name) if name else [required("spec.policyName")]
        causes += _check_parameters(spec.get("paramRef"), "spec.paramRef")
        if spec.get("matchResources") is not None:
            causes += _check_match(spec["matchResources"], "spec.matchResources")
        if value.get("kind") == "MutatingAdmissionPolicyBinding":
            return causes
        actions = spec.get("validationActions") or []
        at = "spec.validationActions"
        if not actions:
            causes.append(required(at, "at least one validation action is required"))
        for index, action in enumerate(actions):
            if action not in ACTIONS:
                causes.append(unsupported(f"{at}[{index}]", action, ACTIONS))
            elif action in actions[:index]:
                causes.append(duplicate(f"{at}[{index}]", action))
        if {"Deny", "Warn"} <= set(actions):
            why = "repeating the same validation failure information in the API response and headers serves no purpose"
            causes.append(invalid(at, actions, f"must not contain both Deny and Warn ({why})"))
        return causes


class FlowSchemaStrategy(Shown):
    """FlowSchemas."""

    def __init__(self) -> None:
        super().__init__(columns.FLOWSCHEMA_COLUMNS, has_generation=True)

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        if not spec.get("matchingPrecedence"):
            spec["matchingPrecedence"] = 1000

    def prepare_create(self, value: Value) -> None:
        value["status"] = {}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        causes: list[Cause] = []
        order = spec["matchingPrecedence"]
        if not 1 <= order <= PRECEDENCE_MAX:
            why = f"must be a value between 1 and {PRECEDENCE_MAX} (inclusive)"
            causes.append(invalid("spec.matchingPrecedence", order, why))
        if order == 1 and value["metadata"].get("name") != _EXEMPT:
            why = f"only the schema named '{_EXEMPT}' may have matchingPrecedence 1"
            causes.append(invalid("spec.matchingPrecedence", order, why))
        if not (spec.get("priorityLevelConfiguration") or {}).get("name"):
            why = "must reference a priority level"
            causes.append(required("spec.priorityLevelConfiguration.name", why))
        method = (spec.get("distinguisherMethod") or {}).get("type")
        if spec.get("distinguisherMethod") is not None and method not in ("ByNamespace", "ByUser"):
            causes.append(unsupported("spec.distinguisherMethod", method or "", ("ByNamespace", "ByUser")))
        for index, rule in enumerate(spec.get("rules") or []):
            causes += _check_flow_rule(rule, f"spec.rules[{index}]")
        return causes


class PriorityLevelStrategy(Shown):
    """PriorityLevelConfigurations."""

    def __init__(self) -> None:
        super().__init__(columns.PRIORITYLEVELCONFIGURATION_COLUMNS, has_generation=True)

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        exempt, limited = spec.get("exempt"), spec.get("limited")
        if exempt is not None:
            exempt.setdefault("nominalConcurrencyShares", 0)
            exempt.setdefault("lendablePercent", 0)
        if limited is not None:
            limited.setdefault("nominalConcurrencyShares", 30)
            limited.setdefault("lendablePercent", 0)
            response = limited["limitResponse"] = limited.get("limitResponse") or {"type": "Reject"}
            if response.get("type") == "Queue":
                queuing = response["queuing"] = response.get("queuing") or {}
                for name, usual in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
                    queuing[name] = queuing.get(name) or usual

    def prepare_create(self, value: Value) -> None:
        value["status"] = {}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        kind, limited = spec.get("type") or "", spec.get("limited")
        if kind not in ("Exempt", "Limited"):
            return [unsupported("spec.type", kind, ("Exempt", "Limited"))]
        if kind == "Exempt":
            why = "must be nil if the type is not Limited"
            return [forbidden("spec.limited", why)] if limited is not None else []
        if limited is None:
            return [required("spec.limited", "must not be empty when type is Limited")]
        causes: list[Cause] = []
        if spec.get("exempt") is not None:
            causes.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
        causes += check_not_negative(limited["nominalConcurrencyShares"], "spec.limited.nominalConcurrencyShares")
        lendable = limited["lendablePercent"]
        if not 0 <= lendable <= 100:
            at = "spec.limited.lendablePercent"
            causes.append(invalid(at, lendable, "must be between 0 and 100, inclusive"))
        response = limited["limitResponse"]
        at = "spec.limited.limitResponse"
        if response.get("type") not in ("Queue", "Reject"):
            causes.append(unsupported(f"{at}.type", response.get("type") or "", ("Queue", "Reject")))
        elif response["type"] == "Reject" and response.get("queuing") is not None:
            causes.append(forbidden(f"{at}.queuing", "must be nil if limited.limitResponse.type is not Limited"))
        return causes


class ApiServiceStrategy(Shown):
    """APIServices are named by their version and group."""

    def __init__(self) -> None:
        super().__init__(columns.APISERVICE_COLUMNS)

    def default(self, value: Value) -> None:
        spec = value["spec"] = value.get("spec") or {}
        if spec.get("service") is not None and spec["service"].get("port") is None:
            spec["service"]["port"] = 443

    def validate(self, value: Value) -> Sequence[Cause]:
        spec, name = value["spec"], value["metadata"].get("name") or ""
        group, version = spec.get("group") or "", spec.get("version") or ""
        causes: list[Cause] = []
        wanted = f"{version}.{group}"
        if name != wanted:
            why = f'must be `spec.version+"."+spec.group`: {shown(wanted)}'
            causes.append(invalid("metadata.name", name, why))
        if group:
            causes += check(is_dns_subdomain, "spec.group", group)
        causes += check(is_dns_1035_label, "spec.version", version) if version else [required("spec.version")]
        for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
            number = spec.get(field, 0)
            if not 0 < number <= most:
                causes.append(invalid(f"spec.{field}", number, f"must be positive and less than {most}"))
        service = spec.get("service")
        if service is None:
            return causes
        causes += [required(f"spec.service.{field}") for field in ("namespace", "name") if not service.get(field)]
        causes += [invalid("spec.service.port", service["port"], problem) for problem in is_port(service["port"])]
        if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
            why = "may not be true if caBundle is present"
            causes.append(invalid("spec.insecureSkipTLSVerify", True, why))
        return causes


def default_match(match: Value) -> None:
    """The defaults of matchConstraints and matchResources."""
    match["matchPolicy"] = match.get("matchPolicy") or "Equivalent"
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for rule in [*(match.get("resourceRules") or []), *(match.get("excludeResourceRules") or [])]:
        rule["scope"] = rule.get("scope") or "*"


def _check_webhook(webhook: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, rule in enumerate(webhook.get("rules") or []):
        causes += _check_rule(rule, f"{field}.rules[{index}]")
    if webhook["failurePolicy"] not in FAILURE_POLICIES:
        causes.append(unsupported(f"{field}.failurePolicy", webhook["failurePolicy"], FAILURE_POLICIES))
    if webhook["matchPolicy"] not in MATCH_POLICIES:
        causes.append(unsupported(f"{field}.matchPolicy", webhook["matchPolicy"], MATCH_POLICIES))
    effects = webhook.get("sideEffects")
    if effects is None:
        causes.append(required(f"{field}.sideEffects", "must specify one of None, NoneOnDryRun"))
    elif effects not in ("None", "NoneOnDryRun"):
        causes.append(unsupported(f"{field}.sideEffects", effects, ("None", "NoneOnDryRun")))
    if not 1 <= webhook["timeoutSeconds"] <= TIMEOUT_S_MAX:
        why = "the timeout value must be between 1 and 30 seconds"
        causes.append(invalid(f"{field}.timeoutSeconds", webhook["timeoutSeconds"], why))
    versions = webhook.get("admissionReviewVersions") or []
    if not versions:
        causes.append(required(f"{field}.admissionReviewVersions", "must specify one of v1, v1beta1"))
    elif not {"v1", "v1beta1"} & set(versions):
        why = "must include at least one of v1, v1beta1"
        causes.append(invalid(f"{field}.admissionReviewVersions", versions, why))
    for name in ("namespaceSelector", "objectSelector"):
        causes += check_selector(webhook[name], f"{field}.{name}")
    causes += _check_client(webhook.get("clientConfig") or {}, f"{field}.clientConfig")
    return causes + _check_conditions(webhook.get("matchConditions") or [], f"{field}.matchConditions")


def _check_client(config: Value, field: str) -> list[Cause]:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [required(field, "exactly one of url or service is required")]
    if url is not None:
        return _check_url(url, f"{field}.url")
    assert service is not None
    causes = [
        required(f"{field}.service.{name}", f"service {name} is required")
        for name in ("name", "namespace")
        if not service.get(name)
    ]
    path = service.get("path")
    if path is not None and not path.startswith("/"):
        causes.append(invalid(f"{field}.service.path", path, "must start with a '/'"))
    return causes + [
        invalid(f"{field}.service.port", service["port"], "port is not valid: " + problem)
        for problem in is_port(service["port"])
    ]


def _check_url(url: str, field: str) -> list[Cause]:
    form = "; desired format: https://host[/path]"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        return [required(field, f"url must be a valid URL: {error}{form}")]
    causes: list[Cause] = []
    if parts.scheme != "https":
        causes.append(invalid(field, parts.scheme, f"'https' is the only allowed URL scheme{form}"))
    if not host:
        causes.append(invalid(field, host, f"host must be specified{form}"))
    if parts.username is not None:
        causes.append(invalid(field, parts.username, "user information is not permitted in the URL"))
    if parts.fragment:
        causes.append(invalid(field, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        causes.append(invalid(field, parts.query, "query parameters are not permitted in the URL"))
    return causes


def _check_rule(rule: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    operations = rule.get("operations") or []
    if not operations:
        causes.append(required(f"{field}.operations"))
    if "*" in operations and len(operations) > 1:
        why = "if '*' is present, must not specify other operations"
        causes.append(invalid(f"{field}.operations", operations, why))
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            causes.append(unsupported(f"{field}.operations[{index}]", operation, OPERATIONS))
    for name, what in (("apiGroups", "groups"), ("apiVersions", "versions"), ("resources", "resources")):
        listed = rule.get(name) or []
        if not listed:
            causes.append(required(f"{field}.{name}"))
        elif name != "resources" and "*" in listed and len(listed) > 1:
            why = f"if '*' is present, must not specify other API {what}"
            causes.append(invalid(f"{field}.{name}", listed, why))
    if rule.get("scope") not in SCOPES:
        causes.append(unsupported(f"{field}.scope", rule.get("scope"), SCOPES))
    return causes


def _check_match(match: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    if match["matchPolicy"] not in MATCH_POLICIES:
        causes.append(unsupported(f"{field}.matchPolicy", match["matchPolicy"], MATCH_POLICIES))
    for name in ("namespaceSelector", "objectSelector"):
        causes += check_selector(match[name], f"{field}.{name}")
    for name in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(name) or []):
            causes += _check_rule(rule, f"{field}.{name}[{index}]")
    return causes


def _check_validations(spec: Value) -> list[Cause]:
    validations = spec.get("validations") or []
    causes: list[Cause] = []
    if not validations and not spec.get("auditAnnotations"):
        why = "validations or auditAnnotations must contain at least one item"
        causes += [required("spec.validations", why), required("spec.auditAnnotations", why)]
    for index, validation in enumerate(validations):
        at = f"spec.validations[{index}]"
        if not (validation.get("expression") or "").strip():
            causes.append(required(f"{at}.expression", "expression is not specified"))
        message = validation.get("message") or ""
        if "\n" in message:
            causes.append(invalid(f"{at}.message", message, "message must not contain line breaks"))
        reason = validation.get("reason")
        reasons = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
        if reason is not None and reason not in reasons:
            causes.append(unsupported(f"{at}.reason", reason, reasons))
    return causes


def _check_parameters(reference: Value | None, field: str) -> list[Cause]:
    if reference is None:
        return []
    by_name, by_selector = bool(reference.get("name")), reference.get("selector") is not None
    causes: list[Cause] = []
    if by_name and by_selector:
        causes.append(forbidden(f"{field}.name", "name and selector are mutually exclusive"))
    elif not by_name and not by_selector:
        causes.append(required(field, "one of name or selector must be specified"))
    action = reference.get("parameterNotFoundAction")
    if action is None:
        causes.append(required(f"{field}.parameterNotFoundAction"))
    elif action not in ("Allow", "Deny"):
        causes.append(unsupported(f"{field}.parameterNotFoundAction", action, ("Deny", "Allow")))
    return causes


def _check_conditions(conditions: Sequence[Value], field: str) -> list[Cause]:
    causes: list[Cause] = []
    if len(conditions) > CONDITIONS_MAX:
        why = f"Too many: {len(conditions)}: must have at most {CONDITIONS_MAX} items"
        causes.append(Cause(field, "FieldValueTooMany", why))
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        at, name = f"{field}[{index}]", condition.get("name") or ""
        causes += check(is_qualified_name, f"{at}.name", name) if name else [required(f"{at}.name")]
        if name and name in names:
            causes.append(duplicate(f"{at}.name", name))
        names.add(name)
        if not (condition.get("expression") or "").strip():
            causes.append(required(f"{at}.expression"))
    return causes


def _check_flow_rule(rule: Value, field: str) -> list[Cause]:
    causes: list[Cause] = []
    if not rule.get("subjects"):
        causes.append(required(f"{field}.subjects", "subjects must contain at least one value"))
    for index, subject in enumerate(rule.get("subjects") or []):
        at, kind = f"{field}.subjects[{index}]", subject.get("kind") or ""
        if kind not in ("Group", "ServiceAccount", "User"):
            causes.append(unsupported(f"{at}.kind", kind, ("Group", "ServiceAccount", "User")))
            continue
        name = kind[:1].lower() + kind[1:]
        if subject.get(name) is None:
            causes.append(required(f"{at}.{name}", f"{name} is required when subject kind is '{kind}'"))
    resources, paths = rule.get("resourceRules"), rule.get("nonResourceRules")
    if not resources and not paths:
        why = "at least one of resourceRules and nonResourceRules has to be non-empty"
        causes.append(required(field, why))
    return causes
