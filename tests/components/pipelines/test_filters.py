"""Filters do what Logstash's reference says of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from maru.core.errors import Invalid
from tests.components.pipelines.running import filtered, one

APACHE = (
    '192.168.1.20 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif?x=1 HTTP/1.0" 200 2326 '
    '"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
)


def test_an_apache_line_becomes_its_fields_in_both_spellings() -> None:
    legacy = one(
        'grok { match => { "message" => "%{COMBINEDAPACHELOG}" } ecs_compatibility => disabled }', message=APACHE
    )
    assert (legacy["clientip"], legacy["auth"], legacy["verb"]) == ("192.168.1.20", "frank", "GET")
    assert (legacy["response"], legacy["bytes"], legacy["timestamp"]) == ("200", "2326", "10/Oct/2000:13:55:36 -0700")
    assert legacy["agent"] == '"Mozilla/4.08 [en] (Win98; I ;Nav)"'
    ecs = one('grok { match => { "message" => "%{COMBINEDAPACHELOG}" } }', message=APACHE)
    assert ecs["source"] == {"address": "192.168.1.20"}
    assert ecs["http"]["response"] == {"status_code": 200, "body": {"bytes": 2326}}
    assert ecs["user_agent"] == {"original": "Mozilla/4.08 [en] (Win98; I ;Nav)"}


@pytest.mark.parametrize(
    ("text", "message", "found"),
    [
        ('"%{WORD:a} %{INT:b:int}"', "x 7", {"a": "x", "b": 7}),
        ('["%{INT:a}", "%{WORD:b}"]', "word", {"b": "word"}),
        ('"(?<year>\\d{4})-(?<month>\\d\\d)"', "on 2026-11", {"year": "2026", "month": "11"}),
        ('"%{IP:[a][ip]}"', "from fe80::1 port", {"a": {"ip": "fe80::1"}}),
        ('"^%{LOGLEVEL:level}: %{GREEDYDATA:rest}$"', "first\nWARN: low", {"level": "WARN", "rest": "low"}),
        ('"%{NUMBER:a:float}"', "-1.5e", {"a": -1.5}),
    ],
)
def test_grok_finds(text: str, message: str, found: dict[str, Any]) -> None:
    assert one(f'grok {{ match => {{ "message" => {text} }} }}', message=message) == {"message": message, **found}


def test_grok_tags_what_it_does_not_fit_and_overwrites_only_what_it_is_told() -> None:
    assert one('grok { match => { "message" => "%{INT:a}" } }', message="none")["tags"] == ["_grokparsefailure"]
    line = 'grok { match => { "message" => "%{WORD}: %{DATA:message}$" } %s }'
    assert one(line.replace("%s", ""), message="a: b")["message"] == ["a: b", "b"]
    assert one(line.replace("%s", 'overwrite => ["message"]'), message="a: b")["message"] == "b"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('grok { match => { "message" => "%{NOSUCH:a}" } }', "NOSUCH"),
        ("grok { }", "nothing to match"),
        ("mutate { nosuch => 1 }", "Unknown setting 'nosuch' for mutate"),
        ("json { }", "Missing a required setting for the json filter plugin: source"),
        ("nosuch { }", "Couldn't find any filter plugin named 'nosuch'"),
        ('mutate { convert => { "a" => "colour" } }', "no conversion to 'colour'"),
        ('date { match => ["a", "bb"] }', "Illegal pattern component: b"),
    ],
)
def test_what_cannot_run_is_refused_before_it_does(text: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        filtered(text, {})


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ('rename => { "a" => "[b][c]" }', {"a": 1}, {"b": {"c": 1}}),
        ('convert => { "a" => "integer" }', {"a": ["1,000", "2.7", True]}, {"a": [1000, 2, 1]}),
        ('convert => { "a" => "boolean" }', {"a": "yes"}, {"a": True}),
        ('gsub => ["a", "/(\\w)", "_\\1"]', {"a": "x/y/z"}, {"a": "x_y_z"}),
        ('uppercase => ["a"]', {"a": ["x", 1]}, {"a": ["X", 1]}),
        ('split => { "a" => "," }', {"a": "1,2,,"}, {"a": ["1", "2"]}),
        ('join => { "a" => "-" }', {"a": [1, "b"]}, {"a": "1-b"}),
        ('merge => { "a" => "b" }', {"a": "1", "b": ["2"]}, {"a": ["1", "2"], "b": ["2"]}),
        ('copy => { "a" => "b" }', {"a": {"x": 1}}, {"a": {"x": 1}, "b": {"x": 1}}),
        ('replace => { "a" => "%{b}!" }', {"b": 2}, {"a": "2!", "b": 2}),
        ('update => { "a" => "x" }', {"b": 2}, {"b": 2}),
        ('strip => "a"', {"a": "  x "}, {"a": "x"}),
        ('add_field => { "a" => "%{b}" "[c][d]" => "1" }', {"b": True}, {"b": True, "a": "true", "c": {"d": "1"}}),
        ('add_field => { "a" => "y" }', {"a": "x"}, {"a": ["x", "y"]}),
        ('remove_field => ["a", "[b][c]"]', {"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2}}),
        ('add_tag => ["t-%{a}"] remove_tag => "old"', {"a": 1, "tags": ["old"]}, {"a": 1, "tags": ["t-1"]}),
        ('convert => { "a" => "integer" } rename => { "a" => "b" }', {"a": "1"}, {"b": "1"}),
    ],
)
def test_mutate(text: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert one(f"mutate {{ {text} }}", **before) == after


@pytest.mark.parametrize(
    ("formats", "value", "moment"),
    [
        ('"dd/MMM/yyyy:HH:mm:ss Z"', "10/Oct/2000:13:55:36 -0700", datetime(2000, 10, 10, 20, 55, 36, tzinfo=UTC)),
        ('"MMM dd HH:mm:ss", "MMM  d HH:mm:ss"', "Dec  9 01:02:03", datetime(2025, 12, 9, 1, 2, 3, tzinfo=UTC)),
        ('"ISO8601"', "2026-01-02T03:04:05,678+02:00", datetime(2026, 1, 2, 1, 4, 5, 678000, tzinfo=UTC)),
        ('"UNIX"', "1700000000.5", datetime(2023, 11, 14, 22, 13, 20, 500000, tzinfo=UTC)),
        ('"UNIX_MS"', 1700000000123, datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)),
        ('"TAI64N"', "@400000005c5b5b0d00000000", datetime(2019, 2, 6, 22, 9, 7, tzinfo=UTC)),
    ],
)
def test_date_says_when_it_was(formats: str, value: object, moment: datetime) -> None:
    assert one(f'date {{ match => ["t", {formats}] }}', t=value)["@timestamp"] == moment


def test_a_date_that_fits_no_format_keeps_its_time_and_is_tagged() -> None:
    event = one('date { match => ["t", "ISO8601"] remove_field => ["t"] }', t="yesterday")
    assert event == {"t": "yesterday", "tags": ["_dateparsefailure"]}


@pytest.mark.parametrize(
    ("text", "message", "after"),
    [
        ("", '{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ('target => "doc"', "[1]", {"doc": [1]}),
        ("", "{", {"tags": ["_jsonparsefailure"]}),
        ("", "[1]", {"tags": ["_jsonparsefailure"]}),
        ("skip_on_invalid_json => true", "{", {}),
    ],
)
def test_json(text: str, message: str, after: dict[str, Any]) -> None:
    assert one(f'json {{ source => "message" {text} }}', message=message) == {"message": message, **after}


@pytest.mark.parametrize(
    ("text", "message", "after"),
    [
        ("", "a=1 b='two words' c=\"x\\\"y\" d=(in brackets)",
         {"a": "1", "b": "two words", "c": 'x\\"y', "d": "in brackets"}),
        ('field_split => "&?" source => "message"', "?x=1&y=2&x=3", {"x": ["1", "3"], "y": "2"}),
        ('prefix => "q_" include_keys => ["a"]', "a=1 b=2", {"q_a": "1"}),
        ('target => "kv" trim_value => "," value_split => ":"', "a:1, b:2", {"kv": {"a": "1", "b": "2"}}),
    ],
)  # fmt: skip
def test_kv(text: str, message: str, after: dict[str, Any]) -> None:
    assert one(f"kv {{ {text} }}", message=message) == {"message": message, **after}


@pytest.mark.parametrize(
    ("mapping", "message", "after"),
    [
        ("%{a} %{b}", "1 2 3", {"a": "1", "b": "2 3"}),
        ("<%{p}>%{ts} %{+ts} %{+ts} %{src}", "<5>Oct 1 10:00 host", {"p": "5", "ts": "Oct 1 10:00", "src": "host"}),
        ("%{+a/2},%{+a/1}", "x,y", {"a": "y x"}),
        ("%{?k}=%{&k}", "name=value", {"name": "value"}),
        ("%{a->} %{b}", "1    2", {"a": "1", "b": "2"}),
        ("[%{a}]", "no", {"tags": ["_dissectfailure"]}),
    ],
)
def test_dissect(mapping: str, message: str, after: dict[str, Any]) -> None:
    assert one(f'dissect {{ mapping => {{ "message" => "{mapping}" }} }}', message=message) == {
        "message": message,
        **after,
    }


def test_branches_keep_the_order_and_send_each_event_one_way() -> None:
    text = """
        if [level] in ["error", "fatal"] or [code] >= 500 { mutate { add_tag => "bad" } }
        else if [message] =~ /^skip/ { drop { } }
        else if !([level]) and "x" not in [tags] { mutate { add_tag => "none" } }
        else { mutate { add_tag => "fine" } }
    """
    events = filtered(
        text,
        {"n": 1, "level": "info"},
        {"n": 2, "level": "error"},
        {"n": 3, "message": "skip me", "level": "info"},
        {"n": 4, "code": 503},
        {"n": 5},
        {"n": 6, "code": "503", "level": False, "tags": ["x"]},
    )
    assert [(event["n"], event["tags"][-1]) for event in events] == [
        (1, "fine"), (2, "bad"), (4, "bad"), (5, "none"), (6, "fine"),
    ]  # fmt: skip


def test_split_makes_an_event_of_each_line_or_element() -> None:
    assert [event["message"] for event in filtered("split { }", {"message": "a\nb\n", "x": 1})] == ["a", "b"]
    lists = filtered('split { field => "a" target => "b" add_tag => "s" }', {"a": [1, 2]})
    assert [(event["b"], event["tags"]) for event in lists] == [(1, ["s"]), (2, ["s"])]
    assert one('split { field => "a" }', a=7) == {"a": 7, "tags": ["_split_type_failure"]}


def test_clone_tells_its_events_apart() -> None:
    first, second = filtered('clone { clones => ["copy"] add_field => { "y" => "1" } }', {"a": [1]})
    assert (first, second) == ({"a": [1]}, {"a": [1], "tags": ["copy"], "y": "1"})
    assert second["a"] is not first["a"]


@pytest.mark.parametrize(
    ("text", "message", "after"),
    [
        ("", 'a,"b, c",', {"column1": "a", "column2": "b, c", "column3": None}),
        ('columns => ["x", "[y][z]"] convert => { "x" => "integer" }', "7,q", {"x": 7, "y": {"z": "q"}}),
        ('separator => ";" skip_empty_columns => true', "a;;b", {"column1": "a", "column3": "b"}),
        ("", 'a,"b', {"tags": ["_csvparsefailure"]}),
    ],
)
def test_csv(text: str, message: str, after: dict[str, Any]) -> None:
    assert one(f"csv {{ {text} }}", message=message) == {"message": message, **after}


def test_csv_takes_its_columns_from_the_first_row() -> None:
    events = filtered("csv { autodetect_column_names => true }", {"message": "a,b"}, {"message": "1,2"})
    assert events == [{"message": "1,2", "a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('method => "SHA256"', "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ('method => "SHA1" key => "k"', "f9bef091fe00d9f5128593836dba99e193f08174"),
        ('method => "MURMUR3"', 3017643002),
        ('method => "UUID"', "6ba7b810-9dad-41d1-80b4-00c04fd430c8"),
    ],
)
def test_fingerprint(text: str, after: object) -> None:
    assert one(f'fingerprint {{ {text} target => "f" }}', message="abc")["f"] == after


def test_translate_looks_up_by_value_pattern_and_file(tmp_path: Path) -> None:
    (tmp_path / "codes.yml").write_text('"404": not found\n"500": broken\n')
    by_file = f'translate {{ source => "code" target => "said" dictionary_path => "{tmp_path}/codes.yml" }}'
    assert one(by_file, code=404)["said"] == "not found"
    assert "said" not in one(by_file, code=200)
    pattern = 'translate { source => "c" target => "t" regex => true dictionary => { "^5" => "bad" } fallback => "ok" }'
    assert (one(pattern, c="503")["t"], one(pattern, c="200")["t"]) == ("bad", "ok")


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("uuid { }", {}, {"event": {"id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8"}}),
        ("urldecode { }", {"message": "a%20b+c"}, {"message": "a b c"}),
        ('prune { whitelist_names => ["^a", "tags"] }', {"ab": 1, "b": 2}, {"ab": 1}),
        (
            'cidr { address => "%{ip}" network => ["10.0.0.0/8"] add_tag => "in" }',
            {"ip": "10.1.1.1"},
            {"ip": "10.1.1.1", "tags": ["in"]},
        ),
        ('truncate { fields => "a" length_bytes => 3 }', {"a": "aäö"}, {"a": "aä"}),
    ],
)
def test_small_ones(text: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert one(text, **before) == after
