"""Pods: create, list, inspect, exists, start, stop, kill, pause, restart, top, stats, remove, prune.

Source: podman 5.5 API reference, "pods"; pkg/api/handlers/libpod/pods.go.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from maru.components.podman.api.edge import NO_CONTENT, filters_of, is_true, said, values
from maru.components.podman.api.running import RunningApi
from maru.components.podman.api.views import Podman
from maru.components.podman.model.pods import KNOWN, PodView, inspected, listed, selected
from maru.core.document import Value
from maru.core.errors import Conflict, Invalid, MaruError, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.core.limits import REQUEST_BODY_BYTES_MAX
from maru.wire.libpod.faults import WRONG_STATE
from maru.wire.libpod.spec import read_pod

STATS_S = 5.0


@dataclass(frozen=True, slots=True)
class PodApi:
    """One method for each operation."""

    podman: Podman

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/pods/json", self.list),
            Route("GET", "/pods/stats", self.stats),
            Route("POST", "/pods/create", self.create),
            Route("POST", "/pods/prune", self.prune),
            Route("GET", "/pods/{name}/json", self.inspect),
            Route("GET", "/pods/{name}/exists", self.exists),
            Route("GET", "/pods/{name}/top", self.top),
            Route("POST", "/pods/{name}/start", self.start),
            Route("POST", "/pods/{name}/stop", self.stop),
            Route("POST", "/pods/{name}/restart", self.restart),
            Route("POST", "/pods/{name}/kill", self.kill),
            Route("POST", "/pods/{name}/pause", self.pause),
            Route("POST", "/pods/{name}/unpause", self.unpause),
            Route("DELETE", "/pods/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        return json_answer(
            [listed(view) for view in selected(await self.podman.pods.all(), filters_of(request, KNOWN))]
        )

    async def create(self, request: Request, _: str) -> Answer:
        try:
            spec = read_pod(await request.body(REQUEST_BODY_BYTES_MAX))
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        return json_answer({"Id": (await self.podman.pods.create(spec)).id}, 201)

    async def inspect(self, _: Request, name: str) -> Answer:
        return json_answer(inspected(await self.podman.pods.view(name)))

    async def exists(self, _: Request, name: str) -> Answer:
        self.podman.pods.want(name)
        return NO_CONTENT

    async def start(self, _: Request, name: str) -> Answer:
        view = await self.podman.pods.view(name)
        if view.state == "Running":
            return Answer(304)
        return await self._changed(view, "start")

    async def stop(self, request: Request, name: str) -> Answer:
        view = await self.podman.pods.view(name)
        if view.state in ("Exited", "Created"):
            return Answer(304)
        timeout = request.query_get("t") or request.query_get("timeout")
        return await self._changed(view, "stop", [("t", timeout)] if timeout else [])

    async def restart(self, _: Request, name: str) -> Answer:
        return await self._changed(await self.podman.pods.view(name), "restart")

    async def kill(self, request: Request, name: str) -> Answer:
        view = await self.podman.pods.view(name)
        running = PodView(view.pod, [each for each in view.members if each.is_running])
        if not running.members:
            words = f"cannot kill a pod with no running containers: {view.pod.id}"
            raise said(Conflict, words, "no running containers found")
        return await self._changed(running, "kill", [("signal", request.query_get("signal") or "SIGKILL")])

    async def pause(self, _: Request, name: str) -> Answer:
        view = await self.podman.pods.view(name)
        if view.state == "Paused":
            return Answer(304)
        return await self._changed(
            PodView(view.pod, [each for each in view.members if each.status == "running"]), "pause"
        )

    async def unpause(self, _: Request, name: str) -> Answer:
        view = await self.podman.pods.view(name)
        paused = [each for each in view.members if each.status == "paused"]
        return await self._changed(PodView(view.pod, paused), "unpause")

    async def _changed(self, view: PodView, verb: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        wrong: Mapping[str, str] = await self.podman.pods.change(view, verb, query)
        if wrong:
            words = f"some containers of pod {view.pod.id} did not {verb}"
            return json_answer({"Id": view.pod.id, "Errs": [f"{words}: {each}" for each in wrong.values()]}, 409)
        return json_answer({"Id": view.pod.id, "Errs": []})

    async def remove(self, request: Request, name: str) -> Answer:
        try:
            view = await self.podman.pods.view(name)
        except NotFound:
            if is_true(request, "ignore"):
                return json_answer({"Id": name, "Err": None, "RemovedCtrs": {}})
            raise
        removed = await self.podman.pods.remove(view, is_forced=is_true(request, "force"))
        gone: Value = dict.fromkeys(removed)
        return json_answer({"Id": view.pod.id, "Err": None, "RemovedCtrs": gone})

    async def prune(self, _request: Request, _: str) -> Answer:
        return json_answer(await self.pruned())

    async def pruned(self) -> Sequence[Value]:
        """Those of which nothing runs any more."""
        reports: builtins.list[Value] = []
        for view in await self.podman.pods.all():
            if view.state not in ("Exited", "Created") or (view.state == "Created" and view.members):
                continue
            try:
                await self.podman.pods.remove(view, is_forced=True)
                reports.append({"Id": view.pod.id, "Err": None})
            except MaruError as error:
                reports.append({"Id": view.pod.id, "Err": str(error)})
        return reports

    async def top(self, request: Request, name: str) -> Answer:
        view = await self.podman.pods.view(name)
        running = [each for each in view.members if each.status == "running"]
        if not running:
            raise said(
                Conflict, "pod top can only be used on pods with at least one running container", WRONG_STATE, 500
            )
        titles, rows = [], []
        for each in running:
            shown = await RunningApi(self.podman).processes(each.id, values(request, "ps_args"))
            titles = shown["Titles"]
            rows += shown["Processes"]
        return json_answer({"Titles": titles, "Processes": rows})

    async def stats(self, request: Request, _: str) -> Answer:
        names = values(request, "namesOrIDs")
        if names and is_true(request, "all"):
            raise said(Invalid, "--all and --latest and pod names cannot be used together")
        if not is_true(request, "stream"):
            return json_answer(await self._figures(names))
        first = await self._figures(names)

        async def pour() -> AsyncIterator[bytes]:
            rows = first
            while True:
                yield msgspec.json.encode(rows) + b"\n"
                await self.podman.clock.sleep(STATS_S)
                rows = await self._figures(names)

        return Answer(200, pour(), {"Content-Type": "application/json"})

    async def _figures(self, names: Sequence[str]) -> Sequence[Value]:
        podman = self.podman
        views = [await podman.pods.view(each) for each in names] if names else await podman.pods.all()
        rows: builtins.list[Value] = []
        for view in views:
            rows += [_row(view, figure) for figure in await podman.containers.figures(view.members)]
        return rows


def _row(view: PodView, figure: Value) -> Value:
    return {
        "CPU": f"{figure['CPU']:.2f}%",
        "MemUsage": f"{_human(figure['MemUsage'])} / {_human(figure['MemLimit'])}",
        "MemUsageBytes": f"{figure['MemUsage']} / {figure['MemLimit']}",
        "Mem": f"{figure['MemPerc']:.2f}%",
        "NetIO": f"{_human(figure['NetInput'])} / {_human(figure['NetOutput'])}",
        "BlockIO": f"{_human(figure['BlockInput'])} / {_human(figure['BlockOutput'])}",
        "PIDS": str(figure["PIDs"]),
        "Pod": view.pod.id[:12],
        "CID": figure["ContainerID"][:12],
        "Name": figure["Name"],
    }


def _human(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.4g}{unit}"
        count /= 1000
    return f"{count:.4g}TB"
