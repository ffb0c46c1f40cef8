"""Containers: list, create, inspect, exists, rename, update, wait, init, mount, health, remove, prune.

Source: podman 5.5 API reference, "containers"; pkg/api/handlers/libpod/containers.go.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maru.components.podman.api.edge import NO_CONTENT, body_of, filters_of, is_true, number, said, values
from maru.components.podman.api.views import Podman
from maru.components.podman.model.create import resources
from maru.components.podman.model.health import changed_check
from maru.components.podman.model.inspect import View, inspected
from maru.components.podman.model.listing import KNOWN, Lookups, listed, selected
from maru.core.document import Value
from maru.core.errors import Conflict, Invalid, MaruError, NotFound, NotSupported
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route
from maru.core.limits import REQUEST_BODY_BYTES_MAX
from maru.wire.docker.filters import Filters
from maru.wire.docker.moments import parse_duration
from maru.wire.libpod.faults import WRONG_STATE
from maru.wire.libpod.spec import read_container
from maru.wire.libpod.versions import major_of

INTERVAL_S = 0.25
HEALTH_NS = 30_000_000_000
ENDED = ("stopped", "exited")
GONE = ("removing", "removed")
CONDITIONS = (*ENDED, *GONE, "configured", "created", "initialized", "running", "paused", "stopping", "unknown")
HEALTHS = ("healthy", "unhealthy", "starting")


@dataclass(frozen=True, slots=True)
class ContainerApi:
    """Reads and changes of containers that are not about their running."""

    podman: Podman

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/containers/json", self.list),
            Route("POST", "/containers/create", self.create),
            Route("POST", "/containers/prune", self.prune),
            Route("GET", "/containers/showmounted", self.mounted),
            Route("GET", "/containers/{name}/json", self.inspect),
            Route("GET", "/containers/{name}/exists", self.exists),
            Route("GET", "/containers/{name}/healthcheck", self.health),
            Route("POST", "/containers/{name}/rename", self.rename),
            Route("POST", "/containers/{name}/update", self.update),
            Route("POST", "/containers/{name}/wait", self.wait),
            Route("POST", "/containers/{name}/init", self.init),
            Route("POST", "/containers/{name}/mount", self.mount),
            Route("POST", "/containers/{name}/unmount", self.unmount),
            Route("POST", "/containers/{name}/checkpoint", self.checkpoint),
            Route("POST", "/containers/{name}/restore", self.checkpoint),
            Route("DELETE", "/containers/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        podman = self.podman
        filters = filters_of(request, KNOWN)
        limit = int(number(request, "limit") or number(request, "last"))
        is_all = is_true(request, "all") or limit > 0 or bool({"status", "exited"} & set(filters))
        found = await podman.containers.all(with_size=is_true(request, "size"))
        kept = selected(found, filters, self._lookups(found))
        if not is_all:
            kept = [view for view in kept if view.is_running]
        kept = kept[:limit] if limit > 0 else kept
        names = podman.pods.names()
        with_namespaces = is_true(request, "namespace")
        return json_answer([listed(view, names, with_namespaces=with_namespaces) for view in kept])

    async def create(self, request: Request, _: str) -> Answer:
        try:
            spec = read_container(await request.body(REQUEST_BODY_BYTES_MAX))
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        container_id = await self.podman.creating.create(spec)
        return json_answer({"Id": container_id, "Warnings": []}, 201)

    async def inspect(self, request: Request, name: str) -> Answer:
        view = await self.podman.containers.view(name, with_size=is_true(request, "size"))
        return json_answer(inspected(view, major_of(request.path)))

    async def exists(self, _: Request, name: str) -> Answer:
        await self.podman.containers.view(name)
        return NO_CONTENT

    async def rename(self, request: Request, name: str) -> Answer:
        query = [("name", request.query_get("name"))]
        await self.podman.asking.answer("POST", f"/containers/{name}/rename", query)
        return NO_CONTENT

    async def update(self, request: Request, name: str) -> Answer:
        podman = self.podman
        view = await podman.containers.view(name)
        body = await body_of(request)
        check = changed_check(view.engine["Config"].get("Healthcheck") or {}, body)
        limits = {key: body[key] for key in ("cpu", "memory", "pids", "blockIO") if body.get(key)}
        change: Value = resources({**limits, **{key: body.get(key) for key in ("unified", "rdma", "hugepageLimits")}})
        policy, tries = request.query_get("restartPolicy"), int(number(request, "restartRetries"))
        if policy:
            change["RestartPolicy"] = {"Name": policy, "MaximumRetryCount": tries}
        if change:
            await podman.asking.answer("POST", f"/containers/{view.id}/update", body=change)
        if check is not None:
            await podman.asking.engine.set_health_check(view.id, check)
        return json_answer({"Id": view.id, "ID": view.id}, 201)

    async def wait(self, request: Request, name: str) -> Answer:
        conditions = [part for text in values(request, "condition") for part in text.split(",")] or list(ENDED)
        for condition in conditions:
            if condition not in (*CONDITIONS, *HEALTHS):
                raise said(Invalid, f'unknown container state or health state "{condition}"')
        interval_s = _interval_s(request.query_get("interval"))
        view = await self.podman.containers.view(name)
        if set(conditions) <= set(ENDED):
            if view.status in ("created", "initialized"):
                return json_answer(view.engine["State"]["ExitCode"] if view.status != "created" else 0)
            return json_answer(await self.podman.containers.until(view.id, "not-running"))
        if set(conditions) <= set(GONE):
            return json_answer(await self.podman.containers.until(view.id, "removed"))
        while True:
            health = (view.engine["State"].get("Health") or {}).get("Status")
            if view.status in conditions or health in conditions:
                return json_answer(view.engine["State"]["ExitCode"] if view.status in ENDED else -1)
            await self.podman.clock.sleep(interval_s)
            try:
                view = await self.podman.containers.view(view.id)
            except NotFound:
                if set(conditions) & set(GONE):
                    return json_answer(-1)
                raise

    async def init(self, _: Request, name: str) -> Answer:
        view = await self.podman.containers.view(name)
        if view.status == "initialized":
            return Answer(304)
        if view.status not in ("created", "exited"):
            raise said(Conflict, f"container {view.id} has already been created in runtime", WRONG_STATE, 500)
        await self.podman.asking.initialise(view.id)
        return NO_CONTENT

    async def mount(self, _: Request, name: str) -> Answer:
        """Its root file system is mounted as long as it exists."""
        view = await self.podman.containers.view(name)
        return json_answer(view.root_path)

    async def unmount(self, _: Request, name: str) -> Answer:
        await self.podman.containers.view(name)
        return NO_CONTENT

    async def mounted(self, _request: Request, _: str) -> Answer:
        return json_answer({view.id: view.root_path for view in await self.podman.containers.all() if view.root_path})

    async def checkpoint(self, _request: Request, _: str) -> Answer:
        raise NotSupported(what="checkpoints are not supported by Maru", why="")

    async def health(self, _: Request, name: str) -> Answer:
        """Run the check once, as `podman healthcheck run`."""
        podman = self.podman
        view = await podman.containers.view(name)
        check: Value = view.engine["Config"].get("Healthcheck") or {}
        words = list(check.get("Test") or ())
        if not words or words[0] == "NONE":
            raise said(Conflict, f"container {view.id} has no defined healthcheck")
        if view.status != "running":
            raise said(Conflict, f"container {view.id} is not running", WRONG_STATE)
        command = ["/bin/sh", "-c", *words[1:]] if words[0] == "CMD-SHELL" else words[1:]
        try:
            async with asyncio.timeout(int(check.get("Timeout") or HEALTH_NS) / 1e9):
                code = await podman.containers.run_inside(view.id, command)
        except TimeoutError:
            code = -1
        entry = {"Start": "", "End": "", "ExitCode": code, "Output": ""}
        status = "healthy" if code == 0 else "unhealthy"
        return json_answer({"Status": status, "FailingStreak": int(code != 0), "Log": [entry]})

    async def remove(self, request: Request, name: str) -> Answer:
        try:
            view = await self.podman.containers.view(name)
        except NotFound:
            if is_true(request, "ignore"):
                return json_answer([])
            raise
        if view.remembered.is_infra:
            pod = self.podman.pods.names().get(view.remembered.pod, "")
            words = f"container {view.id} is the infra container of pod {pod}, and goes with the pod only"
            raise said(Conflict, words, status=500)
        with_volumes = is_true(request, "v") or is_true(request, "volumes")
        await self.podman.creating.remove(view, is_forced=is_true(request, "force"), with_volumes=with_volumes)
        return json_answer([{"Id": view.id, "Err": None, "RawInput": name}])

    async def prune(self, request: Request, _: str) -> Answer:
        return json_answer(await self.pruned(filters_of(request, ("until", "label", "label!"))))

    async def pruned(self, filters: Filters) -> Sequence[Value]:
        """Those that do not run, with what they had written."""
        found = await self.podman.containers.all(with_size=True)
        reports: builtins.list[Value] = []
        for view in selected(found, filters, self._lookups(found)):
            if view.status not in ("created", "exited", "stopped", "initialized") or view.remembered.is_infra:
                continue
            size_bytes = int(view.engine.get("SizeRw") or 0) + await asyncio.to_thread(_own_bytes_blocking, view)
            try:
                await self.podman.creating.remove(view, is_forced=False, with_volumes=False)
            except MaruError as error:
                reports.append({"Id": view.id, "Err": str(error), "Size": 0})
                continue
            reports.append({"Id": view.id, "Err": None, "Size": size_bytes})
        return reports

    def _lookups(self, found: Sequence[View]) -> Lookups:
        containers, pods = self.podman.containers, self.podman.pods

        def find(reference: str) -> View:
            for view in found:
                if reference == view.name or view.id.startswith(reference):
                    return view
            raise said(NotFound, f'no container with name or ID "{reference}" found', "no such container")

        return Lookups(containers.is_image, find, pods.names(), self.podman.clock.now())


def _interval_s(text: str) -> float:
    try:
        return max(0.01, parse_duration(text)) if text else INTERVAL_S
    except ValueError as error:
        raise said(Invalid, str(error)) from error


def _own_bytes_blocking(view: View) -> int:
    """Of its log and name files, which go with it."""
    folder = Path(str(view.engine["HostsPath"])).parent
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file()) if folder.is_dir() else 0
