"""Logs: what a container has written, and goes on writing while somebody follows.

A follower ends with its container, after the last line. Source: Docker Engine API v1.50, ContainerLogs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maru.components.docker.api.edge import said
from maru.components.docker.api.views import Engine
from maru.components.docker.controllers.boxes import Box
from maru.components.docker.controllers.streams import Wiring
from maru.components.docker.engine.log_reader import LogReader
from maru.components.docker.model.log_options import log_options
from maru.components.docker.model.logs import LogQuery, is_past, is_wanted, parse_record, read_query, shown
from maru.core.errors import NotSupported
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.linux.file_changes import FileChanges
from maru.wire.docker.frames import MULTIPLEXED, RAW, frame


@dataclass(frozen=True, slots=True)
class LogApi:
    """Logs of containers."""

    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (Route("GET", "/containers/{name}/logs", self.logs),)

    async def logs(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        query = read_query(request.query_get, self.engine.dock.clock.now())
        options = log_options(box.container)
        if not options.is_kept:
            raise said(NotSupported, "configured logging driver does not support reading")
        is_framed = not box.container.is_terminal
        path = Path(self.engine.starting.log_path(box, options))
        # A run that begins right now is followed, too: its end is that of this call.
        ended = asyncio.ensure_future(until_ended(box)) if query.follow else None
        body = pour(path, query, ended, options.details, is_framed)
        kind = MULTIPLEXED if is_framed else RAW
        return Answer(200, body, {"Content-Type": kind})


async def past_lines(engine: Engine, box: Box, wiring: Wiring) -> AsyncIterator[bytes]:
    """All that was written before now, as an attach with `logs` wants it."""
    options = log_options(box.container)
    if options.is_kept:
        query = LogQuery(1 in wiring.streams, 2 in wiring.streams, False, False, False, None, None, None)
        path = Path(engine.starting.log_path(box, options))
        async for chunk in pour(path, query, None, "", wiring.is_framed):
            yield chunk


async def pour(
    path: Path, query: LogQuery, ended: asyncio.Future[None] | None, details: str, is_framed: bool
) -> AsyncIterator[bytes]:
    """What a query means of the file at `path`. ended: of the container's run, where it is followed."""
    try:
        async for lines in _lines(path, query, ended):
            chunk = bytearray()
            for line in lines:
                record = parse_record(line)
                if record is None:
                    continue
                if is_past(record, query):
                    yield bytes(chunk)
                    return
                if is_wanted(record, query):
                    text = shown(record, query, details)
                    chunk += frame(record.stream, text) if is_framed else text
            if chunk:
                yield bytes(chunk)
    finally:
        if ended is not None:
            ended.cancel()


async def _lines(path: Path, query: LogQuery, ended: asyncio.Future[None] | None) -> AsyncIterator[list[bytes]]:
    reader = LogReader(path)
    # Watching begins before reading, so that nothing is missed in between.
    changes = FileChanges(str(path.parent)) if ended is not None and path.parent.exists() else None
    try:
        await asyncio.to_thread(reader.open_blocking, query.tail)
        while True:
            was_ended = ended is None or ended.done()
            while lines := await asyncio.to_thread(reader.read_blocking):
                yield lines
            if was_ended or changes is None or ended is None:
                return
            await changes.wait_or(ended)
    finally:
        await asyncio.to_thread(reader.close_blocking)
        if changes is not None:
            changes.close()


async def until_ended(box: Box) -> None:
    """Returns when it does not run any more, at once if it does not now."""
    while box.state.is_running:
        await asyncio.shield(box.next_exit)
