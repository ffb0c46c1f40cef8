"""What runs: start, stop, restart, kill, pause, unpause, resize, top, stats.

Source: podman 5.5 API reference, "containers"; pkg/api/handlers/libpod/containers_stats.go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from maru.components.podman.api.edge import NO_CONTENT, is_true, number, said, values
from maru.components.podman.api.views import Podman
from maru.components.podman.model.inspect import View
from maru.components.podman.model.top import asked_columns, shown_processes
from maru.core.document import Value
from maru.core.errors import Conflict, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.wire.libpod.faults import WRONG_STATE

_JSON = {"Content-Type": "application/json"}
STATS_S_MIN = 1.0


@dataclass(frozen=True, slots=True)
class RunningApi:
    """Changes of the state of containers, and what they use."""

    podman: Podman

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/containers/stats", self.stats),
            Route("GET", "/containers/{name}/stats", self.stats_of_one),
            Route("GET", "/containers/{name}/top", self.top),
            Route("POST", "/containers/{name}/start", self.start),
            Route("POST", "/containers/{name}/stop", self.stop),
            Route("POST", "/containers/{name}/restart", self.restart),
            Route("POST", "/containers/{name}/kill", self.kill),
            Route("POST", "/containers/{name}/pause", self.pause),
            Route("POST", "/containers/{name}/unpause", self.unpause),
            Route("POST", "/containers/{name}/resize", self.resize),
        )

    async def start(self, request: Request, name: str) -> Answer:
        view = await self.podman.containers.view(name)
        await self.podman.pods.start_infra(view.remembered)
        keys = request.query_get("detachKeys")
        query = [("detachKeys", keys)] if keys else []
        answer = await self.podman.asking.answer("POST", f"/containers/{view.id}/start", query)
        return Answer(answer.status)

    async def stop(self, request: Request, name: str) -> Answer:
        try:
            answer = await self.podman.asking.answer("POST", f"/containers/{name}/stop", _timeout(request))
        except NotFound:
            if is_true(request, "ignore"):
                return NO_CONTENT
            raise
        return Answer(answer.status)

    async def restart(self, request: Request, name: str) -> Answer:
        await self.podman.asking.answer("POST", f"/containers/{name}/restart", _timeout(request))
        return NO_CONTENT

    async def kill(self, request: Request, name: str) -> Answer:
        signal = request.query_get("signal") or "SIGKILL"
        try:
            await self.podman.asking.answer("POST", f"/containers/{name}/kill", [("signal", signal)])
        except Conflict as error:
            view = await self.podman.containers.view(name)
            words = f"can only kill running containers. {view.id} is in state {view.status}"
            raise said(Conflict, words, WRONG_STATE) from error
        return NO_CONTENT

    async def pause(self, _: Request, name: str) -> Answer:
        return await self._change(name, "pause", "running")

    async def unpause(self, _: Request, name: str) -> Answer:
        return await self._change(name, "unpause", "paused")

    async def _change(self, name: str, verb: str, wanted: str) -> Answer:
        view = await self.podman.containers.view(name)
        if view.status != wanted:
            raise said(Conflict, f'"{view.status}" is not {wanted}, can\'t {verb}', WRONG_STATE, 500)
        await self.podman.asking.answer("POST", f"/containers/{view.id}/{verb}")
        return NO_CONTENT

    async def resize(self, request: Request, name: str) -> Answer:
        query = [(key, request.query_get(key)) for key in ("h", "w")]
        try:
            await self.podman.asking.answer("POST", f"/containers/{name}/resize", query)
        except Conflict:
            if not is_true(request, "running"):
                raise
        return Answer(200)

    async def top(self, request: Request, name: str) -> Answer:
        asked = values(request, "ps_args")
        if not is_true(request, "stream"):
            return json_answer(await self.processes(name, asked))
        delay_s = number(request, "delay", 5)
        first = await self.processes(name, asked)

        async def pour() -> AsyncIterator[bytes]:
            yield msgspec.json.encode(first) + b"\n"
            with suppress(Conflict, NotFound):
                while True:
                    await self.podman.clock.sleep(max(delay_s, STATS_S_MIN))
                    yield msgspec.json.encode(await self.processes(name, asked)) + b"\n"

        return Answer(200, pour(), _JSON)

    async def processes(self, name: str, asked: Sequence[str]) -> Value:
        """Titles and Processes. Raises Conflict where it does not run."""
        columns = asked_columns(asked)
        listed: Value = await self.podman.asking.value(
            "GET", f"/containers/{name}/top", [("ps_args", columns.arguments)]
        )
        return shown_processes(listed, columns)

    async def stats_of_one(self, request: Request, name: str) -> Answer:
        query = [("stream", str(is_true(request, "stream", default=True)).lower())]
        return await self.podman.asking.answer("GET", f"/containers/{name}/stats", query)

    async def stats(self, request: Request, _: str) -> Answer:
        names = [part for text in values(request, "containers") for part in text.split(",")]
        views = [await self.podman.containers.view(each) for each in names]
        if not names:
            views = [view for view in await self.podman.containers.all() if view.is_running]
        if not is_true(request, "stream", default=True):
            return json_answer({"Error": None, "Stats": await self.podman.containers.figures(views)})
        interval_s = max(number(request, "interval", 5), STATS_S_MIN)
        return Answer(200, self._pour_stats([view.id for view in views] if names else [], interval_s), _JSON)

    async def _pour_stats(self, ids: Sequence[str], interval_s: float) -> AsyncIterator[bytes]:
        podman = self.podman
        while True:
            try:
                views: Sequence[View] = [await podman.containers.view(each) for each in ids]
            except NotFound:
                return
            if not ids:
                views = [view for view in await podman.containers.all() if view.is_running]
            yield msgspec.json.encode({"Error": None, "Stats": await podman.containers.figures(views)}) + b"\n"
            await podman.clock.sleep(interval_s)


def _timeout(request: Request) -> list[tuple[str, str]]:
    text = request.query_get("timeout") or request.query_get("t")
    return [("t", text)] if text else []
