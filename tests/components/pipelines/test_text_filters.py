"""Filters that change texts and take them apart do as Logstash's own do, case by case.

Cases retold from the specifications of logstash-filter-mutate, -kv, -dissect, -csv and -split.
"""

from __future__ import annotations

from typing import Any

import pytest

from maru.core.errors import Invalid
from tests.components.pipelines.running import filtered, one

Fields = dict[str, Any]


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ('convert => { "a" => "integer" }', {"a": ["1234", "7890.4", "7.9", None]}, {"a": [1234, 7890, 7, None]}),
        ('convert => { "a" => "integer" }', {"a": "1,234"}, {"a": 1234}),
        ('convert => { "a" => "integer" }', {"a": "0x1A"}, {"a": 26}),
        ('convert => { "a" => "integer" }', {"a": "1.5e3"}, {"a": 1500}),
        ('convert => { "a" => "integer" }', {"a": True}, {"a": 1}),
        ('convert => { "a" => "float" }', {"a": False}, {"a": 0.0}),
        ('convert => { "a" => "float" }', {"a": "-0x1A"}, {"a": -26.0}),
        ('convert => { "a" => "float" }', {"a": "word"}, {"a": "word", "tags": ["_mutate_error"]}),
        ('convert => { "a" => "float_eu" }', {"a": "1.234,5"}, {"a": 1234.5}),
        ('convert => { "a" => "integer_eu" }', {"a": "1.234,5"}, {"a": 1234}),
        ('convert => { "a" => "integer" }', {"a": {"b": 1}}, {"a": {"b": 1}}),
        ('convert => { "[a][0]" => "integer" }', {"a": ["100", "200"]}, {"a": [100, "200"]}),
        ('convert => { "a" => "boolean" }', {"a": "None of these"}, {"a": "None of these"}),
        ('convert => { "a" => "boolean" }', {"a": ["Y", "", "1.0", 0]}, {"a": [True, False, True, False]}),
        ('gsub => ["a", "of %{k}", "%{k} and green"]', {"a": "Sort of blue", "k": "blue"}, {"a": "Sort blue and green", "k": "blue"}),
        ('gsub => ["a", "\\d$", "blue"]', {"a": ["red3", 4]}, {"a": ["redblue", 4]}),
        ('gsub => ["a", "(\\w)-(\\w)", "\\2-\\1"]', {"a": "x-y"}, {"a": "y-x"}),
        ('uppercase => ["a"] lowercase => ["b"] capitalize => ["c"]', {"a": "ij", "b": ["X", 1], "c": "aBC"},
         {"a": "IJ", "b": ["x", 1], "c": "Abc"}),
        ('merge => { "list" => "a" }', {"a": "x"}, {"a": "x", "list": ["x"]}),
        ('merge => { "list" => "a" }', {"a": [], "list": ["y"]}, {"a": [], "list": ["y"]}),
        ('merge => { "list" => "a" }', {"list": ["y"]}, {"list": ["y"]}),
        ('merge => { "list" => "a" }', {"a": {"k": 1}, "list": ["y"]}, {"a": {"k": 1}, "list": ["y"]}),
        ('merge => { "h" => "a" }', {"a": {"k": 1}, "h": {"l": 2}}, {"a": {"k": 1}, "h": {"l": 2, "k": 1}}),
        ('split => { "a" => "," } join => { "a" => "-" }', {"a": "x,y,,"}, {"a": "x-y"}),
        ('rename => { "none" => "x" } update => { "none" => "x" }', {"a": 1}, {"a": 1}),
        ('rename => { "a" => "[b][c]" } replace => { "a" => "new" }', {"a": 1}, {"a": "new", "b": {"c": 1}}),
        ('copy => { "a" => "b" } copy => { "none" => "c" }', {"a": None}, {"a": None}),
        ('coerce => { "a" => "x" }', {"a": None}, {"a": "x"}),
    ],
)  # fmt: skip
def test_mutate(text: str, before: Fields, after: Fields) -> None:
    assert one(f"mutate {{ {text} }}", **before) == after


