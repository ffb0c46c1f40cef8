"""Exec: one more process in a running container. Source: Docker Engine API v1.50, "Exec"; moby daemon/exec.go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.attach import hijack
from maru.components.docker.api.edge import body_of, said
from maru.components.docker.api.running import size_of
from maru.components.docker.api.views import Engine
from maru.components.docker.controllers.attributes import tell
from maru.components.docker.controllers.execs import Exec
from maru.components.docker.controllers.streams import Wiring, join
from maru.core.errors import Conflict, Invalid, MaruError
from maru.core.front.answers import json_answer
from maru.core.front.message import TAKEN, Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.detach import parse_keys
from maru.wire.docker.frames import frame


@dataclass(frozen=True, slots=True)
class ExecApi:
    """Processes in containers."""

    engine: Engine

    def routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/containers/{name}/exec", self.create),
            Route("POST", "/exec/{name}/start", self.start),
            Route("POST", "/exec/{name}/resize", self.resize),
            Route("GET", "/exec/{name}/json", self.inspect),
        )

    async def create(self, request: Request, name: str) -> Answer:
        body = await body_of(request)
        if body.get("DetachKeys"):
            _keys(str(body["DetachKeys"]))
        made = self.engine.execs.create(name, body)
        return json_answer({"Id": made.id}, 201)

    async def start(self, request: Request, name: str) -> Answer:
        body = await body_of(request)
        wanted = self.engine.execs.want(name)
        self.engine.execs.check_startable(wanted)
        is_terminal = wanted.is_terminal
        size = body.get("ConsoleSize") or wanted.request.get("ConsoleSize")
        columns_rows = (int(size[1]), int(size[0])) if size else None
        if body.get("Detach"):
            session = await self.engine.execs.start(wanted, is_terminal=is_terminal, size=columns_rows)
            self.engine.execs.drain(session)
            return Answer(200)
        is_raw = bool(body.get("Tty"))  # frames are left out by what the start says, not by what the exec has
        wiring = _wiring(wanted, is_framed=not is_raw)
        duplex = await hijack(request, is_terminal=is_raw)
        try:
            session = await self.engine.execs.start(wanted, is_terminal=is_terminal, size=columns_rows)
        except MaruError as error:
            # The connection is taken already: the reason goes where the output would.
            text = f"{error}\r\n".encode()
            await duplex.write(frame(1, text) if wiring.is_framed else text)
            await duplex.close()
            return TAKEN
        is_detached = False
        try:
            is_detached = await join(session, duplex, wiring)
            if is_detached:
                tell(self.engine.dock, wanted.box, "exec_detach", execID=wanted.id)
        finally:
            if is_detached or wanted.is_running:
                self.engine.execs.drain(session)
            if not is_detached:
                await self.engine.execs.settle(wanted)
            await duplex.close()
        return TAKEN

    async def resize(self, request: Request, name: str) -> Answer:
        wanted = self.engine.execs.want(name)
        width, height = size_of(request)
        if wanted.session is None or not wanted.is_running:
            raise said(Conflict, f"exec process {wanted.id} is not running")
        await wanted.session.resize(width, height)
        return Answer(200)

    async def inspect(self, _request: Request, name: str) -> Answer:
        return json_answer(_shown(self.engine.execs.want(name)))


def _wiring(wanted: Exec, *, is_framed: bool) -> Wiring:
    request = wanted.request
    streams = [number for number, name in ((1, "AttachStdout"), (2, "AttachStderr")) if request.get(name)]
    wants_stdin = bool(request.get("AttachStdin"))
    keys = _keys(str(request.get("DetachKeys") or "")) if wanted.is_terminal and wants_stdin else None
    return Wiring(wants_stdin, frozenset(streams), is_framed, keys)


def _keys(text: str) -> bytes:
    try:
        return parse_keys(text)
    except ValueError as error:
        raise said(Invalid, f"Invalid escape keys ({text}) provided") from error


def _shown(wanted: Exec) -> dict[str, object]:
    request, words = wanted.request, wanted.words
    process: dict[str, object] = {
        "tty": wanted.is_terminal,
        "entrypoint": words[0],
        "arguments": words[1:],
        "privileged": bool(request.get("Privileged")),
    }
    if request.get("User"):
        process["user"] = request["User"]
    return {
        "ID": wanted.id,
        "Running": wanted.is_running,
        "ExitCode": wanted.exit_code,
        "ProcessConfig": process,
        "OpenStdin": bool(request.get("AttachStdin")),
        "OpenStderr": bool(request.get("AttachStderr")),
        "OpenStdout": bool(request.get("AttachStdout")),
        "CanRemove": wanted.exit_code is not None,
        "ContainerID": wanted.box.id,
        "DetachKeys": request.get("DetachKeys") or "",
        "Pid": wanted.pid,
    }
