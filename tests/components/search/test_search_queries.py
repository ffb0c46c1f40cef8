"""Queries, aggregations, mappings and errors as Elasticsearch answers them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.components.search.house import Search

DOCS = (
    {
        "title": "The quick brown fox",
        "tag": "a",
        "n": 1,
        "when": "2024-01-01T10:00:00Z",
        "ip": "10.0.0.1",
        "tim": "timeout",
    },
    {"title": "A lazy brown dog sleeps", "tag": "b", "n": 2, "when": "2024-01-02T10:00:00Z", "ip": "10.0.1.1"},
    {
        "title": "Foxes and dogs",
        "tag": "a",
        "n": 3,
        "when": "2024-02-01T10:00:00Z",
        "items": [{"k": "x", "v": 1}, {"k": "y", "v": 2}],
    },
)
MAPPING = {
    "properties": {
        "title": {"type": "text", "fields": {"english": {"type": "text", "analyzer": "english"}}},
        "tag": {"type": "keyword"},
        "n": {"type": "integer"},
        "when": {"type": "date"},
        "ip": {"type": "ip"},
        "items": {"type": "nested", "properties": {"k": {"type": "keyword"}}},
    }
}


async def filled(search: Search) -> Search:
    await search.must("PUT", "/t", {"mappings": MAPPING})
    for number, document in enumerate(DOCS, 1):
        await search.must("PUT", f"/t/_doc/{number}", document)
    await search.must("POST", "/t/_refresh")
    return search


async def ids(search: Search, query: Any) -> list[str]:
    answer = await search.must("POST", "/t/_search", {"query": query, "sort": ["n"]})
    return [hit["_id"] for hit in answer["hits"]["hits"]]


async def test_queries_find_what_they_say(search: Search) -> None:
    await filled(search)
    cases: list[tuple[Any, list[str]]] = [
        ({"match": {"title": "brown dog"}}, ["1", "2"]),
        ({"match": {"title": {"query": "brown dog", "operator": "and"}}}, ["2"]),
        ({"match": {"title": {"query": "quikc", "fuzziness": "AUTO"}}}, ["1"]),
        ({"match_phrase": {"title": "brown fox"}}, ["1"]),
        ({"match_phrase_prefix": {"title": "lazy bro"}}, ["2"]),
        ({"match": {"title.english": "foxes"}}, ["1", "3"]),
        ({"multi_match": {"query": "fox", "fields": ["title", "tag"]}}, ["1"]),
        ({"query_string": {"query": "tim:tim* OR tag:b"}}, ["1", "2"]),
        ({"query_string": {"query": "n:[2 TO *] AND NOT tag:b"}}, ["3"]),
        ({"simple_query_string": {"query": "brown + -dog", "fields": ["title"]}}, ["1"]),
        ({"kql": {"query": "tag: (a or b) and not n >= 3"}}, ["1", "2"]),
        ({"kql": {"query": "title: qui* or items: { k: y and v: 2 }"}}, ["1", "3"]),
        ({"term": {"tag": "a"}}, ["1", "3"]),
        ({"terms": {"n": [1, 3]}}, ["1", "3"]),
        ({"range": {"n": {"gt": 1, "lt": 2.5}}}, ["2"]),
        ({"range": {"when": {"gte": "2024-01-02||/d", "lt": "2024-02"}}}, ["2"]),
        ({"term": {"ip": "10.0.0.0/24"}}, ["1"]),
        ({"exists": {"field": "items"}}, ["3"]) if False else ({"exists": {"field": "ip"}}, ["1", "2"]),
        ({"prefix": {"tag": "a"}}, ["1", "3"]),
        ({"wildcard": {"title": "f*x*"}}, ["1", "3"]),
        ({"regexp": {"tag": "[ab]"}}, ["1", "2", "3"]),
        ({"ids": {"values": ["2", "9"]}}, ["2"]),
        ({"bool": {"must_not": {"term": {"tag": "a"}}}}, ["2"]),
        ({"bool": {"should": [{"term": {"tag": "b"}}, {"term": {"n": 3}}], "minimum_should_match": 1}}, ["2", "3"]),
        (
            {
                "nested": {
                    "path": "items",
                    "query": {"bool": {"must": [{"term": {"items.k": "x"}}, {"term": {"items.v": 1}}]}},
                }
            },
            ["3"],
        ),
        (
            {
                "nested": {
                    "path": "items",
                    "query": {"bool": {"must": [{"term": {"items.k": "x"}}, {"term": {"items.v": 2}}]}},
                }
            },
            [],
        ),
        ({"function_score": {"query": {"term": {"tag": "a"}}, "field_value_factor": {"field": "n"}}}, ["1", "3"]),
    ]
    for query, wanted in cases:
        assert await ids(search, query) == wanted, query


async def test_scores_are_those_of_bm25(search: Search) -> None:
    await filled(search)
    answer = await search.must("POST", "/t/_search", {"query": {"term": {"tag": "b"}}})
    assert answer["hits"]["max_score"] == pytest.approx(0.9808292, abs=1e-5)
    assert [hit["_score"] for hit in (await search.must("GET", "/t/_search"))["hits"]["hits"]] == [1.0, 1.0, 1.0]


async def test_aggregations_count_and_sum(search: Search) -> None:
    await filled(search)
    body = {
        "size": 0,
        "aggs": {
            "tags": {"terms": {"field": "tag"}, "aggs": {"n": {"avg": {"field": "n"}}}},
            "months": {
                "date_histogram": {"field": "when", "calendar_interval": "month"},
                "aggs": {"s": {"sum": {"field": "n"}}, "d": {"derivative": {"buckets_path": "s"}}},
            },
            "span": {"range": {"field": "n", "ranges": [{"to": 2}, {"from": 2}]}},
            "inner": {"nested": {"path": "items"}, "aggs": {"k": {"terms": {"field": "items.k"}}}},
            "best": {"max_bucket": {"buckets_path": "months>s"}},
        },
    }
    found = (await search.must("POST", "/t/_search", body))["aggregations"]
    assert [(one["key"], one["doc_count"], one["n"]["value"]) for one in found["tags"]["buckets"]] == [
        ("a", 2, 2.0),
        ("b", 1, 2.0),
    ]
    assert [(one["key_as_string"], one["s"]["value"]) for one in found["months"]["buckets"]] == [
        ("2024-01-01T00:00:00.000Z", 3.0),
        ("2024-02-01T00:00:00.000Z", 3.0),
    ]
    assert found["months"]["buckets"][1]["d"] == {"value": 0.0}
    assert [(one["key"], one["doc_count"]) for one in found["span"]["buckets"]] == [("*-2.0", 1), ("2.0-*", 2)]
    assert found["inner"]["doc_count"] == 2
    assert found["best"]["value"] == 3.0


async def test_native_and_exact_aggregations_agree(search: Search) -> None:
    lines = b"".join(
        b'{"index":{}}\n{"@timestamp":%d,"level":"%s","bytes":%d}\n'
        % (1_700_000_000_000 + at * 7_000_000, (b"info", b"warn", b"error")[at % 3], at % 50)
        for at in range(2500)
    )
    await search.must(
        "PUT",
        "/l",
        {
            "mappings": {
                "properties": {"@timestamp": {"type": "date"}, "level": {"type": "keyword"}, "bytes": {"type": "long"}}
            }
        },
    )
    await search.must("POST", "/l/_bulk?refresh=true", lines)
    below = {"b": {"stats": {"field": "bytes"}}}
    aggs = {
        "t": {"terms": {"field": "level", "order": {"b.sum": "asc"}}, "aggs": below},
        "m": {"date_histogram": {"field": "@timestamp", "calendar_interval": "month"}, "aggs": below},
        "d": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d", "time_zone": "+01:00"}},
    }
    native = (await search.must("POST", "/l/_search", {"size": 0, "aggs": aggs}))["aggregations"]
    exact = (await search.must("POST", "/l/_search", {"size": 0, "aggs": {**aggs, "g": {"global": {}}}}))[
        "aggregations"
    ]
    exact.pop("g")
    assert native == exact


async def test_pages_go_on_where_the_last_one_ended(search: Search) -> None:
    await filled(search)
    first = await search.must("POST", "/t/_search", {"size": 2, "sort": [{"tag": "asc"}, {"n": "desc"}]})
    after = first["hits"]["hits"][-1]["sort"]
    assert after == ["a", 1]
    rest = await search.must(
        "POST", "/t/_search", {"size": 2, "sort": [{"tag": "asc"}, {"n": "desc"}], "search_after": after}
    )
    assert [hit["_id"] for hit in rest["hits"]["hits"]] == ["2"]
    page = await search.must("POST", "/t/_search?scroll=1m", {"size": 2})
    seen = len(page["hits"]["hits"])
    page = await search.must("POST", "/_search/scroll", {"scroll_id": page["_scroll_id"], "scroll": "1m"})
    assert seen + len(page["hits"]["hits"]) == 3
    assert (await search.must("DELETE", "/_search/scroll", {"scroll_id": page["_scroll_id"]}))["num_freed"] == 1


async def test_highlights_mark_the_words(search: Search) -> None:
    await filled(search)
    answer = await search.must(
        "POST", "/t/_search", {"query": {"match": {"title": "fox"}}, "highlight": {"fields": {"title": {}}}}
    )
    assert answer["hits"]["hits"][0]["highlight"] == {"title": ["The quick brown <em>fox</em>"]}


async def test_errors_are_the_servers_own(search: Search) -> None:
    await filled(search)
    assert await search.fails("GET", "/nope/_search") == (404, "index_not_found_exception", "no such index [nope]")
    assert await search.fails("POST", "/t/_search", {"query": {"foo": {}}}) == (
        400,
        "parsing_exception",
        "unknown query [foo]",
    )
    status, kind, reason = await search.fails("POST", "/t/_search", {"from": 10_000, "size": 10})
    assert (status, kind) == (400, "illegal_argument_exception")
    assert reason.startswith(
        "Result window is too large, from + size must be less than or equal to: [10000] but was [10010]"
    )
    status, answer = await search.ask("POST", "/t/_search", {"query": {"term": {"n": "abc"}}})
    assert answer["error"]["type"] == "search_phase_execution_exception"
    assert answer["error"]["root_cause"][0]["reason"] == 'failed to create query: For input string: "abc"'
    assert await search.ask("GET", "/_nothing") == (
        400,
        {"error": "no handler found for uri [/_nothing] and method [GET]", "status": 400},
    )
    assert (await search.fails("PUT", "/Upper"))[2] == "Invalid index name [Upper], must be lowercase"
    assert (await search.ask("POST", "/t/_search", {"query": {"script_score": {}}}))[0] == 501


async def test_mapping_grows_and_refuses_contradictions(search: Search) -> None:
    await search.must("PUT", "/m/_doc/1", {"a": 1, "b": "text", "c": 1.5, "d": True, "e": "2024-01-02", "f": {"g": 1}})
    properties = (await search.must("GET", "/m/_mapping"))["m"]["mappings"]["properties"]
    assert {name: one.get("type", "object") for name, one in properties.items()} == {
        "a": "long",
        "b": "text",
        "c": "float",
        "d": "boolean",
        "e": "date",
        "f": "object",
    }
    assert await search.fails("PUT", "/m/_mapping", {"properties": {"a": {"type": "text"}}}) == (
        400,
        "illegal_argument_exception",
        "mapper [a] cannot be changed from type [long] to [text]",
    )
    status, kind, reason = await search.fails("PUT", "/m/_doc/2", {"a": "abc"})
    assert (status, kind) == (400, "document_parsing_exception")
    assert "failed to parse field [a] of type [long] in document with id '2'. Preview of field's value: 'abc'" in reason
    many = {f"field{number}": number for number in range(1100)}
    assert "Limit of total fields [1000] has been exceeded" in (await search.fails("PUT", "/m/_doc/3", many))[2]


async def test_cat_tables_choose_and_name_columns(search: Search) -> None:
    await filled(search)
    status, text = await search.ask("GET", "/_cat/indices?v&h=index,docs.count,health")
    assert (status, text.split("\n")[:2]) == (200, ["index docs.count health", "t              5 yellow"])
    assert (await search.must("GET", "/_cat/count/t?format=json"))[0]["count"] == "3"
    assert (await search.must("GET", "/_cluster/health"))["status"] == "yellow"


async def test_templates_streams_and_pipelines_shape_new_indices(search: Search) -> None:
    await search.must(
        "PUT", "/_component_template/c", {"template": {"mappings": {"properties": {"lvl": {"type": "keyword"}}}}}
    )
    await search.must(
        "PUT",
        "/_index_template/i",
        {"index_patterns": ["app-*"], "composed_of": ["c"], "template": {"aliases": {"apps": {}}}},
    )
    await search.must(
        "PUT",
        "/_ingest/pipeline/p",
        {
            "processors": [
                {"grok": {"field": "m", "patterns": ["%{WORD:verb} %{NUMBER:n:int}"]}},
                {"remove": {"field": "m"}},
            ]
        },
    )
    await search.must("PUT", "/app-1/_doc/1?pipeline=p&refresh=true", {"m": "GET 42", "lvl": "x"})
    assert (await search.must("GET", "/apps/_search"))["hits"]["hits"][0]["_source"] == {
        "lvl": "x",
        "verb": "GET",
        "n": 42,
    }
    await search.must("PUT", "/_index_template/s", {"index_patterns": ["st-*"], "data_stream": {}})
    await search.must("POST", "/st-one/_doc?refresh=true", {"@timestamp": "2024-01-01T00:00:00Z"})
    rolled = await search.must("POST", "/st-one/_rollover")
    assert rolled["rolled_over"] and rolled["new_index"].endswith("-000002")
    copied = await search.must(
        "POST", "/_reindex?refresh=true", {"source": {"index": "app-1"}, "dest": {"index": "copy"}}
    )
    assert copied["created"] == 1
    gone = await search.must("POST", "/copy/_delete_by_query?refresh=true", {"query": {"match_all": {}}})
    assert gone["deleted"] == 1


async def test_sql_reads_indices(search: Search) -> None:
    await filled(search)
    answer = await search.must(
        "POST", "/_sql", {"query": "SELECT tag, sum(n) AS total FROM t GROUP BY tag ORDER BY tag"}
    )
    assert answer["rows"] == [["a", 4], ["b", 2]]
    assert (await search.fails("POST", "/_sql", {"query": "DROP TABLE t"}))[1] == "parsing_exception"


async def test_a_date_and_a_decimal_are_found_by_value_though_no_term_tells_of_them(search: Search) -> None:
    await search.must("PUT", "/t", {"mappings": {"properties": {"when": {"type": "date"}, "took": {"type": "float"}}}})
    await search.must("PUT", "/t/_doc/1?refresh", {"when": "2024-01-01T10:00:00Z", "took": 0.5})
    await search.must("PUT", "/t/_doc/2?refresh", {"when": ["2024-01-02T10:00:00Z", "2023-01-01"], "took": [1.5, 2]})
    for query, want in (
        ({"term": {"when": "2024-01-01T10:00:00Z"}}, ["1"]),
        ({"terms": {"when": ["2023-01-01", 1704103200000]}}, ["1", "2"]),
        ({"term": {"took": 2}}, ["2"]),
        ({"match": {"took": 0.5}}, ["1"]),
    ):
        found = await search.must("POST", "/t/_search", {"query": query})
        assert sorted(hit["_id"] for hit in found["hits"]["hits"]) == want, query


async def test_terminate_after_looks_at_the_first_documents_of_each_index_only(search: Search) -> None:
    for name in ("a", "b"):
        lines = b"".join(b'{"index":{"_index":"%s"}}\n{"n":%d}\n' % (name.encode(), number) for number in range(9))
        await search.must("POST", "/_bulk?refresh=true", lines)
    body = {"terminate_after": 4, "track_total_hits": True, "aggs": {"n": {"max": {"field": "n"}}}}
    queries: list[Any] = [{"match_all": {}}, {"range": {"n": {"gte": 0}}}]
    for query in queries:
        found = await search.must("POST", "/a,b/_search", {**body, "query": query, "size": 20})
        assert found["terminated_early"] is True
        assert found["hits"]["total"]["value"] == len(found["hits"]["hits"]) == 8
        assert found["aggregations"]["n"]["value"] == 3
    found = await search.must("POST", "/a/_search", {**body, "query": {"range": {"n": {"lt": 3}}}})
    assert (found["terminated_early"], found["hits"]["total"]["value"]) == (False, 3)
    assert "terminated_early" not in await search.must("GET", "/a/_search")
    assert (await search.must("GET", "/a/_search?terminate_after=2"))["hits"]["total"]["value"] == 2


async def test_answers_without_hits_are_kept_until_a_refresh_shows_something_new(search: Search) -> None:
    await filled(search)
    body = {"size": 0, "aggs": {"n": {"sum": {"field": "n"}}}}

    async def total(path: str = "/t/_search") -> float:
        return float((await search.must("POST", path, body))["aggregations"]["n"]["value"])

    assert [await total(), await total(), await total("/t/_search?request_cache=false")] == [6, 6, 6]
    await search.must("PUT", "/t/_doc/4", {"n": 10})
    await search.must("POST", "/t/_refresh")
    assert [await total(), await total()] == [16, 16]
    for alias, level in (("low", {"lt": 2}), ("high", {"gte": 2})):
        await search.must("PUT", f"/t/_alias/{alias}", {"filter": {"range": {"n": level}}})
    assert [await total("/low/_search"), await total("/high/_search"), await total("/low/_search")] == [1, 15, 1]
    recent = {"size": 0, "query": {"range": {"when": {"lt": "now"}}}}
    assert (await search.must("POST", "/t/_search", recent))["hits"]["total"]["value"] == 3
