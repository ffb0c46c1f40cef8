"""beats: events of Filebeat and its kin, acknowledged once they are safe.

The sender gets its acknowledgement when the pipeline's outputs (or its persistent queue) have the whole
window; until then it keeps the events and sends them again after a broken connection. A slow pipeline
is told apart from a dead one by acknowledgements of 0 events meanwhile.
Source: Logstash reference, "Beats input plugin"; Lumberjack protocol version 2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, Pending
from maru.components.pipelines.engine.inputs.streams import READ_BYTES, address_of, port_taken
from maru.components.pipelines.engine.sessions import served_tls
from maru.components.pipelines.model.event import Event, copied
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.beats.frames import BadFrame, Reader, Sent, Window, acknowledgement
from maru.wire.logstash.syntax import Plugin

KEEP_ALIVE_S = 5.0  # between acknowledgements of nothing while a window is worked on
EVENTS_MAX = 2048  # handed on, and acknowledged, at once
ENRICHMENTS = frozenset(["codec_metadata", "source_metadata", "ssl_peer_metadata", "all", "none"])


class BeatsOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """client_inactivity_timeout: s, 0 for never. enrich: which of codec_metadata and source_metadata are added."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])
    without_effect: ClassVar[frozenset[str]] = frozenset(
        ["executor_threads", "event_loop_threads", "max_pending_requests"]
    )

    port: int
    host: str = "0.0.0.0"
    ssl_enabled: bool = False
    ssl: bool = False
    ssl_certificate: str = ""
    ssl_key: str = ""
    ssl_key_passphrase: str = ""
    ssl_certificate_authorities: Sequence[str] = ()
    ssl_client_authentication: str = "none"
    ssl_supported_protocols: Sequence[str] = ()
    ssl_handshake_timeout: float = 10_000
    enrich: Sequence[str] = ("codec_metadata", "source_metadata")
    executor_threads: int = 1
    event_loop_threads: int = 0
    max_pending_requests: int = 200
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
        what = f"input plugin {plugin.name!r} at line {plugin.place.line}"
        unknown = set(self._options.enrich) - ENRICHMENTS
        if unknown:
            raise Invalid(what=what, why=f"no enrich {sorted(unknown)}", fix=", ".join(sorted(ENRICHMENTS)))
        self._enrich = frozenset(self._options.enrich) if "all" not in self._options.enrich else ENRICHMENTS
        is_secured = self._options.ssl_enabled or self._options.ssl
        self._tls = served_tls(self._options, what) if is_secured else None

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
            limit_s = self._options.ssl_handshake_timeout / 1000 if self._tls is not None else None
            server = await asyncio.start_server(accepted, host, port, ssl=self._tls, ssl_handshake_timeout=limit_s)
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
        peer = self._peer(writer)
        while True:
            async with asyncio.timeout(self._options.client_inactivity_timeout or None):
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
        self, sent: list[Sent], peer: Value, emit: Emit, answer: tuple[asyncio.StreamWriter, int]
    ) -> None:
        """Hand a window on, a part at a time; each part is acknowledged once it is safe."""
        async with asyncio.TaskGroup() as group:
            handed: asyncio.Queue[tuple[Pending, int] | None] = asyncio.Queue()
            group.create_task(self._acknowledge(handed, answer))
            for first in range(0, len(sent), EVENTS_MAX):
                part = sent[first : first + EVENTS_MAX]
                pending = Pending(len(part))
                handed.put_nowait((pending, part[-1].sequence))
                await emit([self._event(each.fields, peer, pending) for each in part])
            handed.put_nowait(None)

    async def _acknowledge(
        self, handed: asyncio.Queue[tuple[Pending, int] | None], answer: tuple[asyncio.StreamWriter, int]
    ) -> None:
        """The parts of one window in their order, and nothing at all every so often meanwhile."""
        writer, version = answer
        while (part := await handed.get()) is not None:
            pending, sequence = part
            while not pending.all_safe.is_set():
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        await pending.all_safe.wait()
                except TimeoutError:
                    writer.write(acknowledgement(0, version))
                    await writer.drain()
            writer.write(acknowledgement(sequence, version))
            await writer.drain()

    def _peer(self, writer: asyncio.StreamWriter) -> Value:
        """What is known of the sender, as far as it is asked for."""
        about: Value = {}
        if "source_metadata" in self._enrich:
            about["host"] = {"ip": (writer.get_extra_info("peername") or ("",))[0]}
        tls = writer.get_extra_info("ssl_object")
        if tls is not None and "ssl_peer_metadata" in self._enrich:
            subject = ",".join(
                f"{name}={value}" for pairs in (tls.getpeercert() or {}).get("subject", ()) for name, value in pairs
            )
            about["tls"] = {
                "version_protocol": tls.version(),
                "cipher": tls.cipher()[0],
                "client": {"subject": subject},
            }
        return about

    def _event(self, fields: Value, peer: Value, pending: Pending) -> Event:
        metadata = fields.get("@metadata")
        event = self._dress.event(dict(fields), self._ground.now(), pending)
        if isinstance(metadata, dict):
            event.metadata = {**metadata}
        if peer:
            event.metadata.setdefault("input", {})["beats"] = copied(peer)
        if "host" in peer:
            event.metadata["ip_address"] = peer["host"]["ip"]
        if self._options.add_hostname and not event.has(("host",)):
            event.put(("host",), {"name": peer.get("host", {}).get("ip", "")})
        if self._options.include_codec_tag and self._options.codec is None and "codec_metadata" in self._enrich:
            event.tag("beats_input_codec_plain_applied")
        return event
