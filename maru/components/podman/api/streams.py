"""Streams and files of containers: logs, attach, exec, archives, export, changes, all by the engine's own protocol.

Source: podman 5.5 API reference, "containers" and "exec"; pkg/api/handlers/compat/containers_logs.go, exec.go.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from maru.components.podman.api.edge import body_of
from maru.components.podman.api.views import Podman
from maru.components.podman.controllers.asking import Query, pieces
from maru.core.document import Value
from maru.core.errors import NotSupported
from maru.core.front.answers import json_answer
from maru.core.front.message import TAKEN, Answer, Request
from maru.core.front.routes import Route
from maru.wire.docker.frames import MULTIPLEXED, RAW, frame

STAT_HEADER = "X-Docker-Container-Path-Stat"
DIRECTORY = 1 << 31  # of Go's file modes


@dataclass(frozen=True, slots=True)
class StreamApi:
    """What is poured in and out."""

    podman: Podman

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/containers/{name}/logs", self.logs),
            Route("POST", "/containers/{name}/attach", self.attach),
            Route("POST", "/containers/{name}/exec", self.create_exec),
            Route("POST", "/exec/{name}/start", self.start_exec),
            Route("POST", "/exec/{name}/resize", self.resize_exec),
            Route("GET", "/exec/{name}/json", self.inspect_exec),
            Route("HEAD", "/containers/{name}/archive", self.archive),
            Route("GET", "/containers/{name}/archive", self.archive),
            Route("PUT", "/containers/{name}/archive", self.archive),
            Route("GET", "/containers/{name}/export", self.export),
            Route("GET", "/containers/{name}/changes", self.changes),
        )

    async def logs(self, request: Request, name: str) -> Answer:
        """Framed with a terminal, too."""
        query = [(key, value) for key, value in request.query if key in _LOGS and value not in _UNSAID]
        if not any(key == "stdout" for key, _ in query) and not any(key == "stderr" for key, _ in query):
            query += [("stdout", "1"), ("stderr", "1")]
        answer = await self.podman.asking.answer("GET", f"/containers/{name}/logs", query)
        if answer.headers.get("Content-Type") == RAW:
            return Answer(200, _framed(answer), {"Content-Type": MULTIPLEXED})
        return answer

    async def attach(self, request: Request, name: str) -> Answer:
        query: list[tuple[str, str]] = [(key, value) for key, value in request.query if key in _ATTACH]
        asked = {key for key, _ in query}
        if "stream" not in asked:
            query.append(("stream", "1"))
        if not asked & {"stdin", "stdout", "stderr"}:
            query += [("stdin", "1"), ("stdout", "1"), ("stderr", "1")]
        return await self._passed_on(request, f"/containers/{name}/attach", query)

    async def create_exec(self, request: Request, name: str) -> Answer:
        body = await body_of(request)
        made: Value = await self.podman.asking.value("POST", f"/containers/{name}/exec", body=body)
        return json_answer(made, 201)

    async def start_exec(self, request: Request, name: str) -> Answer:
        """What runs detached is answered by a line of its own."""
        body = await body_of(request)
        size = [int(body.get("h") or 0), int(body.get("w") or 0)]
        asked = {**body, **({"ConsoleSize": size} if any(size) else {})}
        answer = await self.podman.asking.answer("POST", f"/exec/{name}/start", body=asked, outer=request)
        return answer if answer is TAKEN else Answer(200, b"\n", {"Content-Type": "application/json"})

    async def resize_exec(self, request: Request, name: str) -> Answer:
        query = [(key, request.query_get(key)) for key in ("h", "w")]
        await self.podman.asking.answer("POST", f"/exec/{name}/resize", query)
        return Answer(201)

    async def inspect_exec(self, _: Request, name: str) -> Answer:
        """An exit code is 0 until there is one."""
        shown: Value = await self.podman.asking.value("GET", f"/exec/{name}/json")
        return json_answer({**shown, "ExitCode": shown["ExitCode"] or 0})

    async def archive(self, request: Request, name: str) -> Answer:
        """Names of the query come in any case."""
        asked = {key.lower(): value for key, value in request.query}
        if asked.get("rename", "{}") not in ("", "{}", "null"):
            raise NotSupported(what="rename of an archive is not supported", why="", fix="leave it out")
        flags = [(key, asked.get(key.lower(), "")) for key in ("noOverwriteDirNonDir", "copyUIDGID")]
        query = [("path", asked.get("path", "")), *((key, value) for key, value in flags if value)]
        answer = await self._passed_on(request, f"/containers/{name}/archive", query)
        described = answer.headers.get(STAT_HEADER)
        if described is None:
            return answer
        headers = {**answer.headers, STAT_HEADER: _with_target(described, request.query_get("path"))}
        return Answer(answer.status, answer.body, headers)

    async def export(self, _: Request, name: str) -> Answer:
        answer = await self.podman.asking.answer("GET", f"/containers/{name}/export")
        return Answer(200, pieces(answer), {"Content-Type": "application/x-tar"})

    async def changes(self, _: Request, name: str) -> Answer:
        return json_answer(await self.podman.asking.rows("GET", f"/containers/{name}/changes"))

    async def _passed_on(self, request: Request, path: str, query: Query) -> Answer:
        return await self.podman.asking.answer(request.method, path, query, outer=request)


def _with_target(described: str, path: str) -> str:
    """The stat of a path, in which podman says where it leads, even where it is no link, and whether to a folder."""
    stat: Value = msgspec.json.decode(base64.b64decode(described))
    stat["isDir"] = bool(stat["mode"] & DIRECTORY)
    stat["linkTarget"] = stat.get("linkTarget") or path
    return base64.b64encode(msgspec.json.encode(stat)).decode()


_LOGS = ("follow", "since", "until", "stdout", "stderr", "tail", "timestamps")
_UNSAID = ("0001-01-01T00:00:00Z", "-1")  # Go's zero time, and a tail of all
_ATTACH = ("detachKeys", "logs", "stream", "stdin", "stdout", "stderr")


async def _framed(answer: Answer) -> AsyncIterator[bytes]:
    async for chunk in pieces(answer):
        yield frame(1, chunk)


def encoded(lines: AsyncIterator[Value]) -> AsyncIterator[bytes]:
    """Each on a line of its own."""

    async def pour() -> AsyncIterator[bytes]:
        try:
            async for line in lines:
                yield msgspec.json.encode(line) + b"\n"
        finally:
            await lines.aclose()  # type: ignore[attr-defined]  # they are generators

    return pour()
