"""JSON patch and merge patch by their RFCs' own examples; strategic merge patch by the design note's."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.k8s.errors import Malformed, PatchFailed, Untyped
from maru.wire.k8s.patch import OPERATIONS_MAX, json_patch, merge_patch
from maru.wire.k8s.schema import Schema, TypeNode
from maru.wire.k8s.strategic import strategic_patch
from maru.wire.k8s.structural import without_schema

# RFC 6902, appendix A.
JSON_PATCHES: list[tuple[Any, list[Any], Any]] = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"g": {}}}], {"foo": "bar", "child": {"g": {}}}),
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}], {"foo": "bar", "baz": "qux"}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}], {"foo": ["bar", ["abc", "def"]]}),
    ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}),
    ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    # beyond the RFC, as kube-apiserver does it (kubectl patch --local agrees)
    ({"a": [1, 2]}, [{"op": "add", "path": "/a/-1", "value": 3}], {"a": [1, 2, 3]}),
    ({"a": [1, 2]}, [{"op": "remove", "path": "/a/-1"}], {"a": [1]}),
    ({"a": {}}, [{"op": "replace", "path": "/a/b", "value": 1}], {"a": {"b": 1}}),
    ({"a": {}}, [{"op": "test", "path": "/a/b", "value": None}], {"a": {}}),
    ({}, [{"op": "add", "path": "/a"}], {"a": None}),
    ({"a": {"b~/c": 1}}, [{"op": "remove", "path": "/a/b~0~1c"}], {"a": {}}),
]


@pytest.mark.parametrize(("document", "operations", "result"), JSON_PATCHES)
def test_json_patch_follows_the_rfc(document: Any, operations: list[Any], result: Any) -> None:
    before = copy.deepcopy((document, operations))
    assert json_patch(document, operations) == result
    assert (document, operations) == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/baz/bat", "value": "qux"},
        {"op": "remove", "path": "/missing"},
        {"op": "test", "path": "/foo", "value": "other"},
        {"op": "test", "path": "/one", "value": True},
        {"op": "test", "path": "/~01", "value": "10"},
        {"op": "remove", "path": "/list/9"},
        {"op": "remove", "path": "/list/-"},
        {"op": "remove", "path": "/list/-2"},
        {"op": "replace", "path": "/list/1", "value": 1},
        {"op": "replace", "path": "/missing/deep", "value": 1},
        {"op": "copy", "from": "/missing", "path": "/a"},
        {"op": "move", "from": "/map", "path": "/map/inner"},
        {"op": "add", "path": "/foo/x", "value": 1},
        {"op": "remove", "path": "foo"},
    ],
)
def test_json_patch_that_does_not_fit_fails(operation: Any) -> None:
    with pytest.raises(PatchFailed):
        json_patch({"foo": "bar", "one": 1, "~1": 10, "list": [1], "map": {}}, [operation])


@pytest.mark.parametrize(
    "operations",
    [
        {},
        [1],
        [{"op": "add"}],
        [{"op": "fly", "path": "/a"}],
        [{"op": "copy", "path": "/a"}],
    ],
)
def test_what_is_no_json_patch_is_malformed(operations: Any) -> None:
    with pytest.raises(Malformed):
        json_patch({}, operations)


def test_json_patch_is_bounded() -> None:
    with pytest.raises(Malformed, match="maximum operations"):
        json_patch({}, [{"op": "test", "path": "", "value": {}}] * (OPERATIONS_MAX + 1))
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(PatchFailed, match="copy"):
        json_patch({"a": ["x" * 100]}, doubling)


# RFC 7386, appendix A.
MERGES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("document", "patch", "result"), MERGES)
def test_merge_patch_follows_the_rfc(document: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy((document, patch))
    assert merge_patch(document, patch) == result
    assert (document, patch) == before


_json = st.recursive(
    st.integers(0, 3) | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(document=_json, patch=_json)
def test_merge_patch_twice_is_once(document: Any, patch: Any) -> None:
    once = merge_patch(document, patch)
    assert merge_patch(once, patch) == once


@pytest.fixture
def deployments(schema: Schema) -> TypeNode:
    node = schema.type_of("apps", "v1", "Deployment")
    assert node is not None
    return node


def pod(*containers: Any, **spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers), **spec}}}}


A, B, C, D = ({"name": name, "image": "i"} for name in "abcd")


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        # lists merge by their key; the order of the patch wins, what it does not name keeps its place before what follows
        (pod(A, B), pod({"name": "b", "image": "n"}), pod(A, {"name": "b", "image": "n"})),
        (pod(A), pod(C), pod(C, A)),
        (pod(A, B, C), pod({"name": "d", "image": "i"}, {"name": "c", "image": "n"}), pod(D, A, B, C | {"image": "n"})),
        # a new item takes a deleted one's place in the order of those the directive does not name
        (
            pod(C, D, A),
            pod(
                B,
                A,
                {"name": "c", "$patch": "delete"},
                **{"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
            ),
            pod(D, B, A),
        ),
        # $patch: delete on an item, on a map; replace on a list
        (pod(A, B), pod({"name": "a", "$patch": "delete"}), pod(B)),
        (pod(A, B), pod(C, {"$patch": "replace"}), pod(C)),
        (
            {"spec": {"strategy": {"type": "x"}}},
            {"spec": {"strategy": {"$patch": "delete"}}},
            {"spec": {"strategy": {}}},
        ),
        ({"spec": {"a": 1}}, {"spec": {"b": 2, "$patch": "replace"}}, {"spec": {"b": 2}}),
        ({"spec": {"a": 1}}, {"spec": {"b": 2, "$patch": "merge"}}, {"spec": {"a": 1, "b": 2}}),
        # $setElementOrder alone reorders; with a change it places what is new
        (
            pod(A, B),
            {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}}},
            pod(B, A),
        ),
        (
            pod(A, B),
            pod(C, **{"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}]}),
            pod(C, A, B),
        ),
        # primitive lists with a merge strategy
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["c", "b"]}},
        ),
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["c"], "$setElementOrder/finalizers": ["c", "b", "a"]}},
            {"metadata": {"finalizers": ["c", "b", "a"]}},
        ),
        # atomic lists are replaced
        (pod(A, tolerations=[{"key": "a"}]), pod(tolerations=[{"key": "b"}]), pod(A, tolerations=[{"key": "b"}])),
        # nulls delete, and are dropped from what is new
        (
            {"metadata": {"labels": {"a": "1"}}},
            {"metadata": {"labels": {"a": None, "b": "2"}}},
            {"metadata": {"labels": {"b": "2"}}},
        ),
        ({"metadata": {}}, {"metadata": {"labels": {"a": None, "b": "2"}}}, {"metadata": {"labels": {"b": "2"}}}),
        # $retainKeys drops the other kinds of a union
        (
            {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
            {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
            {"spec": {"strategy": {"type": "Recreate"}}},
        ),
    ],
)
def test_strategic_patch(deployments: TypeNode, document: Any, patch: Any, result: Any) -> None:
    if patch.get("spec", {}).get("template", {}).get("spec", {}).get("containers") == []:
        del patch["spec"]["template"]["spec"]["containers"]
    before = copy.deepcopy((document, patch))
    assert strategic_patch(deployments, document, patch) == result
    assert (document, patch) == before


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"$patch": "explode"}},
        pod({"image": "no name"}),
        pod("text", A),
        pod({"name": "a", "$patch": "merge"}),
        pod(A, B, **{"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
        {"spec": {"strategy": {"$retainKeys": "type"}}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
        {"spec": {"template": {"spec": {"$setElementOrder/containers": {"name": "a"}}}}},
        [],
    ],
)
def test_broken_directives_are_malformed(deployments: TypeNode, patch: Any) -> None:
    document = {"metadata": {"finalizers": ["a"]}, **pod(A)}
    document["spec"]["strategy"] = {"type": "x"}
    with pytest.raises(Malformed):
        strategic_patch(deployments, document, patch)


def test_custom_resources_have_no_strategic_patch(schema: Schema) -> None:
    with pytest.raises(Untyped):
        strategic_patch(without_schema(schema), {}, {})
    with pytest.raises(Untyped):
        strategic_patch(None, {}, {})
