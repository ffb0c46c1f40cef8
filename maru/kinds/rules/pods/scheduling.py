"""Rules of where a Pod may go: tolerations, affinity, topology spread, node selectors.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateTolerations, validateAffinity, ValidateNodeSelector,
validateTopologySpreadConstraints.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.rules.selectors import check_selector
from maru.kinds.rules.text import (
    check,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    is_label_value,
    is_qualified_name,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
_MATCH_ALL = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def check_effect(effect: str, field: str) -> list[Cause]:
    """A taint's effect."""
    if not effect:
        return [required(field)]
    return [] if effect in EFFECTS else [unsupported(field, effect, EFFECTS)]


def check_tolerations(tolerations: Sequence[Value], field: str) -> list[Cause]:
    """All tolerations."""
    causes: list[Cause] = []
    for index, toleration in enumerate(tolerations):
        at = f"{field}[{index}]"
        key, operator = toleration.get("key") or "", toleration.get("operator") or ""
        effect, value = toleration.get("effect") or "", toleration.get("value") or ""
        if key:
            causes += check(is_qualified_name, f"{at}.key", key)
        elif operator != "Exists":
            causes.append(invalid(f"{at}.operator", operator, _MATCH_ALL))
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            causes.append(invalid(f"{at}.effect", effect, why))
        if operator in ("", "Equal"):
            problems = is_label_value(value)
            if problems:
                causes.append(invalid(f"{at}.operator", value, ";".join(problems)))
        elif operator == "Exists":
            if value:
                causes.append(invalid(f"{at}.operator", value, "value must be empty when `operator` is 'Exists'"))
        else:
            causes.append(unsupported(f"{at}.operator", operator, ("Equal", "Exists")))
        if effect:
            causes += check_effect(effect, f"{at}.effect")
    return causes


def check_affinity(affinity: Value, field: str) -> list[Cause]:
    """Node affinity, Pod affinity and Pod anti-affinity."""
    causes: list[Cause] = []
    node = affinity.get("nodeAffinity") or {}
    if node.get(_REQUIRED) is not None:
        causes += check_node_selector(node[_REQUIRED], f"{field}.nodeAffinity.{_REQUIRED}")
    for index, term in enumerate(node.get(_PREFERRED) or []):
        at = f"{field}.nodeAffinity.{_PREFERRED}[{index}]"
        causes += _check_weight(term, at)
        causes += _check_term(term.get("preference") or {}, f"{at}.preference", is_preferred=True)
    for name in ("podAffinity", "podAntiAffinity"):
        pods = affinity.get(name) or {}
        for index, term in enumerate(pods.get(_REQUIRED) or []):
            causes += _check_pod_term(term, f"{field}.{name}.{_REQUIRED}[{index}]")
        for index, term in enumerate(pods.get(_PREFERRED) or []):
            at = f"{field}.{name}.{_PREFERRED}[{index}]"
            causes += _check_weight(term, at)
            causes += _check_pod_term(term.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm")
    return causes


def check_node_selector(selector: Value, field: str) -> list[Cause]:
    """At least one term."""
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        return [required(f"{field}.nodeSelectorTerms", "must have at least one node selector term")]
    return [
        cause
        for index, term in enumerate(terms)
        for cause in _check_term(term, f"{field}.nodeSelectorTerms[{index}]", is_preferred=False)
    ]


def check_spread(constraints: Sequence[Value], field: str) -> list[Cause]:
    """topologySpreadConstraints."""
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    choices = ("DoNotSchedule", "ScheduleAnyway")
    for index, constraint in enumerate(constraints):
        at, skew = f"{field}[{index}]", constraint.get("maxSkew", 0)
        if skew <= 0:
            causes.append(invalid(f"{at}.maxSkew", skew, "must be greater than zero"))
        key, when = constraint.get("topologyKey") or "", constraint.get("whenUnsatisfiable") or ""
        causes += (
            check(is_qualified_name, f"{at}.topologyKey", key)
            if key
            else [required(f"{at}.topologyKey", "can not be empty")]
        )
        if when not in choices:
            causes.append(unsupported(f"{at}.whenUnsatisfiable", when, choices))
        if (key, when) in seen:
            causes.append(duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {when}}}"))
        seen.add((key, when))
        causes += _check_spread_options(constraint, at, when)
        if constraint.get("labelSelector") is not None:
            causes += check_selector(constraint["labelSelector"], f"{at}.labelSelector")
        causes += _check_label_keys(constraint, at)
    return causes


