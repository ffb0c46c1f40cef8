"""Waiting for what threads do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def until(claim: Callable[[], object], within_s: float = 5.0) -> None:
    """Let others run until `claim` is true; fails after `within_s`."""
    give_up_at = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < give_up_at, "it did not come true"
        await asyncio.sleep(0)
