"""Logs of services and tasks: those of their containers, one stream.

With `details` each line says which task it is from, which is what the docker command line asks for. A follower
takes in tasks that begin meanwhile, until it leaves. Source: Docker Engine API v1.50, ServiceLogs, TaskLogs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from maru.components.docker.api.edge import said
from maru.components.docker.api.logs import pour, until_ended
from maru.components.docker.api.views import Engine
from maru.components.docker.controllers.boxes import Box
from maru.components.docker.controllers.swarm.house import House
from maru.components.docker.model.log_options import log_options
from maru.components.docker.model.logs import LogQuery, read_query
from maru.components.docker.model.swarm.containers import labels_of
from maru.components.docker.model.swarm.entries import Entry
from maru.core.errors import NotSupported
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.core.lifecycle import background
from maru.wire.docker.frames import MULTIPLEXED, RAW

LOOK_S = 0.5
CHUNKS_MAX = 64  # that wait for the client, of all tasks together

TasksNow = Callable[[], Sequence[Entry]]


@dataclass(frozen=True, slots=True)
class ServiceLogApi:
    """Logs of tasks."""

    house: House
    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/services/{name}/logs", self.of_service),
            Route("GET", "/tasks/{name}/logs", self.of_task),
        )

    async def of_service(self, request: Request, name: str) -> Answer:
        service = self.house.services.find(name)
        shelves = self.house.membership.shelves
        return self._answer(request, lambda: shelves.tasks_of(service.id), service.spec["TaskTemplate"])

    async def of_task(self, request: Request, name: str) -> Answer:
        assert self.house.membership.cluster
        task = self.house.membership.shelves.tasks.find(name)
        return self._answer(request, lambda: [task], task.spec)

    def _answer(self, request: Request, tasks: TasksNow, template: dict[str, object]) -> Answer:
        query = read_query(request.query_get, self.engine.dock.clock.now())
        container = template.get("ContainerSpec")
        is_terminal = isinstance(container, dict) and bool(container.get("TTY"))
        for entry in tasks():
            box = self.house.agent.box_of(entry.id)
            if box is not None and not log_options(box.container).is_kept:
                raise said(NotSupported, "configured logging driver does not support reading")
        chunks = self._follow(tasks, query) if query.follow else self._past(tasks, query)
        return Answer(200, chunks, {"Content-Type": RAW if is_terminal else MULTIPLEXED})

    async def _past(self, tasks: TasksNow, query: LogQuery) -> AsyncIterator[bytes]:
        for entry in sorted(tasks(), key=lambda entry: entry.created):
            box = self.house.agent.box_of(entry.id)
            if box is not None:
                async for chunk in self._of(box, entry, query):
                    yield chunk

    async def _follow(self, tasks: TasksNow, query: LogQuery) -> AsyncIterator[bytes]:
        chunks: asyncio.Queue[bytes] = asyncio.Queue(CHUNKS_MAX)
        followed: set[str] = set()

        async def follow_one(box: Box, entry: Entry) -> None:
            async with aclosing(self._of(box, entry, query)) as lines:  # type: ignore[type-var]  # it is a generator
                async for chunk in lines:
                    await chunks.put(chunk)

        async with background("service logs") as running:

            async def look() -> None:
                while True:
                    for entry in tasks():
                        box = self.house.agent.box_of(entry.id)
                        if box is not None and box.id not in followed:
                            followed.add(box.id)
                            running.start(follow_one(box, entry))
                    await self.engine.dock.clock.sleep(LOOK_S)

            running.start(look())
            while True:
                yield await chunks.get()

    def _of(self, box: Box, entry: Entry, query: LogQuery) -> AsyncIterator[bytes]:
        options = log_options(box.container)
        path = Path(self.engine.starting.log_path(box, options))
        end = asyncio.ensure_future(until_ended(box)) if query.follow else None
        context = self.house.agent.context_of(entry)
        labels = labels_of(context) if context is not None else {}
        shown = [f"{name}={labels[name]}" for name in sorted(labels) if name.endswith(".id")]
        details = ",".join([*shown, *([options.details] if options.details else [])])
        return pour(path, query, end, details, not box.container.is_terminal)
