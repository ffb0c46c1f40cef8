"""Waiting for what threads do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.fakes.clock import FakeClock


async def wait_until(claim: Callable[[], object], clock: FakeClock | None = None, within_s: float = 20.0) -> None:
    """Let others run, and the clock go on, until `claim` is true; fails after `within_s`."""
    give_up_at = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < give_up_at, "it did not come true"
        await asyncio.sleep(0)
        if clock is not None:
            await clock.advance(5)
