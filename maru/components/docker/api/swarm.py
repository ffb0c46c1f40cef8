"""The swarm itself: init, inspect, update, join, leave, unlock. Source: Docker Engine API v1.50, "Swarm"."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from maru.components.docker.api.edge import body_of, is_true, said
from maru.components.docker.controllers.swarm.house import House
from maru.components.docker.controllers.swarm.membership import ERROR, INACTIVE, LOCKED
from maru.components.docker.engine.machine_addresses import addresses_blocking
from maru.components.docker.model.swarm.cluster import PORT, read_wish
from maru.components.docker.model.swarm.entries import Entry, shown
from maru.core.document import Value
from maru.core.errors import Invalid, NotSupported, Unavailable
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.core.front.routes import Route

_IN_ONE = 'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.'
_FIELDS = ("TLSInfo", "RootRotationInProgress", "DefaultAddrPool", "SubnetSize", "DataPathPort")


@dataclass(frozen=True, slots=True)
class SwarmApi:
    """What `docker swarm` does."""

    house: House

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/swarm", self.inspect),
            Route("POST", "/swarm/init", self.init),
            Route("POST", "/swarm/join", self.join),
            Route("POST", "/swarm/leave", self.leave),
            Route("POST", "/swarm/update", self.update),
            Route("GET", "/swarm/unlockkey", self.unlock_key),
            Route("POST", "/swarm/unlock", self.unlock),
        )

    async def inspect(self, _request: Request, _: str) -> Answer:
        return json_answer(
            cluster_value(self.house.membership.cluster) | {"JoinTokens": self.house.membership.tokens()}
        )

    async def init(self, request: Request, _: str) -> Answer:
        wish = read_wish(await body_of(request), await asyncio.to_thread(addresses_blocking))
        return json_answer(await self.house.membership.init(wish))

    async def join(self, request: Request, _: str) -> Answer:
        body = await body_of(request)
        if self.house.membership.state != INACTIVE:
            raise said(Unavailable, _IN_ONE)
        if not body.get("RemoteAddrs"):
            raise said(Invalid, "at least 1 RemoteAddr is required to join")
        if not str(body.get("JoinToken") or "").startswith("SWMTKN-1-"):
            raise said(Invalid, "invalid join token")
        raise said(NotSupported, "joining the swarm of another node is not supported by Maru")

    async def leave(self, request: Request, _: str) -> Answer:
        await self.house.membership.leave(is_forced=is_true(request.query_get("force")))
        return Answer(200)

    async def update(self, request: Request, _: str) -> Answer:
        index = index_of(request)
        words = {"rotateWorkerToken": "worker", "rotateManagerToken": "manager", "rotateManagerUnlockKey": "unlock"}
        rotates = frozenset(word for name, word in words.items() if is_true(request.query_get(name)))
        await self.house.membership.update(index, await body_of(request), rotates=rotates)
        return Answer(200)

    async def unlock_key(self, _request: Request, _: str) -> Answer:
        return json_answer({"UnlockKey": self.house.membership.unlock_key()})

    async def unlock(self, request: Request, _: str) -> Answer:
        await self.house.membership.unlock(str((await body_of(request)).get("UnlockKey") or ""))
        return Answer(200)


def cluster_value(cluster: Entry) -> Value:
    """As the API shows it, without the join tokens."""
    value = shown(cluster, *_FIELDS)
    return value | {"ID": cluster.status["ID"], "RootRotationInProgress": False}


def swarm_info(house: House) -> Value:
    """The Swarm section of an info."""
    membership = house.membership
    if not membership.is_active:
        state = membership.state if membership.state in (LOCKED, ERROR) else INACTIVE
        bare = {"NodeID": "", "NodeAddr": "", "LocalNodeState": state, "ControlAvailable": False}
        return bare | {"Error": membership.error if state == ERROR else ""}
    address, node_id = membership.address, membership.node_id
    count = len(membership.shelves.nodes.all())
    return {
        "NodeID": node_id,
        "NodeAddr": address,
        "LocalNodeState": "active",
        "ControlAvailable": True,
        "Error": "",
        "RemoteManagers": [{"NodeID": node_id, "Addr": f"{address}:{PORT}"}],
        "Nodes": count,
        "Managers": count,
        "Cluster": cluster_value(membership.cluster),
    }


def index_of(request: Request) -> int:
    """The version that an update is for. Raises Invalid."""
    text = request.query_get("version")
    if not text.isdigit():
        raise said(
            Invalid, f"invalid swarm object version '{text}': strconv.ParseUint: parsing \"{text}\": invalid syntax"
        )
    return int(text)
