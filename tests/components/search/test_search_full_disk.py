"""A disk that is full, and damage: what was acknowledged is there afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maru.linux.bind_mounts import mount_tmpfs_blocking
from maru.linux.mounts import unmount_blocking
from tests.components.search.house import Search, running
from tests.fakes.client import FakeClients

SIZE_BYTES = 14 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 14 MB, 9 of which a file takes that can be deleted."""
    mount_tmpfs_blocking(str(tmp_path), size_bytes=SIZE_BYTES)
    (tmp_path / "ballast").write_bytes(bytes(9 << 20))
    yield tmp_path
    unmount_blocking(str(tmp_path))


async def _fill(search: Search) -> tuple[set[str], list[tuple[int, str]]]:
    """(ids that were acknowledged, (status, type) of the items that were not) of bulks until there are some."""
    kept: set[str] = set()
    for batch in range(100):
        lines: list[dict[str, Any]] = []
        for number in range(200):
            lines.append({"index": {"_id": f"{batch}-{number}"}})
            lines.append({"n": number, "text": f"word{number} " + "filler " * 100})
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        answer = await search.must("POST", "/full/_bulk", body)
        items = [item["index"] for item in answer["items"]]
        kept |= {item["_id"] for item in items if item["status"] < 300}
        if answer["errors"]:
            return kept, [(item["status"], item["error"]["type"]) for item in items if item["status"] >= 300]
    raise AssertionError("the disk was never full")


@pytest.mark.root
async def test_full_disk_refuses_items_and_loses_nothing_acknowledged(small_disk: Path) -> None:
    api = FakeClients()
    async with running(small_disk, api) as search:
        await search.must("PUT", "/full", {"settings": {"number_of_replicas": 0}})
        kept, refused = await _fill(search)
        assert len(kept) > 1000
        assert set(refused) == {(429, "cluster_block_exception")}
        status, answer = await search.ask("POST", "/full/_refresh")
        assert status == 200 or answer["error"]["type"] == "cluster_block_exception"
        assert (await search.must("GET", f"/full/_doc/{max(kept)}"))["found"]
        (small_disk / "ballast").unlink()
        await search.must("PUT", "/full/_doc/after?refresh=true", {"n": 1, "text": "room again"})
        assert await _ids(search) == kept | {"after"}
    async with running(small_disk, api) as search:
        assert await _ids(search) == kept | {"after"}


@pytest.mark.root
async def test_search_that_ends_on_a_full_disk_starts_again_with_all_of_it(small_disk: Path) -> None:
    api = FakeClients()
    async with running(small_disk, api) as search:
        kept, _ = await _fill(search)
    (small_disk / "ballast").unlink()
    async with running(small_disk, api) as search:
        assert await _ids(search) == kept


async def _ids(search: Search) -> set[str]:
    await search.must("POST", "/full/_refresh")
    found: set[str] = set()
    after: list[str] | None = None
    while True:
        body = {"size": 5000, "_source": False, "sort": ["_id"], **({"search_after": after} if after else {})}
        hits = (await search.must("POST", "/full/_search", body))["hits"]["hits"]
        if not hits:
            return found
        found |= {hit["_id"] for hit in hits}
        after = hits[-1]["sort"]
        await asyncio.sleep(0)
