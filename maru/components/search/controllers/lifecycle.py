"""Index lifecycle policies: rolling over what is hot, closing old ones for writes, cooling and deleting them.

The age of an index counts from its rollover, or from its creation where it never rolled. Source: Elasticsearch
reference, "Index lifecycle", "Rollover", "Delete".
"""

from __future__ import annotations

import asyncio

from maru.components.search.controllers.index import Index
from maru.components.search.controllers.indices import Indices
from maru.components.search.controllers.shelves import Shelf
from maru.components.search.controllers.templates import Templates, next_name
from maru.components.search.errors import failure, illegal
from maru.core.clock import Clock
from maru.core.errors import MaruError
from maru.core.log import Log
from maru.wire.elastic.json import Json, Object
from maru.wire.elastic.units import duration_s, size_bytes

POLL_S = 10.0
MODE = "lifecycle"  # the name of its setting
ROLLED = "lifecycle.indexing_complete"
ROLLED_AT = "lifecycle.origination_date"


class Lifecycle:
    """Brings indices on through the phases of their policies."""

    def __init__(self, indices: Indices, templates: Templates, policies: Shelf, settings: Shelf, clock: Clock) -> None:
        self._indices = indices
        self._templates = templates
        self._policies = policies
        self._settings = settings
        self._clock = clock
        self._log = Log("search")

    @property
    def is_running(self) -> bool:
        """Whether indices are brought on; kept over a restart."""
        return (self._settings.get(MODE) or {}).get("mode") != "STOPPED"

    async def switch(self, *, runs: bool) -> None:
        """Go on, or rest until told to go on."""
        await self._settings.put(MODE, {"mode": "RUNNING" if runs else "STOPPED"})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(POLL_S)
            if not self.is_running:
                continue
            for index in self._indices.all():
                try:
                    await self.bring_on(index)
                except MaruError as error:
                    self._log.warning("a lifecycle step failed", index=index.name, error=str(error))

    async def bring_on(self, index: Index) -> None:
        """One look at one index."""
        policy = self._policies.get(str(index.settings.get("lifecycle.name", "")))
        if policy is None:
            return
        phases: Object = policy["policy"]["phases"]
        rollover = ((phases.get("hot") or {}).get("actions") or {}).get("rollover")
        target = self._target(index)
        if rollover is not None and target and index.settings.get(ROLLED) != "true":
            if any([await is_met(self._indices, index, name, value) for name, value in rollover.items()]):
                await self.roll(target, "", {})
                await self._indices.change_settings(index, {ROLLED: "true", ROLLED_AT: str(self._indices.now())})
            return
        await self._settle(index, phases)
        deletion = phases.get("delete")
        if deletion is not None and self.age_s(index) >= duration_s(deletion.get("min_age", "0ms")):
            stream = self._indices.stream(str(index.spec.get("data_stream", "")))
            if stream is not None:
                rest = [name for name in stream["indices"] if name != index.name]
                if not rest:
                    return
                await self._templates.streams.put(str(index.spec["data_stream"]), {**stream, "indices": rest})
            await self._indices.delete(index)

    async def _settle(self, index: Index, phases: Object) -> None:
        """What the phases it has reached give it: read only, the priority of the last one, and the cold tier."""
        wanted: dict[str, str] = {}
        is_cold = False
        for name in ("hot", "warm", "cold", "frozen"):
            phase = phases.get(name)
            if phase is None or self.age_s(index) < duration_s(phase.get("min_age", "0ms")):
                continue
            actions = phase.get("actions") or {}
            if "readonly" in actions:
                wanted["blocks.write"] = "true"
            is_cold = is_cold or "freeze" in actions
            priority = (actions.get("set_priority") or {}).get("priority")
            if priority is not None:
                wanted["priority"] = str(priority)
        wanted = {name: value for name, value in wanted.items() if str(index.settings.get(name)) != value}
        if wanted:
            await self._indices.change_settings(index, wanted)
        if is_cold:
            if not index.is_cold:
                await self._indices.change(index, is_cold=True)
            await index.freeze()

    def age_s(self, index: Index) -> float:
        """Seconds since its rollover, or its creation."""
        since = int(index.settings.get(ROLLED_AT) or index.spec["creation_date"])
        return (self._indices.now() - since) / 1000

    async def roll(self, alias: str, fresh: str, body: Object) -> None:
        """Make the next index of an alias or data stream, and write there from now on. fresh: "" for the usual name."""
        if self._indices.stream(alias) is not None:
            await self._templates.roll_stream(alias)
            return
        old = self._indices.write_target(alias)
        if old is None:
            raise illegal(f"rollover target [{alias}] does not exist")
        spec = old.aliases[alias]
        keeps = "is_write_index" in spec
        aliases = {**(body.get("aliases") or {}), alias: {**spec, **({"is_write_index": True} if keeps else {})}}
        if keeps:
            await self._indices.change(old, aliases={**old.aliases, alias: {**spec, "is_write_index": False}})
        await self._templates.create(fresh or next_name(old.name), {**body, "aliases": aliases})
        if not keeps:
            await self._indices.change(old, aliases={name: one for name, one in old.aliases.items() if name != alias})

    def _target(self, index: Index) -> str:
        """The alias or data stream whose write index this is; "" for none."""
        stream = self._indices.stream(str(index.spec.get("data_stream", "")))
        if stream is not None:
            return str(index.spec["data_stream"]) if stream["indices"][-1] == index.name else ""
        alias = str(index.settings.get("lifecycle.rollover_alias", ""))
        return alias if alias in index.aliases and self._indices.write_target(alias) is index else ""


async def is_met(indices: Indices, index: Index, condition: str, value: Json) -> bool:
    """Whether a condition of rollover holds. Raises x_content_parse_exception for one there is not."""
    try:
        if condition in ("max_age", "min_age"):
            return indices.now() - int(index.spec["creation_date"]) >= duration_s(value) * 1000
        shard = await index.engine()
        if condition in ("max_docs", "min_docs", "max_primary_shard_docs", "min_primary_shard_docs"):
            return shard.docs_live >= int(value)
        if condition in ("max_size", "max_primary_shard_size", "min_size", "min_primary_shard_size"):
            return await asyncio.to_thread(shard.bytes_on_disk) >= size_bytes(value)
    except ValueError as error:
        raise illegal(str(error)) from error
    raise failure(400, "x_content_parse_exception", f"[1:1] [conditions] unknown field [{condition}]")
