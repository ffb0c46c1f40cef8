"""The nodes asked for what they and their Pods use: the contract `UsageSource`.

An answer is kept for a moment, since a list of Pods and one of nodes, or several watchers of autoscaled
workloads, come together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.components.apiserver.engine.passing import Passing, Place
from maru.contracts.usage import Measured
from maru.core.errors import Deadline, Unavailable
from maru.core.log import Log

DEADLINE_S = 10.0
BYTES_MAX = 16 << 20
PATH = "/metrics/usage"


class NodeUsages:
    """sockets: of the nodes that can be reached."""

    def __init__(self, passing: Passing, sockets: Sequence[Path]) -> None:
        self._passing = passing
        self._sockets = sockets
        self._log = Log("apiserver")

    async def measure(self) -> Sequence[Measured]:
        found = await asyncio.gather(*(self._ask(socket) for socket in self._sockets))
        return [measured for measured in found if measured is not None]

    async def _ask(self, socket: Path) -> Measured | None:
        try:
            body = await self._passing.fetch(Place(socket=socket), PATH, DEADLINE_S, BYTES_MAX)
            return msgspec.json.decode(body, type=Measured)
        except (Unavailable, Deadline, msgspec.MsgspecError) as error:
            self._log.warning("a node does not tell what it uses", socket=str(socket), error=str(error))
            return None
