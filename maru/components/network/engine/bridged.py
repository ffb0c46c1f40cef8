"""The PodNetwork that the node uses: the data plane as the contract words it."""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.network.engine.data_plane import DataPlane
from maru.contracts.pod_network import Addresses, Attachment


class BridgedNetwork:
    """Pods on this node's bridge. See `maru/contracts/pod_network.py`."""

    def __init__(self, plane: DataPlane, dns_ip: str) -> None:
        self._plane = plane
        self._dns_ip = dns_ip

    @property
    def node_ip(self) -> str:
        return self._plane.node_ip

    @property
    def dns_ip(self) -> str:
        return self._dns_ip

    async def attach(self, attachment: Attachment) -> Addresses:
        return await self._plane.attach(attachment)

    async def detach(self, sandbox_id: str) -> None:
        await self._plane.detach(sandbox_id)

    async def retain(self, sandbox_ids: Sequence[str]) -> None:
        await self._plane.retain(sandbox_ids)
