"""Tasks: list and inspect. Source: Docker Engine API v1.50, "Task"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.edge import filters_of, is_true, said
from maru.components.docker.controllers.swarm.house import House
from maru.components.docker.controllers.swarm.shelves import Shelf
from maru.components.docker.model.swarm import listing
from maru.components.docker.model.swarm.entries import Entry
from maru.components.docker.model.swarm.plan import is_clean
from maru.components.docker.model.swarm.tasks import task_of, task_value
from maru.core.errors import Invalid, NotFound
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route


@dataclass(frozen=True, slots=True)
class TaskApi:
    """What `docker service ps` and `docker node ps` read."""

    house: House

    def routes(self) -> Sequence[Route]:
        return (Route("GET", "/tasks", self.list), Route("GET", "/tasks/{name}", self.inspect))

    async def list(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, listing.TASKS)
        membership = self.house.membership
        assert membership.cluster
        shelves = membership.shelves
        owners = {}
        for word, shelf in (("service", shelves.services), ("node", shelves.nodes)):
            if filters.get(word):
                wanted = [membership.node_id if each == "self" else each for each in filters[word]]
                owners[word] = [found for each in wanted for found in _ids(shelf, each)]
        found = []
        for entry in shelves.tasks.all():
            value = task_value(entry)
            try:
                is_shown = listing.accepts_task(value, str(entry.status.get("name") or ""), owners, filters)
            except ValueError as error:
                raise said(Invalid, str(error)) from error
            if is_shown and (not is_true(filters.get("_up-to-date", [""])[0]) or self._is_current(entry)):
                found.append(value)
        return json_answer(found)

    async def inspect(self, _request: Request, name: str) -> Answer:
        assert self.house.membership.cluster
        return json_answer(task_value(self.house.membership.shelves.tasks.find(name)))

    def _is_current(self, entry: Entry) -> bool:
        service = self.house.membership.shelves.services.get(str(entry.status.get("ServiceID") or ""))
        return service is not None and is_clean(task_of(entry), service.spec)


def _ids(shelf: Shelf, reference: str) -> list[str]:
    try:
        return [shelf.find(reference).id]
    except NotFound:
        return []
