"""A short way to write roles and bindings, so that the standard policy can be read as a table.

Lists are words separated by spaces; the core group is written `core`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.core.document import Value
from maru.core.identity.rbac.rule import Rule

API_VERSION = "rbac.authorization.k8s.io/v1"
READ = "get list watch"
WRITE = "create delete deletecollection patch update"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def on(group: str, resources: str, verbs: str, names: str = "") -> Rule:
    """`verbs` on `resources` of `group` (or several), limited to `names` if any."""
    groups = tuple("" if word == "core" else word for word in group.split())
    return Rule(tuple(verbs.split()), groups, tuple(resources.split()), tuple(names.split()))


def at(paths: str, verbs: str = "get") -> Rule:
    """`verbs` on paths outside of the API."""
    return Rule(tuple(verbs.split()), paths=tuple(paths.split()))


EVENTS = on("core events.k8s.io", "events", "create patch update")


def cluster_role(name: str, *rules: Rule, labels: Mapping[str, str] | None = None) -> Value:
    """A standard ClusterRole."""
    return {**_head("ClusterRole", name, labels), "rules": [rule.to_value() for rule in rules]}


def aggregate(name: str, label: str, labels: Mapping[str, str] | None = None) -> Value:
    """A standard ClusterRole that gathers the rules of all that carry `label`: "true"."""
    selector = {"matchLabels": {label: "true"}}
    return {
        **_head("ClusterRole", name, labels),
        "aggregationRule": {"clusterRoleSelectors": [selector]},
        "rules": [],
    }


def binding(name: str, *subjects: Value, role: str = "") -> Value:
    """A standard ClusterRoleBinding; the role has its name if not told otherwise."""
    return {
        **_head("ClusterRoleBinding", name, None),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role or name},
        "subjects": list(subjects),
    }


def user(name: str) -> Value:
    """A subject."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


def group(name: str) -> Value:
    """A subject."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def account(name: str, namespace: str = "kube-system") -> Value:
    """A subject: a service account."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def named(values: Sequence[Value]) -> dict[str, Value]:
    """By name; the names must differ."""
    by_name: dict[str, Value] = {value["metadata"]["name"]: value for value in values}
    assert len(by_name) == len(values)
    return by_name


def _head(kind: str, name: str, labels: Mapping[str, str] | None) -> Value:
    return {
        "kind": kind,
        "apiVersion": API_VERSION,
        "metadata": {
            "name": name,
            "labels": {**_BOOTSTRAPPING, **(labels or {})},
            "annotations": {AUTOUPDATE: "true"},
        },
    }
