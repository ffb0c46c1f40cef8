"""/containerLogs: what a container has written, and goes on writing while somebody follows.

A follower ends with its container, after the last line. Source: pkg/kubelet/kuberuntime/logs, ReadLogs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from maru.components.node.api.lookup import find_pod, logged_attempt
from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.log_reader import LogReader
from maru.components.node.model.cri_log import parse_line
from maru.components.node.model.log_options import LogOptions, parse_log_options, shown
from maru.components.node.model.view import Attempt
from maru.core.errors import NotFound
from maru.core.front.message import Answer, Request
from maru.linux.file_changes import FileChanges


async def container_logs(workshop: Workshop, pods: Pods, request: Request, parts: dict[str, str]) -> Answer:
    """Stream the log as text."""
    options = parse_log_options(request.query_get, workshop.clock.now())
    worker = find_pod(pods, parts)
    attempt = logged_attempt(workshop, worker, parts["container"], previous=options.previous)
    body = _pour(workshop, attempt, options)
    return Answer(200, body, {"Content-Type": "text/plain; charset=utf-8"})


async def _pour(workshop: Workshop, attempt: Attempt, options: LogOptions) -> AsyncIterator[bytes]:
    left = options.bytes_max
    async for lines in _lines(workshop, attempt, options):
        text = b"".join(_shown(lines, options))
        if left is not None:
            text = text[:left]
            left -= len(text)
        if text:
            yield text
        if left == 0:
            return


def _shown(lines: list[bytes], options: LogOptions) -> list[bytes]:
    parsed = (parse_line(line) for line in lines)
    texts = (shown(line, options) for line in parsed if line is not None)
    return [text for text in texts if text is not None]


async def _lines(workshop: Workshop, attempt: Attempt, options: LogOptions) -> AsyncIterator[list[bytes]]:
    path = Path(attempt.log_path)
    reader = LogReader(path)
    # Watching begins before reading, so that nothing is missed in between.
    changes = FileChanges(str(path.parent)) if options.follow and path.parent.exists() else None
    ended = asyncio.ensure_future(_ended(workshop, attempt))
    try:
        try:
            await asyncio.to_thread(reader.open_blocking, options.tail_lines)
        except FileNotFoundError:
            return
        while True:
            was_ended = ended.done()
            while lines := await asyncio.to_thread(reader.read_blocking):
                yield lines
            if was_ended or changes is None:
                return
            await changes.wait_or(ended)
    finally:
        ended.cancel()
        await asyncio.to_thread(reader.close_blocking)
        if changes is not None:
            changes.close()


async def _ended(workshop: Workshop, attempt: Attempt) -> None:
    if attempt.is_exited:
        return
    try:
        await workshop.runtime.wait(attempt.id)
    except NotFound:
        return
