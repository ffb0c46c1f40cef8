"""Rules of requests and limits: names, amounts, and how the two go together.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateContainerResourceRequirements, validatePodResources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from maru.core.document import Value
from maru.core.errors import Invalid
from maru.kinds.quantity import NANO, ZERO, Quantity, parse
from maru.kinds.rules.text import (
    check,
    duplicate,
    forbidden,
    invalid,
    is_qualified_name,
    not_found,
    required,
    unsupported,
)
from maru.kinds.strategy import Cause

STANDARD = frozenset({"cpu", "memory", "ephemeral-storage"})
POD_LEVEL = ("cpu", "hugepages-", "memory")
HUGE = "hugepages-"
NATIVE_DOMAIN = "kubernetes.io/"
QUANTITY_WORDS = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def amount(text: object) -> Quantity:
    """A quantity, zero where it cannot be read (which is another rule's cause)."""
    try:
        return parse(text)
    except Invalid:
        return ZERO


def is_extended(name: str) -> bool:
    """A resource of neither Kubernetes nor a quota: example.com/gpu."""
    if name.startswith("requests.") or "/" not in name or name.rpartition("/")[0].endswith("kubernetes.io"):
        return False
    return not is_qualified_name(f"requests.{name}")


def check_amount(name: str, text: object, field: str) -> list[Cause]:
    """A quantity of zero or more; whole for what is not divisible."""
    try:
        quantity = parse(text)
    except Invalid:
        return [invalid(field, text, QUANTITY_WORDS)]
    if quantity.nano < 0:
        return [invalid(field, text, "must be greater than or equal to 0")]
    if (is_extended(name) or name.startswith(HUGE)) and quantity.nano % NANO:
        return [invalid(field, text, "must be an integer")]
    return []


def check_resources(resources: Value, field: str, claims: Set[str] = frozenset()) -> list[Cause]:
    """requests, limits and claims of a container. claims: the Pod's resourceClaims by name."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    causes: list[Cause] = []
    for name, text in limits.items():
        causes += _check_name(name, f"{field}.limits")
        causes += check_amount(name, text, f"{field}.limits[{name}]")
        causes += _check_huge(name, text, f"{field}.limits[{name}]")
    for name, text in requests.items():
        causes += _check_name(name, f"{field}.requests")
        causes += check_amount(name, text, f"{field}.requests[{name}]")
        causes += _check_together(name, text, limits, f"{field}.requests")
    causes += _check_huge_alone({*limits, *requests}, field)
    return causes + _check_claims(resources.get("claims") or [], f"{field}.claims", claims)


def check_pod_resources(spec: Value, field: str) -> list[Cause]:
    """spec.resources: cpu, memory and huge pages for the Pod as a whole."""
    resources = spec.get("resources")
    if not resources:
        return []
    causes: list[Cause] = []
    if resources.get("claims") is not None:
        causes.append(forbidden(f"{field}.claims", "claims cannot be set for Resources at pod-level"))
    for group in ("limits", "requests"):
        for name, text in (resources.get(group) or {}).items():
            if name not in ("cpu", "memory") and not name.startswith(HUGE):
                causes.append(unsupported(f"{field}.{group}[{name}]", name, POD_LEVEL))
            causes += check_amount(name, text, f"{field}.{group}[{name}]")
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, text in requests.items():
        causes += _check_together(name, text, limits, f"{field}.requests")
    return causes + _check_sum(spec, requests, limits, field)


def _check_sum(spec: Value, requests: Mapping[str, object], limits: Mapping[str, object], field: str) -> list[Cause]:
    causes: list[Cause] = []
    asked: dict[str, Quantity] = {}
    for index, container in enumerate(spec.get("containers") or []):
        own = container.get("resources") or {}
        for name, text in (own.get("requests") or {}).items():
            asked[name] = asked.get(name, ZERO) + amount(text)
        for name, text in (own.get("limits") or {}).items():
            if name in limits and amount(text).nano > amount(limits[name]).nano:
                why = f"must be less than or equal to pod limits of {limits[name]}"
                causes.append(invalid(f"{field}.containers[{index}][{name}].limits", text, why))
    for name, total in asked.items():
        if name in requests and total.nano > amount(requests[name]).nano:
            why = f"must be greater than or equal to aggregate container requests of {total}"
            causes.append(invalid(f"{field}.requests[{name}]", requests[name], why))
    return causes


def _check_name(name: str, field: str) -> list[Cause]:
    causes = check(is_qualified_name, field, name)
    if causes:
        return causes
    if "/" not in name and name not in STANDARD and not name.startswith(HUGE):
        causes.append(invalid(field, name, "must be a standard resource type or fully qualified"))
        causes.append(invalid(field, name, "must be a standard resource for containers"))
    elif "/" in name and name.rpartition("/")[0].endswith("kubernetes.io") is False and name.startswith("requests."):
        causes.append(invalid(field, name, "doesn't follow extended resource name standard"))
    return causes


def _check_huge(name: str, text: object, field: str) -> list[Cause]:
    if not name.startswith(HUGE):
        return []
    page = amount(name.removeprefix(HUGE))
    if page.nano <= 0 or amount(text).nano % page.nano:
        return [invalid(field, text, "must be a positive integer multiple of the page size")] if page.nano else []
    return []


def _check_huge_alone(names: Set[str], field: str) -> list[Cause]:
    if any(name.startswith(HUGE) for name in names) and not names & {"cpu", "memory"}:
        return [forbidden(field, "HugePages require cpu or memory")]
    return []


def _check_together(name: str, text: object, limits: Mapping[str, object], field: str) -> list[Cause]:
    """A request and its limit; what cannot be overcommitted has both, and alike."""
    is_fixed = is_extended(name) or name.startswith(HUGE)
    if name not in limits:
        return (
            [required(field.replace("requests", "limits"), "Limit must be set for non overcommitable resources")]
            if (is_fixed)
            else []
        )
    have, most = amount(text), amount(limits[name])
    if is_fixed and have.nano != most.nano:
        return [invalid(field, text, f"must be equal to {name} limit of {most}")]
    if have.nano > most.nano:
        return [invalid(field, text, f"must be less than or equal to {name} limit of {most}")]
    return []


def _check_claims(listed: Sequence[Value], field: str, known: Set[str]) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, claim in enumerate(listed):
        name, request = claim.get("name") or "", claim.get("request") or ""
        if not name:
            causes.append(required(f"{field}[{index}].name"))
        elif (name, request) in seen:
            causes.append(duplicate(f"{field}[{index}]", f"{name}/{request}" if request else name))
        elif name not in known:
            causes.append(not_found(f"{field}[{index}]", name))
        seen.add((name, request))
    return causes
