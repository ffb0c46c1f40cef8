"""Nodes of the swarm. Source: Docker Engine API v1.50, "Node"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.edge import body_of, filters_of, said
from maru.components.docker.api.swarm import index_of
from maru.components.docker.controllers.swarm.house import House
from maru.components.docker.model.swarm import listing
from maru.components.docker.model.swarm.cluster import read_node_spec
from maru.components.docker.model.swarm.entries import Entry, shown
from maru.components.docker.model.swarm.specs import refused
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route


@dataclass(frozen=True, slots=True)
class NodeApi:
    """What `docker node` does."""

    house: House

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/nodes", self.list),
            Route("POST", "/nodes/{name}/update", self.update),
            Route("GET", "/nodes/{name}", self.inspect),
            Route("DELETE", "/nodes/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        filters = filters_of(request, listing.NODES)
        assert self.house.membership.cluster
        try:
            found = [each for each in self.house.membership.shelves.nodes.all() if listing.accepts_node(each, filters)]
        except ValueError as error:
            raise said(Invalid, str(error)) from error
        return json_answer([node_value(each) for each in found])

    async def inspect(self, _request: Request, name: str) -> Answer:
        return json_answer(node_value(self._want(name)))

    async def update(self, request: Request, name: str) -> Answer:
        node = self._want(name)
        spec = read_node_spec(await body_of(request), node.spec)
        updated = await self.house.membership.shelves.nodes.replace(node, spec, node.status, index_of(request))
        more = {}
        if node.spec.get("Availability") != spec.get("Availability"):
            more = {"availability.new": spec["Availability"], "availability.old": str(node.spec.get("Availability"))}
        attributes = {"name": str((node.status.get("Description") or {}).get("Hostname") or ""), **more}
        self.house.dock.events.publish("node", "update", updated.id, attributes)
        return Answer(200)

    async def remove(self, _request: Request, name: str) -> Answer:
        node = self._want(name)
        words = (
            f"node {node.id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker "
        )
        raise refused(f"{words}before removal", "FailedPrecondition")

    def _want(self, name: str) -> Entry:
        membership = self.house.membership
        if name == "self":
            name = membership.node_id
        assert membership.cluster
        return membership.shelves.nodes.find(name)


def node_value(entry: Entry) -> Value:
    """As the API shows it."""
    return shown(entry, "Description", "Status", "ManagerStatus")
