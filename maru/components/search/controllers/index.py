"""One index: its definition in memory, its engine once it is opened.

Source: Elasticsearch reference, "Index modules".
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from maru.components.search.config import SearchConfig
from maru.components.search.engine.cold import clear_blocking, documents_blocking, freeze_blocking, is_cold_blocking
from maru.components.search.engine.shard import Shard
from maru.components.search.errors import failure, illegal
from maru.components.search.model.analysis.analyzers import Analyzers
from maru.components.search.model.mapping.columns import Column
from maru.components.search.model.mapping.mapping import FIELDS_MAX, Mapping
from maru.components.search.model.mapping.parsing import Parsed, Parser
from maru.components.search.model.mapping.shortcut import Flat
from maru.components.search.model.settings import analysis_of
from maru.components.search.model.version import INDEX_VERSION
from maru.core.errors import MaruError
from maru.wire.elastic.json import Object, decode
from maru.wire.elastic.units import duration_s


class Index:
    """One index. spec: its definition as it is kept; replaced, never changed."""

    def __init__(self, name: str, spec: Object, folder: Path, config: SearchConfig) -> None:
        self.name = name
        self.folder = folder
        self._config = config
        self._opening = asyncio.Lock()
        self.writing = asyncio.Lock()
        self.shard: Shard | None = None
        self._is_frozen = False
        self.problem = ""  # why it cannot be opened
        self.last_used_s = 0.0
        self.searches = 0
        self.stats: dict[str, int] = {}
        self.take(spec)

    def take(self, spec: Object) -> None:
        """The definition is another now. Raises MaruError for one that cannot be."""
        settings = spec.get("settings") or {}
        try:
            analyzers = Analyzers(analysis_of(settings))
        except ValueError as error:
            raise illegal(str(error)) from error
        limit = int(settings.get("mapping.total_fields.limit", FIELDS_MAX))
        self.mapping = Mapping(spec.get("mappings") or {}, analyzers, limit)
        self.parser = Parser(self.mapping, ("@timestamp",) if spec.get("data_stream") else ())
        self.spec = spec
        if self.shard is not None:
            self.shard.forget_snapshot()

    @property
    def settings(self) -> Object:
        """Flat, without `index.`."""
        found: Object = self.spec.get("settings") or {}
        return found

    @property
    def uuid(self) -> str:
        return str(self.spec["uuid"])

    @property
    def aliases(self) -> Object:
        found: Object = self.spec.get("aliases") or {}
        return found

    @property
    def is_open(self) -> bool:
        return bool(self.spec.get("state", "open") == "open")

    @property
    def is_cold(self) -> bool:
        """Whether its documents are in the cold tier."""
        return self._is_frozen or bool(self.spec.get("is_cold", False))

    @property
    def is_hidden(self) -> bool:
        return str(self.settings.get("hidden", "false")) == "true"

    @property
    def shards(self) -> int:
        return int(self.settings.get("number_of_shards", 1))

    @property
    def replicas(self) -> int:
        return int(self.settings.get("number_of_replicas", 1))

    @property
    def refresh_s(self) -> float:
        """Between two refreshes; below 0 never."""
        given = self.settings.get("refresh_interval")
        return duration_s(given) if given is not None else self._config.refresh_s

    @property
    def is_async(self) -> bool:
        """Whether an acknowledged write may still be on its way to disk."""
        return str(self.settings.get("translog.durability", "request")).lower() == "async"

    def full_settings(self) -> Object:
        """With `index.` and what the server adds."""
        found = {f"index.{name}": value for name, value in self.settings.items()}
        return {
            **found,
            "index.uuid": self.uuid,
            "index.creation_date": str(self.spec.get("creation_date", 0)),
            "index.provided_name": str(self.spec.get("provided_name", self.name)),
            "index.version.created": str(INDEX_VERSION),
        }

    async def engine(self) -> Shard:
        """The open engine. Raises what keeps it from opening."""
        if self.shard is None:
            async with self._opening:
                if self.shard is None:
                    shard = Shard(self.folder, self._config.writer_bytes, self._parse, self._columns)
                    try:
                        self._is_frozen = await asyncio.to_thread(_open_blocking, shard, self.folder)
                    except MaruError as error:
                        self.problem = str(error)
                        raise failure(
                            503, "no_shard_available_action_exception", f"No shard available for [{self.name}]: {error}"
                        ) from error
                    self.shard = shard
        return self.shard

    async def close(self) -> None:
        """Commit and close the engine."""
        shard, self.shard = self.shard, None
        if shard is not None:
            async with shard.lock:
                await asyncio.to_thread(shard.close_blocking)

    async def freeze(self) -> None:
        """Move its documents to the cold tier, where they are read only. Idempotent. Raises Unavailable."""
        if await asyncio.to_thread(is_cold_blocking, self.folder):
            return
        shard = await self.engine()
        async with self._opening, shard.lock:
            await asyncio.to_thread(_freeze_blocking, shard, self.folder)
            self._is_frozen = True
            await self._cool(shard)

    async def cool(self) -> None:
        """Close the engine of a cold index and delete what was made to search it; searches under way go on."""
        async with self._opening:
            shard = self.shard
            if shard is not None:
                async with shard.lock:
                    await self._cool(shard)

    async def _cool(self, shard: Shard) -> None:
        self.shard = None
        await asyncio.to_thread(shard.close_blocking)
        await asyncio.to_thread(clear_blocking, self.folder)

    def _parse(self, source: bytes, doc_id: str) -> Parsed | Flat:
        return self.parser.read(source) or self.parser.parse(decode(source), doc_id, source)

    def _columns(self) -> dict[str, Column]:
        return self.mapping.columns


def _open_blocking(shard: Shard, folder: Path) -> bool:
    """Whether its documents came from the cold tier."""
    is_cold = is_cold_blocking(folder)
    if is_cold:
        clear_blocking(folder)
    shard.open_blocking()
    if is_cold:
        for records in documents_blocking(folder):
            shard.restore_blocking(records)
        shard.refresh_blocking()
    return is_cold


def _freeze_blocking(shard: Shard, folder: Path) -> None:
    shard.refresh_blocking()
    freeze_blocking(folder, shard.live_blocking())
