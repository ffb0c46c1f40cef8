"""The role book: every role and binding in memory, and the answers compiled from them.

Whoever follows the store calls `put` and `drop`; `authorize` and `rules_for` answer at once. What a
caller may do is compiled when first asked for and forgotten when a role or binding changes.
Source: Kubernetes, "Using RBAC Authorization"; plugin/pkg/auth/authorizer/rbac/rbac.go (the reasons' words).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from maru.core.access import GROUP_MASTERS, Attributes, Caller, Decision
from maru.core.document import Key, Value
from maru.core.identity.rbac.rule import Rule, rules_of
from maru.core.identity.rbac.ruleset import RuleSet
from maru.core.identity.tokens import user_name

ROLES = "roles.rbac.authorization.k8s.io"
CLUSTERROLES = "clusterroles.rbac.authorization.k8s.io"
ROLEBINDINGS = "rolebindings.rbac.authorization.k8s.io"
CLUSTERROLEBINDINGS = "clusterrolebindings.rbac.authorization.k8s.io"
STORAGES = (ROLES, CLUSTERROLES, ROLEBINDINGS, CLUSTERROLEBINDINGS)
_COMPILED_MAX = 2048  # callers by namespace

NodeRule = Callable[[Caller, Attributes], Decision | None]
"""Answers for a node's own identity; None if the caller is no node."""


@dataclass(frozen=True, slots=True)
class _Binding:
    """key: of the binding. role: of what it refers to. subjects: (User or Group, name)."""

    key: Key
    role: Key
    subjects: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class CallerRules:
    """What a caller may do. incomplete: other authorizers may allow more; fault: what could not be resolved."""

    rules: Sequence[Rule]
    incomplete: bool = False
    fault: str = ""


