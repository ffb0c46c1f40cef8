"""One search for each test, empty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.components.search.house import Search, running


@pytest.fixture
async def search(tmp_path: Path) -> AsyncIterator[Search]:
    async with running(tmp_path) as one:
        yield one
