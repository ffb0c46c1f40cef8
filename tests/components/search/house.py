"""Search within a test: its component over a fake store, spoken to over HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from maru.components.search import component
from maru.components.search.config import SearchConfig
from maru.core.clock import Clock, SystemClock
from maru.core.ids import SystemIds
from maru.core.site import Site
from tests.fakes.client import FakeClients


class Search:
    """A running one."""

    def __init__(self, url: str, session: aiohttp.ClientSession, gives: component.Gives) -> None:
        self.url = url
        self.session = session
        self.indexer = gives.indexer

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """(status, answer). body: JSON, or bytes as they are."""
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if sent is not None else {}
        async with self.session.request(method, self.url + path, data=sent, headers={**kind, **headers}) as answer:
            text = await answer.text()
            is_json = "json" in answer.headers["Content-Type"] and text
            return answer.status, json.loads(text) if is_json else text

    async def must(self, method: str, path: str, body: Any = None) -> Any:
        """The answer, which has to be a good one."""
        status, answer = await self.ask(method, path, body)
        assert status < 300, answer
        return answer

    async def fails(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        """(status, type, reason) of an answer that has to be an error."""
        status, answer = await self.ask(method, path, body)
        assert status >= 400, answer
        return status, answer["error"]["root_cause"][0]["type"], answer["error"]["root_cause"][0]["reason"]


@asynccontextmanager
async def running(
    folder: Path, api: FakeClients | None = None, settings: dict[str, Any] | None = None, clock: Clock | None = None
) -> AsyncIterator[Search]:
    """A component in `folder`; the same `api` and folder again is a restart. settings: of its configuration."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = Site(data_dir=folder, node_name="n1")
    needs = component.Needs(
        site,
        api or FakeClients(),
        clock or SystemClock(),
        SystemIds(),
        SearchConfig(**{"port": port, "refresh_s": 0.1, **(settings or {})}),
    )
    async with component.open(needs) as gives, aiohttp.ClientSession() as session:
        yield Search(f"http://127.0.0.1:{port}", session, gives)
