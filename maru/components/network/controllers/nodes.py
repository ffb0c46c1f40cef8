"""Keeps the ways to other nodes' Pods in step with the Nodes.

A node says its Pod range (`spec.podCIDR`) and its address (`status.addresses`, InternalIP); nodes
share a link, so a plain route is enough. Source: the host-gw way of flannel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from maru.components.network.engine.data_plane import DataPlane
from maru.core.clock import Clock
from maru.core.document import Document, Value
from maru.core.errors import Unavailable
from maru.core.informer import Informers
from maru.core.log import Log
from maru.kinds.resources import NODES

_AGAIN_S = 5.0


class NodesController:
    """Routes to the Pods of all nodes but this one."""

    def __init__(self, plane: DataPlane, informers: Informers, clock: Clock, node_name: str) -> None:
        self._plane = plane
        self._clock = clock
        self._node_name = node_name
        self._nodes = informers.of(NODES)
        self._wake = asyncio.Event()
        self._log = Log("network")

    async def run(self) -> None:
        """Until cancelled."""
        self._nodes.on_change(self._on_node)
        await self._nodes.wait_synced()
        have: dict[str, str] | None = None
        while True:
            want = plan_routes((node.value for node in self._nodes.list()), self._node_name)
            if want != have:
                try:
                    await self._plane.set_routes(want)
                    have = want
                except Unavailable as error:
                    self._log.warning("a node cannot be reached directly", error=str(error))
                    await self._clock.sleep(_AGAIN_S)
                    continue
            await self._wake.wait()
            self._wake.clear()

    def _on_node(self, new: Document | None, old: Document | None) -> None:
        self._wake.set()


def plan_routes(nodes: Iterable[Value], own_name: str) -> dict[str, str]:
    """{Pod range: node address} of the other nodes that have said both."""
    routes: dict[str, str] = {}
    for node in nodes:
        ranges = node["spec"].get("podCIDRs") or [node["spec"].get("podCIDR") or ""]
        addresses = (node.get("status") or {}).get("addresses") or []
        internal = [
            entry["address"] for entry in addresses if entry["type"] == "InternalIP" and "." in entry["address"]
        ]
        if node["metadata"]["name"] != own_name and internal:
            routes.update({range_: internal[0] for range_ in ranges if "." in range_})
    return routes
