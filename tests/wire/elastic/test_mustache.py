"""Templates of searches."""

from __future__ import annotations

import pytest

from maru.wire.elastic.json import Json
from maru.wire.elastic.mustache import MustacheError, render


@pytest.mark.parametrize(
    ("template", "params", "text"),
    [
        ("{{a}} {{{a}}} {{b.c}} {{l.1}}{{none}}", {"a": 'x"', "b": {"c": 1}, "l": [1, 2]}, 'x\\" x" 1 2'),
        ("{{#l}}<{{.}}>{{/l}}{{^l}}no{{/l}}", {"l": ["a", "b"]}, "<a><b>"),
        ("{{#l}}<{{.}}>{{/l}}{{^l}}no{{/l}}", {"l": []}, "no"),
        ("{{#zero}}kept{{/zero}}", {"zero": 0}, "kept"),
        ("{{#toJson}}a{{/toJson}}", {"a": {"b": [1, "x"]}}, '{"b":[1,"x"]}'),
        ("{{#join delimiter='||'}}a{{/join delimiter='||'}}{{#join}}a{{/join}}", {"a": ["x", 1]}, "x||1x,1"),
        ("{{#url}}{{a}}/b{{/url}}{{! a comment }}", {"a": "x y"}, "x%20y%2Fb"),
    ],
)
def test_template_is_filled(template: str, params: Json, text: str) -> None:
    assert render(template, params) == text


@pytest.mark.parametrize("template", ["{{#a}}", "{{/a}}", "{{#a}}{{/b}}", "{{a", "{{> other}}"])
def test_template_that_does_not_parse_is_refused(template: str) -> None:
    with pytest.raises(MustacheError):
        render(template, {})