class RoleBook:
    """An `Authorizer` (core/access.py) that can also say what it would allow."""

    def __init__(self, node_rule: NodeRule | None = None) -> None:
        self._node_rule = node_rule
        self._roles: dict[Key, tuple[Rule, ...]] = {}
        self._bindings: dict[Key, _Binding] = {}
        self._by_subject: dict[tuple[str, str], dict[Key, _Binding]] = {}
        self._compiled: OrderedDict[tuple[str, tuple[str, ...], str], RuleSet] = OrderedDict()

    def put(self, key: Key, value: Value) -> None:
        """A role or binding is new or changed; other kinds are not for the book."""
        self._compiled.clear()
        if key.storage in (ROLES, CLUSTERROLES):
            self._roles[key] = rules_of(value)
            return
        self._unbind(key)
        binding = _read_binding(key, value)
        self._bindings[key] = binding
        for subject in binding.subjects:
            self._by_subject.setdefault(subject, {})[key] = binding

    def drop(self, key: Key) -> None:
        """A role or binding is gone."""
        self._compiled.clear()
        self._roles.pop(key, None)
        self._unbind(key)

    def keys(self, storage: str) -> list[Key]:
        """Of all roles or bindings of one kind."""
        held: Iterable[Key] = self._roles if storage in (ROLES, CLUSTERROLES) else self._bindings
        return [key for key in held if key.storage == storage]

    def authorize(self, caller: Caller, attributes: Attributes) -> Decision:
        """As core/access.py; a denial's reason names what could not be resolved, if anything."""
        if GROUP_MASTERS in caller.groups:
            return Decision(True)
        if self._node_rule is not None:
            decision = self._node_rule(caller, attributes)
            if decision is not None and decision.allowed:
                return decision
        everywhere = self._rules(caller, "")
        origin = everywhere.find(attributes)
        faults = everywhere.faults
        if origin is None and attributes.namespace:  # a path has none, so a RoleBinding never allows one
            here = self._rules(caller, attributes.namespace)
            origin = here.find(attributes)
            faults = faults + here.faults
        if origin is not None:
            return Decision(True, f"RBAC: allowed by {origin}")
        return Decision(False, f"RBAC: {_listed(faults)}" if faults else "")

    def rules_for(self, caller: Caller, namespace: str) -> CallerRules:
        """All rules of `caller` in `namespace` (empty: only those that hold everywhere), as bound.

        This is what SelfSubjectRulesReview shows and what escalation is measured against.
        """
        everywhere = self._rules(caller, "")
        here = self._rules(caller, namespace) if namespace else RuleSet()
        faults = everywhere.faults + here.faults
        is_node = self._node_rule is not None and self._node_rule(caller, Attributes(verb="")) is not None
        if is_node:
            faults = [*faults, "node authorizer does not support user rule resolution"]
        return CallerRules([*everywhere.rules, *here.rules], is_node or bool(faults), _listed(faults))

    def rules_of_reference(self, reference: Value, namespace: str) -> tuple[Rule, ...] | None:
        """The rules that a roleRef in `namespace` (empty in a ClusterRoleBinding) gives; None if it is not there."""
        return self._roles.get(_role_key(reference, namespace))

    def _rules(self, caller: Caller, namespace: str) -> RuleSet:
        place = (caller.name, caller.groups, namespace)
        rules = self._compiled.get(place)
        if rules is None:
            rules = self._compile(caller, namespace)
            self._compiled[place] = rules
            if len(self._compiled) > _COMPILED_MAX:
                self._compiled.popitem(last=False)
        else:
            self._compiled.move_to_end(place)
        return rules

    def _compile(self, caller: Caller, namespace: str) -> RuleSet:
        """namespace: empty for the cluster's bindings, else the bindings of that namespace alone."""
        rules = RuleSet()
        storage = ROLEBINDINGS if namespace else CLUSTERROLEBINDINGS
        for subject in [("User", caller.name), *(("Group", group) for group in caller.groups)]:
            for key, binding in self._by_subject.get(subject, {}).items():
                if key.storage != storage or key.namespace != namespace:
                    continue
                granted = self._roles.get(binding.role)
                if granted is None:
                    kind, _, group = binding.role.storage.partition(".")
                    rules.faults.append(f'{kind.removesuffix("s")}.{group} "{binding.role.name}" not found')
                    continue
                origin = _origin(binding, subject)
                for rule in granted:
                    rules.add(rule, origin)
        return rules

    def _unbind(self, key: Key) -> None:
        binding = self._bindings.pop(key, None)
        for subject in binding.subjects if binding is not None else ():
            bound = self._by_subject[subject]
            del bound[key]
            if not bound:
                del self._by_subject[subject]


def _read_binding(key: Key, value: Value) -> _Binding:
    subjects = set()
    for subject in value.get("subjects") or ():
        name = subject.get("name", "")
        if subject.get("kind") == "ServiceAccount":
            subjects.add(("User", user_name(subject.get("namespace") or key.namespace, name)))
        elif subject.get("kind") in ("User", "Group"):
            subjects.add((subject["kind"], name))
    return _Binding(key, _role_key(value.get("roleRef") or {}, key.namespace), frozenset(subjects))


def _role_key(reference: Value, namespace: str) -> Key:
    if reference.get("kind") == "ClusterRole":
        return Key(CLUSTERROLES, "", reference.get("name", ""))
    return Key(ROLES, namespace, reference.get("name", ""))


def _origin(binding: _Binding, subject: tuple[str, str]) -> str:
    key, role = binding.key, binding.role
    where = f'RoleBinding "{key.name}/{key.namespace}"' if key.namespace else f'ClusterRoleBinding "{key.name}"'
    kind = "Role" if role.storage == ROLES else "ClusterRole"
    return f'{where} of {kind} "{role.name}" to {subject[0]} "{subject[1]}"'


def _listed(faults: Sequence[str]) -> str:
    """As k8s.io/apimachinery/pkg/util/errors joins them."""
    once = list(dict.fromkeys(faults))
    return once[0] if len(once) == 1 else f"[{', '.join(once)}]" if once else ""
