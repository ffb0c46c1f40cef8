"""Time, as a thing that is handed in.

Controllers and loops take a `Clock` through their Needs, so that a simulation can turn time by
hand. This file and `ids.py` are the only places that touch the real clock and real sleep.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time and waiting."""

    def now(self) -> datetime:
        """The wall time in UTC, with microseconds."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds (0 or more) of this clock's time."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


def rfc3339(moment: datetime) -> str:
    """`moment` (UTC) to whole seconds, as metav1.Time is written: 2026-01-02T03:04:05Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(moment: datetime) -> str:
    """`moment` (UTC) to microseconds, as metav1.MicroTime is written."""
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def parse_rfc3339(text: str) -> datetime:
    """The moment that `text` names, in UTC. Raises ValueError if it is not RFC 3339."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)
