"""http: what is posted is read by the codec of its media type, and answered once the pipeline has it.

Source: Logstash reference, "Http input plugin".
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, codec_of
from maru.components.pipelines.engine.inputs.streams import address_of
from maru.components.pipelines.model.codecs.catalog import reading_of
from maru.components.pipelines.model.options import NOWHERE, InputOptions, options_of
from maru.core.front.listener import TcpListener
from maru.core.front.message import Answer, Request
from maru.core.front.server import serve
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

BODY_BYTES_MAX = 100 << 20


class HttpOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """response_code: of a request that was taken over."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])
    without_effect: ClassVar[frozenset[str]] = frozenset(["threads"])

    port: int = 8080
    host: str = "0.0.0.0"
    user: str = ""
    password: str = ""
    response_code: int = 200
    response_headers: Mapping[str, str] = msgspec.field(default_factory=lambda: {"Content-Type": "text/plain"})
    additional_codecs: Mapping[str, str] = msgspec.field(default_factory=lambda: {"application/json": "json"})
    max_content_length: int = BODY_BYTES_MAX
    threads: int = 2
    remote_host_target_field: str = ""
    request_headers_target_field: str = ""
    ecs_compatibility: str = "v8"


class Http:
    """A listener; each request is answered by itself."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, HttpOptions, "input")
        self._ground = ground
        self._dress = Dress(self._options)
        self._usual = codec_of(self._options, "plain")
        self._by_type = {
            kind: reading_of(Plugin(name, (), NOWHERE, name)) for kind, name in self._options.additional_codecs.items()
        }

    async def run(self, emit: Emit) -> None:
        host, port = address_of(self._ground, self._options.host, self._options.port)

        async def answer(request: Request) -> Answer:
            return await self._answer(request, emit)

        async with serve([TcpListener(host, port)], answer, name="pipelines http"):
            await asyncio.Event().wait()

    async def _answer(self, request: Request, emit: Emit) -> Answer:
        options = self._options
        if options.user and not self._is_known(request.headers.get("authorization", "")):
            return Answer(401, b"", {"WWW-Authenticate": 'Basic realm="Logstash"'})
        body = await request.body(options.max_content_length)
        kind = request.headers.get("content-type", "text/plain").split(";")[0].strip()
        codec = self._by_type.get(kind, self._usual)()
        values = [*codec.feed(body), *codec.end()]
        address = request.peer.address.rsplit(":", 1)[0]
        headers = {name.lower().replace("-", "_"): value for name, value in request.headers.items()}
        about = {
            "method": request.method,
            "mime_type": kind,
            "version": "HTTP/1.1",
            "headers": headers,
        }
        events = []
        for value in values:
            fields = {**value}
            fields.setdefault("url", {"path": request.path})
            request_fields = {"mime_type": kind, "body": {"bytes": str(len(body))}}
            fields.setdefault("http", {"method": request.method, "request": request_fields})
            if not options.remote_host_target_field:
                fields.setdefault("host", {"ip": address})
            event = self._dress.event(fields, self._ground.now())
            if options.remote_host_target_field:
                event.put(parse_reference(options.remote_host_target_field), address)
            if options.request_headers_target_field:
                event.put(parse_reference(options.request_headers_target_field), dict(headers))
            event.metadata.setdefault("input", {})["http"] = {"request": about}
            events.append(event)
        await emit(events)
        return Answer(options.response_code, b"ok", dict(options.response_headers))

    def _is_known(self, header: str) -> bool:
        pair = f"{self._options.user}:{self._options.password}".encode()
        want = "Basic " + base64.b64encode(pair).decode()
        return hmac.compare_digest(header.encode(), want.encode())
