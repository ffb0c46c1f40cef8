"""Attach: a container's streams over the connection that asked for them.

With `Upgrade: tcp` it is a 101, else a 200 whose body never ends; raw bytes either way.
Source: Docker Engine API v1.50, ContainerAttach; moby daemon/attach.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from maru.components.docker.api.edge import is_true, said
from maru.components.docker.api.logs import past_lines
from maru.components.docker.api.views import Engine
from maru.components.docker.controllers.attributes import tell
from maru.components.docker.controllers.boxes import Box, Waiter
from maru.components.docker.controllers.streams import Wiring, join
from maru.components.docker.controllers.websocket import shaken
from maru.contracts.runtime import Session
from maru.core.errors import Conflict, Invalid, MaruError
from maru.core.front.message import TAKEN, Answer, Duplex, Request
from maru.core.front.routes import Route
from maru.wire.docker.detach import parse_keys
from maru.wire.docker.frames import MULTIPLEXED, RAW


@dataclass(frozen=True, slots=True)
class AttachApi:
    """Hijacked connections to containers."""

    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/containers/{name}/attach/ws", self.attach_websocket),
            Route("POST", "/containers/{name}/attach", self.attach),
        )

    async def attach(self, request: Request, name: str) -> Answer:
        return await self._attach(request, self.engine.boxes.want(name), is_websocket=False)

    async def attach_websocket(self, request: Request, name: str) -> Answer:
        """Both streams as they are, without frames."""
        return await self._attach(request, self.engine.boxes.want(name), is_websocket=True)

    async def _attach(self, request: Request, box: Box, *, is_websocket: bool) -> Answer:
        if box.state.state == "paused":
            raise said(Conflict, f"container {box.id} is paused, unpause the container before attach")
        if box.state.state == "restarting":
            raise said(Conflict, f"container {box.id} is restarting, wait until the container is running")
        wiring = wiring_of(request, is_terminal=box.container.is_terminal)
        if is_websocket:
            wiring = replace(wiring, is_framed=False)
        is_live = is_true(request.query_get("stream"))
        session: Session | None = None
        waiter: Waiter | None = None
        if is_live and box.state.state == "running":
            session = await self._session(box, wiring)
        elif is_live and box.state.state != "removing":
            waiter = Waiter(wiring.wants_stdin, asyncio.get_running_loop().create_future())
            box.waiters.append(waiter)
        duplex = await (shaken(request) if is_websocket else hijack(request, is_terminal=box.container.is_terminal))
        tell(self.engine.dock, box, "attach")
        try:
            if is_true(request.query_get("logs")):
                async for chunk in past_lines(self.engine, box, wiring):
                    await duplex.write(chunk)
            if waiter is not None:
                session = await _until_started(waiter, duplex)
            if session is not None and await join(session, duplex, wiring):
                tell(self.engine.dock, box, "detach")
        except MaruError:
            return TAKEN
        finally:
            if waiter in box.waiters:
                box.waiters.remove(waiter)
            if session is not None:
                await session.close()
            await duplex.close()
        return TAKEN

    async def _session(self, box: Box, wiring: Wiring) -> Session | None:
        try:
            wants = wiring.wants_stdin and bool(box.container.config.get("OpenStdin"))
            return await self.engine.dock.runtime.attach(box.id, stdin=wants)
        except Conflict:  # it has ended this moment
            return None


async def _until_started(waiter: Waiter, duplex: Duplex) -> Session | None:
    """The session once there is one; None when the start failed. Reading begins only then."""
    try:
        return await waiter.session
    except MaruError:
        return None


def wiring_of(request: Request, *, is_terminal: bool) -> Wiring:
    """What the client wants to hear and say. Raises Invalid for detach keys that are none."""
    streams = [number for number, name in ((1, "stdout"), (2, "stderr")) if is_true(request.query_get(name))]
    text = request.query_get("detachKeys")
    try:
        keys = parse_keys(text)
    except ValueError as error:
        raise said(Invalid, f"Invalid detach keys ({text}) provided") from error
    wants_stdin = is_true(request.query_get("stdin"))
    return Wiring(wants_stdin, frozenset(streams), not is_terminal, keys if is_terminal and wants_stdin else None)


async def hijack(request: Request, *, is_terminal: bool) -> Duplex:
    """Take the connection over, as the client asks for it."""
    kind = {"Content-Type": RAW if is_terminal else MULTIPLEXED}
    if request.headers.get("Upgrade"):
        return await request.upgrade({**kind, "Connection": "Upgrade", "Upgrade": "tcp"}, "101 UPGRADED")
    return await request.upgrade(kind, "200 OK")
