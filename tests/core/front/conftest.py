"""What the front's tests share: a raw HTTP/1.1 client over a stream pair, so that bytes are seen as sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from maru.core.front.listener import TcpListener
from maru.core.front.message import Handler
from maru.core.front.server import Bounds, Front, serve

Start = Callable[..., Awaitable[Front]]


@pytest.fixture
async def start():
    """Starts a front on a free loopback port; all are closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start_one(handler: Handler, bounds: Bounds | None = None, listeners=None) -> Front:
            return await stack.enter_async_context(
                serve(
                    listeners or [TcpListener("127.0.0.1", 0)], handler, bounds=bounds or Bounds(shutdown_grace_s=0.5)
                )
            )

        yield start_one


@pytest.fixture
async def dial():
    """Connects to a front; the connections are closed at the end of the test."""
    writers: list[asyncio.StreamWriter] = []

    async def dial_one(front: Front, ssl=None):
        reader, writer = await asyncio.open_connection("127.0.0.1", front.ports[0], ssl=ssl)
        writers.append(writer)
        return reader, writer

    yield dial_one
    for writer in writers:
        writer.close()
