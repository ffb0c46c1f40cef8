"""Swarm: this node is in none, and says so as dockerd does outside of one; a swarm cannot be made yet.

Source: Docker Engine API v1.50, "Swarm"; moby daemon/cluster/errors.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.docker.api.edge import Route, said
from maru.core.errors import NotSupported, Unavailable
from maru.core.front.message import Answer, Request

_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)
_KINDS = ("nodes", "services", "tasks", "secrets", "configs")


def routes() -> Sequence[Route]:
    """What this file answers."""
    reads = [Route("GET", f"/{kind}", _not_a_manager) for kind in (*_KINDS, "swarm", "swarm/unlockkey")]
    reads += [Route("GET", f"/{kind}/{{name}}", _not_a_manager) for kind in _KINDS]
    creates = [Route("POST", f"/{kind}/create", _not_a_manager) for kind in ("services", "secrets", "configs")]
    return (
        *reads,
        *creates,
        Route("POST", "/swarm/update", _not_a_manager),
        Route("POST", "/swarm/leave", _not_in_a_swarm),
        Route("POST", "/swarm/init", _not_supported),
        Route("POST", "/swarm/join", _not_supported),
    )


async def _not_a_manager(_request: Request, _: str) -> Answer:
    raise said(Unavailable, _MANAGER)


async def _not_in_a_swarm(_request: Request, _: str) -> Answer:
    raise said(Unavailable, "This node is not part of a swarm")


async def _not_supported(_request: Request, _: str) -> Answer:
    raise said(NotSupported, "swarm mode is not supported by Maru")
