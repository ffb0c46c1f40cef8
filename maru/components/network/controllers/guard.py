"""Looks after the table: `nft flush ruleset`, or a firewall that starts, takes it away, and it comes back."""

from __future__ import annotations

import asyncio

from maru.components.network.engine.data_plane import DataPlane
from maru.core.clock import Clock
from maru.core.errors import Unavailable
from maru.core.log import Log


class TableGuard:
    """is_replaced: set once there is a table to look after; verify_s: how often."""

    def __init__(self, plane: DataPlane, is_replaced: asyncio.Event, clock: Clock, verify_s: float) -> None:
        self._plane = plane
        self._is_replaced = is_replaced
        self._clock = clock
        self._verify_s = verify_s
        self._log = Log("network")

    async def run(self) -> None:
        """Until cancelled."""
        await self._is_replaced.wait()
        while True:
            await self._clock.sleep(self._verify_s)
            try:
                if await self._plane.verify():
                    self._log.warning("the nftables table was taken away, and is back")
            except Unavailable as error:
                self._log.warning("the nftables table cannot be looked after", error=str(error))
