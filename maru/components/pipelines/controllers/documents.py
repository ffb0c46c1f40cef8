"""Pipeline documents: each one runs as it says, and its status tells how it is.

Source: the house's own design; Logstash reference, "Centralized pipeline management".
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from maru.components.pipelines.engine.house import House
from maru.components.pipelines.model.definitions import (
    BEATS,
    BEATS_CONFIG,
    CONTAINER_LOGS,
    CONTAINER_LOGS_CONFIG,
    PERSISTED,
    PipelineSpec,
    pipeline_definition,
)
from maru.core.clock import Clock
from maru.core.errors import AlreadyExists, Invalid, NotFound
from maru.core.ids import Ids
from maru.core.informer import Place
from maru.core.kept import Kept
from maru.core.lifecycle import Background
from maru.core.reconcile import Loop

RUNNING, FAILED = "Running", "Failed"
LINES_BATCH = 2000  # the index syncs each batch: a burst of lines wants few of them


class Documents:
    """Follows the documents until its tasks are cancelled."""

    def __init__(self, kept: Kept[PipelineSpec], house: House, clock: Clock, ids: Ids) -> None:
        self._kept = kept
        self._house = house
        self._loop: Loop[str] = Loop("pipelines", self._bring_right, clock, ids, workers=4)
        self._said: dict[str, dict[str, str]] = {}

    async def open(self, tasks: Background, *, container_logs: bool) -> None:
        """See that the kind is served and the pipelines of the house are there, and begin."""
        await self._kept.ensure_kind(pipeline_definition())
        tasks.start(self._kept.run(), "pipeline documents")
        await self._kept.wait_synced()
        if container_logs:
            await self._ensure(
                CONTAINER_LOGS, PipelineSpec(CONTAINER_LOGS_CONFIG, batch_size=LINES_BATCH, dead_letter_queue=True)
            )
        await self._ensure(BEATS, PipelineSpec(BEATS_CONFIG, queue=PERSISTED, dead_letter_queue=True))
        self._kept.on_change(self._changed)
        tasks.start(self._loop.run(), "pipelines")

    async def _ensure(self, name: str, spec: PipelineSpec) -> None:
        if self._kept.get("", name) is not None:
            return
        value = msgspec.to_builtins(spec)
        with suppress(AlreadyExists):
            await self._kept.create({"metadata": {"name": name}, "spec": value})

    def _changed(self, place: Place) -> None:
        self._loop.add(place[1])

    async def _bring_right(self, name: str) -> float | None:
        spec = self._kept.get("", name)
        if spec is None:
            self._said.pop(name, None)
            await self._house.end(name)
            return None
        try:
            await self._house.want(name, spec)
        except Invalid as error:
            await self._say(name, {"phase": FAILED, "message": str(error)})
            return None
        await self._say(name, {"phase": RUNNING, "message": ""})
        return None

    async def _say(self, name: str, status: dict[str, str]) -> None:
        if self._said.get(name) == status:
            return
        with suppress(NotFound):
            await self._kept.patch("", name, {"status": status}, subresource="status")
            self._said[name] = status
