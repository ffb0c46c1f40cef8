"""A filter that asks elsewhere: the events of a batch are asked about side by side, in their order in the end.

Source: Logstash reference, "Filter plugins" (common options).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Batch, Filter, decoration_of
from maru.components.pipelines.model.options import FilterOptions

AT_ONCE = 16  # questions under way for one batch


def asking(options: FilterOptions, is_successful: Callable[[Event], Awaitable[bool]]) -> Filter:
    """is_successful: changes its event and says whether the shared options apply."""
    decoration = decoration_of(options)

    async def run(batch: Batch) -> Batch:
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(event: Event) -> None:
            async with turn:
                if await is_successful(event):
                    decoration.apply(event)

        async with asyncio.TaskGroup() as group:
            for event in batch:
                group.create_task(one(event))
        return batch

    return run
