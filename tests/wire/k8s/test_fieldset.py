"""Field sets are sets: the laws hold, and paths are shown as the API shows them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from maru.wire.k8s.fieldset import difference, intersection, is_well_formed, join, ordered, paths, union

_elements = st.sampled_from(["f:a", "f:b", 'k:{"n":"x"}', 'v:"y"'])


def _join(parts: tuple[bool, dict[str, Any]]) -> dict[str, Any]:
    member, children = parts
    return join(children, member=member or not children) or {}


_below = st.recursive(
    st.just({}),
    lambda inner: st.tuples(st.booleans(), st.dictionaries(_elements, inner, max_size=3)).map(_join),
    max_leaves=8,
)
_sets = st.dictionaries(_elements, _below, max_size=3)


def members(fields: dict[str, Any]) -> set[str]:
    return set(paths(fields))


@given(_sets, _sets)
def test_operations_are_those_of_sets(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert members(union(one, other)) == members(one) | members(other)
    assert members(intersection(one, other)) == members(one) & members(other)
    assert members(difference(one, other)) == members(one) - members(other)


@given(_sets, _sets)
def test_the_form_is_canonical(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert union(one, other) == union(other, one)
    assert union(difference(one, other), intersection(one, other)) == one
    assert difference(one, one) == {}
    assert ordered(one) == one
    assert is_well_formed(union(one, other))


@given(_sets, _sets)
def test_nothing_to_take_hands_the_set_back(one: dict[str, Any], other: dict[str, Any]) -> None:
    left = difference(one, other)
    assert (left is one) == (not members(one) & members(other))


def test_paths_read_as_the_api_writes_them() -> None:
    fields = {
        "f:spec": {
            "f:containers": {'k:{"name":"a","port":1}': {".": {}, "f:image": {}}},
            "f:finalizers": {'v:"x/y"': {}, "i:0": {}},
        }
    }
    assert list(paths(fields)) == [
        '.spec.containers[name="a",port=1]',
        '.spec.containers[name="a",port=1].image',
        ".spec.finalizers[0]",
        '.spec.finalizers[="x/y"]',
    ]


def test_what_is_no_field_set_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"f:a": deep}
    for broken in ([], {"a": {}}, {"f:a": 1}, {"k:x": {}}, {"k:[]": {}}, deep):
        assert not is_well_formed(broken)
