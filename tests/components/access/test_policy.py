"""The standard policy as data: what it says, and what is written to have it."""

from __future__ import annotations

import copy

import pytest

from maru.components.access.model.policy import gathered, standard_policy, to_write, with_gathered
from maru.core.access import Attributes, Caller
from maru.core.document import Key
from maru.core.identity.rbac.rolebook import CLUSTERROLEBINDINGS, CLUSTERROLES, RoleBook


def standing():
    """The policy as it stands after the first start."""
    policy = standard_policy()
    roles = {key.name: value for key, value in policy.items() if key.storage == CLUSTERROLES}
    for name, rules in with_gathered(roles).items():
        policy[Key(CLUSTERROLES, "", name)] = {**roles[name], "rules": rules}
    return policy


@pytest.fixture(scope="module")
def book():
    made = RoleBook()
    for key, value in standing().items():
        made.put(key, value)
    for role in ("admin", "edit", "view"):
        made.put(
            Key("rolebindings.rbac.authorization.k8s.io", "team", role),
            {
                "roleRef": {"kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "User", "name": role}],
            },
        )
    return made


JANE = Caller("jane", ("system:authenticated",))
ANONYMOUS = Caller("system:anonymous", ("system:unauthenticated",))


@pytest.mark.parametrize(
    ("caller", "path", "allowed"),
    [
        (ANONYMOUS, "/version", True),
        (ANONYMOUS, "/healthz", True),
        (ANONYMOUS, "/livez", True),
        (ANONYMOUS, "/readyz", True),
        (ANONYMOUS, "/readyz/ping", False),
        (ANONYMOUS, "/api", False),
        (ANONYMOUS, "/apis", False),
        (ANONYMOUS, "/openapi/v3", False),
        (ANONYMOUS, "/metrics", False),
        (ANONYMOUS, "/openid/v1/jwks", False),
        (JANE, "/api", True),
        (JANE, "/apis/apps/v1", True),
        (JANE, "/openapi/v3", True),
        (JANE, "/version", True),
        (JANE, "/metrics", False),
        (Caller("x", ("system:monitoring",)), "/metrics", True),
        (Caller("x", ("system:serviceaccounts",)), "/openid/v1/jwks", True),
    ],
)
def test_paths_are_open_to_whom_they_should_be(book, caller, path, allowed):
    assert book.authorize(caller, Attributes("get", path=path)).allowed is allowed


def attributes(verb, what, namespace="team", group=""):
    resource, _, subresource = what.partition("/")
    return Attributes(verb, group, "v1", resource, subresource, namespace)


@pytest.mark.parametrize(
    ("user", "verb", "what", "group", "allowed"),
    [
        ("view", "get", "pods", "", True),
        ("view", "get", "pods/log", "", True),
        ("view", "get", "secrets", "", False),
        ("view", "create", "pods", "", False),
        ("view", "get", "pods/exec", "", False),
        ("view", "list", "deployments", "apps", True),
        ("edit", "create", "pods/exec", "", True),
        ("edit", "get", "pods/exec", "", True),
        ("edit", "get", "secrets", "", True),
        ("edit", "get", "pods/log", "", True),
        ("edit", "patch", "deployments/scale", "apps", True),
        ("edit", "create", "serviceaccounts/token", "", True),
        ("edit", "create", "roles", "rbac.authorization.k8s.io", False),
        ("admin", "create", "roles", "rbac.authorization.k8s.io", True),
        ("admin", "create", "pods", "", True),
        ("admin", "create", "resourcequotas", "", False),
        ("admin", "get", "pods/log", "", True),
    ],
)
def test_admin_edit_and_view_may_do_what_they_are_for(book, user, verb, what, group, allowed):
    assert book.authorize(Caller(user), attributes(verb, what, group=group)).allowed is allowed
    assert not book.authorize(Caller(user), attributes(verb, what, "other", group)).allowed


@pytest.mark.parametrize(
    ("user", "verb", "what", "group"),
    [
        ("system:kube-scheduler", "create", "pods/binding", ""),
        ("system:kube-scheduler", "list", "nodes", ""),
        ("system:controller:deployment-controller", "create", "replicasets", "apps"),
        ("system:controller:deployment-controller", "patch", "deployments/status", "apps"),
        ("system:serviceaccount:kube-system:replicaset-controller", "create", "pods", ""),
        (
            "system:controller:certificate-controller",
            "patch",
            "certificatesigningrequests/status",
            "certificates.k8s.io",
        ),
        ("system:controller:root-ca-cert-publisher", "create", "configmaps", ""),
        ("system:controller:generic-garbage-collector", "delete", "anything", "acme.com"),
        ("system:kube-proxy", "watch", "endpointslices", "discovery.k8s.io"),
        ("system:kube-dns", "watch", "services", ""),
    ],
)
def test_parts_of_the_cluster_may_do_their_work(book, user, verb, what, group):
    assert book.authorize(Caller(user), attributes(verb, what, group=group)).allowed
    assert not book.authorize(
        Caller(user), attributes("create", "clusterrolebindings", "", "rbac.authorization.k8s.io")
    ).allowed


def test_controller_may_not_do_what_is_not_its_work(book):
    caller = Caller("system:controller:deployment-controller")
    assert not book.authorize(caller, attributes("get", "secrets")).allowed
    assert not book.authorize(caller, attributes("delete", "deployments", group="apps")).allowed


def test_everything_is_written_once_and_then_nothing():
    assert to_write(standard_policy(), {}) == standard_policy()
    assert to_write(standard_policy(), standing()) == {}


def test_what_people_added_stays_and_what_they_took_comes_back():
    key = Key(CLUSTERROLES, "", "system:discovery")
    have = standing()
    changed = copy.deepcopy(have[key])
    changed["rules"] = [{"verbs": ["get"], "nonResourceURLs": ["/mine"]}]
    changed["metadata"]["labels"]["mine"] = "yes"
    have[key] = changed
    written = to_write(standard_policy(), have)
    assert list(written) == [key]
    assert written[key]["rules"] == [changed["rules"][0], *standing()[key]["rules"]]
    assert written[key]["metadata"]["labels"]["mine"] == "yes"


def test_role_with_autoupdate_false_is_left_alone():
    key = Key(CLUSTERROLES, "", "system:discovery")
    have = standing()
    have[key] = copy.deepcopy(have[key])
    have[key]["rules"] = []
    have[key]["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = "false"
    assert to_write(standard_policy(), have) == {}


def test_missing_subjects_come_back_and_other_subjects_stay():
    key = Key(CLUSTERROLEBINDINGS, "", "system:discovery")
    have = standing()
    have[key] = copy.deepcopy(have[key])
    other = {"kind": "User", "name": "joe", "apiGroup": "rbac.authorization.k8s.io"}
    have[key]["subjects"] = [other]
    assert to_write(standard_policy(), have)[key]["subjects"] == [other, *standing()[key]["subjects"]]


def test_binding_to_another_role_is_made_anew():
    key = Key(CLUSTERROLEBINDINGS, "", "system:discovery")
    have = standing()
    have[key] = copy.deepcopy(have[key])
    have[key]["roleRef"]["name"] = "cluster-admin"
    have[key]["metadata"]["uid"] = "old"
    written = to_write(standard_policy(), have)[key]
    assert written["roleRef"]["name"] == "system:discovery"
    assert "uid" not in written["metadata"]


def test_aggregated_role_gathers_in_order_and_without_repeats():
    selector = {
        "clusterRoleSelectors": [
            {"matchLabels": {"to": "x"}},
            {"matchExpressions": [{"key": "too", "operator": "Exists"}]},
        ]
    }
    one, two = {"verbs": ["get"], "apiGroups": ["a"]}, {"verbs": ["get"], "apiGroups": ["b"]}
    gathers = {"metadata": {"name": "g", "labels": {"to": "x"}}, "aggregationRule": selector, "rules": []}
    roles = [
        gathers,
        {"metadata": {"name": "z", "labels": {"to": "x"}}, "rules": [one]},
        {"metadata": {"name": "a", "labels": {"too": ""}}, "rules": [two, one]},
        {"metadata": {"name": "no"}, "rules": [{"verbs": ["*"]}]},
    ]
    assert gathered(gathers, roles) == [
        {"apiGroups": ["b"], "verbs": ["get"]},
        {"apiGroups": ["a"], "verbs": ["get"]},
    ]
    assert gathered(roles[1], roles) is None


def test_roles_that_gather_from_each_other_settle():
    def gatherer(name, labels, of):
        rule = {"clusterRoleSelectors": [{"matchLabels": {of: "y"}}]}
        return {"metadata": {"name": name, "labels": labels}, "aggregationRule": rule, "rules": []}

    roles = {
        "a": gatherer("a", {"b": "y"}, "a"),
        "b": gatherer("b", {"a": "y"}, "b"),
        "c": {"metadata": {"name": "c", "labels": {"a": "y"}}, "rules": [{"verbs": ["get"], "apiGroups": ["x"]}]},
    }
    assert with_gathered(roles) == {name: [{"apiGroups": ["x"], "verbs": ["get"]}] for name in ("a", "b")}
