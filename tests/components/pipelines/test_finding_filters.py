"""Filters that find and look up do as Logstash's own do, case by case.

Cases retold from the specifications of logstash-filter-grok, -date, -translate, -fingerprint, -xml and -prune, and
from those of conditions in Logstash's core.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from maru.core.errors import Invalid
from tests.components.pipelines.running import filtered, one

Fields = dict[str, Any]


@pytest.mark.parametrize(
    ("text", "before", "found"),
    [
        ('match => { "message" => "%{NUMBER:foo:int} %{NUMBER:bar:float}" }', {"message": "400 454.33"},
         {"foo": 400, "bar": 454.33}),
        ('match => { "message" => "%{FIZZLE=\\d+}" } named_captures_only => false', {"message": "hello 1234"},
         {"FIZZLE": "1234"}),
        ('match => { "message" => "1=%{WORD:a} *(2=%{WORD:b})?" } keep_empty_captures => true', {"message": "1=t"},
         {"a": "t", "b": None}),
        ('match => { "message" => "Hello %{WORD}. %{WORD:foo}" } named_captures_only => false',
         {"message": "Hello World, yo!"}, {"WORD": "World", "foo": "yo"}),
        ('match => { "message" => "(?<when>%{DATE_EU} %{TIME})" }', {"message": "fancy 12-12-12 12:12:12"},
         {"when": "12-12-12 12:12:12"}),
        ('match => { "status" => "^403$" } add_tag => "t"', {"status": 403}, {"tags": ["t"]}),
        ('match => { "version" => "^1.0$" } add_tag => "t"', {"version": 1.0}, {"tags": ["t"]}),
        ('match => { "message" => "x %{NUMBER:n}" } tag_on_failure => false', {"message": "no"}, {"tags": ["false"]}),
        ('match => { "message" => "%{WORD:foo-bar}" }', {"message": "hello"}, {"foo-bar": "hello"}),
        ('match => { "message" => "%{INT:foo}" "f" => "%{INT:bar}" }', {"message": "a 123", "f": "b 999"}, {"foo": "123"}),
        ('match => { "message" => "%{INT:foo}" "f" => "%{INT:bar}" } break_on_match => false',
         {"message": "a 123", "f": "b 999"}, {"foo": "123", "bar": "999"}),
        ('match => { "message" => ["%{GREEDYDATA:a}beard", "tree%{GREEDYDATA:b}"] } break_on_match => false',
         {"message": "treebeard"}, {"a": "tree", "b": "beard"}),
        ('match => { "message" => "%{INT:foo}" }', {"message": ["w 123", "l 23"]}, {"foo": ["123", "23"]}),
        ('match => { "message" => "%{INT:foo}" }', {"message": ["w 123", "abc"]}, {"foo": "123"}),
        ('match => { "message" => ["%{INT:foo}", "%{WORD:bar}"] }', {"message": ["hello world", "line 23"]},
         {"bar": "hello", "foo": "23"}),
        ('match => { "message" => ["%{INT:foo}", "%{WORD:bar}"] } break_on_match => false',
         {"message": ["hello 123", "line 23"]}, {"foo": ["123", "23"], "bar": ["hello", "line"]}),
    ],
)  # fmt: skip
def test_grok(text: str, before: Fields, found: Fields) -> None:
    out = one(f"grok {{ {text} }}", **before)
    assert {name: value for name, value in out.items() if name not in before} == found


SYSLOG = "<191>1 2009-06-30T18:30:00+02:00 paxton.local grokdebug %s"


@pytest.mark.parametrize(
    ("rest", "process", "data", "message"),
    [
        ('4123 - [id1 foo="bar"][id2 baz="x"] Hello.', "4123", '[id1 foo="bar"][id2 baz="x"]', "Hello."),
        ('- - [id1 foo="bar"] No process.', None, '[id1 foo="bar"]', "No process."),
        ("4123 - - No data.", "4123", None, "No data."),
        ("4123 -  Missing data.", "4123", None, "Missing data."),
        (" 4123 - - More spaces.", "4123", None, "More spaces."),
    ],
)
def test_grok_reads_syslog_of_rfc_5424(rest: str, process: str | None, data: str | None, message: str) -> None:
    text = 'grok { match => { "message" => "%{SYSLOG5424LINE}" } ecs_compatibility => disabled }'
    found = one(text, message=SYSLOG % rest)
    assert (found["syslog5424_pri"], found["syslog5424_host"], found["syslog5424_app"]) == (
        "191",
        "paxton.local",
        "grokdebug",
    )
    assert (found.get("syslog5424_proc"), found.get("syslog5424_sd"), found["syslog5424_msg"]) == (
        process,
        data,
        message,
    )


@pytest.mark.parametrize(
    "level",
    [
        "trace",
        "Debug",
        "NOTICE",
        "info",
        "WARN",
        "warning",
        "Err",
        "ERROR",
        "crit",
        "Critical",
        "FATAL",
        "severe",
        "EMERG",
        "Emergency",
    ],
)
def test_grok_knows_levels(level: str) -> None:
    assert one('grok { match => { "m" => "%{LOGLEVEL:l}: error!" } }', m=f"{level}: error!")["l"] == level


def stamp(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "value", "moment"),
    [
        ('"ISO8601"', "2001-01-01T00:00:00-0800", "2001-01-01T08:00:00"),
        ('"ISO8601"', "2004-07-04T12:27:27-00:00", "2004-07-04T12:27:27"),
        ('"ISO8601"', "2001-12-07T23:54:54,123Z", "2001-12-07T23:54:54.123"),
        ('"ISO8601"', "2001-11-06 20:45:45.123-0000", "2001-11-06T20:45:45.123"),
        ('"ISO8601"', "2001-11-06 20:45:45,123", "2001-11-06T20:45:45.123"),
        ('"MMM dd HH:mm:ss Z"', "Nov 24 01:29:01 -0800", "2026-11-24T09:29:01"),
        ('"UNIX"', "1350414944.123456", "2012-10-16T19:15:44.123456"),
        ('"UNIX"', 1478207457.456, "2016-11-03T21:10:57.456"),
        ('"UNIX", "UNIX_MS"', 0, "1970-01-01T00:00:00"),
        ('"UNIX_MS"', "1000000000123", "2001-09-09T01:46:40.123"),
        ('"TAI64N"', "4000000050d506482dbdf024", "2012-12-22T01:00:46.767422"),
        ('TAI64N', "@4000000050d506482dbdf024", "2012-12-22T01:00:46.767422"),
        ('"yyyy MMM dd HH:mm:ss"] timezone => ["America/Los_Angeles"', "2013 Jun 24 01:29:01", "2013-06-24T08:29:01"),
        ('"yyyy MMM dd HH:mm:ss"] timezone => ["CET"', "2016 Mar 26 02:00:37", "2016-03-26T01:00:37"),
        ('"EEE MMM dd HH:mm:ss"', "Sun Jun 02 20:38:03", "2026-06-02T20:38:03"),
        ('"MMM dd HH:mm:ss"', "Dec 31 23:59:00", "2025-12-31T23:59:00"),
        ('"dd/MMM/yyyy:HH:mm:ss Z"', "10/Oct/2025:13:55:36 -0700", "2025-10-10T20:55:36"),
        ('"dd MMMM yyyy"] locale => ["de"', "01 März 2024", "2024-03-01T00:00:00"),
        ('"dd MMM yyyy HH:mm"] locale => ["fr-FR"', "14 juil. 2024 10:00", "2024-07-14T10:00:00"),
        ('"EEE, dd MMM yyyy"] locale => ["es"', "lun, 01 ene 2024", "2024-01-01T00:00:00"),
        ('"YYYY-MM-dd HH:mm:ss.SSSSSSSSS"', "2024-02-03 04:05:06.123456789", "2024-02-03T04:05:06.123456"),
        ('"xxxx-\'W\'ww-e"', "2024-W02-3", "2024-01-10T00:00:00"),
        ('"yyyy-DDD"', "2024-060", "2024-02-29T00:00:00"),
        ('"hh:mm a dd.MM.yy"', "12:05 am 01.02.24", "2024-02-01T00:05:00"),
        ('"yyyy-MM-dd HH:mm:ss ZZZ"', "2024-07-01 12:00:00 Europe/Berlin", "2024-07-01T10:00:00"),
    ],
)  # fmt: skip
def test_date(options: str, value: object, moment: str) -> None:
    out = one(f'date {{ match => [ "when", {options} ] }}', when=value)
    assert out["@timestamp"] == stamp(moment)
    assert out["when"] == value


@pytest.mark.parametrize("value", ["2013/Apr/21", "%{bad_value}", "", [], "nan"])
def test_date_tags_what_it_cannot_read(value: object) -> None:
    for kind in ("yyyy/MM/dd", "UNIX", "UNIX_MS"):
        out = one(f'date {{ match => [ "when", "{kind}" ] tag_on_failure => ["f"] add_tag => "t" }}', when=value)
        assert out["tags"] == ["f"]


STATUS = '"200" => "OK" "300" => "Redirect" "500" => "Server Error"'


@pytest.mark.parametrize(
    ("options", "value", "after"),
    [
        (f"dictionary => {{ {STATUS} }}", 200, "OK"),
        (f"dictionary => {{ {STATUS} }} exact => false", "200 & 500", "OK & Server Error"),
        ('dictionary => { "a" => "b" "b" => "c" } exact => false', "ab", "bc"),
        ('dictionary => { "^2[0-9][0-9]$" => "OK" "^5" => "Bad" } regex => true', "200", "OK"),
        ('dictionary => ["1", "one"] fallback => "%{k}"', "9", "other"),
        (f"dictionary => {{ {STATUS} }}", ["500", "200"], "Server Error"),
        (f"dictionary => {{ {STATUS} }}", "404", None),
    ],
)
def test_translate(options: str, value: object, after: str | None) -> None:
    assert one(f'translate {{ source => "s" target => "t" {options} }}', s=value, k="other").get("t") == after
    legacy = one(f'translate {{ field => "s" destination => "t" {options} }}', s=value, k="other")
    assert legacy.get("t") == after


def test_translate_reads_its_dictionary_from_a_file(tmp_path: Path) -> None:
    for name, text in (("d.yml", "a: 1\nc: [x]\n"), ("d.json", '{"a": 1, "c": ["x"]}'), ("d.csv", "a,1\nc,x\n")):
        (tmp_path / name).write_text(text)
        out = one(f'translate {{ source => "s" target => "t" dictionary_path => "{tmp_path / name}" }}', s="c")
        assert out["t"] in (["x"], "x")
    (tmp_path / "d.other").write_text("a: 1")
    (tmp_path / "wrong.yml").write_text("a: b: c")
    for name in ("d.other", "wrong.yml"):
        with pytest.raises(Invalid):
            filtered(f'translate {{ source => "s" dictionary_path => "{tmp_path / name}" }}', {})


@pytest.mark.parametrize(
    ("options", "before", "print_"),
    [
        ('method => "IPV4_NETWORK" key => 24', "123.123.123.123", "123.123.123.0"),
        ('method => "MURMUR3"', "123.123.123.123", 4013733395),
        ('method => "MURMUR3"', 123, 823512154),
        ("", "123.123.123.123", "3a5076c520b4b463f43806896ea0b3978d09dcae"),
        ('key => "longencryptionkey"', "123.123.123.123", "fdc60acc4773dc5ac569ffb78fcb93c9630797f4"),
        ('base64encode => true', "123.123.123.123", "OlB2xSC0tGP0OAaJbqCzl40J3K4="),
        ('method => "MD5" key => "longencryptionkey" base64encode => true', "123.123.123.123", "kzbIeeMFyWBKOEP8PnWUjw=="),
        ("", ["123.123.123.123", "223.223.223.223"],
         ["3a5076c520b4b463f43806896ea0b3978d09dcae", "47bbc4e06edebbace047fed35abeceec64968b81"]),
        ('method => "PUNCTUATION"', "PHP Warning:  f() [<a href='f.j'>f.j</a>]: é in /var/t.php on line 2", ":()[<='.'>.</>]:é//."),
        ('method => "SHA1" key => "0123"', datetime(1970, 1, 1, tzinfo=UTC), "1d5379ec92d86a67cfc642d55aa050ca312d3b9a"),
        ('method => "MURMUR3"', datetime(1970, 1, 1, tzinfo=UTC), 743372282),
    ],
)  # fmt: skip
def test_fingerprint(options: str, before: object, print_: object) -> None:
    assert one(f'fingerprint {{ source => "s" {options} }}', s=before)["event"]["hash"] == print_


def test_fingerprint_of_several_fields() -> None:
    fields = {"field1": "test1", "field2": "test2"}
    both = 'fingerprint { source => ["field1", "field2"] target => "p" '
    assert one(both + "}", **fields)["p"] == "109f4b3c50d7b0df729d299bc6f8e9ef9066971f"
    together = one(both + "concatenate_sources => true }", **fields)["p"]
    assert together == "e3b6b71eedc656f1d29408264e8a75535db985cb"
    every = {
        "@timestamp": datetime(2017, 7, 26, 14, 44, 27, 64000, tzinfo=UTC), "@version": "1", "clientip": "123.123.123.123",
        "message": "This is a test message", "log_level": "INFO", "offset": 123456789, "type": "test",
    }  # fmt: skip
    text = 'fingerprint { concatenate_all_fields => true target => "p" }'
    assert one(text, **every)["p"] == "cbf022518e97860403160ed8a41847c0db104e63"


DIV = '<foo xmlns:h="http://www.w3.org/TR/html4/"><h:div>Content</h:div></foo>'


@pytest.mark.parametrize(
    ("options", "source", "found"),
    [
        ('target => "d"', '<foo key="value"/>', {"d": {"key": "value"}}),
        ('target => "d"', "<foo><k>1</k><k>2</k></foo>", {"d": {"k": ["1", "2"]}}),
        ('target => "d"', "<foo><a><b>v</b></a></foo>", {"d": {"a": [{"b": ["v"]}]}}),
        ('target => "d"', ['<foo bar="baz"/>'], {"d": {"bar": "baz"}}),
        ('target => "d"', ['<foo bar="baz"/>', "x"], {"tags": ["_xmlparsefailure"]}),
        ('target => "d"', [], {"tags": ["_xmlparsefailure"]}),
        ('target => "d"', {"a": "b"}, {"tags": ["_xmlparsefailure"]}),
        ('target => "d"', [{"a": "b"}], {"tags": ["_xmlparsefailure"]}),
        ('target => "d"', "<foo /", {"tags": ["_xmlparsefailure"]}),
        ('target => "d" store_xml => false', "<foo/>", {}),
        ('store_xml => false xpath => ["/foo/key/text()", "x"]', "<foo><key>ü</key><key>2</key></foo>", {"x": ["ü", "2"]}),
        ('store_xml => false xpath => ["/foo/h:div", "x"]', DIV, {"x": ["<h:div>Content</h:div>"]}),
        ('store_xml => false xpath => ["/foo/h:div", "x"] namespaces => {"h" => "http://www.w3.org/TR/html4/"}', DIV,
         {"x": ["<h:div>Content</h:div>"]}),
        ('store_xml => false xpath => ["/foo/div", "x"] remove_namespaces => true', DIV, {"x": ["<div>Content</div>"]}),
        ('store_xml => false xpath => ["count(//k)", "n", "//k[last()]/@a", "l", "string(//k[1])", "s"]',
         '<f><k a="1">x</k><k a="2">y</k></f>', {"n": ["2.0"], "l": ["2"], "s": ["x"]}),
        ('store_xml => false xpath => ["//k[contains(@a,\'b\') and position()>1]/text()", "x"]',
         '<f><k a="b">x</k><k a="ab">y</k></f>', {"x": ["y"]}),
        ('target => "d" force_array => false', "<foo><bar>Content</bar></foo>", {"d": {"bar": "Content"}}),
        ('target => "d" suppress_empty => false', "<foo><k>1</k><k></k></foo>", {"d": {"k": ["1", {}]}}),
        ('target => "d"', "<foo><k>1</k><k></k></foo>", {"d": {"k": ["1"]}}),
        ('target => "d" force_array => false force_content => true', '<o><x>1</x><y a="2">3</y></o>',
         {"d": {"x": {"content": "1"}, "y": {"a": "2", "content": "3"}}}),
    ],
)  # fmt: skip
def test_xml(options: str, source: object, found: Fields) -> None:
    assert one(f'xml {{ source => "r" {options} remove_field => ["none"] }}', r=source) == {"r": source, **found}


PRUNED = {"firstname": "Borat", "fullname": "Borat S", "status": "200", "Borat_saying": "Cloud", "%{hmm}": "doh"}


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ("", ["firstname", "fullname", "status", "Borat_saying"]),
        ('whitelist_names => ["firstname", "(hobby|status)", "%{firstname}_saying"]', ["firstname", "status"]),
        ('whitelist_names => ["^status", "%{firstname}_saying"] interpolate => true', ["status", "Borat_saying"]),
        ('blacklist_names => ["firstname", "%{firstname}_saying"]', ["fullname", "status", "Borat_saying", "%{hmm}"]),
        ('blacklist_names => ["^f", "%{firstname}_saying"] interpolate => true', ["status", "%{hmm}"]),
        ('whitelist_values => {"firstname" => "^Borat$" "fullname" => "%{firstname} S" "status" => "^3"}',
         ["firstname", "Borat_saying"]),
        ('whitelist_values => {"fullname" => "%{firstname} S"} interpolate => true',
         ["firstname", "fullname", "status", "Borat_saying"]),
        ('blacklist_values => {"firstname" => "^Borat$" "status" => "^2"}', ["fullname", "Borat_saying"]),
    ],
)  # fmt: skip
def test_prune(options: str, left: list[str]) -> None:
    assert list(one(f"prune {{ {options} }}", **PRUNED)) == left


def test_prune_looks_into_lists() -> None:
    lists = {"xxx": ["1 2 3", "3 4 5"], "status": ["100", "200", "400"], "error": ["a foo", "b"], "blah": "foo"}
    values = '{"status" => "^(1|2|3)" "xxx" => "3" "error" => "%{blah}"} interpolate => true'
    assert one(f"prune {{ whitelist_values => {values} }}", **lists) == {
        "xxx": ["1 2 3", "3 4 5"], "status": ["100", "200"], "error": ["a foo"], "blah": "foo",
    }  # fmt: skip
    assert one(f"prune {{ blacklist_values => {values} }}", **lists) == {
        "status": ["400"],
        "error": ["b"],
        "blah": "foo",
    }


EVENT = {"foo": "foo", "foobar": "foobar", "greeting": "hello world", "list": ["one", "two"], "n": 7, "f": 1.5, "t": True,
         "field with space": "x", "nested field": {"some spaces": "hurray"}, "null": None}  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("[foo] in [foobar]", True),
        ('[foo] in "foo"', True),
        ('"hello" in [greeting]', True),
        ('[foo] in ["hello", "world", "foo"]', True),
        ("[missing] in [alsomissing]", False),
        ('!("foo" in ["hello", "world"])', True),
        ('"foo" not in "baz"', True),
        ('!("foo" not in "foo")', True),
        ('"one" not in [list]', False),
        ('"foo" not in [missing]', True),
        ("[foo] < 'goo'", True),
        ("[foo] >= 'foo'", True),
        ("[n] > 6 and [n] <= 7.0", True),
        ("[missing] > 1", False),
        ("[foo] =~ /^fo+$/", True),
        ('[foo] =~ "^b"', False),
        ("[foo] !~ /oo/", False),
        ("[missing] !~ /oo/", True),
        ("[missing] =~ /oo/", False),
        ("[n] =~ /7/", False),
        ("![missing] and [foo]", True),
        ("[null]", False),
        ("[t]", True),
        ("[field with space] == 'x'", True),
        ("[nested field][some spaces] == 'hurray'", True),
        ("[missing] or [foo] and [missing]", False),
        ("([missing] or [foo]) and [n] == 7", True),
        ("[foo] xor [n]", False),
        ("[foo] nand [missing]", True),
        ("[list][0] == 'one' and [list][-1] == 'two'", True),
        ("[@metadata][x]", False),
        ("7 == [n]", True),
        ('"7" == [n]', False),
        ("[f] == 1.5", True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    out = one(f"if {condition} {{ mutate {{ add_tag => yes }} }} else {{ mutate {{ add_tag => no }} }}", **EVENT)
    assert out["tags"] == (["yes"] if holds else ["no"])


def test_what_a_filter_makes_in_a_branch_meets_the_conditions_behind_it() -> None:
    text = """
        if [type] == "original" { clone { clones => ["c1", "c2"] ecs_compatibility => disabled } }
        if [type] == "c1" { mutate { add_field => { "cond1" => "true" } } }
        else if [type] == "c2" { mutate { add_field => { "cond2" => "true" } } }
    """
    out = filtered(text, {"type": "original"})
    assert [sorted(event) for event in out] == [["type"], ["cond1", "type"], ["cond2", "type"]]
