"""What runs: start, stop, restart, kill, pause, unpause, resize. Source: Docker Engine API v1.50, "Container"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.edge import NO_CONTENT, body_of, said
from maru.components.docker.api.views import Engine
from maru.components.docker.controllers.attributes import tell
from maru.components.docker.controllers.boxes import Box
from maru.core.errors import Conflict, Invalid, MaruError, NotFound
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.detach import parse_keys
from maru.wire.docker.signals import parse_signal

NOT_MODIFIED = Answer(304)


@dataclass(frozen=True, slots=True)
class RunningApi:
    """Changes of the state of containers."""

    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/containers/{name}/start", self.start),
            Route("POST", "/containers/{name}/stop", self.stop),
            Route("POST", "/containers/{name}/restart", self.restart),
            Route("POST", "/containers/{name}/kill", self.kill),
            Route("POST", "/containers/{name}/pause", self.pause),
            Route("POST", "/containers/{name}/unpause", self.unpause),
            Route("POST", "/containers/{name}/resize", self.resize),
        )

    async def start(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        keys = request.query_get("detachKeys")
        if keys:
            _parse_keys(keys)
        if await body_of(request):
            raise said(
                Invalid,
                "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
            )
        try:
            async with box.lock:
                box.cancel_restart()
                box.state.restart_count, box.restart_delay_s = 0, 0.0
                is_new = await self.engine.starting.start(box)
        except MaruError:
            if box.container.auto_remove and not box.state.is_running:
                await self.engine.ending.remove(box, with_volumes=True)
            raise
        await self.engine.documents.flush(box.id)
        return NO_CONTENT if is_new else NOT_MODIFIED

    async def stop(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        asked = request.query_get("signal")
        if asked:
            _parse_signal(asked)
        is_stopped = await self.engine.ending.stop(box, _timeout(request), asked)
        return NO_CONTENT if is_stopped else NOT_MODIFIED

    async def restart(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        asked = request.query_get("signal")
        if asked:
            _parse_signal(asked)
        is_auto_remove = box.container.auto_remove
        box.container.host_config["AutoRemove"] = False  # it is to be there again
        try:
            await self.engine.ending.stop(box, _timeout(request), asked)
        finally:
            box.container.host_config["AutoRemove"] = is_auto_remove
        async with box.lock:
            await self.engine.starting.start(box)
        tell(self.engine.dock, box, "restart")
        return NO_CONTENT

    async def kill(self, request: Request, name: str) -> Answer:
        number = _parse_signal(request.query_get("signal") or "SIGKILL")
        try:
            await self.engine.ending.kill(self.engine.boxes.want(name), number)
        except (Conflict, NotFound) as error:
            raise said(
                type(error), f"cannot kill container: {name}: {error}", error.details.get("status", 0)
            ) from error
        return NO_CONTENT

    async def pause(self, _request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        async with box.lock:
            if box.state.state == "paused":
                raise said(Conflict, f"container {box.id} is already paused")
            _check_running(box)
            await self.engine.dock.runtime.pause(box.id)
            box.state.state = "paused"
            self.engine.documents.touch(box.id)
        tell(self.engine.dock, box, "pause")
        return NO_CONTENT

    async def unpause(self, _request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        async with box.lock:
            if box.state.state != "paused":
                raise said(Conflict, f"container {box.id} is not paused")
            await self.engine.dock.runtime.resume(box.id)
            box.state.state = "running"
            self.engine.documents.touch(box.id)
        tell(self.engine.dock, box, "unpause")
        return NO_CONTENT

    async def resize(self, request: Request, name: str) -> Answer:
        box = self.engine.boxes.want(name)
        width, height = size_of(request)
        _check_running(box)
        session = await self.engine.dock.runtime.attach(box.id, stdin=False)
        await session.resize(width, height)
        await session.close()
        tell(self.engine.dock, box, "resize", height=str(height), width=str(width))
        return Answer(200)


def size_of(request: Request) -> tuple[int, int]:
    """Columns and rows. Raises Invalid."""
    width, height = request.query_get("w"), request.query_get("h")
    for text in (width, height):
        if not text.isdigit():
            raise said(Invalid, f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(width), int(height)


def _timeout(request: Request) -> float | None:
    text = request.query_get("t")
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise said(Invalid, f'strconv.Atoi: parsing "{text}": invalid syntax') from error


def _parse_signal(text: str) -> int:
    try:
        return parse_signal(text)
    except ValueError as error:
        raise said(Invalid, str(error)) from error


def _parse_keys(text: str) -> bytes:
    try:
        return parse_keys(text)
    except ValueError as error:
        raise said(Invalid, f"Invalid escape keys ({text}) provided") from error


def _check_running(box: Box) -> None:
    if box.state.state not in ("running", "paused"):
        raise said(Conflict, f"container {box.id} is not running")
