"""The short way of documents into columns gives what the parser gives, and leaves the rest to it."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from maru.components.search.model.analysis.analyzers import Analyzers
from maru.components.search.model.mapping.mapping import Mapping
from maru.components.search.model.mapping.parsing import Parser
from maru.components.search.model.mapping.shortcut import Shortcut
from maru.core.errors import MaruError

MAPPING = Mapping(
    {
        "properties": {
            "@timestamp": {"type": "date"},
            "day": {"type": "date", "format": "yyyy/MM/dd"},
            "level": {"type": "keyword"},
            "short": {"type": "keyword", "ignore_above": 4},
            "message": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 6}}},
            "stemmed": {"type": "text", "analyzer": "english"},
            "small": {"type": "byte"},
            "count": {"type": "long", "coerce": False},
            "took": {"type": "float"},
            "share": {"type": "scaled_float", "scaling_factor": 10},
            "is_ok": {"type": "boolean"},
            "ip": {"type": "ip"},
            "nothing": {"type": "keyword", "null_value": "none"},
            "pod": {"properties": {"name": {"type": "keyword"}, "node": {"properties": {"cpu": {"type": "integer"}}}}},
            "steps": {"type": "nested", "properties": {"k": {"type": "keyword"}}},
            "labels": {"type": "flattened"},
            "off": {"type": "object", "enabled": False},
        }
    },
    Analyzers(),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-200, 200),
    st.sampled_from([2**31, 2**63, 1.0, 2.5, 1e39, 1700000000000, 12]),
    st.sampled_from(["", "Time_out 10.0.0.1", "INFO", "17", "3.5", "true", "10.0.0.1", "2024/02/03", "lang\u00c9"]),
    st.sampled_from(["2024-02-03T04:05:06Z", "2024-02-03T04:05:06.789Z", "2024-02-30T04:05:06Z", "2024-02", "x"]),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from(["name", "k"]), SCALARS))
NAMES = st.sampled_from([*MAPPING.root.children, "pod.name", "unknown", "_id"])


def _columns(texts: tuple[str, ...]) -> Any:
    """As the index sees them: one value or a list of one is the same, the order of FIELDS is not seen."""
    told = msgspec.json.decode(texts[-1])
    found = {name: value if isinstance(value, list) else [value] for name, value in told.items()}
    return {name: sorted(value) if name == "_fields" else value for name, value in found.items()}


@settings(max_examples=600, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_both_ways_give_the_same_columns(document: dict[str, Any]) -> None:
    raw = msgspec.json.encode(document)
    short = Shortcut(MAPPING).read(raw)
    if short is None:
        return
    parsed = Parser(MAPPING).parse(msgspec.json.decode(raw), "1", raw)
    assert not parsed.added
    assert not parsed.children
    assert _columns(short.texts("1", 2, 3, "r")) == _columns(parsed.texts("1", 2, 3, "r"))


def test_usual_documents_take_it_and_others_do_not() -> None:
    shortcut = Shortcut(MAPPING)
    usual = {
        "@timestamp": "2024-02-03T04:05:06.789Z",
        "level": ["INFO", "x"],
        "message": "Connection to 10.0.0.1 timed out",
        "took": 3,
        "pod": {"name": "web", "node": {"cpu": 2}},
        "labels": {"app": "web", "tier.name": "front"},
    }
    flat = shortcut.read(msgspec.json.encode(usual))
    assert flat is not None
    raw = msgspec.json.encode(usual)
    told = _columns(flat.texts("1", 2, 3, ""))
    assert told == _columns(Parser(MAPPING).parse(usual, "1", raw).texts("1", 2, 3, ""))
    assert told["f_message"] == ["connection to 10.0.0.1 timed out"]
    assert told["_fields"] == ["_ignored:message.keyword", "message"]
    assert told[MAPPING.fields["@timestamp"].column] == [1706933106789]
    odds: list[Any] = [
        {"new": 1},
        {"pod": None},
        {"steps": {"k": "x"}},
        {"level": None},
        {"small": 128},
        {"off": {}},
        [],
    ]
    for odd in odds:
        assert shortcut.read(msgspec.json.encode(odd)) is None, odd


def test_a_name_that_is_needed_is_waited_for() -> None:
    assert Shortcut(MAPPING, ["@timestamp"]).read(b'{"level":"x"}') is None
    assert Shortcut(MAPPING, ["@timestamp"]).read(b'{"@timestamp":1700000000000}') is not None
    assert not Shortcut(MAPPING, ["missing"]).is_open


def test_the_parser_takes_it_from_some_documents_on() -> None:
    parser = Parser(MAPPING)
    reads = [parser.read(b'{"level":"x"}') for _ in range(40)]
    assert reads[0] is None
    assert reads[-1] is not None


def test_a_mapping_of_too_many_fields_has_none() -> None:
    many = Mapping({"properties": {f"f{at}": {"type": "keyword"} for at in range(300)}}, Analyzers())
    assert not Shortcut(many).is_open


def test_errors_are_the_parsers() -> None:
    raw = b'{"small":128}'
    assert Shortcut(MAPPING).read(raw) is None
    try:
        Parser(MAPPING).parse({"small": 128}, "1", raw)
    except MaruError as error:
        assert "failed to parse field [small]" in error.what
    else:
        raise AssertionError("128 is no byte")
