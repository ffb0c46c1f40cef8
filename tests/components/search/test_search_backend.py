"""The backend `opensearch`: a cluster behind the port, for which a second search stands here, and one by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from maru.contracts.indexer import IndexItem
from maru.core.errors import Unavailable
from maru.core.front.listener import TcpListener
from maru.core.front.message import Answer, Request
from maru.core.front.server import serve
from tests.components.search.house import Search, running
from tests.suites.indexer import run_suite

VENDOR = "application/vnd.elasticsearch+json; compatible-with=8"


@asynccontextmanager
async def _both(folder: Path) -> AsyncIterator[tuple[Search, Search]]:
    """(what stands in front, the cluster)."""
    async with (
        running(folder / "cluster") as cluster,
        running(folder / "front", settings={"backend": "opensearch", "backend_url": cluster.url}) as front,
    ):
        yield front, cluster


async def test_requests_reach_the_cluster_and_its_answers_come_back(tmp_path: Path) -> None:
    async with _both(tmp_path) as (front, cluster):
        await front.must("PUT", "/t/_doc/1?refresh=true", {"a": "one", "n": 1})
        assert (await cluster.must("GET", "/t/_doc/1"))["_source"] == {"a": "one", "n": 1}
        body = {"query": {"match": {"a": "one"}}, "aggs": {"n": {"sum": {"field": "n"}}}}
        mine, theirs = await front.must("POST", "/t/_search", body), await cluster.must("POST", "/t/_search", body)
        assert {**mine, "took": 0} == {**theirs, "took": 0}
        assert await front.must("GET", "/_cat/indices?h=index") == "t\n"
        assert await front.fails("GET", "/none/_search") == await cluster.fails("GET", "/none/_search")
        assert not (tmp_path / "front" / "search").exists()


async def test_what_components_index_goes_to_the_cluster(tmp_path: Path) -> None:
    async with _both(tmp_path) as (front, cluster):
        await run_suite(front.indexer)
        large = [IndexItem("large", b'{\n"text": "%s"}' % (b"x" * 3_000_000), id=str(number)) for number in range(7)]
        assert [outcome.status for outcome in await front.indexer.index(large)] == [201] * 7
        await cluster.must("POST", "/large/_refresh")
        assert (await cluster.must("GET", "/large/_count"))["count"] == 7
        assert (await cluster.must("GET", "/suite/_doc/1"))["_source"] == {"a": 3}


async def test_large_answers_are_passed_on_as_they_come(tmp_path: Path) -> None:
    async with _both(tmp_path) as (front, _):
        await front.must("PUT", "/t/_doc/1?refresh=true", {"a": "x" * 3_000_000})
        assert len((await front.must("GET", "/t/_search"))["hits"]["hits"][0]["_source"]["a"]) == 3_000_000


async def test_a_cluster_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    settings = {"backend": "opensearch", "backend_url": "http://127.0.0.1:9"}
    async with running(tmp_path, settings=settings) as front:
        status, kind, reason = await front.fails("GET", "/_search")
        assert (status, kind) == (503, "unavailable_shards_exception")
        assert "does not answer" in reason
        with pytest.raises(Unavailable, match="does not answer"):
            await front.indexer.index([IndexItem("t", b"{}")])


async def test_the_cluster_hears_its_own_words_and_its_own_credentials(tmp_path: Path) -> None:
    heard: list[dict[str, str]] = []

    async def cluster(request: Request) -> Answer:
        heard.append({name.lower(): value for name, value in request.headers.items()})
        if "vnd" in request.headers.get("Accept", "") + request.headers.get("Content-Type", ""):
            return Answer(406, b'{"error":"Content-Type header is not supported","status":406}')
        return Answer(200, b'{"took":1}', {"Content-Type": "application/json; charset=UTF-8"})

    listener = TcpListener("127.0.0.1", 0)
    async with serve([listener], cluster, name="cluster") as front_of_cluster:
        port = front_of_cluster.ports[0]
        settings = {
            "backend": "opensearch",
            "backend_url": f"http://127.0.0.1:{port}",
            "backend_user": "maru",
            "backend_password": "secret",
        }
        async with running(tmp_path, settings=settings) as search:
            headers = {
                "Accept": VENDOR,
                "Content-Type": VENDOR,
                "Authorization": "ApiKey stolen",
                "es-security-runas-user": "admin",
                "x-proxy-user": "admin",
            }
            async with search.session.post(search.url + "/_search", data=b"{}", headers=headers) as answer:
                assert answer.status == 200
                assert answer.headers["Content-Type"].replace(" ", "") == VENDOR.replace(" ", "")
                assert answer.headers["X-Elastic-Product"] == "Elasticsearch"
            assert (await search.fails("PUT", "/_security/user/me", {}))[:2] == (403, "security_exception")
            assert (await search.fails("PUT", "/_plugins/_security/api/x", {}))[:2] == (403, "security_exception")
    assert len(heard) == 1
    assert heard[0]["authorization"] == "Basic bWFydTpzZWNyZXQ="
    assert heard[0]["content-type"] == heard[0]["accept"] == "application/json"
    assert not {"es-security-runas-user", "x-proxy-user"} & set(heard[0])
