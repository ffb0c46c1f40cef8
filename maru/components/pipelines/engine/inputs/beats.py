"""beats: events of Filebeat and its kin, acknowledged once they are safe.

The sender gets its acknowledgement when the pipeline's outputs (or its persistent queue) have the whole
window; until then it keeps the events and sends them again after a broken connection. A slow pipeline
is told apart from a dead one by acknowledgements of 0 events meanwhile.
Source: Logstash reference, "Beats input plugin"; Lumberjack protocol version 2.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import ClassVar

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, Input, Pending
from maru.components.pipelines.engine.inputs.streams import READ_BYTES, address_of, port_taken
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.beats.frames import BadFrame, Reader, Sent, Window, acknowledgement
from maru.wire.logstash.syntax import Plugin

KEEP_ALIVE_S = 5.0  # between acknowledgements of nothing while a window is worked on
EVENTS_MAX = 2048  # handed on at once


class BeatsOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """client_inactivity_timeout: s."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    port: int
    host: str = "0.0.0.0"
    ssl_enabled: bool = False
    ssl: bool = False
    ssl_certificate: str = ""
    ssl_key: str = ""
    include_codec_tag: bool = True
    add_hostname: bool = False
    client_inactivity_timeout: float = 60
    ecs_compatibility: str = "v8"


class Beats:
    """A listener, with a session for each sender."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, BeatsOptions, "input")
        self._ground = ground
        self._dress = Dress(self._options)
        self._tls = self._context()

    async def run(self, emit: Emit) -> None:
        host, port = address_of(self._ground, self._options.host, self._options.port)
        sessions: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            sessions.add(task)
            try:
                with suppress(ConnectionError, TimeoutError):
                    await self._session(reader, writer, emit)
            except BadFrame as error:
                self._ground.log.warning("a session of beats was no Lumberjack", input="beats", error=str(error))
            finally:
                sessions.discard(task)
                writer.close()

        try:
            server = await asyncio.start_server(accepted, host, port, ssl=self._tls)
        except OSError as error:
            raise port_taken(f"input beats on {host}:{port}", error) from error
        try:
            async with server:
                await server.serve_forever()
        finally:
            for task in sessions:
                task.cancel()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, emit: Emit) -> None:
        frames, window, held = Reader(), 0, list[Sent]()
        peer = (writer.get_extra_info("peername") or ("",))[0]
        while True:
            async with asyncio.timeout(self._options.client_inactivity_timeout):
                chunk = await reader.read(READ_BYTES)
            if not chunk:
                return
            for frame in frames.feed(chunk):
                if isinstance(frame, Window):
                    window = frame.count
                    continue
                held.append(frame)
                if len(held) >= window:
                    await self._take_over(held, peer, emit, (writer, frames.version))
                    held = []

    async def _take_over(
        self, sent: list[Sent], peer: str, emit: Emit, answer: tuple[asyncio.StreamWriter, int]
    ) -> None:
        writer, version = answer
        pending = Pending(len(sent))
        events = [self._event(each.fields, peer, pending) for each in sent]
        for first in range(0, len(events), EVENTS_MAX):
            await emit(events[first : first + EVENTS_MAX])
        while not pending.all_safe.is_set():
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    await pending.all_safe.wait()
            except TimeoutError:
                writer.write(acknowledgement(0, version))
                await writer.drain()
        writer.write(acknowledgement(sent[-1].sequence, version))
        await writer.drain()

    def _event(self, fields: Value, peer: str, pending: Pending) -> Event:
        metadata = fields.get("@metadata")
        event = self._dress.event(dict(fields), self._ground.now(), pending)
        if isinstance(metadata, dict):
            event.metadata = {**metadata}
        event.metadata.setdefault("input", {})["beats"] = {"host": {"ip": peer}}
        event.metadata["ip_address"] = peer
        if self._options.add_hostname and not event.has(("host",)):
            event.put(("host",), {"name": peer})
        if self._options.include_codec_tag and self._options.codec is None:
            event.tag("beats_input_codec_plain_applied")
        return event

    def _context(self) -> ssl.SSLContext | None:
        options = self._options
        if not (options.ssl_enabled or options.ssl):
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(options.ssl_certificate, options.ssl_key or None)
        except (OSError, ssl.SSLError) as error:
            fix = "ssl_certificate and ssl_key"
            raise Invalid(what="input plugin 'beats'", why=f"certificate: {error}", fix=fix) from error
        return context


def build(plugin: Plugin, ground: Ground) -> Input:
    """beats."""
    return Beats(plugin, ground)
