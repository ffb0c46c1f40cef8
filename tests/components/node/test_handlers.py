"""Probe handlers against real servers on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from maru.components.node.controllers.handlers import Outcome, Target, port_number, run_handler
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.model.view import Attempt, Container, Kind
from maru.contracts.runtime import ContainerState
from maru.core.clock import SystemClock
from maru.core.document import Value

POD: Value = {"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {}}
Try = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def attempt() -> AsyncIterator[Try]:
    """Runs one handler against the loopback, as against a Pod there."""
    container = Container("c", Kind.REGULAR, {"name": "c", "ports": [{"name": "web", "containerPort": 80}]})
    target = Target(POD, container, Attempt("id", "c", 0, "box", ContainerState.RUNNING), "127.0.0.1")
    async with aiohttp.ClientSession() as http:
        # Handlers over the network need no more of the workshop than these two.
        workshop = cast(Workshop, SimpleNamespace(http=http, clock=SystemClock()))

        async def run(handler: Value, limit_s: float = 5.0) -> Outcome:
            return await run_handler(workshop, target, handler, limit_s)

        yield run


@asynccontextmanager
async def _http_server() -> AsyncIterator[int]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/slow":
            await asyncio.Event().wait()
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "http://192.0.2.1/"})
        return web.Response(status=200 if request.headers.get("X-Probe") == "yes" else 500, text="body")

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_http_counts_200_to_399_with_its_headers(attempt: Try) -> None:
    async with _http_server() as port:
        headers = [{"name": "X-Probe", "value": "yes"}]
        assert (await attempt({"httpGet": {"port": port, "path": "/", "httpHeaders": headers}})).is_success
        assert (await attempt({"httpGet": {"port": port, "path": "/away"}})).is_success
        failed = await attempt({"httpGet": {"port": port, "path": "/"}})
        assert failed == Outcome(False, "HTTP probe failed with statuscode: 500")
        slow = await attempt({"httpGet": {"port": port, "path": "/slow"}}, 0.05)
        assert "context deadline exceeded" in slow.output


async def test_refused_connections_are_told_as_go_tells_them(attempt: Try) -> None:
    port = await _free_port()
    words = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert await attempt({"tcpSocket": {"port": port}}) == Outcome(False, words)
    assert await attempt({"httpGet": {"port": port}}) == Outcome(False, f'Get "http://127.0.0.1:{port}/": {words}')
    assert not (await attempt({"grpc": {"port": port}})).is_success


async def test_tcp_needs_no_more_than_a_connection(attempt: Try) -> None:
    async with _http_server() as port:
        assert (await attempt({"tcpSocket": {"port": port}})).is_success


@asynccontextmanager
async def _grpc_server(trailers: list[tuple[str, str]], body: bytes) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while chunk := await reader.read(65536):
            for event in connection.receive_data(chunk):
                if isinstance(event, RequestReceived):
                    headers: dict[Any, Any] = dict(event.headers)
                    assert headers[":path"] == "/grpc.health.v1.Health/Check"
                if isinstance(event, StreamEnded):
                    connection.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
                    if body:
                        connection.send_data(1, b"\0" + len(body).to_bytes(4, "big") + body)
                    connection.send_headers(1, trailers, end_stream=True)
            writer.write(connection.data_to_send())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("status", "body", "serves"),
    [("0", b"\x08\x01", True), ("0", b"\x08\x02", False), ("0", b"", False), ("5", b"", False)],
)
async def test_grpc_health_is_asked_over_http_2(attempt: Try, status: str, body: bytes, serves: bool) -> None:
    async with _grpc_server([("grpc-status", status)], body) as port:
        outcome = await attempt({"grpc": {"port": port, "service": "app"}})
        assert outcome.is_success is serves


def test_ports_go_by_number_or_name() -> None:
    container = {"ports": [{"name": "web", "containerPort": 80}]}
    assert [port_number(container, port) for port in (1, "web", "81", "none", 0, 70000)] == [
        1,
        80,
        81,
        None,
        None,
        None,
    ]
