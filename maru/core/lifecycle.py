"""How parts come up and go down: background tasks that belong to a scope, and readiness.

A component is an async context manager. Its tasks live in a `background` scope: leaving the scope
cancels and awaits them; a task that fails takes the scope, and so the process, down loudly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


class Background:
    """Tasks that end with the scope."""

    def __init__(self, name: str, group: asyncio.TaskGroup) -> None:
        self._name = name
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None], name: str = "") -> asyncio.Task[None]:
        """Run `work` until it ends or the scope does."""
        task = self._group.create_task(work, name=f"{self._name}: {name}" if name else self._name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Cancel all that still runs; the scope's end awaits them."""
        for task in list(self._tasks):
            task.cancel()


@asynccontextmanager
async def background(name: str) -> AsyncIterator[Background]:
    """A scope for tasks. A failure in one of them cancels the body and is raised from here, in a group.

    What the body itself raises leaves the scope as it is, unless a task failed as well.
    """
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            scope = Background(name, group)
            try:
                yield scope
            except Exception as error:
                failure = error
                raise
            finally:
                scope.cancel()
    except BaseExceptionGroup as failures:
        if failure is None or failures.exceptions != (failure,):
            raise
    if failure is not None:
        raise failure
