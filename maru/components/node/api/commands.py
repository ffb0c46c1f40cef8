"""/exec and /attach: a client's streams joined to a process's.

Source: k8s.io/kubelet/pkg/cri/streaming, server.go; pkg/kubelet/kuberuntime; the Status bodies are
those of k8s.io/kubelet/pkg/cri/streaming/remotecommand, exec.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from maru.components.node.api.lookup import find_pod, running_attempt
from maru.components.node.controllers.handlers import load_process
from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.model.view import containers_of
from maru.components.node.streaming.interface import Streams
from maru.components.node.streaming.spdy_command import SpdyCommand
from maru.components.node.streaming.upgrade import upgrade_command
from maru.components.node.streaming.websocket_command import WebSocketCommand
from maru.contracts.runtime import ExecSpec, Session
from maru.core.document import Value
from maru.core.errors import Invalid, MaruError, Unavailable
from maru.core.front.message import TAKEN, Answer, Request

CommandSession = WebSocketCommand | SpdyCommand


async def exec_command(workshop: Workshop, pods: Pods, request: Request, parts: dict[str, str]) -> Answer:
    """Run a command in a container, joined to the client."""
    command = [value for name, value in request.query if name == "command"]
    if not command:
        raise Invalid(what="you must specify at least 1 command for the container", why="", fix="")
    streams = _streams(request)
    worker = find_pod(pods, parts)
    attempt = running_attempt(workshop, worker, parts["container"])
    process = await load_process(workshop, worker.pod, attempt.name, attempt.number)
    process = {**process, "args": command, "terminal": streams.terminal}
    if streams.terminal:
        process["env"] = [*(entry for entry in process["env"] if not entry.startswith("TERM=")), "TERM=xterm"]

    async def begin() -> Session:
        return await workshop.runtime.exec(attempt.id, ExecSpec(process, streams.terminal, streams.stdin))

    client = await upgrade_command(request, streams)
    await _serve(client, begin, keeps_stdin=False)
    return TAKEN


async def attach(workshop: Workshop, pods: Pods, request: Request, parts: dict[str, str]) -> Answer:
    """Join the client to the container's own streams."""
    worker = find_pod(pods, parts)
    attempt = running_attempt(workshop, worker, parts["container"])
    container = next(entry for entry in containers_of(worker.pod) if entry.name == attempt.name)
    asked = _streams(request)
    is_terminal = bool(container.spec.get("tty"))
    has_stdin = asked.stdin and bool(container.spec.get("stdin"))
    streams = Streams(asked.stdin, asked.stdout, asked.stderr and not is_terminal, asked.terminal)

    async def begin() -> Session:
        return await workshop.runtime.attach(attempt.id, stdin=has_stdin)

    client = await upgrade_command(request, streams)
    await _serve(client, begin, keeps_stdin=not container.spec.get("stdinOnce"))
    return TAKEN


def _streams(request: Request) -> Streams:
    """From the API's names of the parameters or the kubelet's. Raises Invalid when none is asked for."""

    def is_on(*names: str) -> bool:
        return any(request.query_get(name) in ("true", "1") for name in names)

    terminal = is_on("tty")
    streams = Streams(
        is_on("stdin", "input"), is_on("stdout", "output"), is_on("stderr", "error") and not terminal, terminal
    )
    if not (streams.stdin or streams.stdout or streams.stderr):
        raise Invalid(what="you must specify at least 1 of stdin, stdout, stderr", why="", fix="")
    return streams


async def _serve(client: CommandSession, begin: Callable[[], Awaitable[Session]], *, keeps_stdin: bool) -> None:
    reader = asyncio.ensure_future(client.run())
    try:
        try:
            await client.open()
            session = await begin()
        except Unavailable:
            return
        except MaruError as error:
            await client.finish(_failure(str(error)))
            return
        try:
            await _join(client, session, keeps_stdin=keeps_stdin)
        finally:
            await session.close()
    finally:
        reader.cancel()
        await asyncio.wait((reader,))


async def _join(client: CommandSession, session: Session, *, keeps_stdin: bool) -> None:
    """Copy until the process ends or the client goes away; then say how it ended."""
    output = asyncio.ensure_future(_copy_output(client, session))
    gone = asyncio.ensure_future(client.gone())
    beside = [
        asyncio.ensure_future(_copy_stdin(client, session, keeps_stdin=keeps_stdin)),
        asyncio.ensure_future(_copy_sizes(client, session)),
    ]
    try:
        await asyncio.wait((output, gone), return_when=asyncio.FIRST_COMPLETED)
        if output.done() and not output.cancelled() and output.exception() is None:
            code = await session.wait()
            await client.finish(_status(code))
    finally:
        for task in (output, gone, *beside):
            task.cancel()
        await asyncio.wait((output, gone, *beside))


async def _copy_output(client: CommandSession, session: Session) -> None:
    async for stream, chunk in session.output():
        await client.write(stream, chunk)


async def _copy_stdin(client: CommandSession, session: Session, *, keeps_stdin: bool) -> None:
    try:
        async for chunk in client.stdin():
            await session.write_stdin(chunk)
        if not keeps_stdin:
            await session.close_stdin()
    except MaruError:
        return  # the process no longer reads


async def _copy_sizes(client: CommandSession, session: Session) -> None:
    try:
        async for width, height in client.resizes():
            await session.resize(width, height)
    except MaruError:
        return


def _status(code: int) -> Value:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _failure(message: str) -> Value:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"error executing command in container: {message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }
