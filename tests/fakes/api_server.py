"""The Kubernetes API over a unix socket, just enough of it to drive `core.remote` against `FakeClients`.

It answers with Status bodies, JSON lines and bookmarks as the real one does, and counts what it saw.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from maru.core import errors
from maru.core.client import DeleteOptions, PatchKind
from maru.core.document import Resource
from tests.fakes.client import FakeClient, FakeClients

REASONS: dict[type[errors.MaruError], tuple[int, str]] = {
    errors.NotFound: (404, "NotFound"),
    errors.AlreadyExists: (409, "AlreadyExists"),
    errors.Conflict: (409, "Conflict"),
    errors.Invalid: (422, "Invalid"),
    errors.Denied: (403, "Forbidden"),
    errors.Gone: (410, "Expired"),
    errors.Throttled: (429, "TooManyRequests"),
    errors.Unavailable: (503, "ServiceUnavailable"),
    errors.NotSupported: (405, "MethodNotAllowed"),
}


class FakeApiServer:
    """Serves `api` for the given kinds. `requests` are the raw targets seen, with their headers."""

    def __init__(self, api: FakeClients, *resources: Resource) -> None:
        self.api = api
        self.requests: list[web.BaseRequest] = []
        self.bookmark_s = 3600.0
        self._resources = {(r.group, r.version, r.plural): r for r in resources}

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        async with self._running() as runner:
            await web.UnixSite(runner, str(path)).start()
            yield

    @asynccontextmanager
    async def listening_tls(self, context: ssl.SSLContext) -> AsyncIterator[int]:
        """On a free port of the loopback, which is yielded."""
        async with self._running() as runner:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            yield runner.addresses[0][1]

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[web.ServerRunner]:
        runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await runner.setup()
        try:
            yield runner
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        try:
            return await self._route(request)
        except errors.MaruError as error:
            return web.json_response(status_of(error), status=REASONS[type(error)][0])

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        group, version, *rest = parts[1:] if parts[0] == "apis" else ["", *parts[1:]]
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        resource = self._resources[group, version, rest[0]]
        client = self.api.acting_as(request.headers.get("Impersonate-User", "root"))
        name = rest[1] if len(rest) > 1 else ""
        subresource = rest[2] if len(rest) > 2 else ""
        if request.query.get("watch"):
            return await self._watch(request, client, resource, namespace)
        if request.method == "GET" and not name:
            return await self._list(request, client, resource, namespace)
        body = await request.read()
        value = msgspec.json.decode(body) if body else {}
        return web.json_response(await self._verb(request, client, (resource, namespace, name, subresource), value))

    async def _verb(
        self, request: web.BaseRequest, client: FakeClient, place: tuple[Resource, str, str, str], value: Any
    ) -> Any:
        resource, namespace, name, subresource = place
        if request.method == "GET":
            return await client.get(resource, namespace, name)
        if request.method == "POST" and subresource:
            return await client.post(resource, namespace, name, subresource, value)
        if request.method == "POST":
            return await client.create(resource, value)
        if request.method == "PUT":
            return await client.update(resource, value, subresource=subresource)
        if request.method == "PATCH":
            kind = PatchKind(request.headers["Content-Type"])
            return await client.patch(resource, namespace, name, value, kind=kind, subresource=subresource)
        assert request.method == "DELETE"
        conditions = value.get("preconditions", {})
        options = DeleteOptions(
            value.get("propagationPolicy", ""),
            value.get("gracePeriodSeconds"),
            conditions.get("uid", ""),
            conditions.get("resourceVersion", ""),
        )
        await client.delete(resource, namespace, name, options)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    async def _list(
        self, request: web.BaseRequest, client: FakeClient, resource: Resource, namespace: str
    ) -> web.StreamResponse:
        page = await client.list(resource, namespace, **_selectors(request))
        items = b",".join(document.body for document in page.documents)
        head = f'{{"kind":"{resource.kind}List","metadata":{{"resourceVersion":"{page.version}"}},"items":['
        return web.Response(body=head.encode() + items + b"]}", content_type="application/json")

    async def _watch(
        self, request: web.BaseRequest, client: FakeClient, resource: Resource, namespace: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        since = int(request.query["resourceVersion"])
        async with client.watch(resource, namespace, since=since, **_selectors(request)) as batches:
            await response.prepare(request)
            try:
                iterator = batches.__aiter__()
                coming = asyncio.ensure_future(anext(iterator))
                while True:
                    done, _ = await asyncio.wait([coming], timeout=self.bookmark_s)
                    if not done:
                        metadata = {"resourceVersion": str(self.api.store.version)}
                        await response.write(
                            msgspec.json.encode({"type": "BOOKMARK", "object": {"metadata": metadata}}) + b"\n"
                        )
                        continue
                    for change in coming.result():
                        assert change.document is not None
                        await response.write(change.document.event_line(change.kind))
                    coming = asyncio.ensure_future(anext(iterator))
            except errors.MaruError as error:
                await response.write(msgspec.json.encode({"type": "ERROR", "object": status_of(error)}) + b"\n")
            except (StopAsyncIteration, ConnectionError):
                pass
        return response


def status_of(error: errors.MaruError) -> dict[str, Any]:
    code, reason = REASONS[type(error)]
    details: dict[str, Any] = {}
    if error.details.get("causes"):
        details["causes"] = error.details["causes"]
    if error.details.get("retry_after_s"):
        details["retryAfterSeconds"] = error.details["retry_after_s"]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": error.why,
        "reason": reason,
        "code": code,
        "details": details,
    }


def _selectors(request: web.BaseRequest) -> dict[str, str]:
    return {"labels": request.query.get("labelSelector", ""), "fields": request.query.get("fieldSelector", "")}
