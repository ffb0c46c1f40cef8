"""Filters that look things up, take things apart or remember what went before."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from maru.components.pipelines.model.event import Event
from maru.core.errors import Invalid
from tests.components.pipelines.running import at_once, filtered, one, ticking

FIREFOX = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"
AT = datetime(2026, 1, 3, 12, tzinfo=UTC)


def written(value: object) -> bytes:
    """A value in the data section of a MaxMind DB: maps, short texts, floats, numbers."""
    match value:
        case dict():
            return bytes([0xE0 | len(value)]) + b"".join(written(key) + written(inner) for key, inner in value.items())
        case list():
            return bytes([len(value), 4]) + b"".join(map(written, value))
        case float():
            return bytes([0x68]) + struct.pack(">d", value)
        case int():
            return bytes([0xC4]) + struct.pack(">I", value)
    text = str(value).encode()
    return bytes([0x40 | len(text)]) + text


def database(folder: Path, record: object) -> Path:
    """A MaxMind DB of one node: every address from 128.0.0.0 on has `record`, the others none."""
    about = {"node_count": 1, "record_size": 24, "ip_version": 4, "database_type": "Test", "languages": ["en"],
             "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1, "description": {}}  # fmt: skip
    node = (1).to_bytes(3, "big") + (1 + 16).to_bytes(3, "big")
    path = folder / "city.mmdb"
    path.write_bytes(node + bytes(16) + written(record) + b"\xab\xcd\xefMaxMind.com" + written(about))
    return path


def test_an_address_gets_its_place_from_the_users_own_database(tmp_path: Path) -> None:
    record = {
        "country": {"iso_code": "KR", "names": {"en": "South Korea"}},
        "city": {"names": {"en": "Seoul"}},
        "subdivisions": [{"iso_code": "11", "names": {"en": "Seoul"}}],
        "location": {"latitude": 37.5, "longitude": 127.0},
    }
    path = database(tmp_path, record)
    text = f'geoip {{ source => "[source][ip]" database => "{path}" }}'
    geo = one(text, source={"ip": "203.0.113.9"})["source"]["geo"]
    assert geo == {
        "city_name": "Seoul",
        "country_iso_code": "KR",
        "country_name": "South Korea",
        "region_name": "Seoul",
        "region_iso_code": "KR-11",
        "location": {"lat": 37.5, "lon": 127.0},
    }
    assert one(text, source={"ip": "10.0.0.1"})["tags"] == ["_geoip_lookup_failure"]
    assert one(text, source={"ip": "no address"})["tags"] == ["_geoip_lookup_failure"]
    legacy = f'geoip {{ source => "ip" database => "{path}" ecs_compatibility => disabled fields => ["CITY_NAME"] }}'
    assert one(legacy, ip="203.0.113.9")["geoip"] == {"city_name": "Seoul"}
    with pytest.raises(Invalid, match="no database comes with Maru"):
        filtered('geoip { source => "[source][ip]" }', {})


def test_a_browser_is_known_by_its_own_word() -> None:
    found = one('useragent { source => "agent" }', agent=FIREFOX)["user_agent"]
    assert (found["name"], found["version"], found["os"]["name"]) == ("Firefox", "115.0", "Ubuntu")
    legacy = one('useragent { source => "agent" target => "ua" ecs_compatibility => disabled }', agent=FIREFOX)["ua"]
    assert (legacy["name"], legacy["major"], legacy["os_name"]) == ("Firefox", "115", "Ubuntu")


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (
            'syslog_pri { ecs_compatibility => disabled }',
            {"syslog_pri": "34"},
            {"syslog_pri": "34", "syslog_facility_code": 4, "syslog_severity_code": 2,
             "syslog_facility": "security/authorization", "syslog_severity": "critical"},
        ),
        ("de_dot { }", {"a.b": 1, "c": 2}, {"a_b": 1, "c": 2}),
        ("de_dot { nested => true recursive => true }", {"a.b": {"c.d": 1}}, {"a": {"b": {"c": {"d": 1}}}}),
        ('bytes { source => "s" target => "n" }', {"s": "1.5 MB"}, {"s": "1.5 MB", "n": 1572864}),
        ('bytes { source => "s" target => "n" conversion_method => metric }', {"s": "2kB"}, {"s": "2kB", "n": 2000}),
        (
            'xml { source => "x" target => "d" remove_field => ["x"] }',
            {"x": '<a k="v"><b>1</b><b>2</b><c><d/></c></a>'},
            {"d": {"k": "v", "b": ["1", "2"]}},
        ),
        (
            'xml { source => "x" store_xml => false xpath => { "/a/b/text()" => "t" "/a/@k" => "k" } remove_field => "x" }',
            {"x": '<a k="v"><b>1</b></a>'},
            {"t": ["1"], "k": ["v"]},
        ),
        ('xml { source => "x" target => "d" }', {"x": "<a>"}, {"x": "<a>", "tags": ["_xmlparsefailure"]}),
        (
            'xml { source => "x" target => "d" }',
            {"x": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'},
            {"x": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "tags": ["_xmlparsefailure"]},
        ),
    ],
)  # fmt: skip
def test_filters_take_apart(text: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert one(text, **before) == after


def test_throttle_marks_what_comes_too_often_within_a_period() -> None:
    events = [{"host": "a", "@timestamp": AT + timedelta(seconds=second)} for second in (0, 1, 2, 70)]
    out = filtered('throttle { key => "%{host}" after_count => 2 period => 60 add_tag => "often" }', *events)
    assert [event.get("tags") for event in out] == [None, None, ["often"], None]


def test_elapsed_measures_from_the_start_to_the_end_of_one_id() -> None:
    def event(tag: str, second: int, number: int = 1) -> dict[str, Any]:
        return {"tags": [tag], "id": number, "@timestamp": AT + timedelta(seconds=second)}

    text = 'elapsed { start_tag => "s" end_tag => "e" unique_id_field => "id" }'
    out = filtered(text, event("s", 0), event("e", 3), event("e", 4, 2))
    assert out[1]["event"] == {"duration": 3_000_000_000}
    assert out[1]["tags"] == ["e", "elapsed", "elapsed_match"]
    assert out[2]["tags"] == ["e", "elapsed_end_without_start"]


@pytest.mark.parametrize("name", ["ruby", "aggregate", "tld", "memcached"])
def test_what_will_not_be_here_says_why(name: str) -> None:
    with pytest.raises(Invalid, match="it is not supported"):
        filtered(f"{name} {{ }}", {})


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ('json_encode { source => "a" target => "j" }', {"a": {"b": [1, None]}}, {"a": {"b": [1, None]}, "j": '{"b":[1,null]}'}),
        ('json_encode { source => "a" add_tag => "t" }', {"b": 1}, {"b": 1}),
        ('alter { condrewrite => ["a", "1", "one %{b}", "b", "x", "y"] }', {"a": 1, "b": 2}, {"a": "one 2", "b": 2}),
        ('alter { condrewriteother => ["a", "1", "c", "is"] coalesce => ["d", "%{none}", "", "%{a}"] }', {"a": "1"},
         {"a": "1", "c": "is", "d": "1"}),
        ("extractnumbers { }", {"message": "a 10 b1.5 c 1.2.3 7"}, {"message": "a 10 b1.5 c 1.2.3 7", "int1": 10, "float1": 1.5, "int2": 7}),
        ('range { ranges => ["n", 1, 5, "tag:low", "m", 2, 3, "field:len:short %{m}"] }', {"n": 5, "m": "abc"},
         {"n": 5, "m": "abc", "tags": ["low"], "len": "short abc"}),
        ('i18n { transliterate => ["a", "l"] }', {"a": "Zażółć Straße Ærø 마", "l": ["é", 1]}, {"a": "Zazolc Strasse AEro ?", "l": ["e", 1]}),
        ('anonymize { fields => ["a", "b"] key => "24" algorithm => "IPV4_NETWORK" }', {"a": "10.1.2.3", "b": ["10.9.9.9"]},
         {"a": "10.1.2.0", "b": ["10.9.9.0"]}),
        ('environment { add_field_from_env => { "h" => "HOME_OF" "x" => "NOT_THERE" } }', {}, {"h": "maru", "x": None}),
        ('java_uuid { target => "u" }', {}, {"u": "6ba7b810-9dad-41d1-80b4-00c04fd430c8"}),
    ],
)  # fmt: skip
def test_values_are_made_of_values(text: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert one(text, **before) == after


def test_range_drops_what_lies_outside() -> None:
    assert filtered('range { ranges => ["n", 1, 5, "drop"] negate => true }', {"n": 0}, {"n": 3}) == [{"n": 3}]


def test_metrics_tell_of_counts_rates_and_spread() -> None:
    text = 'metrics { meter => ["http.%{s}"] timer => { "took" => "%{t}" } percentiles => [50, 100] add_tag => "m" }'
    line, tools = ticking(f"{text} if [n] {{ mutate {{ remove_field => ['n'] }} }}")
    at_once(line.run([Event({"s": 200, "t": value}) for value in (1, 2, 3, 4, 5)]))
    (told,) = [event.fields for event in at_once(line.run([], is_tick=True))]
    assert (told["http.200.count"], told["http.200.rate_1m"], told["tags"]) == (5, 1.0, ["m"])
    assert (told["took.min"], told["took.max"], told["took.mean"], told["took.p50"], told["took.p100"]) == (
        1,
        5,
        3,
        3,
        5,
    )
    assert told["took.stddev"] == pytest.approx(1.5811, abs=1e-3)
    (later,) = [event.fields for event in at_once(line.run([], is_tick=True))]
    assert later["http.200.count"] == 5 and later["http.200.rate_1m"] == pytest.approx(0.92, abs=1e-3)
    assert tools.at_s == 0


def test_metrics_are_told_at_their_interval_and_cleared_at_theirs() -> None:
    line, _ = ticking(
        'metrics { meter => "e" flush_interval => 10 clear_interval => 10 rates => [1] ignore_older_than => 60 }'
    )
    assert at_once(line.run([Event({}), Event({"@timestamp": AT - timedelta(hours=1)})], is_tick=True))[2:] == []
    (told,) = at_once(line.run([], is_tick=True))
    assert told.fields["e.count"] == 1 and "e.rate_5m" not in told.fields
    assert at_once(line.run([], is_tick=True)) == []


def test_elapsed_tells_of_what_was_never_ended() -> None:
    line, tools = ticking("if [id] { elapsed { start_tag => 's' end_tag => 'e' unique_id_field => id timeout => 30 } }")
    at_once(line.run([Event({"tags": ["s"], "id": 7, "@timestamp": AT})]))
    assert at_once(line.run([], is_tick=True)) == []
    tools.at_s = 31.0
    (expired,) = at_once(line.run([], is_tick=True))
    assert expired.fields["tags"] == ["elapsed", "elapsed_expired_error"]
    assert (expired.fields["id"], expired.fields["event"]["duration"]) == ("7", 31_000_000_000)
    assert at_once(line.run([], is_tick=True)) == []


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ('fingerprint { source => "a" target => "p" method => "IPV4_NETWORK" key => 24 }', {"a": "none"}, {"a": "none", "p": None}),
        ('mutate { add_field => { "%{a}" => "x" } add_tag => "t" }', {"a": "[b"}, {"a": "[b", "tags": ["_fieldreferencefailure", "t"]}),
        ('mutate { rename => { "a" => "%{a}" } }', {"a": "[b"}, {"a": "[b", "tags": ["_mutate_error"]}),
        ('prune { whitelist_names => ["%{a}"] interpolate => true }', {"a": "("}, {"a": "(", "tags": ["_prunefailure"]}),
        ('throttle { key => "k" after_count => 0 period => "%{a}" add_tag => "t" }', {"a": "inf"}, {"a": "inf"}),
    ],
)  # fmt: skip
def test_what_an_event_brings_harms_no_pipeline(text: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert one(text, **before) == after


def test_a_large_number_has_a_fingerprint() -> None:
    assert one('fingerprint { source => "a" target => "p" method => "MURMUR3" }', a=2**70)["p"] > 0


def test_networks_come_from_the_configuration_or_from_a_file(tmp_path: Path) -> None:
    text = 'cidr { address => ["%{a}", "%{none}"] %s add_tag => "in" }'
    (tmp_path / "nets").write_text("10.0.0.0/8\nno network\n2001:db8::/32\n")
    for networks in ('network => ["10.0.0.0/8", "%{net}"]', f'network_path => "{tmp_path / "nets"}"'):
        filter_ = text.replace("%s", networks)
        assert one(filter_, a="10.1.2.3").get("tags") == ["in"]
        assert one(filter_, a="2001:db8::7", net="2001:db8::/32").get("tags") == ["in"]
        assert "tags" not in one(filter_, a="192.0.2.1")
    with pytest.raises(Invalid):
        filtered('cidr { network => ["10.0.0.0/8"] network_path => "/x" }', {})
