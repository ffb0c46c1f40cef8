"""What must be written so that the standard policy stands, without undoing what people added.

Missing roles, bindings, rules and subjects are added; nothing is taken away; a document whose
autoupdate annotation says "false" is left alone. A binding to another role is replaced, because a
roleRef cannot be changed. Source: Kubernetes, "Using RBAC Authorization", auto-reconciliation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence

from maru.components.access.model.bindings import bindings
from maru.components.access.model.controller_roles import controller_roles
from maru.components.access.model.grammar import AUTOUPDATE
from maru.components.access.model.system_roles import system_roles
from maru.components.access.model.user_roles import user_roles
from maru.core.document import Key, Value
from maru.core.identity.rbac.rolebook import CLUSTERROLEBINDINGS, CLUSTERROLES
from maru.core.identity.rbac.rule import Rule, rules_of, uncovered
from maru.kinds.label_selector import from_selector


def standard_policy() -> dict[Key, Value]:
    """Every standard ClusterRole and ClusterRoleBinding."""
    roles = [*user_roles(), *system_roles(), *controller_roles()]
    policy = {Key(CLUSTERROLES, "", role["metadata"]["name"]): role for role in roles}
    policy |= {Key(CLUSTERROLEBINDINGS, "", bound["metadata"]["name"]): bound for bound in bindings()}
    return policy


def to_write(want: Mapping[Key, Value], have: Mapping[Key, Value]) -> dict[Key, Value]:
    """The documents to write, whole; a value without metadata.uid is to be made anew."""
    changed: dict[Key, Value] = {}
    for key, wanted in want.items():
        standing = have.get(key)
        if standing is None:
            changed[key] = copy.deepcopy(wanted)
        elif (standing["metadata"].get("annotations") or {}).get(AUTOUPDATE) != "false":
            mended = _mended(wanted, standing)
            if mended != standing:
                changed[key] = mended
    return changed


def gathered(role: Value, roles: Iterable[Value]) -> list[Value] | None:
    """The rules an aggregated ClusterRole must have; None if it is not aggregated."""
    aggregation = role.get("aggregationRule")
    if not aggregation:
        return None
    selectors = [from_selector(selector) for selector in aggregation.get("clusterRoleSelectors") or ()]
    rules: list[Rule] = []
    for other in sorted(roles, key=lambda value: str(value["metadata"]["name"])):
        labels = other["metadata"].get("labels") or {}
        if other["metadata"]["name"] == role["metadata"]["name"]:
            continue
        if any(selector.matches(labels) for selector in selectors):
            rules += [rule for rule in rules_of(other) if rule not in rules]
    return [rule.to_value() for rule in rules]


def with_gathered(roles: Mapping[str, Value]) -> dict[str, Sequence[Value]]:
    """By name, the rules of the aggregated roles among `roles` that are not what they must be.

    Roles gather from roles that gather, so this goes round until nothing changes.
    """
    current = dict(roles)
    changed: dict[str, Sequence[Value]] = {}
    for _ in range(len(roles) + 1):
        settled = True
        for name, role in roles.items():
            rules = gathered(current[name], current.values())
            if rules is not None and rules != (current[name].get("rules") or []):
                current[name] = {**role, "rules": rules}
                changed[name] = rules
                settled = False
        if settled:
            break
    return {name: rules for name, rules in changed.items() if rules != (roles[name].get("rules") or [])}


def _mended(want: Value, have: Value) -> Value:
    mended = copy.deepcopy(have)
    for place in ("labels", "annotations"):
        mended["metadata"][place] = {**want["metadata"][place], **(have["metadata"].get(place) or {})}
    if want["kind"] == "ClusterRole":
        _mend_role(mended, want)
        return mended
    if have.get("roleRef") != want["roleRef"]:
        return copy.deepcopy(want)
    standing = {_subject(subject) for subject in have.get("subjects") or ()}
    missing = [subject for subject in want["subjects"] if _subject(subject) not in standing]
    if missing:
        mended["subjects"] = [*(have.get("subjects") or ()), *copy.deepcopy(missing)]
    return mended


def _mend_role(mended: Value, want: Value) -> None:
    if "aggregationRule" in want:
        selectors = (mended.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
        wanted = want["aggregationRule"]["clusterRoleSelectors"]
        missing = [selector for selector in wanted if selector not in selectors]
        if missing:
            mended["aggregationRule"] = {"clusterRoleSelectors": [*selectors, *copy.deepcopy(missing)]}
        return
    held = rules_of(mended)
    missing_rules = [rule for rule in want["rules"] if uncovered([Rule.of(rule)], held)]
    if missing_rules:
        mended["rules"] = [*(mended.get("rules") or ()), *copy.deepcopy(missing_rules)]


def _subject(subject: Value) -> tuple[str, str, str]:
    return subject.get("kind", ""), subject.get("namespace", ""), subject.get("name", "")
