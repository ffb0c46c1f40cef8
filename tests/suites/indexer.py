"""What every Indexer keeps to."""

from __future__ import annotations

from maru.contracts.indexer import Indexer, IndexItem


async def run_suite(indexer: Indexer) -> None:
    """Over one in which the index `suite` is not there yet."""
    assert await indexer.index([]) == []
    outcomes = await indexer.index(
        [IndexItem("suite", b'{"a":1}', id="1"), IndexItem("suite", b'{"a":2}'), IndexItem("suite", b"no json")]
    )
    assert [outcome.status for outcome in outcomes] == [201, 201, 400]
    assert [outcome.is_done for outcome in outcomes] == [True, True, False]
    assert outcomes[2].error == "document_parsing_exception"
    again = await indexer.index(
        [IndexItem("suite", b'{"a":3}', id="1"), IndexItem("suite", b'{"a":4}', id="1", is_create=True)]
    )
    assert [outcome.status for outcome in again] == [200, 409]
    assert again[1].error == "version_conflict_engine_exception"
