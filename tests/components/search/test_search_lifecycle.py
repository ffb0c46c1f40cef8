"""Indices on their way from hot to deleted, by a clock that the test turns."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.components.search.house import Search, running
from tests.fakes.client import FakeClients
from tests.fakes.clock import FakeClock

DAY_S = 86_400.0
POLICY = {
    "policy": {
        "phases": {
            "hot": {"actions": {"rollover": {"max_docs": 3}, "set_priority": {"priority": 100}}},
            "cold": {"min_age": "2d", "actions": {"freeze": {}, "set_priority": {"priority": 0}}},
            "delete": {"min_age": "30d", "actions": {"delete": {}}},
        }
    }
}
TEMPLATE = {
    "index_patterns": ["app*"],
    "data_stream": {},
    "template": {
        "settings": {"lifecycle.name": "aging", "number_of_replicas": 0},
        "mappings": {"properties": {"level": {"type": "keyword"}, "message": {"type": "text"}}},
    },
}


async def _until(clock: FakeClock, holds: Callable[[], Any]) -> int:
    """Look again and again at what goes by itself, a few seconds of the clock later each time; how often it took."""
    give_up_at, turns = time.monotonic() + 30, 0
    while not holds():
        assert time.monotonic() < give_up_at, "it never came to that"
        await _turn(clock)
        turns += 1
    return turns


async def _turn(clock: FakeClock) -> None:
    await clock.advance(11)
    await asyncio.to_thread(os.sched_yield)  # what threads do takes none of the clock


async def _write(search: Search, count: int) -> None:
    for number in range(count):
        document = {"@timestamp": 1700000000000 + number, "level": "info", "message": f"line {number} of 10.0.0.1"}
        await search.must("POST", "/app/_doc?refresh=true", document)


async def _generations(search: Search) -> list[str]:
    stream = (await search.must("GET", "/_data_stream/app"))["data_streams"][0]
    return [one["index_name"] for one in stream["indices"]]


async def _count(search: Search) -> int:
    found = await search.must("POST", "/app/_search", {"query": {"match": {"message": "line"}}})
    return int(found["hits"]["total"]["value"])


async def test_an_index_rolls_over_goes_cold_is_searched_there_and_goes(tmp_path: Path) -> None:
    api, clock = FakeClients(), FakeClock()
    indices = tmp_path / "search" / "indices"

    def files(pattern: str) -> list[Path]:
        return list(indices.glob(pattern))

    async with running(tmp_path, api, clock=clock) as search:
        await search.must("PUT", "/_ilm/policy/aging", POLICY)
        await search.must("PUT", "/_index_template/app", TEMPLATE)
        await _write(search, 3)
        await _until(clock, lambda: len(files("*")) == 2)  # rolled over
        first, second = await _generations(search)
        await _write(search, 1)
        assert await _count(search) == 4
        assert files("*/cold.parquet") == []

        clock.jump(2 * DAY_S)
        await _until(clock, lambda: files("*/cold.parquet") and len(files("*/log")) == 1)
        assert await _count(search) == 4  # made anew for the search
        stored = (await search.must("POST", f"/{first}/_search", {"sort": "@timestamp"}))["hits"]["hits"]
        assert [hit["_source"]["message"] for hit in stored] == [f"line {number} of 10.0.0.1" for number in range(3)]
        assert (await search.must("GET", f"/{first}/_doc/{stored[0]['_id']}"))["_seq_no"] == 0
        body = {"size": 0, "aggs": {"level": {"terms": {"field": "level"}}}}
        buckets = (await search.must("POST", f"/{first}/_search", body))["aggregations"]["level"]["buckets"]
        assert buckets == [{"key": "info", "doc_count": 3}]
        assert (await search.fails("DELETE", f"/{first}/_doc/{stored[0]['_id']}"))[:2] == (
            403,
            "cluster_block_exception",
        )
        assert (await search.must("GET", f"/{first}/_settings"))[first]["settings"]["index"]["priority"] == "0"
        await _until(clock, lambda: len(files("*/log")) == 1)  # nobody searched it for a while
    async with running(tmp_path, api, clock=clock) as search:
        assert await _count(search) == 4
        clock.jump(28 * DAY_S)
        await _until(clock, lambda: len(files("*")) == 1)
        assert await _generations(search) == [second]
        assert await _count(search) == 1


async def test_a_cold_file_that_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    api, clock = FakeClients(), FakeClock()
    async with running(tmp_path, api, clock=clock) as search:
        await search.must("PUT", "/_ilm/policy/aging", POLICY)
        await search.must("PUT", "/old", {"settings": {"lifecycle.name": "aging"}})
        await search.must("PUT", "/old/_doc/1", {"a": 1})
        clock.jump(3 * DAY_S)
        await _until(clock, lambda: list(tmp_path.glob("search/indices/*/cold.parquet")))
    file = next(tmp_path.glob("search/indices/*/cold.parquet"))
    file.write_bytes(file.read_bytes()[:-20])
    async with running(tmp_path, api, clock=clock) as search:
        status, kind, reason = await search.fails("GET", "/old/_search")
        assert (status, kind) == (503, "no_shard_available_action_exception")
        assert "cold documents" in reason


async def test_stopped_policies_rest_until_they_are_started(tmp_path: Path) -> None:
    clock = FakeClock()
    indices = tmp_path / "search" / "indices"
    gone_at_once = {"policy": {"phases": {"delete": {"min_age": "0ms", "actions": {"delete": {}}}}}}
    async with running(tmp_path, FakeClients(), clock=clock) as search:
        await search.must("PUT", "/_ilm/policy/short", gone_at_once)
        await _write_brief(search)
        turns = await _until(clock, lambda: not list(indices.iterdir()))
        await search.must("POST", "/_ilm/stop")
        await _write_brief(search)
        for _ in range(10 * turns):
            await _turn(clock)
        assert len(list(indices.iterdir())) == 1
        await search.must("POST", "/_ilm/start")
        await _until(clock, lambda: not list(indices.iterdir()))
        assert (await search.fails("GET", "/brief"))[0] == 404


async def _write_brief(search: Search) -> None:
    await search.must("PUT", "/brief", {"settings": {"lifecycle.name": "short"}})
    await search.must("POST", "/brief/_doc", {"a": 1})
