"""Documents: versions, conflicts, updates, bulk, and what is left after a crash."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from maru.components.search.engine.operations import Operation
from maru.components.search.engine.shard import Shard
from maru.components.search.model.analysis.analyzers import Analyzers
from maru.components.search.model.mapping.mapping import Mapping
from maru.components.search.model.mapping.parsing import Parser
from maru.contracts.indexer import IndexItem
from maru.wire.elastic.json import decode
from tests.components.search.house import Search, running
from tests.fakes.client import FakeClients
from tests.suites.indexer import run_suite


async def test_written_document_is_read_back_before_any_refresh(search: Search) -> None:
    written = await search.must("PUT", "/books/_doc/1", {"title": "one"})
    assert written["result"] == "created"
    assert (written["_version"], written["_seq_no"], written["_primary_term"]) == (1, 0, 1)
    assert written["_shards"] == {"total": 2, "successful": 1, "failed": 0}
    again = await search.must("PUT", "/books/_doc/1", {"title": "two"})
    assert (again["result"], again["_version"], again["_seq_no"]) == ("updated", 2, 1)
    got = await search.must("GET", "/books/_doc/1")
    assert got["found"] and got["_source"] == {"title": "two"}
    assert (await search.ask("GET", "/books/_doc/2")) == (404, {"_index": "books", "_id": "2", "found": False})


async def test_conflicting_writes_are_refused_in_the_servers_words(search: Search) -> None:
    await search.must("PUT", "/books/_doc/1", {"a": 1})
    assert await search.fails("PUT", "/books/_create/1", {"a": 2}) == (
        409,
        "version_conflict_engine_exception",
        "[1]: version conflict, document already exists (current version [1])",
    )
    status, _, reason = await search.fails("PUT", "/books/_doc/1?if_seq_no=5&if_primary_term=1", {"a": 2})
    assert status == 409
    assert "current document has seqNo [0] and primary term [1]" in reason
    await search.must("PUT", "/books/_doc/2?version=7&version_type=external", {"a": 1})
    status, _, reason = await search.fails("PUT", "/books/_doc/2?version=7&version_type=external", {"a": 1})
    assert (status, reason) == (
        409,
        "[2]: version conflict, current version [7] is higher or equal to the one provided [7]",
    )


async def test_partial_update_merges_objects_and_says_when_nothing_changed(search: Search) -> None:
    await search.must("PUT", "/books/_doc/1", {"a": {"b": 1}, "tags": ["x"]})
    await search.must("POST", "/books/_update/1", {"doc": {"a": {"c": 2}, "new": "field", "tags": ["y"]}})
    got = await search.must("GET", "/books/_doc/1")
    assert got["_source"] == {"a": {"b": 1, "c": 2}, "new": "field", "tags": ["y"]}
    same = await search.must("POST", "/books/_update/1", {"doc": {"new": "field"}})
    assert (same["result"], same["_version"]) == ("noop", 2)
    status, answer = await search.ask("POST", "/books/_update/9", {"doc": {"z": 1}, "doc_as_upsert": True})
    assert (status, answer["result"]) == (201, "created")
    assert (await search.fails("POST", "/books/_update/8", {"doc": {"a": 1}}))[1] == "document_missing_exception"


async def test_bulk_answers_each_item_by_itself(search: Search) -> None:
    lines = b"""{"index":{"_index":"b","_id":"1"}}
{"n":1}
{"create":{"_index":"b","_id":"1"}}
{"n":2}
{"update":{"_index":"b","_id":"1"}}
{"doc":{"n":3}}
{"delete":{"_index":"b","_id":"2"}}
{"index":{"_index":"b","_id":"3"}}
{"n":"no number"}
"""
    answer = await search.must("POST", "/_bulk?refresh=true", lines)
    statuses = [next(iter(item.values()))["status"] for item in answer["items"]]
    assert answer["errors"] is True
    assert statuses == [201, 409, 200, 404, 400]
    assert answer["items"][4]["index"]["error"]["type"] == "document_parsing_exception"
    assert (await search.must("GET", "/b/_count"))["count"] == 1


async def test_malformed_bulk_is_refused_as_a_whole(search: Search) -> None:
    assert (await search.fails("POST", "/_bulk", b'{"index":{}}\n{"a":1}'))[2].startswith(
        "The bulk request must be terminated"
    )
    assert "Malformed action/metadata line [1]" in (await search.fails("POST", "/_bulk", b'{"foo":{}}\n{}\n'))[2]


async def test_acknowledged_documents_survive_a_restart(tmp_path: Path) -> None:
    api = FakeClients()
    async with running(tmp_path, api) as search:
        for number in range(5):
            await search.must("PUT", f"/kept/_doc/{number}", {"n": number, "text": f"word{number} common"})
        await search.must("DELETE", "/kept/_doc/4")
    async with running(tmp_path, api) as search:
        found = await search.must("GET", "/kept/_search?q=common")
        assert found["hits"]["total"]["value"] == 4
        assert (await search.must("PUT", "/kept/_doc/0", {"n": 9}))["_version"] == 2


async def test_contract_of_indexing_keeps_what_it_says(search: Search) -> None:
    outcomes = await search.indexer.index(
        [
            IndexItem("logs-app-default", b'{"@timestamp":"2024-01-01T00:00:00Z","message":"hi"}', is_create=True),
            IndexItem("plain", b'{"a":1}', id="1"),
            IndexItem("plain", b'{"a":2}', id="1", is_create=True),
            IndexItem("plain", b"not json"),
        ]
    )
    assert [outcome.status for outcome in outcomes] == [201, 201, 409, 400]
    assert outcomes[3].error == "document_parsing_exception"
    assert (await search.must("GET", "/_data_stream/logs-app-default"))["data_streams"][0]["generation"] == 1


def _opened(folder: Path) -> Shard:
    mapping = Mapping({"properties": {"n": {"type": "long"}}}, Analyzers())
    parser = Parser(mapping)
    shard = Shard(folder, 15_000_000, lambda source, name: parser.parse(decode(source), name), lambda: mapping.columns)
    shard.open_blocking()
    return shard


def _put(shard: Shard, doc_id: str, number: int) -> None:
    mapping = Mapping({"properties": {"n": {"type": "long"}}}, Analyzers())
    parsed = Parser(mapping).parse({"n": number}, doc_id)
    operation = Operation("index", doc_id, b'{"n":%d}' % number, parsed=parsed)
    shard.write_blocking([operation], lambda count: ["never"] * count)
    shard.sync_blocking()


def test_log_cut_in_the_middle_of_a_record_loses_nothing_that_was_whole(tmp_path: Path) -> None:
    shard = _opened(tmp_path / "one")
    for number in range(3):
        _put(shard, str(number), number)
    shutil.copytree(tmp_path / "one", tmp_path / "crashed")
    log = next((tmp_path / "crashed" / "log").iterdir())
    log.write_bytes(log.read_bytes()[:-4])
    again = _opened(tmp_path / "crashed")
    assert [again.get_blocking(str(number)) is not None for number in range(3)] == [True, True, False]
    assert again.docs_live == 2
    again.close_blocking()
    shard.close_blocking()


def test_files_of_the_log_that_hold_little_alive_are_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maru.components.search.engine.log.FILE_BYTES", 1000)
    shard = _opened(tmp_path / "one")
    for turn in range(2):
        for number in range(100):
            if turn == 0 or number % 5:
                _put(shard, str(number), number + 1000 * turn)
        shard.refresh_blocking()
    _put(shard, "last", 0)
    shard.refresh_blocking()
    before = shard.bytes_on_disk()
    freed: list[int] = []
    while not freed or freed[-1]:
        freed.append(shard.compact_blocking())
    assert len(freed) > 2
    assert shard.bytes_on_disk() < before
    assert shard.compact_blocking() == 0
    shard.close_blocking()
    again = _opened(tmp_path / "one")
    for number in range(100):
        stored = again.get_blocking(str(number))
        assert stored is not None
        assert (stored.version, decode(stored.source)["n"]) == ((2, number + 1000) if number % 5 else (1, number))
    assert again.docs_live == 101
    again.close_blocking()


async def test_search_passes_the_suite_of_indexing(search: Search) -> None:
    await run_suite(search.indexer)
