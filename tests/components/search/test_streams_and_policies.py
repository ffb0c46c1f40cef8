"""Streams whose indices come and go, and lifecycle policies that rest."""

from __future__ import annotations

from pathlib import Path

from tests.components.search.house import Search, running


async def test_indices_come_to_a_stream_and_leave_it(search: Search) -> None:
    template = {"index_patterns": ["logs-*"], "data_stream": {}, "priority": 500}
    await search.must("PUT", "/_index_template/t", template)
    await search.must("PUT", "/_data_stream/logs-a")
    await search.must("PUT", "/old/_doc/1?refresh=true", {"@timestamp": "2024-01-01"})

    async def members() -> list[str]:
        stream = (await search.must("GET", "/_data_stream/logs-a"))["data_streams"][0]
        return [one["index_name"] for one in stream["indices"]]

    (own,) = await members()
    add = {"actions": [{"add_backing_index": {"data_stream": "logs-a", "index": "old"}}]}
    await search.must("POST", "/_data_stream/_modify", add)
    assert await members() == ["old", own]
    assert (await search.must("GET", "/logs-a/_count"))["count"] == 1
    remove = {"actions": [{"remove_backing_index": {"data_stream": "logs-a", "index": "old"}}]}
    await search.must("POST", "/_data_stream/_modify", remove)
    assert await members() == [own]
    assert (await search.must("GET", "/old/_count"))["count"] == 1
    own_off = {"actions": [{"remove_backing_index": {"data_stream": "logs-a", "index": own}}]}
    assert (await search.fails("POST", "/_data_stream/_modify", own_off))[0] == 400


async def test_a_stop_of_policies_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as search:
        assert (await search.must("GET", "/_ilm/status"))["operation_mode"] == "RUNNING"
        await search.must("POST", "/_ilm/stop")
        assert (await search.must("GET", "/_ilm/status"))["operation_mode"] == "STOPPED"
        await search.must("POST", "/_ilm/start")
        assert (await search.must("GET", "/_ilm/status"))["operation_mode"] == "RUNNING"
