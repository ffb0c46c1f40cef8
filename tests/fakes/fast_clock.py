"""A clock that runs many times faster than the machine's, for tests with real kernel work beside long waits."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta


class FastClock:
    """`speed` seconds of it pass in one of ours."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._began_s = time.monotonic()
        self._began = datetime.now(UTC)

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        return (time.monotonic() - self._began_s) * self._speed

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s / self._speed)
