"""Selectors parse and match as the real server's, and say what is wrong in its words."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.k8s.errors import BadSelector
from maru.wire.k8s.selectors import (
    EVERYTHING,
    NOTHING,
    from_label_selector,
    parse_fields,
    parse_labels,
    unsupported_fields,
)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {}, True),
        ("  ", {"a": "b"}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a=b", {}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a!=b", {"a": "b"}, False),
        ("a!=b", {}, True),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("! a", {"a": "1"}, False),
        ("a in (x,y)", {"a": "y"}, True),
        ("a in ( x , y )", {"a": "z"}, False),
        ("a in (x,)", {"a": ""}, True),
        ("a in ()", {"a": ""}, True),
        ("a notin (x)", {}, True),
        ("a notin (x)", {"a": "x"}, False),
        ("a>5", {"a": "6"}, True),
        ("a > 5", {"a": "5"}, False),
        ("a<5", {"a": "4"}, True),
        ("a<5", {"a": "four"}, False),
        ("a<5", {}, False),
        ("a=b,c in (d),!e", {"a": "b", "c": "d"}, True),
        ("a=b,c in (d),!e", {"a": "b", "c": "d", "e": ""}, False),
        ("example.com/a-b.c_d=1", {"example.com/a-b.c_d": "1"}, True),
        ("in in (in)", {"in": "in"}, True),
    ],
)
def test_label_selectors_match(text: str, labels: dict[str, str], matches: bool) -> None:
    assert parse_labels(text).matches(labels) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        ("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a in x", "found 'x' expected: '('"),
        ("a in (x", "found '', expected: ',' or ')'"),
        ("a=(", "found '(', expected: identifier"),
        ("!", "found '', expected: identifier"),
        ("-a=b", 'key: Invalid value: "-a": name part must consist of alphanumeric characters'),
        ("A.b/c=d", "prefix part a lowercase RFC 1123 subdomain"),
        ("a=-b", "a valid label must be an empty string or consist of"),
        ("a=" + "x" * 64, "must be no more than 63 bytes"),
        ("a>b", "the value must be an integer"),
        ("x" * 70_000, "longer than"),
    ],
)
def test_bad_label_selectors_are_named(text: str, message: str) -> None:
    with pytest.raises(BadSelector) as caught:
        parse_labels(text)
    assert caught.value.message.startswith("unable to parse requirement: ")
    assert message in caught.value.message


@given(st.text(alphabet="ab,=!() ><in\\/.", max_size=30))
def test_label_parsing_ends(text: str) -> None:
    with contextlib.suppress(BadSelector):
        parse_labels(text).matches({"a": "b"})


@pytest.mark.parametrize(
    ("text", "fields", "matches"),
    [
        ("", {}, True),
        ("metadata.name=a", {"metadata.name": "a"}, True),
        ("metadata.name==a,spec.nodeName!=n", {"metadata.name": "a", "spec.nodeName": "m"}, True),
        ("spec.nodeName=", {"spec.nodeName": ""}, True),
        (r"x=a\,b\=c\\", {"x": "a,b=c\\"}, True),
        ("a=b,,c=d", {"a": "b", "c": "d"}, True),
        ("status.phase!=Running", {"status.phase": "Running"}, False),
    ],
)
def test_field_selectors_match(text: str, fields: dict[str, str], matches: bool) -> None:
    assert parse_fields(text).matches(fields) is matches


@pytest.mark.parametrize("text", ["a", "a>b", r"a=\x", "a=b=c", "a in (b)"])
def test_bad_field_selectors_are_refused(text: str) -> None:
    with pytest.raises(BadSelector):
        parse_fields(text)


@given(st.text(max_size=30))
def test_field_parsing_ends(text: str) -> None:
    with contextlib.suppress(BadSelector):
        parse_fields(text)


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({"matchLabels": {"a": "b"}}, {"a": "b", "c": "d"}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "c"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}, {"a": "x"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {}, True),
        ({"matchLabels": None, "matchExpressions": None}, {}, True),
    ],
)
def test_selector_objects_match(selector: dict[str, Any], labels: dict[str, str], matches: bool) -> None:
    assert from_label_selector(selector).matches(labels) is matches


def test_no_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert from_label_selector(None) is NOTHING
    assert not NOTHING.matches({})
    assert from_label_selector({}) == EVERYTHING


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "Like"},
        {"key": "a", "operator": "In", "values": []},
        {"key": "a", "operator": "Exists", "values": ["x"]},
        {"key": "", "operator": "Exists"},
    ],
)
def test_bad_selector_objects_are_refused(expression: dict[str, Any]) -> None:
    with pytest.raises(BadSelector):
        from_label_selector({"matchExpressions": [expression]})


def test_exact_values_and_unsupported_fields_are_found() -> None:
    selector = parse_fields("metadata.name=x,spec.foo!=y")
    assert selector.exact("metadata.name") == "x"
    assert selector.exact("spec.foo") is None
    assert unsupported_fields(selector, ["metadata.name"]) == ["spec.foo"]
