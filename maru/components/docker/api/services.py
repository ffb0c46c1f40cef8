"""Services: list, create, inspect, update, remove. Source: Docker Engine API v1.50, "Service"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.edge import body_of, filters_of, is_true, said
from maru.components.docker.api.progress import credentials
from maru.components.docker.api.swarm import index_of
from maru.components.docker.controllers.swarm.house import House
from maru.components.docker.controllers.swarm.services import Change
from maru.components.docker.model.swarm import listing
from maru.components.docker.model.swarm.entries import Entry, shown
from maru.components.docker.model.swarm.specs import mode_of, replicas_of, with_defaults
from maru.components.docker.model.swarm.tasks import task_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route

_FIELDS = ("PreviousSpec", "Endpoint", "UpdateStatus", "JobStatus")


@dataclass(frozen=True, slots=True)
class ServiceApi:
    """What `docker service` does, but for logs."""

    house: House

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/services", self.list),
            Route("POST", "/services/create", self.create),
            Route("POST", "/services/{name}/update", self.update),
            Route("GET", "/services/{name}", self.inspect),
            Route("DELETE", "/services/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, listing.SERVICES)
        try:
            found = [each for each in self.house.services.all() if listing.accepts_service(each, filters)]
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        with_status = is_true(request.query_get("status"))
        values = [service_value(each) for each in found]
        if with_status:
            values = [value | {"ServiceStatus": self._counts(each)} for value, each in zip(values, found, strict=True)]
        return json_answer(values)

    async def create(self, request: Request, _: str) -> Answer:
        auth = credentials(request.headers.get("X-Registry-Auth", ""))
        entry = await self.house.services.create(await body_of(request), auth)
        await self.house.orchestrator.bring_right(entry.id)
        return json_answer({"ID": entry.id}, 201)

    async def inspect(self, request: Request, name: str) -> Answer:
        entry = self.house.services.find(name)
        value = service_value(entry)
        if is_true(request.query_get("insertDefaults")):
            value["Spec"] = with_defaults(entry.spec)
        return json_answer(value)

    async def update(self, request: Request, name: str) -> Answer:
        rollback = request.query_get("rollback")
        if rollback not in ("", "previous"):
            raise said(Invalid, f"unrecognized rollback option {rollback}")
        change = Change(
            index=index_of(request),
            body=await body_of(request),
            auth=credentials(request.headers.get("X-Registry-Auth", "")),
            auth_from_previous=request.query_get("registryAuthFrom") == "previous-spec",
            is_rollback=rollback == "previous",
        )
        entry = await self.house.services.update(name, change)
        await self.house.orchestrator.bring_right(entry.id)
        return json_answer({"Warnings": None})

    async def remove(self, _request: Request, name: str) -> Answer:
        entry = await self.house.services.remove(name)
        await self.house.orchestrator.bring_right(entry.id)
        return Answer(200)

    def _counts(self, entry: Entry) -> Value:
        tasks = [task_of(each) for each in self.house.membership.shelves.tasks_of(entry.id)]
        running = sum(task.state == "running" and task.is_wanted for task in tasks)
        wanted = [task for task in tasks if task.is_wanted and not task.is_over]
        mode = mode_of(entry.spec)
        if mode == "Replicated":
            return {
                "RunningTasks": running,
                "DesiredTasks": replicas_of(entry.spec),
                "CompletedTasks": 0,
            }
        if mode == "Global":
            return {"RunningTasks": running, "DesiredTasks": len(wanted), "CompletedTasks": 0}
        index = int(((entry.status.get("JobStatus") or {}).get("JobIteration") or {}).get("Index") or 0)
        completed = sum(task.state == "complete" and task.iteration == index for task in tasks)
        at_once = int((entry.spec["Mode"].get("ReplicatedJob") or {}).get("MaxConcurrent") or 0)
        desired = at_once if mode == "ReplicatedJob" else sum(task.desired == "complete" for task in tasks)
        return {"RunningTasks": running, "DesiredTasks": desired, "CompletedTasks": completed}


def service_value(entry: Entry) -> Value:
    """As the API shows it."""
    return shown(entry, *_FIELDS)
