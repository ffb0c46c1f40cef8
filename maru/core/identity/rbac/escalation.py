"""Who may write a role or a binding: nobody gives away what they do not have.

Writing a role needs every right in it, or the verb `escalate`; binding one needs every right in the
role, or the verb `bind`. The API server asks these before it stores a role or binding.
Source: Kubernetes, "Using RBAC Authorization", privilege escalation; pkg/registry/rbac/*/policybased.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.access import GROUP_MASTERS, Attributes, Caller
from maru.core.document import Value
from maru.core.errors import Denied
from maru.core.identity.rbac.rolebook import RoleBook
from maru.core.identity.rbac.rule import Rule, rules_of, uncovered

GROUP = "rbac.authorization.k8s.io"


def check_role_write(book: RoleBook, caller: Caller, role: Value, old: Value | None) -> None:
    """Raises Denied if `role` (Role or ClusterRole; `old` is what stood before) holds more than `caller` has."""
    if GROUP_MASTERS in caller.groups:
        return
    metadata, is_cluster = role["metadata"], role.get("kind") == "ClusterRole"
    if (
        old is not None
        and rules_of(role) == rules_of(old)
        and role.get("aggregationRule") == old.get("aggregationRule")
    ):
        return
    resource = "clusterroles" if is_cluster else "roles"
    namespace = "" if is_cluster else metadata.get("namespace", "")
    escalate = Attributes("escalate", GROUP, "v1", resource, "", namespace, metadata.get("name", ""))
    if book.authorize(caller, escalate).allowed:
        return
    wanted: Sequence[Rule] = rules_of(role)
    if role.get("aggregationRule"):
        # What it will gather is not known yet, so it needs everything.
        wanted = [*wanted, Rule(("*",), ("*",), ("*",)), Rule(("*",), paths=("*",))]
    _require(book, caller, wanted, namespace, f"{resource}.{GROUP} {_quoted(metadata.get('name', ''))}")


def check_binding_write(book: RoleBook, caller: Caller, binding: Value, old: Value | None) -> None:
    """Raises Denied if `binding` (RoleBinding or ClusterRoleBinding) gives more than `caller` has."""
    if GROUP_MASTERS in caller.groups:
        return
    metadata, is_cluster = binding["metadata"], binding.get("kind") == "ClusterRoleBinding"
    reference = binding.get("roleRef") or {}
    if old is not None and reference == old.get("roleRef") and binding.get("subjects") == old.get("subjects"):
        return
    namespace = "" if is_cluster else metadata.get("namespace", "")
    role_resource = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
    bind = Attributes("bind", GROUP, "v1", role_resource, "", namespace, reference.get("name", ""))
    if book.authorize(caller, bind).allowed:
        return
    resource = "clusterrolebindings" if is_cluster else "rolebindings"
    what = f"{resource}.{GROUP} {_quoted(metadata.get('name', ''))}"
    wanted = book.rules_of_reference(reference, namespace)
    if wanted is None:
        kind = role_resource.removesuffix("s")
        raise Denied(
            what=what, why=f'{kind}.{GROUP} "{reference.get("name", "")}" not found', fix="make the role first"
        )
    _require(book, caller, wanted, namespace, what)


def _require(book: RoleBook, caller: Caller, wanted: Sequence[Rule], namespace: str, what: str) -> None:
    held = book.rules_for(caller, namespace)
    missing = uncovered(wanted, held.rules)
    if not missing:
        return
    listed = "\n".join(_written(rule) for rule in missing)
    groups = " ".join(_quoted(group) for group in caller.groups)
    why = (
        f"user {_quoted(caller.name)} (groups=[{groups}]) is attempting to grant RBAC permissions "
        f"not currently held:\n{listed}"
    )
    raise Denied(what=what, why=f"{why}; resolution errors: {held.fault}" if held.fault else why)


def _granted(role: Value) -> tuple[object, object]:
    return rules_of(role), role.get("aggregationRule")


def _written(rule: Rule) -> str:
    """As rbacv1helpers.CompactString writes one."""
    parts = [
        f"{name}:[{' '.join(_quoted(value) for value in values)}]"
        for name, values in (
            ("APIGroups", rule.groups),
            ("Resources", rule.resources),
            ("NonResourceURLs", rule.paths),
            ("ResourceNames", rule.names),
            ("Verbs", rule.verbs),
        )
        if values
    ]
    return "{" + ", ".join(parts) + "}"


def _quoted(text: str) -> str:
    return f'"{text}"'
