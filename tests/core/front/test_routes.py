"""Routes: which operation a request means, and what its failures become."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from maru.core.errors import MaruError, NotFound
from maru.core.front.message import Answer
from maru.core.front.routes import Route, Routes


def failure(error: MaruError) -> Answer:
    return Answer(int(error.details.get("status", 404)), str(error).encode())


def asked(method: str) -> Any:
    return SimpleNamespace(method=method)


async def test_the_first_route_that_fits_gets_the_name_whatever_slashes_it_has() -> None:
    async def one(_: Any, name: str) -> Answer:
        return Answer(200, name.encode())

    async def two(_: Any, name: str) -> Answer:
        raise NotFound(what=name, why="", fix="")

    table = Routes(
        [Route("GET", "/a/{name}/b", one), Route("GET", "/a/{name}", two), Route("POST", "/c", one)], failure
    )
    assert await table.answer(asked("GET"), "/a/x/y/b") == Answer(200, b"x/y")
    assert await table.answer(asked("GET"), "/a/x.y") == Answer(404, b"x.y")
    assert await table.answer(asked("DELETE"), "/a/x") is None
    assert [table.knows("/a/x"), table.knows("/c"), table.knows("/a/x/y"), table.knows("/d")] == [
        True,
        True,
        False,
        False,
    ]


async def test_a_full_disk_is_an_answer_and_other_failures_of_the_machine_are_bugs() -> None:
    numbers = iter((errno.ENOSPC, errno.EIO))

    async def writes(_: Any, __: str) -> Answer:
        raise OSError(next(numbers), "No space left on device", "/data/x")

    table = Routes([Route("POST", "/w", writes)], failure)
    assert await table.answer(asked("POST"), "/w") == Answer(500, b"write /data/x: no space left on device")
    with pytest.raises(OSError, match="No space"):
        await table.answer(asked("POST"), "/w")