def _check_spread_options(constraint: Value, at: str, when: str) -> list[Cause]:
    causes: list[Cause] = []
    least = constraint.get("minDomains")
    if least is not None:
        if least <= 0:
            causes.append(invalid(f"{at}.minDomains", least, "must be greater than zero"))
        if when != "DoNotSchedule":
            why = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"
            causes.append(invalid(f"{at}.minDomains", least, why))
    return causes + [
        unsupported(f"{at}.{name}", constraint[name], ("Honor", "Ignore"))
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy")
        if constraint.get(name) not in (None, "Honor", "Ignore")
    ]


def _check_label_keys(holder: Value, at: str) -> list[Cause]:
    keys = holder.get("matchLabelKeys") or []
    causes: list[Cause] = []
    if keys and holder.get("labelSelector") is None:
        why = "must not be specified when labelSelector is not set"
        causes.append(forbidden(f"{at}.matchLabelKeys", why))
    for index, key in enumerate(keys):
        causes += check(is_qualified_name, f"{at}.matchLabelKeys[{index}]", key)
    return causes


def _check_weight(term: Value, field: str) -> list[Cause]:
    weight = term.get("weight", 0)
    return [] if 0 < weight <= 100 else [invalid(f"{field}.weight", weight, "must be in the range 1-100")]


def _check_term(term: Value, field: str, *, is_preferred: bool) -> list[Cause]:
    causes: list[Cause] = []
    for index, rule in enumerate(term.get("matchExpressions") or []):
        causes += _check_expression(rule, f"{field}.matchExpressions[{index}]", is_preferred=is_preferred)
    for index, rule in enumerate(term.get("matchFields") or []):
        causes += _check_field(rule, f"{field}.matchFields[{index}]")
    return causes


def _check_expression(rule: Value, at: str, *, is_preferred: bool) -> list[Cause]:
    operator, values = rule.get("operator") or "", rule.get("values") or []
    causes: list[Cause] = []
    if operator in ("In", "NotIn"):
        if not values:
            causes.append(required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            causes.append(forbidden(f"{at}.values", why))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            causes.append(required(f"{at}.values", why))
    else:
        causes.append(invalid(f"{at}.operator", operator, "not a valid selector operator"))
    causes += check(is_qualified_name, f"{at}.key", rule.get("key") or "")
    if not is_preferred:
        for index, value in enumerate(values):
            causes += check(is_label_value, f"{at}.values[{index}]", value or "")
    return causes


def _check_field(rule: Value, at: str) -> list[Cause]:
    operator, values, key = rule.get("operator") or "", rule.get("values") or [], rule.get("key") or ""
    causes: list[Cause] = []
    if operator not in ("In", "NotIn"):
        causes.append(invalid(f"{at}.operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        causes.append(required(f"{at}.values", why))
    if key != "metadata.name":
        return [*causes, invalid(f"{at}.key", key, "not a valid field selector key")]
    for index, value in enumerate(values):
        causes += check(is_dns_subdomain, f"{at}.values[{index}]", value or "")
    return causes


def _check_pod_term(term: Value, at: str) -> list[Cause]:
    causes: list[Cause] = []
    for name in ("labelSelector", "namespaceSelector"):
        if term.get(name) is not None:
            causes += check_selector(term[name], f"{at}.{name}")
    for namespace in term.get("namespaces") or []:
        causes += check(is_dns_label, f"{at}.namespace", namespace or "")
    causes += _check_label_keys(term, at)
    key = term.get("topologyKey") or ""
    if not key:
        causes.append(required(f"{at}.topologyKey", "can not be empty"))
    return causes + check(is_qualified_name, f"{at}.topologyKey", key)
