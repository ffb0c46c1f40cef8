"""Codecs read what their peers write, in whatever pieces it comes, and write what their peers read."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from maru.components.pipelines.model.codecs.catalog import reading_of, writing_of
from maru.components.pipelines.model.event import Event
from maru.core.errors import Invalid
from maru.wire.logstash.packed import BadPack, divided
from maru.wire.logstash.parser import parse
from maru.wire.logstash.syntax import Plugin

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
PACK = msgspec.msgpack.encode


def plugin(text: str) -> Plugin:
    name, _, options = text.partition(" ")
    (written,) = parse(f"input {{ {name} {{ {options} }} }}").inputs
    assert isinstance(written, Plugin)
    return written


def read(text: str, content: bytes, step: int = 0) -> list[dict[str, Any]]:
    """What a codec makes of `content`, given in pieces of `step` bytes (0: at once)."""
    codec = reading_of(plugin(text))()
    pieces = [content[at : at + step] for at in range(0, len(content), step)] if step else [content]
    return [event for piece in pieces for event in codec.feed(piece)] + list(codec.end())


def written(text: str, **fields: Any) -> bytes:
    return writing_of(plugin(text))(Event({"@timestamp": AT, **fields}))


BULK = (
    b'{"index": {"_index": "a", "_id": "1"}}\n{"x": 1}\n{"delete": {"_id": "2"}}\n{"create": {}}\n{"index": {"y": 1}}\n'
)
FLUENT_TIME = msgspec.msgpack.Ext(0, (1_767_323_045).to_bytes(4, "big") + (678_000_000).to_bytes(4, "big"))
TRAIL = json.dumps({"Records": [{"eventTime": "2026-01-02T03:04:05Z", "a": 1}, {"a": 2}]}).encode()


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize(
    ("text", "content", "events"),
    [
        ("csv columns => ['a', 'b']", b'1,"x, y"\n2,z\n', [{"a": "1", "b": "x, y"}, {"a": "2", "b": "z"}]),
        ("csv autodetect_column_names => true convert => { n => integer }", b"n,m\n1,2\n", [{"n": 1, "m": "2"}]),
        ("es_bulk", BULK, [
            {"x": 1, "@metadata": {"codec": {"es_bulk": {"action": "index", "_index": "a", "_id": "1"}}}},
            {"@metadata": {"codec": {"es_bulk": {"action": "delete", "_id": "2"}}}},
            {"index": {"y": 1}, "@metadata": {"codec": {"es_bulk": {"action": "create"}}}}]),
        ("cloudtrail", TRAIL, [{"a": 1, "@timestamp": "2026-01-02T03:04:05Z"}, {"a": 2}]),
        ("graphite", b"a.b 1.5 1767323045\nno\n", [
            {"a.b": 1.5, "@timestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
            {"message": "no", "tags": ["_graphiteparsefailure"]}]),
        ("gzip_lines", gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n"),
         [{"message": "a"}, {"message": "bc"}, {"message": "d"}]),
        ("msgpack", PACK({"a": [1, "x", None]}) + PACK({"b": {"c": 1.5}}), [{"a": [1, "x", None]}, {"b": {"c": 1.5}}]),
        ("msgpack target => 't'", PACK([1]), [{"t": [1]}]),
        ("fluent", PACK(["t", 1_767_323_045, {"a": 1}]),
         [{"a": 1, "@timestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "tags": ["t"]}]),
        ("fluent", PACK(["t", [[FLUENT_TIME, {"a": 1}], [FLUENT_TIME, {"a": 2}]]]),
         [{"a": 1, "@timestamp": AT, "tags": ["t"]}, {"a": 2, "@timestamp": AT, "tags": ["t"]}]),
        ("fluent", PACK(["t", PACK([FLUENT_TIME, {"a": 1}]) + PACK([FLUENT_TIME, {"a": 2}])]),
         [{"a": 1, "@timestamp": AT, "tags": ["t"]}, {"a": 2, "@timestamp": AT, "tags": ["t"]}]),
        ("fluent", PACK(["t", gzip.compress(PACK([FLUENT_TIME, {"a": 1}])), {"compressed": "gzip"}]),
         [{"a": 1, "@timestamp": AT, "tags": ["t"]}]),
        ("java_line", b"a\nb\n", [{"message": "a"}, {"message": "b"}]),
    ],
)  # fmt: skip
def test_codecs_read(text: str, content: bytes, events: list[dict[str, Any]], step: int) -> None:
    assert read(text, content, step) == events


@pytest.mark.parametrize(
    ("text", "content", "tag"),
    [
        ("msgpack", b"\xc1", "_msgpackparsefailure"),
        ("msgpack", PACK([1]), "_msgpackparsefailure"),
        ("msgpack", PACK("long enough")[:5], "_msgpackparsefailure"),
        ("fluent", PACK({"a": 1}), "_fluentparsefailure"),
        ("gzip_lines", b"plain", "_gzipparsefailure"),
        ("es_bulk", b"{\n", "_jsonparsefailure"),
        ("cloudtrail", b"{", "_jsonparsefailure"),
        ("cef", b"no record", "_cefparsefailure"),
    ],
)
def test_what_cannot_be_read_is_kept_with_a_tag(text: str, content: bytes, tag: str) -> None:
    (event,) = read(text, content)
    assert event["tags"] == [tag]
    assert "message" in event


@pytest.mark.parametrize(
    ("text", "fields", "content"),
    [
        ("csv columns => ['a', '[b][c]', 'd']", {"a": 'x, "y"', "b": {"c": 1}}, b'"x, ""y""",1,\n'),
        ("csv columns => ['a'] include_headers => true", {"a": 1}, b"a\n1\n"),
        ("graphite metrics => { 'h.%{h}' => '%{n}' 'none' => '%{m}' }", {"h": "a", "n": 2}, b"h.a 2 1767323045\n"),
        ("graphite fields_are_metrics => true include_metrics => ['^n'] metrics_format => 'x.*'", {"n1": 1.5, "m": 2},
         b"x.n1 1.5 1767323045\n"),
        ("msgpack", {"a": 1}, PACK({"@timestamp": "2026-01-02T03:04:05.678Z", "a": 1})),
        ("java_plain format => '%{a}'", {"a": 1}, b"1"),
    ],
)  # fmt: skip
def test_codecs_write(text: str, fields: dict[str, Any], content: bytes) -> None:
    assert written(text, **fields) == content


