"""Many creations or deletions in one round, carefully: one, then two, then four at once.

A quota or an admission rule that refuses the first one is not asked five hundred times.
Source: k8s.io/kubernetes/pkg/controller/replicaset, slowStartBatch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from maru.core.errors import MaruError

AT_ONCE_MAX = 64


async def slow_start(count: int, act: Callable[[int], Awaitable[None]]) -> MaruError | None:
    """Call `act` for 0..count-1 in growing batches; ends after the first batch with a failure, and answers it."""
    done, size = 0, 1
    while done < count:
        size = min(size, count - done)
        failure = await all_at_once(range(done, done + size), act)
        if failure is not None:
            return failure
        done += size
        size = min(size * 2, AT_ONCE_MAX)
    return None


async def all_at_once(numbers: range, act: Callable[[int], Awaitable[None]]) -> MaruError | None:
    """Call `act` for every number side by side; the first failure, when all have ended."""
    failures: list[MaruError] = []

    async def attempt(number: int) -> None:
        try:
            await act(number)
        except MaruError as error:
            failures.append(error)

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(attempt(number))
    return failures[0] if failures else None


def is_namespace_going(error: MaruError) -> bool:
    """True when a creation was refused because the namespace is being deleted: no use in trying again."""
    causes = error.details.get("causes") or ()
    return any(isinstance(cause, dict) and cause.get("reason") == "NamespaceTerminating" for cause in causes)
