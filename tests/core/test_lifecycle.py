"""Background scopes: what leaves them, and that nothing is left behind."""

from __future__ import annotations

import asyncio

import pytest

from maru.core.errors import NotFound
from maru.core.lifecycle import background


async def test_leaving_the_scope_ends_its_tasks() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with background("scope") as tasks:
        tasks.start(work())
        await asyncio.sleep(0)
    assert ended == [True]


async def test_failure_of_the_body_leaves_as_it_is_through_nested_scopes() -> None:
    error = NotFound(what="a", why="b")
    with pytest.raises(NotFound) as caught:
        async with background("outer") as outer, background("inner") as inner:
            outer.start(asyncio.Event().wait())  # type: ignore[arg-type]
            inner.start(asyncio.Event().wait())  # type: ignore[arg-type]
            raise error
    assert caught.value is error


async def test_failure_of_a_task_cancels_the_body_and_is_raised() -> None:
    async def work() -> None:
        raise ValueError("a bug")

    with pytest.raises(ExceptionGroup) as caught:
        async with background("scope") as tasks:
            tasks.start(work())
            await asyncio.Event().wait()
    assert isinstance(caught.value.exceptions[0], ValueError)


async def test_cancellation_passes_through() -> None:
    async def scoped() -> None:
        async with background("scope") as tasks:
            tasks.start(asyncio.Event().wait())  # type: ignore[arg-type]
            await asyncio.Event().wait()

    task = asyncio.ensure_future(scoped())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
