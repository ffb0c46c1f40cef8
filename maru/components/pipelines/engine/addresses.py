"""Addresses within one process: pipelines that send to pipelines.

Source: Logstash reference, "Pipeline-to-pipeline communication".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from maru.components.pipelines.model.event import Event
from maru.core.errors import AlreadyExists

Receive = Callable[[Sequence[Event]], Awaitable[None]]


class Addresses:
    """At most one input listens at an address; whoever sends to one that is not there waits."""

    def __init__(self) -> None:
        self._receivers: dict[str, Receive] = {}
        self._changed = asyncio.Event()

    def listen(self, address: str, receive: Receive) -> None:
        """Raises AlreadyExists."""
        if address in self._receivers:
            raise AlreadyExists(
                what=f"address {address}",
                why="another input listens there",
                fix="give each input an address of its own",
            )
        self._receivers[address] = receive
        self._changed.set()

    def leave(self, address: str) -> None:
        """Idempotent."""
        self._receivers.pop(address, None)

    def is_there(self, address: str) -> bool:
        """Whether an input listens there now."""
        return address in self._receivers

    async def send(self, address: str, events: Sequence[Event]) -> None:
        """Returns when the receiver has taken them over; waits for one to come."""
        while (receive := self._receivers.get(address)) is None:
            self._changed.clear()
            await self._changed.wait()
        await receive(events)