KV = """a=1 b="two words" c='three words' d=(four words) e=[five words] f=<six words>"""
KV_FOUND = {"a": "1", "b": "two words", "c": "three words", "d": "four words", "e": "five words", "f": "six words"}
MAIL = "to=<foo@example.com>, %+relay=mail.example.com[private/lmtp], delay=2.2, status=sent (250 <a@b> Saved) "


@pytest.mark.parametrize(
    ("text", "message", "found"),
    [
        ("", KV, KV_FOUND),
        ("", 'hello = world foo =bar baz= fizz q = "hello world" r= \'x y\' s =(hello world)',
         {"hello": "world", "foo": "bar", "baz": "fizz", "q": "hello world", "r": "x y", "s": "hello world"}),
        ("whitespace => strict", "IN=eth0 OUT= SRC=192.168.0.1", {"IN": "eth0", "SRC": "192.168.0.1"}),
        ("whitespace => strict", 'a = world foo =bar w=none q = "hello world" b =(hello world) strict=true',
         {"w": "none", "strict": "true"}),
        ("whitespace => strict", 'g=cruel\\ world e="" q="v1" u= n=v2 b=[] c=[v3]',
         {"g": "cruel\\ world", "q": "v1", "n": "v2", "c": "v3"}),
        ("allow_empty_values => true whitespace => strict", "p=one e= q='' p=two b=[] end=",
         {"p": ["one", "two"], "e": "", "q": "", "b": "", "end": ""}),
        ("value_split => ':'", "hello:=world baz=:fizz q:\"hello world\"",
         {"hello": "=world", "baz=": "fizz", "q": "hello world"}),
        ("value_split => ':'", "IKE:=Quick\\ Mode IKE\\ IDs:=subnet:\\ x",
         {"IKE": "=Quick\\ Mode", "IKE\\ IDs": "=subnet:\\ x"}),
        ("field_split => '?&'", "?hello=world&foo=bar&ignoreme&foo12=bar12",
         {"hello": "world", "foo": "bar", "foo12": "bar12"}),
        ("include_brackets => false", "a=(hello world) b=[hello world]", {"a": "(hello", "b": "[hello"}),
        ("recursive => true", "foo=1 bar=(baz=2)", {"foo": "1", "bar": {"baz": "2"}}),
        ('field_split => "|"', "a=test|b=another test|c=3", {"a": "test", "b": "another test", "c": "3"}),
        ('field_split => "\\r\\n" value_split => " " trim_key => ":"', "S: 4\r\nA\r\n\r\nC: \r\nI: True\r\nM: \r\n",
         {"S": "4", "I": "True"}),
        ('field_split => "\\|" trim_value => " " trim_key => " "', "k= value 1  |  l m =v2", {"k": "value 1", "l m": "v2"}),
        ('trim_value => "<>," trim_key => "%+"', MAIL,
         {"to": "foo@example.com", "relay": "mail.example.com[private/lmtp]", "delay": "2.2", "status": "sent"}),
        ('field_split => "|" remove_char_value => " " remove_char_key => " "', "k= v 1 | l m =v2", {"k": "v1", "lm": "v2"}),
        ('field_split_pattern => "_+" value_split_pattern => ":+"', "a:1__b:::2___c::\"x y\"____d:[z]",
         {"a": "1", "b": "2", "c": "x y", "d": "z"}),
        ('field_split_pattern => "!!!!!"', 'a=b!!!!!c="q s" and more!!!!!d="p! of"!!!!!e="t!!!!!is"!!!!!f=""!!!!!g="h"',
         {"a": "b", "c": '"q s" and more', "d": "p! of", "e": "t!!!!!is", "g": "h"}),
        ("", 'foo=bar baz="quoted stuff" and more msg="fully quoted " empty="" n="foo"',
         {"foo": "bar", "baz": "quoted stuff", "msg": "fully quoted ", "n": "foo"}),
        ('field_split => "|"', "a=1|b=|c=3", {"a": "1", "c": "3"}),
        ('field_split_pattern => ";\\s*(?=key.+?:)|;$" value_split_pattern => ":\\s+"',
         'key1: val1; key2: val2; key3:  https://s/?g={."...;  CLR  rv:11.0)"..}; key4: val4;',
         {"key1": "val1", "key2": "val2", "key3": 'https://s/?g={."...;  CLR  rv:11.0)"..}', "key4": "val4"}),
        ('field_split_pattern => "\\\\\\\\r\\\\\\\\n" value_split_pattern => ": " whitespace => strict',
         "Host: foo.com\\\\r\\\\nAgent: Q/1 (www)\\\\r\\\\n", {"Host": "foo.com", "Agent": "Q/1 (www)"}),
        ('transform_key => "uppercase" transform_value => "capitalize"', "a=hELLO", {"A": "Hello"}),
        ('include_keys => ["a"] prefix => "__"', "a=1 b=2", {"__a": "1"}),
        ('exclude_keys => ["a"]', "a=1 b=2", {"b": "2"}),
        ('default_keys => { "a" => "x" "z" => "y" }', "a=1", {"a": "1", "z": "y"}),
        ('allow_duplicate_values => false field_split => "&"', "f=b&f=y&f=y", {"f": ["b", "y"]}),
        ("", "f=b f=y f=y", {"f": ["b", "y", "y"]}),
        ('value_split_pattern => "(?:=+=+)+:"', "foo==:bar baz==:bingo", {"foo": "bar", "baz": "bingo"}),
    ],
)  # fmt: skip
def test_kv(text: str, message: str, found: Fields) -> None:
    out = one(f"kv {{ {text} }}", message=message)
    assert {name: value for name, value in out.items() if name != "message"} == found


