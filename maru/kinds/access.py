"""Roles, their bindings and certificate signing requests: defaults and rules.

Source: k8s.io/kubernetes/pkg/apis/rbac (defaults, validation); pkg/apis/certificates/validation.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from cryptography import x509

from maru.core.document import Value
from maru.kinds.columns import cluster as columns
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.text import (
    check,
    duplicate,
    forbidden,
    immutable,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    required,
    unsupported,
)
from maru.kinds.shown import Shown
from maru.kinds.strategy import Cause

RBAC = "rbac.authorization.k8s.io"
EXPIRATION_S_MIN = 600
CONDITION_TYPES = ("Approved", "Denied", "Failed")
USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)


class RoleStrategy(Shown):
    """Roles and ClusterRoles: every rule has verbs, and resources with groups or (cluster-wide) paths."""

    def __init__(self, *, is_cluster: bool) -> None:
        super().__init__(columns.ROLE_COLUMNS, has_status=False)
        self._is_cluster = is_cluster

    def validate(self, value: Value) -> Sequence[Cause]:
        causes = [
            cause
            for index, rule in enumerate(value.get("rules") or [])
            for cause in self._check_rule(rule, f"rules[{index}]")
        ]
        aggregation = value.get("aggregationRule")
        if aggregation is not None:
            selectors = aggregation.get("clusterRoleSelectors") or []
            at = "aggregationRule.clusterRoleSelectors"
            if not selectors:
                causes.append(required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
            for index, selector in enumerate(selectors):
                causes += check_selector(selector, f"{at}[{index}]")
        return causes

    def _check_rule(self, rule: Value, field: str) -> list[Cause]:
        causes = [] if rule.get("verbs") else [required(f"{field}.verbs", "verbs must contain at least one value")]
        paths = rule.get("nonResourceURLs")
        if paths:
            at = f"{field}.nonResourceURLs"
            if not self._is_cluster:
                causes.append(invalid(at, paths, "namespaced rules cannot apply to non-resource URLs"))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                causes.append(invalid(at, paths, why))
            return causes
        if not rule.get("apiGroups"):
            causes.append(required(f"{field}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            causes.append(required(f"{field}.resources", "resource rules must supply at least one resource"))
        return causes


class BindingStrategy(Shown):
    """RoleBindings and ClusterRoleBindings: the role they point at never changes."""

    def __init__(self, *, is_cluster: bool) -> None:
        super().__init__(columns.BINDING_COLUMNS, has_status=False)
        self._roles = ("ClusterRole",) if is_cluster else ("Role", "ClusterRole")

    def default(self, value: Value) -> None:
        role = value["roleRef"] = value.get("roleRef") or {}
        role["apiGroup"] = role.get("apiGroup") or RBAC
        for subject in value.get("subjects") or []:
            if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
                subject["apiGroup"] = RBAC

    def validate(self, value: Value) -> Sequence[Cause]:
        role = value["roleRef"]
        causes: list[Cause] = []
        if role["apiGroup"] != RBAC:
            causes.append(unsupported("roleRef.apiGroup", role["apiGroup"], (RBAC,)))
        if role.get("kind") not in self._roles:
            causes.append(unsupported("roleRef.kind", role.get("kind") or "", self._roles))
        if not role.get("name"):
            causes.append(required("roleRef.name"))
        for index, subject in enumerate(value.get("subjects") or []):
            causes += _check_subject(subject, f"subjects[{index}]")
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
        causes = _check_request(spec.get("request") or "")
        usages = spec.get("usages") or []
        if not usages:
            causes.append(required("spec.usages", "usages must contain at least one value"))
        seen: set[str] = set()
        for index, usage in enumerate(usages):
            if usage not in USAGES:
                causes.append(unsupported(f"spec.usages[{index}]", usage, USAGES))
            elif usage in seen:
                causes.append(duplicate(f"spec.usages[{index}]", usage))
            seen.add(usage)
        causes += check_signer(spec.get("signerName") or "", "spec.signerName")
        seconds = spec.get("expirationSeconds")
        if seconds is not None and seconds < EXPIRATION_S_MIN:
            why = "may not specify a duration less than 600 seconds (10 minutes)"
            causes.append(invalid("spec.expirationSeconds", seconds, why))
        return [*causes, *_check_conditions((value.get("status") or {}).get("conditions") or [])]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        now, before = (_conditions_of(one) for one in (value, old))
        causes: list[Cause] = []
        for kind in ("Approved", "Denied"):
            at = "status.conditions"
            if kind in before and kind not in now:
                why = f'updates may not remove a condition of type "{kind}"'
                causes.append(forbidden(at, why))
            if subresource == "status" and kind in now and kind not in before:
                causes.append(forbidden(at, f'updates may not add a condition of type "{kind}"'))
        had = (old.get("status") or {}).get("certificate")
        if had and (value.get("status") or {}).get("certificate") != had:
            why = "updates may not change existing certificate content"
            causes.append(forbidden("status.certificate", why))
        return causes

    def selectable_fields(self, value: Value) -> Mapping[str, str]:
        return {"spec.signerName": (value.get("spec") or {}).get("signerName", "")}


def check_signer(name: str, field: str) -> list[Cause]:
    """domain/path, as signers are named."""
    if not name:
        return [required(field)]
    domain, slash, path = name.partition("/")
    if not slash or "/" in path or not path:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(field, name, why)]
    problems = list(is_dns_subdomain(domain))
    if "." not in domain:
        problems.append("should be a domain with at least two segments separated by dots")
    problems += [problem for label in path.split(".") for problem in is_dns_label(label)]
    return [invalid(field, name, problem) for problem in dict.fromkeys(problems)]


def _check_subject(subject: Value, field: str) -> list[Cause]:
    causes = [] if subject.get("name") else [required(f"{field}.name")]
    kind, group = subject.get("kind") or "", subject.get("apiGroup") or ""
    if kind == "ServiceAccount":
        if subject.get("name"):
            causes += check(is_dns_subdomain, f"{field}.name", subject["name"])
        if group:
            causes.append(unsupported(f"{field}.apiGroup", group, ("",)))
        if not subject.get("namespace"):
            causes.append(required(f"{field}.namespace"))
    elif kind in ("User", "Group"):
        if group != RBAC:
            causes.append(unsupported(f"{field}.apiGroup", group, (RBAC,)))
    else:
        causes.append(unsupported(f"{field}.kind", kind, ("ServiceAccount", "User", "Group")))
    return causes


def _check_request(request: str) -> list[Cause]:
    try:
        x509.load_pem_x509_csr(base64.b64decode(request))
    except (ValueError, binascii.Error):
        return [invalid("spec.request", request, "PEM block type must be CERTIFICATE REQUEST")]
    return []


def _check_conditions(conditions: Sequence[Value]) -> list[Cause]:
    causes: list[Cause] = []
    kinds: set[str] = set()
    for index, condition in enumerate(conditions):
        at, kind, status = f"status.conditions[{index}]", condition.get("type") or "", condition.get("status") or ""
        if not kind:
            causes.append(required(f"{at}.type"))
        elif kind in kinds:
            causes.append(duplicate(f"{at}.type", kind))
        kinds.add(kind)
        if kind in CONDITION_TYPES and status != "True":
            causes.append(unsupported(f"{at}.status", status, ("True",)) if status else required(f"{at}.status"))
    if {"Approved", "Denied"} <= kinds:
        number = next(index for index, one in enumerate(conditions) if one.get("type") == "Denied")
        why = "Approved and Denied conditions are mutually exclusive"
        causes.append(invalid(f"status.conditions[{number}].type", "Denied", why))
    return causes


def _conditions_of(value: Value) -> frozenset[str]:
    return frozenset(one.get("type") or "" for one in (value.get("status") or {}).get("conditions") or [])
