"""The whole API server over a store in memory, asked directly through its handler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import msgspec
from multidict import CIMultiDict

from maru.components.apiserver.api.assembly import Given, Server, assembled
from maru.components.apiserver.controllers.bootstrap.ensure import ensure_all
from maru.core.access import GROUP_AUTHENTICATED, GROUP_MASTERS, Caller
from maru.core.clock import SystemClock
from maru.core.front.message import Answer, Peer
from maru.core.identity.audit import AuditFiles, AuditLog
from maru.core.identity.authenticator import Callers
from maru.core.identity.rbac.rolebook import RoleBook
from maru.core.identity.signing_keys import SigningKeys
from maru.core.identity.tokens import TokenIssuer
from maru.core.ids import SystemIds
from maru.core.site import Site
from maru.core.store.engine import Engine

ADMIN = Caller("admin", (GROUP_MASTERS, GROUP_AUTHENTICATED))
JSON = "application/json"


class HeldRequest:
    """A request whose body is at hand."""

    def __init__(self, method, target, body=b"", headers=()):
        self.method = method
        self.raw_target = target
        path, _, query = target.partition("?")
        self.path = unquote(path)
        self.query = parse_qsl(query, keep_blank_values=True)
        self.headers = CIMultiDict(headers)
        self.peer = Peer(address="127.0.0.1:1")
        self._body = body
        if body:
            self.headers["Content-Length"] = str(len(body))

    def query_get(self, name, default=""):
        return next((value for key, value in self.query if key == name), default)

    def header_all(self, name):
        return self.headers.getall(name, [])

    async def body(self, bytes_max):
        return self._body

    async def chunks(self):
        yield self._body


class Given_:
    """Authenticates everybody as `caller`."""

    def __init__(self):
        self.caller = ADMIN

    def callers(self, request):
        return Callers(self.caller, self.caller)


class Api:
    """server: its parts. caller: who asks."""

    def __init__(self, server: Server, who: Given_, store: Engine, book: RoleBook):
        self.server = server
        self.store = store
        self.book = book
        self._who = who

    def acting_as(self, caller: Caller) -> None:
        self._who.caller = caller

    async def answer(self, method, target, value=None, *, media=JSON, accept="", headers=()) -> Answer:
        body = b"" if value is None else value if isinstance(value, bytes) else msgspec.json.encode(value)
        held = [*headers, ("User-Agent", "test/1")]
        if value is not None:
            held.append(("Content-Type", media))
        if accept:
            held.append(("Accept", accept))
        return await self.server.edge.answer(HeldRequest(method, target, body, held))

    async def ask(self, method, target, value=None, **more):
        """(status, JSON body)"""
        answer = await self.answer(method, target, value, **more)
        body = answer.body if isinstance(answer.body, bytes) else b"".join([part async for part in answer.body])
        return answer.status, msgspec.json.decode(body) if body else None

    async def must_do(self, method, target, value=None, **more):
        """The body of an answer that must be a success."""
        status, body = await self.ask(method, target, value, **more)
        assert status < 300, body
        return body

    async def must_refuse(self, code, method, target, value=None, **more):
        """The Status of an answer that must have `code`."""
        status, body = await self.ask(method, target, value, **more)
        assert status == code, body
        assert body["kind"] == "Status" and body["code"] == code
        return body

    async def events(self, target, count, **more):
        """The first `count` lines of a watch."""
        answer = await self.answer("GET", target, **more)
        assert answer.status == 200, answer.body
        lines = []
        async with asyncio.timeout(5):
            async for chunk in answer.body:
                lines += [msgspec.json.decode(line) for line in chunk.splitlines()]
                if len(lines) >= count:
                    break
        await answer.body.aclose()
        return lines


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Api]:
    """An API server with what every cluster starts with."""
    clock, ids = SystemClock(), SystemIds()
    store = Engine(clock)
    site = Site(data_dir=folder, node_name="node-1")
    who, book = Given_(), RoleBook()
    keys = SigningKeys.open_blocking(folder)
    tokens = TokenIssuer(keys, "https://issuer", store.get, clock, ids)
    audit = AuditLog(AuditFiles(folder, 1 << 20, 1), "none", clock, ids)
    async with assembled(Given(site, store, who, book, tokens, audit, clock, ids)) as server:
        await ensure_all(server.founding, site, server.services.first_address, "10.244.0.1")
        yield Api(server, who, store, book)