def test_fluent_reads_what_fluent_writes() -> None:
    packed = written("fluent nanosecond_precision => true", a=1, tags=["x", "y"])
    assert read("fluent", packed) == [{"a": 1, "tags": ["x.y"], "@timestamp": AT}]


def test_packs_are_bounded() -> None:
    assert divided(PACK({"a": b"x" * 300}) + b"\xc4") == ([PACK({"a": b"x" * 300})], b"\xc4")
    with pytest.raises(BadPack):
        divided(b"\x91" * 100)


CEF = "CEF:0|security|threat\\|manager|1.0|100|trojan \\\\ stopped|10|src=10.0.0.192 dst=12.121.122.82 spt=1232 "


def test_cef_reads_headers_and_extensions() -> None:
    (event,) = read("cef", f"Jan  1 host {CEF}msg=a\\=b c\\nd cs1Label=my field cs1=".encode())
    assert event["observer"] == {"vendor": "security", "product": "threat|manager", "version": "1.0"}
    assert event["event"] == {"code": "100", "severity": "10"}
    assert event["source"] == {"ip": "10.0.0.192", "port": "1232"}
    assert event["message"] == "a=b c\nd"
    assert event["cef"] == {"version": "0", "name": "trojan \\ stopped", "cs1Label": "my field", "cs1": ""}
    assert event["log"]["syslog"]["header"] == "Jan  1 host"
    (legacy,) = read("cef ecs_compatibility => disabled delimiter => '\n'", f"{CEF}\n".encode())
    assert (legacy["deviceVendor"], legacy["sourceAddress"], legacy["severity"]) == ("security", "10.0.0.192", "10")
    (bare,) = read("cef ecs_compatibility => disabled", b"CEF:0|||1.0|100|n|10|")
    assert (bare["deviceVendor"], bare["name"]) == ("", "n")


@pytest.mark.parametrize(
    ("text", "fields", "line"),
    [
        ("cef", {"foo": "bar"}, "CEF:0|Elasticsearch|Logstash|1.0|Logstash|Logstash|6|"),
        ("cef vendor => '%{v}' name => '' severity => '11'", {"v": "a|b\r\nc"}, "CEF:0|a\\|b c|Logstash|1.0|Logstash|Logstash|6|"),
        ("cef severity => '5.4'", {}, "CEF:0|Elasticsearch|Logstash|1.0|Logstash|Logstash|6|"),
        ("cef severity => '1.0' fields => ['f o', '@b-a_r', 'none']", {"f o": "a\\b\n", "@b-a_r": "c=d"},
         "CEF:0|Elasticsearch|Logstash|1.0|Logstash|Logstash|1.0|fo=a\\\\b\\n bar=c\\=d"),
        ("cef fields => ['h']", {"h": {"a": [1]}}, 'CEF:0|Elasticsearch|Logstash|1.0|Logstash|Logstash|6|h={"a":[1]}'),
    ],
)  # fmt: skip
def test_cef_writes(text: str, fields: dict[str, Any], line: str) -> None:
    assert written(text, **fields).decode() == line


def test_avro_by_its_schema(tmp_path: Path) -> None:
    schema = {"type": "record", "name": "r", "fields": [{"name": "n", "type": "int"}, {"name": "s", "type": "string"}]}
    (tmp_path / "r.avsc").write_text(json.dumps(schema))
    options = f"schema_uri => '{tmp_path / 'r.avsc'}'"
    packed = written(f"avro {options}", n=3, s="x")
    assert base64.b64decode(packed) == b"\x06\x02x"
    assert read(f"avro {options}", packed) == [{"n": 3, "s": "x"}]
    assert read(f"avro {options} encoding => binary target => 't'", b"\x06\x02x") == [{"t": {"n": 3, "s": "x"}}]
    assert read(f"avro {options}", b"!")[0]["tags"] == ["_avroparsefailure"]
    (tmp_path / "bad.avsc").write_text("{")
    for path in ("bad.avsc", "none.avsc"):
        with pytest.raises(Invalid):
            reading_of(plugin(f"avro schema_uri => '{tmp_path / path}'"))


def test_multiline_knows_the_patterns_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("BEGIN ^--\n")
    text = f"multiline pattern => '%{{BEGIN}}' negate => true what => previous patterns_dir => ['{tmp_path}']"
    assert [event["message"] for event in read(text, b"--a\nb\n--c\n")] == ["--a\nb", "--c"]


@pytest.mark.parametrize("name", ["netflow", "protobuf", "collectd", "edn"])
def test_what_will_not_be_here_says_why(name: str) -> None:
    with pytest.raises(Invalid, match="it is not supported"):
        reading_of(plugin(name))
