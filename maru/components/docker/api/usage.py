"""What containers use: top and stats. Source: Docker Engine API v1.50, ContainerTop, ContainerStats."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from maru.components.docker.api.edge import is_true, said
from maru.components.docker.api.views import Engine
from maru.components.docker.controllers.attributes import tell
from maru.components.docker.controllers.boxes import Box
from maru.components.docker.engine.figures import namespace_pids_blocking, networks_blocking, system_ns_blocking
from maru.components.docker.model.usage import Machine, Sample, stats_value
from maru.core.errors import Broken, Conflict, Invalid
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.linux.processes import Command, run

PS_DEADLINE_S = 10.0
PERIOD_S = 1.0
_PATH = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class UsageApi:
    """Figures of running containers."""

    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/containers/{name}/top", self.top),
            Route("GET", "/containers/{name}/stats", self.stats),
        )

    async def top(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        status = self.engine.dock.runtime.find(box.id)
        if box.state.state not in ("running", "paused") or status is None:
            raise said(Conflict, f"container {box.id} is not running")
        pids = await asyncio.to_thread(namespace_pids_blocking, status.pid)
        asked = shlex.split(request.query_get("ps_args") or "-ef")
        titles, rows = await _listed(asked, pids)
        tell(self.engine.dock, box, "top")
        return json_answer({"Titles": titles, "Processes": rows})

    async def stats(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        is_stream = is_true(request.query_get("stream", "1"))
        is_one_shot = is_true(request.query_get("one-shot"))
        if is_stream and is_one_shot:
            raise said(Invalid, "cannot have stream=true and one-shot=true")
        headers = {"Content-Type": "application/json"}
        return Answer(200, self._pour(box, is_stream=is_stream, is_one_shot=is_one_shot), headers)

    async def _pour(self, box: Box, *, is_stream: bool, is_one_shot: bool) -> AsyncIterator[bytes]:
        dock = self.engine.dock
        machine = Machine(dock.facts.cpus, dock.facts.memory_bytes)
        before: Sample | None = None
        now = await self._sample(box)
        if not is_one_shot and not is_stream and now.usage is not None:
            before = now
            await dock.clock.sleep(PERIOD_S)
            now = await self._sample(box)
        while True:
            yield msgspec.json.encode(stats_value(box.id, box.name, now, before, machine)) + b"\n"
            if not is_stream or box.removed.done():
                return
            await dock.clock.sleep(PERIOD_S)
            before, now = now, await self._sample(box)

    async def _sample(self, box: Box) -> Sample:
        dock = self.engine.dock
        status = dock.runtime.find(box.id)
        usage = dock.runtime.usage(box.id) if box.state.state in ("running", "paused") else None
        networks = {}
        if usage is not None and status is not None and box.container.network_mode != "host":
            networks = dict(await asyncio.to_thread(networks_blocking, status.pid))
        return Sample(dock.clock.now(), usage, await asyncio.to_thread(system_ns_blocking), networks)


async def _listed(asked: Sequence[str], pids: Sequence[int]) -> tuple[list[str], list[list[str]]]:
    """The machine's own ps over these processes. Raises Invalid with its words."""
    try:
        finished = await run(Command(["ps", *asked], _PATH, cwd="/"), PS_DEADLINE_S, output_bytes_max=8 << 20)
    except FileNotFoundError as error:
        raise said(Broken, "ps: this machine has none; to mend it: apt-get install -y procps") from error
    lines = finished.output.decode(errors="replace").splitlines()
    if finished.code != 0 or not lines:
        raise said(Invalid, f"ps: {' '.join(lines[:1]) or 'it said nothing'}")
    titles = lines[0].split()
    if "PID" not in titles:
        raise said(Invalid, "Couldn't find PID field in ps output")
    place, wanted = titles.index("PID"), {str(pid) for pid in pids}
    rows = [line.split(None, len(titles) - 1) for line in lines[1:]]
    return titles, [row for row in rows if len(row) > place and row[place] in wanted]
