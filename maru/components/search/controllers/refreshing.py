"""What happens by itself: refreshing, syncing what is async, and giving memory back.

Source: Elasticsearch reference, "Near real-time search"; index.translog.durability.
"""

from __future__ import annotations

import asyncio

from maru.components.search.config import SearchConfig
from maru.components.search.controllers.index import Index
from maru.components.search.controllers.indices import Indices
from maru.components.search.controllers.writing import Writing
from maru.core.clock import Clock
from maru.core.errors import MaruError
from maru.core.log import Log

TICK_S = 0.1
RETRY_S = 2.0  # after a refresh that failed
IDLE_S = 30.0  # without writes, before a writer's memory goes back
COMPACT_EVERY_S = 60.0


class Refreshing:
    """One loop over all indices that are open."""

    def __init__(self, indices: Indices, writing: Writing, clock: Clock, config: SearchConfig) -> None:
        self._indices = indices
        self._writing = writing
        self._clock = clock
        self._config = config
        self._log = Log("search")
        self._since: dict[str, float] = {}  # when an index was first seen with something to show
        self._synced: dict[str, float] = {}
        self._quiet: dict[str, tuple[int, float]] = {}
        self._compacted_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(TICK_S)
            now_s = self._clock.monotonic_s()
            for index in self._indices.all():
                if index.shard is None:
                    continue
                try:
                    await self._tend(index, now_s)
                except MaruError as error:
                    self._log.warning("an index cannot be refreshed", index=index.name, error=str(error))
                    self._since[index.name] = now_s + RETRY_S

    async def _tend(self, index: Index, now_s: float) -> None:
        shard = index.shard
        assert shard is not None
        if shard.is_dirty:
            began_s = self._since.setdefault(index.name, now_s)
            if 0 <= index.refresh_s <= now_s - began_s + TICK_S:
                self._since.pop(index.name, None)
                await self._writing.refresh(index)
        else:
            self._since.pop(index.name, None)
        if index.is_async and now_s - self._synced.get(index.name, 0.0) >= self._config.sync_async_s:
            self._synced[index.name] = now_s
            await asyncio.to_thread(shard.sync_blocking)
        seq, since_s = self._quiet.get(index.name, (-2, now_s))
        if seq != shard.seq:
            self._quiet[index.name] = (shard.seq, now_s)
        elif now_s - since_s > IDLE_S and not shard.lock.locked():
            self._quiet[index.name] = (seq, now_s)
            if index.is_cold:
                if now_s - index.last_used_s > IDLE_S:
                    await index.cool()
                return
            async with shard.lock:
                await asyncio.to_thread(shard.release_blocking)
                if now_s - self._compacted_s > COMPACT_EVERY_S:
                    self._compacted_s = now_s
                    await asyncio.to_thread(shard.compact_blocking)
