"""Networks over the Docker Engine API: list, inspect, create, remove, connect, disconnect, prune.

Source: Docker Engine API v1.50, "Network".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.edge import NO_CONTENT, body_of, filters_of, is_true, said
from maru.components.docker.controllers.networks import Networks
from maru.components.docker.controllers.swarm.overlays import Overlays
from maru.components.docker.model.network_documents import SCOPE, network_value, spec_of_body
from maru.components.docker.model.network_filters import LIST_FILTERS, PRUNE_FILTERS
from maru.components.docker.model.overlay import shown_scope
from maru.core.document import Value
from maru.core.errors import Invalid, NotFound, NotSupported
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route


@dataclass(frozen=True, slots=True)
class NetworkApi:
    """One method for each operation."""

    networks: Networks
    overlays: Overlays

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/networks", self.list),
            Route("GET", "/networks/", self.list),
            Route("POST", "/networks/create", self.create),
            Route("POST", "/networks/prune", self.prune),
            Route("POST", "/networks/{name}/connect", self.connect),
            Route("POST", "/networks/{name}/disconnect", self.disconnect),
            Route("GET", "/networks/{name}", self.inspect),
            Route("DELETE", "/networks/{name}", self.remove),
        )

    async def list(self, request: Request, _: str) -> Answer:
        found = self.networks.list(filters_of(request, LIST_FILTERS))
        return json_answer([network_value(network, with_containers=False) for network in found])

    async def inspect(self, request: Request, name: str) -> Answer:
        scope = request.query_get("scope")
        network = self.networks.find(name)
        # Services may use the node's own host and bridge, and so these are networks of the swarm, too.
        is_shared = scope == "swarm" and network.is_predefined and self.overlays.is_in_swarm
        if scope not in ("", shown_scope(network.spec)) and not is_shared:
            raise said(NotFound, f"network {name} not found")
        value = network_value(network, with_containers=True) | ({"Scope": "swarm"} if is_shared else {})
        if is_true(request.query_get("verbose")):
            value["Services"] = {}
        return json_answer(value)

    async def create(self, request: Request, _: str) -> Answer:
        body = await body_of(request)
        if body.get("Driver") == "overlay" or body.get("Scope") == "swarm" or body.get("Ingress"):
            if body.get("Driver") not in (None, "", "overlay"):
                raise said(NotSupported, f"{body['Driver']} networks of a swarm are not supported by Maru")
            network = await self.overlays.create(spec_of_body(body))
        elif body.get("Scope") not in (None, "", SCOPE):
            raise said(Invalid, f"invalid scope: {body['Scope']}")
        else:
            network = await self.networks.create(spec_of_body(body))
        return json_answer({"Id": network.id, "Warning": ""}, 201)

    async def remove(self, _: Request, name: str) -> Answer:
        await self.overlays.remove(self.networks.find(name))
        return NO_CONTENT

    async def connect(self, request: Request, name: str) -> Answer:
        body = await body_of(request)
        settings = body.get("EndpointConfig") or {}
        if not isinstance(settings, dict):
            raise said(Invalid, "invalid endpoint settings: not an object")
        await self.networks.connect(name, _container(body), settings)
        return Answer(200)

    async def disconnect(self, request: Request, name: str) -> Answer:
        body = await body_of(request)
        await self.networks.disconnect(name, _container(body), is_forced=bool(body.get("Force")))
        return Answer(200)

    async def prune(self, request: Request, _: str) -> Answer:
        gone = await self.networks.prune(filters_of(request, PRUNE_FILTERS))
        return json_answer({"NetworksDeleted": list(gone) or None})


def _container(body: Value) -> str:
    """Raises Invalid."""
    name = body.get("Container")
    if not isinstance(name, str) or not name:
        raise said(Invalid, "invalid container: no name or ID is given")
    return name
