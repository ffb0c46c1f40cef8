"""One request being answered, and the ways its answering can be ended from outside."""

from __future__ import annotations

import asyncio
from enum import Enum, auto

from maru.core.front.duplex import TransportDuplex


class Phase(Enum):
    """Where an exchange stands. TAKEN: upgraded, no longer HTTP."""

    ASKING = auto()
    STREAMING = auto()
    TAKEN = auto()


class Exchange:
    """The task that answers, and its phase."""

    __slots__ = ("_duplex", "is_ending", "phase", "task")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.task = task
        self.phase = Phase.ASKING
        self.is_ending = False
        self._duplex: TransportDuplex | None = None

    def take(self, duplex: TransportDuplex) -> None:
        """The connection was upgraded."""
        self.phase = Phase.TAKEN
        self._duplex = duplex

    def lose_client(self) -> None:
        """The client is gone: nobody waits for the answer. An upgraded handler sees its Duplex end."""
        if self.phase is not Phase.TAKEN:
            self.task.cancel()

    def end(self) -> None:
        """The front closes: a stream ends as if it had run out, an upgraded connection is closed."""
        if self.is_ending:
            return
        self.is_ending = True
        if self.phase is Phase.STREAMING:
            self.task.cancel()
        elif self._duplex is not None:
            self._duplex.shut()