def test_kv_keys_come_from_the_event_and_what_is_no_pair_is_no_success() -> None:
    assert one('kv { include_keys => ["%{k}"] source => "d" }', d="foo=1 baz=2", k="foo") == {
        "d": "foo=1 baz=2", "k": "foo", "foo": "1",
    }  # fmt: skip
    assert one('kv { prefix => "%{k}_" }', message="a=1", k="p")["p_a"] == "1"
    assert one('kv { add_tag => "x" target => "kv" }', message="this is none") == {"message": "this is none"}
    assert one('kv { source => "h" target => "h" }', h="a=1") == {"h": {"a": "1"}}


@pytest.mark.parametrize("text", ['value_split => ""', 'field_split_pattern => ""', 'value_split_pattern => ""'])
def test_kv_wants_something_to_split_at(text: str) -> None:
    with pytest.raises(Invalid):
        filtered(f"kv {{ {text} }}", {})


@pytest.mark.parametrize(
    ("mapping", "message", "found"),
    [
        ("[%{at}] %{code} %{service} %{ic} %{msg}", "[25/05/16 09:10 BST] 01 SystemOut     O java.lang:type=x storage",
         {"at": "25/05/16 09:10 BST", "code": "01", "service": "SystemOut", "ic": "", "msg": "   O java.lang:type=x storage"}),
        ("%{service->} %{ic} %{msg}", "SystemOut     O rest of it", {"service": "SystemOut", "ic": "O", "msg": "rest of it"}),
        ("%{?ic}=%{&ic}% %{msg}", "cpu=95.43% x y", {"cpu": "95.43", "msg": "x y"}),
        ("%{t} %{+t} %{+t} %{src} %{} %{prog}[%{pid}]: %{msg}", "Mar 16 00:01:25 evita skip postfix/smtpd[1713]: from a",
         {"t": "Mar 16 00:01:25", "src": "evita", "prog": "postfix/smtpd", "pid": "1713", "msg": "from a"}),
        ("%{+t/2} %{+t/1} %{m}", "b a c", {"t": "a b", "m": "c"}),
        ("%{[a][b]}྿྿%{c}", "x྿྿y", {"a": {"b": "x"}, "c": "y"}),
    ],
)  # fmt: skip
def test_dissect(mapping: str, message: str, found: Fields) -> None:
    out = one(f'dissect {{ mapping => {{ "message" => "{mapping}" }} }}', message=message)
    assert {name: value for name, value in out.items() if name != "message"} == found


