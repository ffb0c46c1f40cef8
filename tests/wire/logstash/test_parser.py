"""Configurations become the trees that were written; what is none is told by line and column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.wire.logstash.parser import ParseError, parse
from maru.wire.logstash.syntax import (
    Bareword,
    Branch,
    Compare,
    Field,
    Hash,
    Join,
    Junction,
    Not,
    Operator,
    Plugin,
    Regexp,
)


def condition(text: str) -> object:
    (branch,) = parse(f"filter {{ if {text} {{ drop {{}} }} }}").filters
    assert isinstance(branch, Branch)
    return branch.arms[0][0]


def value(text: str) -> object:
    (plugin,) = parse(f"input {{ x {{ a => {text} }} }}").inputs
    assert isinstance(plugin, Plugin)
    return plugin.attributes[0][1]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('"a \\" b"', 'a \\" b'),
        ("'a # b'", "a # b"),
        ("5044", 5044),
        ("-1.5", -1.5),
        ("true", Bareword("true")),
        ('[1, "a", b2]', (1, "a", Bareword("b2"))),
        ("[]", ()),
        ('{ "a" => 1 b => [2] }', Hash((("a", 1), ("b", (2,))))),
        ("json", Bareword("json")),
    ],
)
def test_values(text: str, read: object) -> None:
    assert value(text) == read


def test_a_codec_is_a_plugin_within() -> None:
    codec = value('multiline { pattern => "^ " what => previous }')
    assert isinstance(codec, Plugin)
    assert codec.name == "multiline"
    assert codec.attributes == (("pattern", "^ "), ("what", Bareword("previous")))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[a]", Field(("a",))),
        ("[a][b] == 1", Compare(Operator.EQUAL, Field(("a", "b")), 1)),
        ("![a]", Not(Field(("a",)))),
        ('!("x" in [tags])', Not(Compare(Operator.IN, "x", Field(("tags",))))),
        ("[m] =~ /a\\/b/", Compare(Operator.MATCHES, Field(("m",)), Regexp("a/b"))),
        ('[a] not in ["x", "y"]', Compare(Operator.NOT_IN, Field(("a",)), ("x", "y"))),
        (
            "[a] or [b] and [c]",
            Join(Junction.OR, Field(("a",)), Join(Junction.AND, Field(("b",)), Field(("c",)))),
        ),
        (
            "([a] or [b]) nand [c]",
            Join(Junction.NAND, Join(Junction.OR, Field(("a",)), Field(("b",))), Field(("c",))),
        ),
    ],
)
def test_conditions(text: str, read: object) -> None:
    assert condition(text) == read


def test_sections_of_a_kind_are_put_together_and_branches_keep_their_arms() -> None:
    pipeline = parse(
        """
        filter { if [a] { drop {} } else if [b] { } else { mutate { } } }  # a remark
        output { stdout { } }
        filter { json { source => "message" } }
        """
    )
    branch, last = pipeline.filters
    assert isinstance(branch, Branch)
    assert isinstance(last, Plugin)
    assert [arm[0] for arm in branch.arms] == [Field(("a",)), Field(("b",)), None]
    assert (last.name, last.place.line) == ("json", 4)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("input { beats { port = 5 } }", "line 1, column 22 (byte 22)"),
        ("input {\n  stdin { }\n", "line 3, column 1 (byte 21)"),
        ("inputs { }", "line 1, column 1 (byte 1)"),
        ('filter { if [a] == { } }', "line 1, column 20"),
        ('input { x { a => "open } }', "line 1, column 18"),
        ('input { é }', "line 1, column 9"),
    ],
)  # fmt: skip
def test_what_is_no_configuration_is_told_where(text: str, where: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert str(caught.value).startswith("Expected one of ")
    assert where in str(caught.value)


@given(st.text(alphabet="inputfler{}[]=>\"'#/\\ \n,!()a1-", max_size=60))
def test_any_text_is_a_configuration_or_is_refused(text: str) -> None:
    try:
        parse(text)
    except ParseError as error:
        assert error.place.line >= 1
