"""RBAC as tables: what rules allow, what covers what, who may write roles and bindings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maru.core.access import Attributes, Caller
from maru.core.document import Key
from maru.core.errors import Denied
from maru.core.identity.rbac.escalation import check_binding_write, check_role_write
from maru.core.identity.rbac.rolebook import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    ROLEBINDINGS,
    ROLES,
    RoleBook,
)
from maru.core.identity.rbac.rule import Rule, uncovered
from maru.core.identity.rbac.ruleset import RuleSet


def rule(verbs, groups="", resources="", names="", paths=""):
    return Rule(
        tuple(verbs.split()),
        tuple("" if group == "core" else group for group in groups.split()),
        tuple(resources.split()),
        tuple(names.split()),
        tuple(paths.split()),
    )


def ask(verb, what="pods", *, group="", name="", namespace="", path=""):
    if path:
        return Attributes(verb, path=path)
    resource, _, subresource = what.partition("/")
    return Attributes(verb, group, "v1", resource, subresource, namespace, name)


TABLE = [
    (rule("get", "core", "pods"), ask("get"), True),
    (rule("get", "core", "pods"), ask("list"), False),
    (rule("*", "core", "pods"), ask("list"), True),
    (rule("get", "core", "pods"), ask("get", group="apps"), False),
    (rule("get", "*", "pods"), ask("get", group="apps"), True),
    (rule("get", "core apps", "pods"), ask("get", group="apps"), True),
    (rule("get", "core", "*"), ask("get", "secrets"), True),
    (rule("get", "core", "*"), ask("get", "pods/log"), True),
    (rule("get", "core", "pods"), ask("get", "pods/log"), False),
    (rule("get", "core", "pods/log"), ask("get", "pods/log"), True),
    (rule("get", "core", "pods/log"), ask("get", "pods"), False),
    (rule("get", "*", "*/scale"), ask("get", "deployments/scale", group="apps"), True),
    (rule("get", "*", "*/scale"), ask("get", "deployments/status", group="apps"), False),
    (rule("get", "*", "*/scale"), ask("get", "deployments", group="apps"), False),
    (rule("get", "core", "pods/*"), ask("get", "pods/log"), False),
    (rule("get", "core", "configmaps", "a b"), ask("get", "configmaps", name="b"), True),
    (rule("get", "core", "configmaps", "a b"), ask("get", "configmaps", name="c"), False),
    (rule("list", "core", "configmaps", "a"), ask("list", "configmaps"), False),
    (rule("get", paths="/healthz"), ask("get", path="/healthz"), True),
    (rule("get", paths="/healthz"), ask("get", path="/healthz/ping"), False),
    (rule("get", paths="/healthz/*"), ask("get", path="/healthz/ping"), True),
    (rule("get", paths="/healthz/*"), ask("get", path="/healthz"), False),
    (rule("get", paths="*"), ask("get", path="/anything"), True),
    (rule("post", paths="*"), ask("get", path="/anything"), False),
    (rule("*", paths="/metrics"), ask("get", path="/metrics"), True),
    (rule("*", "*", "*"), ask("get", path="/metrics"), False),
    (rule("*", paths="*"), ask("get"), False),
]


@pytest.mark.parametrize(("given", "attributes", "allowed"), TABLE)
def test_rule_allows_what_the_real_one_allows(given, attributes, allowed):
    assert given.allows(attributes) is allowed
    compiled = RuleSet()
    compiled.add(given, "here")
    assert compiled.find(attributes) == ("here" if allowed else None)


COVER_TABLE = [
    ([rule("get list", "core", "pods")], [rule("get", "core", "pods")], True),
    ([rule("get", "core", "pods")], [rule("get list", "core", "pods")], False),
    ([rule("get", "core", "pods"), rule("list", "core", "pods")], [rule("get list", "core", "pods")], True),
    ([rule("*", "*", "*")], [rule("get", "apps", "deployments/scale", "x")], True),
    ([rule("*", "core", "pods")], [rule("*", "core", "pods")], True),
    ([rule("get list watch create", "core", "pods")], [rule("*", "core", "pods")], False),
    ([rule("get", "core", "pods", "a")], [rule("get", "core", "pods")], False),
    ([rule("get", "core", "pods", "a b")], [rule("get", "core", "pods", "b")], True),
    ([rule("get", "core", "pods")], [rule("get", "core", "pods", "b")], True),
    ([rule("get", "core", "pods")], [rule("get", "core", "pods/log")], False),
    ([rule("get", "core", "*/log")], [rule("get", "core", "pods/log")], True),
    ([rule("get", paths="/healthz/*")], [rule("get", paths="/healthz/ping")], True),
    ([rule("get", paths="/healthz")], [rule("get", paths="/healthz/*")], False),
    ([rule("*", "*", "*")], [rule("get", paths="/healthz")], False),
    ([], [rule("get", "core", "pods")], False),
    ([], [], True),
]


@pytest.mark.parametrize(("held", "wanted", "covered"), COVER_TABLE)
def test_rights_are_covered_one_by_one(held, wanted, covered):
    assert (uncovered(wanted, held) == []) is covered


def role(name, *rules, namespace="", aggregation=None):
    value = {
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "rules": [each.to_value() for each in rules],
    }
    if aggregation:
        value["aggregationRule"] = aggregation
    return value


def bound(name, role_name, *subjects, namespace="", kind="ClusterRole"):
    return {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role_name},
        "subjects": list(subjects),
    }


def user(name):
    return {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}


def group(name):
    return {"kind": "Group", "name": name, "apiGroup": "rbac.authorization.k8s.io"}


STORAGE = {
    "Role": ROLES,
    "ClusterRole": CLUSTERROLES,
    "RoleBinding": ROLEBINDINGS,
    "ClusterRoleBinding": CLUSTERROLEBINDINGS,
}


def book_of(*documents):
    book = RoleBook()
    for value in documents:
        book.put(key_of(value), value)
    return book


def key_of(value):
    metadata = value["metadata"]
    return Key(STORAGE[value["kind"]], metadata.get("namespace", ""), metadata["name"])


READER = role("reader", rule("get list", "core", "pods"), rule("get", paths="/metrics"))
JANE = Caller("jane", ("team", "system:authenticated"))


def test_cluster_binding_holds_everywhere():
    book = book_of(READER, bound("b", "reader", user("jane")))
    for namespace in ("", "a", "b"):
        decision = book.authorize(JANE, ask("get", namespace=namespace))
        assert decision.allowed
    assert decision.reason == 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to User "jane"'
    assert book.authorize(JANE, ask("get", path="/metrics")).allowed
    assert not book.authorize(JANE, ask("delete", namespace="a")).allowed
    assert not book.authorize(Caller("joe"), ask("get", namespace="a")).allowed


def test_role_binding_holds_in_its_namespace_and_gives_no_paths():
    book = book_of(READER, bound("b", "reader", group("team"), namespace="a"))
    assert book.authorize(JANE, ask("get", namespace="a")).allowed
    assert not book.authorize(JANE, ask("get", namespace="b")).allowed
    assert not book.authorize(JANE, ask("get")).allowed
    assert not book.authorize(JANE, ask("get", path="/metrics")).allowed


def test_role_of_the_same_name_elsewhere_is_another():
    book = book_of(
        role("r", rule("get", "core", "pods"), namespace="b"),
        bound("b", "r", user("jane"), namespace="a", kind="Role"),
    )
    decision = book.authorize(JANE, ask("get", namespace="a"))
    assert not decision.allowed
    assert decision.reason == 'RBAC: role.rbac.authorization.k8s.io "r" not found'


def test_service_account_is_bound_by_namespace_and_name():
    subject = {"kind": "ServiceAccount", "name": "builder", "namespace": "ci"}
    book = book_of(READER, bound("b", "reader", subject))
    assert book.authorize(Caller("system:serviceaccount:ci:builder"), ask("get")).allowed
    assert not book.authorize(Caller("system:serviceaccount:other:builder"), ask("get")).allowed


def test_masters_may_do_everything():
    caller = Caller("x", ("system:masters",))
    assert RoleBook().authorize(caller, ask("delete", "nodes")).allowed
    assert RoleBook().authorize(caller, ask("get", path="/x")).allowed


def test_changes_hold_at_once():
    book = book_of(READER, bound("b", "reader", user("jane")))
    assert book.authorize(JANE, ask("get")).allowed
    book.put(key_of(READER), role("reader", rule("list", "core", "pods")))
    assert not book.authorize(JANE, ask("get")).allowed
    book.put(key_of(READER), READER)
    assert book.authorize(JANE, ask("get")).allowed
    book.put(Key(CLUSTERROLEBINDINGS, "", "b"), bound("b", "reader", user("joe")))
    assert not book.authorize(JANE, ask("get")).allowed
    assert book.authorize(Caller("joe"), ask("get")).allowed
    book.drop(Key(CLUSTERROLEBINDINGS, "", "b"))
    assert not book.authorize(Caller("joe"), ask("get")).allowed
    book.put(Key(CLUSTERROLEBINDINGS, "", "b"), bound("b", "reader", user("joe")))
    book.drop(key_of(READER))
    assert not book.authorize(Caller("joe"), ask("get")).allowed


def test_rules_for_shows_cluster_and_namespace_rules():
    book = book_of(
        READER,
        role("writer", rule("create", "core", "pods"), namespace="a"),
        bound("b", "reader", user("jane")),
        bound("c", "writer", user("jane"), namespace="a", kind="Role"),
        bound("d", "missing", user("jane"), namespace="a"),
    )
    rules = book.rules_for(JANE, "a")
    assert [each.verbs for each in rules.rules] == [("get", "list"), ("get",), ("create",)]
    assert rules.incomplete
    assert rules.fault == 'clusterrole.rbac.authorization.k8s.io "missing" not found'
    assert [each.verbs for each in book.rules_for(JANE, "b").rules] == [("get", "list"), ("get",)]
    assert not book.rules_for(JANE, "b").incomplete


def test_role_may_be_written_by_who_holds_all_of_it():
    book = book_of(READER, bound("b", "reader", user("jane")))
    check_role_write(book, JANE, role("mine", rule("get", "core", "pods"), namespace="a"), None)
    check_role_write(book, JANE, READER, None)
    with pytest.raises(Denied, match="attempting to grant RBAC permissions not currently held") as raised:
        check_role_write(book, JANE, role("mine", rule("get delete", "core", "pods"), namespace="a"), None)
    assert '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}' in raised.value.why
    check_role_write(book, Caller("x", ("system:masters",)), role("all", rule("*", "*", "*")), None)


def test_escalate_lets_a_role_be_written():
    keeper = role("keeper", rule("escalate", "rbac.authorization.k8s.io", "clusterroles", "limited"))
    book = book_of(keeper, bound("b", "keeper", user("jane")))
    check_role_write(book, JANE, role("limited", rule("*", "*", "*")), None)
    with pytest.raises(Denied):
        check_role_write(book, JANE, role("other", rule("*", "*", "*")), None)


def test_unchanged_rules_may_be_written_again():
    book = book_of()
    old = role("r", rule("*", "*", "*"))
    check_role_write(book, JANE, {**old, "metadata": {"name": "r", "labels": {"a": "b"}}}, old)
    with pytest.raises(Denied):
        check_role_write(book, JANE, role("r", rule("*", "*", "*"), rule("get", paths="/")), old)


def test_role_that_gathers_others_needs_everything():
    book = book_of(READER, bound("b", "reader", user("jane")))
    gathers = role("g", aggregation={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})
    with pytest.raises(Denied):
        check_role_write(book, JANE, gathers, None)
    check_role_write(
        book_of(role("all", rule("*", "*", "*"), rule("*", paths="*")), bound("b", "all", user("jane"))),
        JANE,
        gathers,
        None,
    )


def test_binding_may_be_written_by_who_holds_the_role_or_may_bind_it():
    book = book_of(READER, role("admin", rule("*", "*", "*")), bound("b", "reader", user("jane")))
    check_binding_write(book, JANE, bound("x", "reader", user("joe"), namespace="a"), None)
    with pytest.raises(Denied, match="not currently held"):
        check_binding_write(book, JANE, bound("x", "admin", user("jane"), namespace="a"), None)
    with pytest.raises(Denied, match=r'clusterrole.*"missing" not found'):
        check_binding_write(book, JANE, bound("x", "missing", user("jane")), None)
    binder = role("binder", rule("bind", "rbac.authorization.k8s.io", "clusterroles", "admin"))
    book.put(key_of(binder), binder)
    book.put(Key(CLUSTERROLEBINDINGS, "", "c"), bound("c", "binder", user("jane")))
    check_binding_write(book, JANE, bound("x", "admin", user("jane"), namespace="a"), None)


def test_right_held_in_one_namespace_is_not_given_in_another():
    book = book_of(READER, bound("b", "reader", user("jane"), namespace="a"))
    check_binding_write(book, JANE, bound("x", "reader", user("joe"), namespace="a"), None)
    for elsewhere in (bound("x", "reader", user("joe"), namespace="b"), bound("x", "reader", user("joe"))):
        with pytest.raises(Denied):
            check_binding_write(book, JANE, elsewhere, None)


def words(*choices):
    return st.lists(st.sampled_from(choices), min_size=1, max_size=2, unique=True).map(tuple)


RULES = st.one_of(
    st.builds(
        Rule,
        words("get", "list", "*"),
        words("", "apps", "*"),
        words("pods", "pods/log", "*/log", "deployments", "*"),
        st.one_of(st.just(()), words("a", "b")),
    ),
    st.builds(Rule, words("get", "*"), paths=words("/a", "/a/*", "/a/b", "*")),
)
QUESTIONS = st.one_of(
    st.builds(
        Attributes,
        st.sampled_from(["get", "list", "delete"]),
        st.sampled_from(["", "apps", "other"]),
        st.just("v1"),
        st.sampled_from(["pods", "deployments", "secrets"]),
        st.sampled_from(["", "log", "status"]),
        st.just(""),
        st.sampled_from(["", "a", "b", "c"]),
    ),
    st.builds(Attributes, st.sampled_from(["get", "post"]), path=st.sampled_from(["/a", "/a/b", "/a/b/c", "/b"])),
)


@given(st.lists(RULES, max_size=4), st.lists(QUESTIONS, min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_compiled_rules_answer_as_the_rules_themselves(rules, questions):
    compiled = RuleSet()
    for each in rules:
        compiled.add(each, "here")
    for question in questions:
        assert (compiled.find(question) is not None) is any(each.allows(question) for each in rules)


@given(st.lists(RULES, max_size=3), st.lists(RULES, max_size=3), st.lists(QUESTIONS, min_size=1, max_size=8))
@settings(max_examples=500, deadline=None)
def test_nothing_is_allowed_by_covered_rules_that_the_holder_may_not(wanted, held, questions):
    if uncovered(wanted, held):
        return
    for question in questions:
        if any(each.allows(question) for each in wanted):
            assert any(each.allows(question) for each in held)
