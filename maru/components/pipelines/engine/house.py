"""All pipelines that run: begun, replaced without loss, ended.

A new configuration is compiled before the old one is stopped; if it cannot be, the old one goes on.
Stopping ends the inputs first and delivers what was taken; a persistent queue is handed to the next.
Source: Logstash reference, "Reloading the config file".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from maru.components.pipelines.engine.catalog import INPUTS, OUTPUTS
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.queues.memory import MemoryQueue
from maru.components.pipelines.engine.queues.persistent import PersistentQueue
from maru.components.pipelines.engine.queues.shape import Queue
from maru.components.pipelines.engine.running import Built, Pace, Running
from maru.components.pipelines.model.definitions import PERSISTED, PipelineSpec, pipeline_of
from maru.core.errors import Invalid
from maru.core.lifecycle import Background

STOP_S = 10.0  # for what was taken to be delivered
WAITING_EVENTS_MAX = 8  # batches that may wait in memory


@dataclass
class Resident:
    """A pipeline that runs. reloads: how often it was replaced; failure: of the last attempt, "" if it went well."""

    spec: PipelineSpec
    running: Running
    queue: Queue
    task: asyncio.Task[None]
    began_at: datetime
    reloads: int = 0
    failures: int = 0
    failure: str = ""
    reloaded_at: datetime | None = None
    failed_at: datetime | None = None


@dataclass
class House:
    """residents: by pipeline id."""

    ground: Ground
    tasks: Background
    residents: dict[str, Resident] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def want(self, name: str, spec: PipelineSpec) -> None:
        """Let `name` run as `spec` says. Raises Invalid (an old one goes on), Unavailable."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            have = self.residents.get(name)
            if have is not None and have.spec == spec and not have.task.done():
                return
            try:
                built = self._built(spec)
            except Invalid as error:
                if have is not None:
                    have.failures += 1
                    have.failure = str(error)
                    have.failed_at = self.ground.now()
                raise
            if have is not None:
                await self._stop(have)
            queue = await self._queue(name, spec)
            pace = Pace(spec.workers, spec.batch_size, spec.batch_delay_ms / 1000, spec.dead_letter_queue)
            running = Running(name, built, queue, pace, self.ground)
            task = self.tasks.start(running.run(), name)
            resident = Resident(spec, running, queue, task, self.ground.now())
            if have is not None:
                resident.reloads, resident.failures = have.reloads + 1, have.failures
                resident.reloaded_at, resident.failed_at = self.ground.now(), have.failed_at
            self.residents[name] = resident

    async def end(self, name: str) -> None:
        """Stop it; idempotent."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            have = self.residents.pop(name, None)
            if have is not None:
                await self._stop(have)

    async def close(self) -> None:
        """Stop all."""
        for name in list(self.residents):
            await self.end(name)
        await self.ground.letters.close()

    def _built(self, spec: PipelineSpec) -> Built:
        pipeline = pipeline_of(spec, self.ground.environment)
        return Built(pipeline, self.ground, INPUTS, OUTPUTS)

    async def _queue(self, name: str, spec: PipelineSpec) -> Queue:
        if spec.queue != PERSISTED:
            return MemoryQueue(self.ground.clock, spec.batch_size * WAITING_EVENTS_MAX)
        folder = self.ground.site.folder("pipelines") / "queue" / name
        queue = PersistentQueue(self.ground.clock, folder, spec.queue_max_bytes)
        await queue.open()
        return queue

    async def _stop(self, resident: Resident) -> None:
        await resident.running.stop(STOP_S)
        resident.task.cancel()
        await asyncio.wait([resident.task])
        if isinstance(resident.queue, PersistentQueue):
            await resident.queue.release()
