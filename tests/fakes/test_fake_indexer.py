"""The fake keeps to what the real one does."""

from __future__ import annotations

from tests.fakes.indexer import FakeIndexer
from tests.suites.indexer import run_suite


async def test_fake_indexer_passes_the_suite() -> None:
    await run_suite(FakeIndexer())
