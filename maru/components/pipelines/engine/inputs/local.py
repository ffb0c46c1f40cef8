"""Inputs of this machine and of datagrams: pipe, unix, gelf.

Source: Logstash reference, the input plugins of these names; the GELF specification 1.1.
"""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import msgspec

from maru.components.pipelines.engine.commands import ended, started
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, codec_of
from maru.components.pipelines.engine.inputs.streams import DATAGRAMS_MAX, READ_BYTES, address_of, datagrams
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.document import Value
from maru.core.errors import Invalid, Unavailable
from maru.wire.logstash.syntax import Plugin

CHUNKED = b"\x1e\x0f"
CHUNKS_MAX, MESSAGES_MAX, MESSAGE_BYTES_MAX = 128, 1024, 16 << 20


class PipeOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """command: whose lines are read; it is started again when it ends."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    command: str
    ecs_compatibility: str = "v8"


class UnixOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """mode: server or client. force_unlink: what is at the path gives way. data_timeout: s, -1 for never."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])
    without_effect: ClassVar[frozenset[str]] = frozenset(["socket_not_present_retry_interval_seconds"])

    path: str
    mode: str = "server"
    force_unlink: bool = False
    data_timeout: float = -1
    socket_not_present_retry_interval_seconds: float = 5
    ecs_compatibility: str = "v8"


class GelfOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """remap: full_message and short_message become message. strip_leading_underscore: of additional fields."""

    not_done: ClassVar[frozenset[str]] = frozenset(["use_tcp"])

    host: str = "0.0.0.0"
    port: int = 12201
    use_udp: bool = True
    use_tcp: bool = False
    remap: bool = True
    strip_leading_underscore: bool = True


class Pipe:
    """A command's lines."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, PipeOptions, "input")
        self._ground = ground
        self._dress = Dress(self._options)
        self._codec = codec_of(self._options, "line")
        self._host = socket.gethostname()

    async def run(self, emit: Emit) -> None:
        command = self._options.command
        process = await started(command, gives=True)
        codec = self._codec()
        try:
            assert process.stdout is not None
            while chunk := await process.stdout.read(READ_BYTES):
                await self._give(codec.feed(chunk), emit)
            await self._give(codec.end(), emit)
            code = await process.wait()
        finally:
            await ended(process)
        raise Unavailable(what=command, why=f"it ended with {code}", fix="")

    async def _give(self, values: Sequence[Value], emit: Emit) -> None:
        about = {"process": {"command_line": self._options.command}, "host": {"name": self._host}}
        await emit([self._dress.event({**value, **about}, self._ground.now()) for value in values])


class Unix:
    """Lines over a socket of this machine."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, UnixOptions, "input")
        if self._options.mode not in ("server", "client"):
            raise Invalid(what="input plugin 'unix'", why=f"no mode {self._options.mode!r}", fix="server or client")
        self._ground = ground
        self._dress = Dress(self._options)
        self._codec = codec_of(self._options, "line")

    async def run(self, emit: Emit) -> None:
        path = Path(self._options.path)
        try:
            if self._options.mode == "client":
                reader, writer = await asyncio.open_unix_connection(path)
                await self._read(reader, writer, emit)
                raise Unavailable(what=str(path), why="the connection ended", fix="")
            if self._options.force_unlink:
                path.unlink(missing_ok=True)
            server = await asyncio.start_unix_server(lambda r, w: self._read(r, w, emit), path)
        except OSError as error:
            fix = "force_unlink => true, or another path"
            raise Unavailable(what=str(path), why=error.strerror or str(error), fix=fix) from error
        try:
            async with server:
                await server.serve_forever()
        finally:
            path.unlink(missing_ok=True)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, emit: Emit) -> None:
        codec, limit_s = self._codec(), self._options.data_timeout
        about = {"file": {"path": self._options.path}, "host": {"name": socket.gethostname()}}
        with suppress(ConnectionError, TimeoutError):
            while True:
                async with asyncio.timeout(limit_s if limit_s >= 0 else None):
                    chunk = await reader.read(READ_BYTES)
                values = codec.feed(chunk) if chunk else codec.end()
                await emit([self._dress.event({**value, **about}, self._ground.now()) for value in values])
                if not chunk:
                    break
        writer.close()


class Gelf:
    """Graylog's messages: JSON in datagrams, compressed or not, whole or in chunks."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, GelfOptions, "input")
        if not self._options.use_udp:
            raise Invalid(what="input plugin 'gelf'", why="GELF comes by UDP here", fix="use_udp => true")
        self._ground = ground
        self._dress = Dress(self._options)
        self._chunks: OrderedDict[tuple[str, bytes], dict[int, bytes]] = OrderedDict()

    async def run(self, emit: Emit) -> None:
        host, port = address_of(self._ground, self._options.host, self._options.port)
        async for datagram, peer in datagrams(host, port, DATAGRAMS_MAX):
            whole = self._whole(datagram, peer)
            if whole is not None:
                await emit([self._event(whole, peer)])

    def _whole(self, datagram: bytes, peer: str) -> bytes | None:
        """A message, None until all its chunks are there; the oldest unfinished one gives way."""
        if not datagram.startswith(CHUNKED) or len(datagram) < 12:
            return datagram
        identity, number, count = (peer, datagram[2:10]), datagram[10], datagram[11]
        if not 0 < count <= CHUNKS_MAX or number >= count:
            return None
        parts = self._chunks.setdefault(identity, {})
        parts[number] = datagram[12:]
        if len(parts) == count:
            del self._chunks[identity]
            return b"".join(parts[each] for each in range(count))
        if len(self._chunks) > MESSAGES_MAX:
            self._chunks.popitem(last=False)
        return None

    def _event(self, content: bytes, peer: str) -> Event:
        now = self._ground.now()
        try:
            fields: Value = msgspec.json.decode(_unpacked(content), type=dict)
        except (msgspec.DecodeError, zlib.error):
            text = content.decode("utf-8", "replace")
            return self._dress.event({"message": text, "source_host": peer, "tags": ["_jsonparsefailure"]}, now)
        moment = fields.pop("timestamp", None)
        if isinstance(moment, int | float) and not isinstance(moment, bool):
            with suppress(ValueError, OverflowError, OSError):
                fields["@timestamp"] = datetime.fromtimestamp(moment, UTC)
        if self._options.remap:
            for name in ("full_message", "short_message"):
                if fields.get(name):
                    fields["message"] = fields.pop(name)
                    break
            if fields.get("short_message") == fields.get("message"):
                fields.pop("short_message", None)
        if self._options.strip_leading_underscore:
            fields = {name[1:] if name.startswith("_") and name != "_@timestamp" else name: value
                      for name, value in fields.items()}  # fmt: skip
        return self._dress.event({**fields, "source_host": peer}, now)


def _unpacked(content: bytes) -> bytes:
    if content[:2] == b"\x1f\x8b" or content[:1] == b"\x78":
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, MESSAGE_BYTES_MAX)
    return content.rstrip(b"\0")