def test_dissect_says_which_conversion_failed() -> None:
    text = "dissect { mapping => { m => '%{code} %{n}' } convert_datatype => { KINDS } }"
    kinds = '"none" => "float" "code" => "integer" "other" => "int" "n" => "int"'
    assert one(text.replace("KINDS", kinds), m="01 2.7", other={}) == {
        "m": "01 2.7", "code": "01", "n": 2, "other": {},
        "tags": ["_dataconversionnullvalue_none_float", "_dataconversionmissing_code_integer",
                 "_dataconversionuncoercible_other_int"],
    }  # fmt: skip
    assert one('dissect { mapping => { "m" => "%{a} %{b}" } }', m="one") == {"m": "one", "tags": ["_dissectfailure"]}
    with pytest.raises(Invalid, match="Append and Indirect"):
        filtered('dissect { mapping => { "m" => "%{+&a}" } }', {})


@pytest.mark.parametrize(
    ("text", "message", "found"),
    [
        ("", "big,bird,sesame street", {"column1": "big", "column2": "bird", "column3": "sesame street"}),
        ('separator => ";"', "big,bird;street", {"column1": "big,bird", "column2": "street"}),
        ('separator => "||"', "a||b|c", {"column1": "a", "column2": "b|c"}),
        ("quote_char => \"'\"", "big,'sesame, street'", {"column1": "big", "column2": "sesame, street"}),
        ('quote_char => "\\x00"', 'big,"sesame" street', {"column1": "big", "column2": '"sesame" street'}),
        ('columns => ["a", "b"] autogenerate_column_names => false', "1,2,3", {"a": "1", "b": "2"}),
        ('columns => ["a", "b"]', "1,2,3", {"a": "1", "b": "2", "column3": "3"}),
        ('columns => ["a", "b", "c"] skip_empty_columns => true', "1,,3", {"a": "1", "c": "3"}),
        ('columns => ["a", "b"] convert => { "a" => "integer" "b" => "float" }', ",x", {"a": None, "b": "x"}),
        ('convert => { "column1" => "date" "column2" => "boolean" }', "never,false", {"column1": "never", "column2": False}),
        ('target => "[d]"', "x", {"d": {"column1": "x"}}),
    ],
)  # fmt: skip
def test_csv(text: str, message: str, found: Fields) -> None:
    out = one(f"csv {{ {text} }}", message=message)
    assert {name: value for name, value in out.items() if name != "message"} == found


@pytest.mark.parametrize(
    ("text", "before", "values"),
    [
        ("", "big\nbird\n\nstreet", ["big", "bird", "street"]),
        ("", "big\n", ["big"]),
        ("", "big", ["big"]),
        ('terminator => "\\t"', "big\\tbird", ["big", "bird"]),
        ("", ["big"], ["big"]),
        ("", ["big", None, 1, ""], ["big", 1]),
        ("", [], []),
    ],
)
def test_split(text: str, before: object, values: list[object]) -> None:
    out = filtered(f"split {{ {text} }}", {"message": before, "k": "1\n2"})
    assert [event["message"] for event in out] == values
    assert all(event["k"] == "1\n2" for event in out)


def test_split_takes_texts_and_lists_only() -> None:
    assert one("split { }", message=10) == {"message": 10, "tags": ["_split_type_failure"]}
