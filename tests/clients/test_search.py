"""Elasticsearch's and OpenSearch's own Python clients against a running platform."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import elasticsearch8
import elasticsearch9
import opensearchpy
import pytest
from elasticsearch8 import helpers as helpers8
from elasticsearch9 import helpers as helpers9

from maru.core.site import PORT_ELASTIC
from tests.clients.platform import ROOT, Kubectl, Platform, wait_until


def url_of(platform: Platform) -> str:
    return f"http://127.0.0.1:{PORT_ELASTIC + platform.port_offset}"


@pytest.fixture
def es(platform: Platform) -> Iterator[elasticsearch8.Elasticsearch]:
    with elasticsearch8.Elasticsearch(url_of(platform)) as client:
        yield client
        client.indices.delete(index="*", ignore_unavailable=True)


def logs(count: int, index: str) -> Iterator[dict[str, object]]:
    for number in range(count):
        level = ("info", "warn", "error")[number % 3]
        source = {
            "@timestamp": 1_700_000_000_000 + number * 1000,
            "level": level,
            "bytes": number % 100,
            "message": f"GET /page/{number} took long",
        }
        yield {"_index": index, "_source": source}


def test_clients_of_all_versions_index_search_and_scan(platform: Platform, es: elasticsearch8.Elasticsearch) -> None:
    assert es.info()["tagline"] == "You Know, for Search"
    done, errors = helpers8.bulk(es, logs(3000, "logs8"), refresh=True)
    assert (done, errors) == (3000, [])
    assert sum(1 for _ in helpers8.scan(es, index="logs8", size=400)) == 3000
    found = es.search(
        index="logs8", query={"match": {"message": "page"}}, aggs={"l": {"terms": {"field": "level.keyword"}}}, size=1
    )
    assert found["hits"]["total"] == {"value": 3000, "relation": "eq"}
    assert {one["key"]: one["doc_count"] for one in found["aggregations"]["l"]["buckets"]} == {
        "info": 1000,
        "warn": 1000,
        "error": 1000,
    }
    helpers8.reindex(es, "logs8", "copy8")
    es.indices.refresh(index="copy8")
    assert es.count(index="copy8")["count"] == 3000
    with elasticsearch9.Elasticsearch(url_of(platform)) as nine:
        assert helpers9.bulk(nine, logs(10, "logs9"), refresh="wait_for")[0] == 10
        assert nine.search(index="logs9", q="level:error")["hits"]["total"]["value"] == 3
        with pytest.raises(elasticsearch9.NotFoundError, match="index_not_found_exception"):
            nine.search(index="nothing")
    opensearch = opensearchpy.OpenSearch(url_of(platform))
    opensearch.index(index="os", id="1", body={"a": 1}, refresh=True)
    assert opensearch.search(index="os", body={"query": {"term": {"a": 1}}})["hits"]["hits"][0]["_id"] == "1"
    pit = opensearch.create_pit(index="os", params={"keep_alive": "1m"})
    assert opensearch.search(body={"pit": {"id": pit["pit_id"]}})["hits"]["total"]["value"] == 1


async def test_async_client_asks(platform: Platform, es: elasticsearch8.Elasticsearch) -> None:
    async with elasticsearch8.AsyncElasticsearch(url_of(platform)) as client:
        done, _ = await helpers8.async_bulk(client, logs(20, "async8"), refresh=True)
        assert done == 20
        assert (await client.count(index="async8"))["count"] == 20


def test_index_is_a_document_for_kubectl_and_found_by_the_command(
    platform: Platform, kubectl36: Kubectl, es: elasticsearch8.Elasticsearch
) -> None:
    es.index(
        index="shown",
        document={"@timestamp": "2024-01-01T00:00:00Z", "level": "error", "message": "it broke"},
        refresh=True,
    )
    said = platform.maru("search", "level:error", "--index", "shown").stdout
    assert said == "2024-01-01T00:00:00Z  shown  it broke\n"
    assert platform.maru("search", "level:nothing", "--index", "shown", check=False).returncode == 1
    spec = kubectl36.json("get", "indices.search.maru.dev", "shown")["spec"]
    assert spec["mappings"]["properties"]["@timestamp"] == {"type": "date"}
    es.indices.delete(index="shown")
    assert not es.indices.exists(index="shown")


def test_acknowledged_documents_survive_the_death_of_the_process(
    platform: Platform, es: elasticsearch8.Elasticsearch
) -> None:
    es.indices.create(index="crash")
    acknowledged: list[str] = []
    stop = threading.Event()

    def write() -> None:
        client = elasticsearch8.Elasticsearch(url_of(platform), max_retries=0)
        chance = random.Random(1)
        while not stop.is_set():
            lines = [
                line
                for _ in range(50)
                for line in ({"index": {}}, {"n": chance.random(), f"f{len(acknowledged) // 500}": 1})
            ]
            try:
                answer = client.bulk(index="crash", operations=lines)
            except elasticsearch8.ApiError:
                return
            except elasticsearch8.TransportError:
                return
            acknowledged.extend(item["index"]["_id"] for item in answer["items"] if item["index"]["status"] == 201)

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: len(acknowledged) > 2000, "documents to be written")
    os.kill(platform.workers()["telemetry"], signal.SIGKILL)
    writer.join(30)
    stop.set()
    wait_until(lambda: _is_up(platform), "search to come back")
    es.indices.refresh(index="crash")
    kept = {hit["_id"] for hit in helpers8.scan(es, index="crash", size=2000)}
    assert set(acknowledged) <= kept


def test_commands_of_a_course_work_with_curl(platform: Platform, es: elasticsearch8.Elasticsearch) -> None:
    def curl(*arguments: str) -> str:
        done = subprocess.run(["curl", "-s", *arguments], capture_output=True, text=True, check=True, timeout=20)
        return done.stdout

    url = url_of(platform)
    assert "cluster_name" in curl(url)
    assert curl(f"{url}/_cat/health?v").startswith("epoch")
    assert "heap.percent" in curl(f"{url}/_cat/nodes?v")
    json = ("-H", "Content-Type: application/json")
    assert '"acknowledged":true' in curl("-X", "PUT", f"{url}/customer")
    curl("-X", "PUT", f"{url}/customer/_doc/1?pretty&refresh", *json, "-d", '{"name": "John Doe", "age": 40}')
    assert '"name":"John Doe"' in curl(f"{url}/customer/_search?q=john")
    curl("-X", "POST", f"{url}/customer/_update/1", *json, "-d", '{"doc": {"age": 41}}')
    assert '"age":41' in curl(f"{url}/customer/_doc/1")
    assert "yellow" in curl(f"{url}/_cat/indices?v")
    assert '"result":"deleted"' in curl("-X", "DELETE", f"{url}/customer/_doc/1")


def _is_up(platform: Platform) -> bool:
    try:
        with elasticsearch8.Elasticsearch(url_of(platform), request_timeout=1) as client:
            return bool(client.ping())
    except elasticsearch8.TransportError:
        return False


def test_example_runs(platform: Platform) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "search" / "logs.py")],
        env={**os.environ, "ELASTICSEARCH_URL": url_of(platform)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "{'error': 2, 'info': 1}"
