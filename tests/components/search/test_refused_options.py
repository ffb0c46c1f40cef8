"""Options that cannot be kept are refused, and writes go on beside refreshes."""

from __future__ import annotations

import asyncio

import pytest

from tests.components.search.house import Search


@pytest.mark.parametrize(
    "extra", [{"similarity": "boolean"}, {"index_prefixes": {}}, {"similarity": "none such"}, {"script": "emit(1)"}]
)
async def test_a_mapping_that_would_be_ignored_is_refused(search: Search, extra: dict[str, object]) -> None:
    mapping = {"mappings": {"properties": {"t": {"type": "text", **extra}}}}
    status, _ = await search.ask("PUT", "/books", mapping)
    assert status in (400, 501)


async def test_a_date_format_that_is_none_is_refused_when_it_is_mapped(search: Search) -> None:
    mapping = {"mappings": {"properties": {"at": {"type": "date", "format": "yyyy-MM-dd||nonsense"}}}}
    status, answer = await search.ask("PUT", "/books", mapping)
    assert (status, answer["error"]["type"]) == (400, "mapper_parsing_exception")
    assert "Invalid format: [nonsense]: Unknown pattern letter" in answer["error"]["reason"]


async def test_a_timeout_that_is_no_time_is_refused(search: Search) -> None:
    await search.must("PUT", "/books")
    assert (await search.ask("POST", "/books/_search", {"timeout": "soon"}))[0] == 400
    assert (await search.must("POST", "/books/_search", {"timeout": "30s"}))["timed_out"] is False


async def test_every_write_beside_refreshes_has_its_version_and_is_found_once(search: Search) -> None:
    await search.must("PUT", "/books")

    async def write(writer: int) -> None:
        for turn in range(20):
            await search.must("PUT", f"/books/_doc/shared?refresh={'true' if turn % 5 == 0 else 'false'}", {"n": turn})
            await search.must("PUT", f"/books/_doc/{writer}-{turn}", {"n": turn})

    await asyncio.gather(*(write(writer) for writer in range(3)))
    assert (await search.must("GET", "/books/_doc/shared"))["_version"] == 60
    await search.must("POST", "/books/_refresh")
    assert (await search.must("GET", "/books/_count"))["count"] == 61
