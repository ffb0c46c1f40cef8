"""Answers the health check of Services with externalTrafficPolicy Local, on `spec.healthCheckNodePort`.

A balancer outside asks each node over HTTP whether it has endpoints: 200 if so, 503 if not, and how
many in the body. Source: Kubernetes "Create an External Load Balancer"; pkg/proxy/healthcheck (the
body's form).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from maru.components.network.engine.data_plane import DataPlane
from maru.components.network.model.claims import Owner
from maru.components.network.model.services import count_local_endpoints
from maru.core.document import Value
from maru.core.log import Log

_REQUEST_DEADLINE_S = 5.0
_REQUEST_BYTES_MAX = 16 * 1024


@dataclass(slots=True)
class Check:
    """One port that is asked: how many endpoints there are, and the server that says so."""

    owner: Owner
    endpoints: int
    server: asyncio.Server | None = None


class HealthChecks:
    """The health check ports of this node."""

    def __init__(self, plane: DataPlane, node_name: str) -> None:
        self._plane = plane
        self._node_name = node_name
        self._wanted: dict[Owner, int] = {}
        self._checks: dict[int, Check] = {}
        self._wake = asyncio.Event()
        self._log = Log("network")

    def on_service(self, owner: Owner, service: Value | None, slices: Sequence[Value]) -> None:
        """Take over what the Service wants; called for every change of it."""
        port = health_port(service) if service is not None else 0
        before = self._wanted.pop(owner, 0)
        if port:
            self._wanted[owner] = port
            check = self._checks.get(port)
            endpoints = count_local_endpoints(slices, self._node_name)
            if check is None:
                self._checks[port] = Check(owner, endpoints)
            elif check.owner == owner:
                check.endpoints = endpoints
        if port != before:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                wanted = set(self._wanted.values())
                for port in [port for port in self._checks if port not in wanted]:
                    self._close(self._checks.pop(port))
                for port, check in list(self._checks.items()):
                    if check.server is None:
                        await self._open(port, check)
        finally:
            for check in self._checks.values():
                self._close(check)

    async def _open(self, port: int, check: Check) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_REQUEST_DEADLINE_S):
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(_answer(check))
                    await writer.drain()
            writer.close()

        try:
            listener = await self._plane.listen(port)
        except OSError as error:
            self._log.error("health check port is taken", port=port, error=str(error))
            return
        check.server = await asyncio.start_server(answer, sock=listener, limit=_REQUEST_BYTES_MAX)

    @staticmethod
    def _close(check: Check) -> None:
        if check.server is not None:
            check.server.close()


def health_port(service: Value) -> int:
    """The port that is asked, 0 for none."""
    spec = service["spec"]
    if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
        return 0
    return int(spec.get("healthCheckNodePort") or 0)


def _answer(check: Check) -> bytes:
    namespace, name = check.owner
    body = msgspec.json.encode(
        {
            "service": {"namespace": namespace, "name": name},
            "localEndpoints": check.endpoints,
            "serviceProxyHealthy": True,
        }
    )
    status = "200 OK" if check.endpoints else "503 Service Unavailable"
    lines = (
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + body
