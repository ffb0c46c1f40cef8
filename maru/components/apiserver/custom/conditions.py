"""The conditions of a CustomResourceDefinition, and whether its names are free.

Pure. Source: apiextensions-apiserver pkg/controller/status (naming), pkg/controller/establish,
pkg/controller/finalizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maru.components.apiserver.custom.definition import condition, is_established
from maru.core.document import Value


def planned_status(definition: Value, others: Iterable[Value], now: str) -> Value:
    """The status as it should be. others: the definitions of the same group that stand beside it."""
    status: Value = dict(definition.get("status") or {})
    conditions = [dict(one) for one in status.get("conditions") or ()]
    taken = _conflicts(definition, others)
    if taken:
        reason, message = taken
        _set(conditions, ("NamesAccepted", "False", reason, message), now)
    else:
        _set(conditions, ("NamesAccepted", "True", "NoConflicts", "no conflicts found"), now)
        status["acceptedNames"] = dict(definition["spec"]["names"])
    if not taken and not is_established(definition):
        text = "the initial names have been accepted"
        _set(conditions, ("Established", "True", "InitialNamesAccepted", text), now)
    elif taken and condition(definition, "Established") is None:
        text = "not all names are accepted"
        _set(conditions, ("Established", "False", "NotAccepted", text), now)
    approval = _approval(definition)
    if approval is not None:
        _set(conditions, ("KubernetesAPIApprovalPolicyConformant", *approval), now)
    status["conditions"] = conditions
    return status


def _approval(definition: Value) -> tuple[str, str, str] | None:
    """Of groups that belong to the Kubernetes community: status, reason and message. Source: KEP-2337."""
    group = f".{definition['spec']['group']}"
    if not group.endswith((".k8s.io", ".kubernetes.io")):
        return None
    said = (definition["metadata"].get("annotations") or {}).get("api-approved.kubernetes.io") or ""
    if said.startswith("unapproved"):
        return ("False", "UnapprovedAnnotation", f'not approved: "{said}"')
    return ("True", "ApprovedAnnotation", f"approved in {said}")


def terminating_status(definition: Value, reason: str, message: str, now: str) -> Value:
    """The status while instances are deleted."""
    status: Value = dict(definition.get("status") or {})
    conditions = [dict(one) for one in status.get("conditions") or ()]
    _set(conditions, ("Terminating", "True", reason, message), now)
    return {**status, "conditions": conditions}


def _conflicts(definition: Value, others: Iterable[Value]) -> tuple[str, str] | None:
    """The reason and message of the last name that is taken, in the order in which the real server looks."""
    names = definition["spec"]["names"]
    words: set[object] = set()
    kinds: set[object] = set()
    for other in others:
        theirs = (other.get("status") or {}).get("acceptedNames") or {}
        words |= {theirs.get("plural"), theirs.get("singular"), *(theirs.get("shortNames") or ())}
        kinds |= {theirs.get("kind"), theirs.get("listKind")}
    wanted = [("PluralConflict", names.get("plural"), words), ("SingularConflict", names.get("singular"), words)]
    wanted += [("ShortNamesConflict", short, words) for short in names.get("shortNames") or ()]
    wanted += [("KindConflict", names.get("kind"), kinds), ("ListKindConflict", names.get("listKind"), kinds)]
    taken = [(reason, f'"{name}" is already in use') for reason, name, held in wanted if name and name in held]
    return taken[-1] if taken else None


def _set(conditions: list[Value], wanted: Sequence[str], now: str) -> None:
    kind, state, reason, message = wanted
    found = next((one for one in conditions if one.get("type") == kind), None)
    if found is None:
        found = {"type": kind, "status": "", "lastTransitionTime": now}
        conditions.append(found)
    if found["status"] != state:
        found["lastTransitionTime"] = now
    found.update({"status": state, "reason": reason, "message": message})
