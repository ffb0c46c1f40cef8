"""Outputs without a protocol of their own: stdout, file, tcp, udp, http, pipeline, null.

Source: Logstash reference, "Stdout", "File", "Tcp", "Udp", "Http", "Sink" output plugins.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import aiohttp

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.outputs.shape import Output, Refused, codec_of
from maru.components.pipelines.model.codecs.shape import Write
from maru.components.pipelines.model.event import Event, encode_json, text_of
from maru.components.pipelines.model.filters.shape import formatted_value
from maru.components.pipelines.model.options import OutputOptions, options_of
from maru.core.errors import Invalid, Unavailable
from maru.wire.logstash.syntax import Plugin

DEADLINE_S = 60.0
AGAIN = frozenset([429, 500, 502, 503, 504])


class StdoutOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The process's output, which is its log."""


class FileOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """path: formatted with the event; filename_failure: where a path that leads elsewhere goes."""

    not_done: ClassVar[frozenset[str]] = frozenset(["create_if_deleted"])
    without_effect: ClassVar[frozenset[str]] = frozenset(["flush_interval"])

    path: str
    write_behavior: str = "append"
    create_if_deleted: bool = True
    dir_mode: int = -1
    file_mode: int = -1
    filename_failure: str = "_filepath_failures"
    flush_interval: float = 2
    gzip: bool = False


class SocketOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """mode: client only."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["reconnect_interval"])

    host: str
    port: int | str
    mode: str = "client"
    reconnect_interval: float = 10
    ssl_enabled: bool = False


class HttpOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """format: json, json_batch, form or message."""

    url: str
    http_method: str
    format: str = "json"
    content_type: str = ""
    headers: Mapping[str, str] = {}
    mapping: Mapping[str, object] = {}
    message: str = ""
    user: str = ""
    password: str = ""
    request_timeout: float = DEADLINE_S
    retry_failed: bool = True
    retryable_codes: Sequence[int] = tuple(AGAIN)
    ignorable_codes: Sequence[int] = ()


class PipelineOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """send_to: addresses."""

    send_to: Sequence[str]
    ensure_delivery: bool = True


class Stdout:
    """Into the log of the process that runs pipelines: `maru logs pipelines`."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._write = codec_of(options_of(plugin, StdoutOptions, "output"), "rubydebug")

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        chunk = b"".join(map(self._write, events))
        await asyncio.to_thread(_print_blocking, chunk)
        return ()

    async def close(self) -> None:
        return None


def _print_blocking(chunk: bytes) -> None:
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


class ToFile:
    """Appended and synced before the batch is done. A path stays below its unformatted beginning."""

    def __init__(self, options: FileOptions, write: Write) -> None:
        self._options = options
        self._write = write
        self._root = Path(self._options.path.split("%{")[0])
        if "%{" in self._options.path:
            self._root = self._root.parent if not self._options.path.split("%{")[0].endswith("/") else self._root
        if not self._root.is_absolute():
            raise Invalid(what="output plugin 'file'", why="path is not absolute", fix='path => "/var/log/x.log"')
        self._fresh: set[Path] = set()

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        by_path: dict[Path, list[bytes]] = {}
        for event in events:
            by_path.setdefault(self._path(event), []).append(self._write(event))
        try:
            for path, chunks in by_path.items():
                await asyncio.to_thread(self._append_blocking, path, b"".join(chunks))
        except OSError as error:
            raise Unavailable(
                what=f"file {error.filename}", why=error.strerror or str(error), fix="look at it"
            ) from error
        return ()

    async def close(self) -> None:
        return None

    def _path(self, event: Event) -> Path:
        path = Path(os.path.normpath(event.sprintf(self._options.path)))
        if "%{" in self._options.path and not path.is_relative_to(self._root):
            return self._root / self._options.filename_failure
        return path

    def _append_blocking(self, path: Path, chunk: bytes) -> None:
        options = self._options
        path.parent.mkdir(parents=True, exist_ok=True)
        if options.dir_mode >= 0 and path.parent != self._root:
            path.parent.chmod(options.dir_mode)
        truncates = options.write_behavior == "overwrite" and path not in self._fresh
        self._fresh.add(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if truncates else os.O_APPEND)
        file = os.open(path, flags, options.file_mode if options.file_mode >= 0 else 0o644)
        try:
            os.write(file, gzip.compress(chunk) if options.gzip else chunk)
            os.fdatasync(file)
        finally:
            os.close(file)


class ToTcp:
    """One connection, made again when it breaks; a batch that was on its way is sent again."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, SocketOptions, "output")
        if self._options.mode != "client":
            raise Invalid(what="output plugin 'tcp'", why="mode server is not supported here", fix="mode => client")
        self._write = codec_of(self._options, "json_lines")
        self._writer: asyncio.StreamWriter | None = None

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        host, port = self._options.host, int(self._options.port)
        try:
            if self._writer is None or self._writer.is_closing():
                _, self._writer = await asyncio.open_connection(host, port, ssl=self._options.ssl_enabled or None)
            self._writer.write(b"".join(map(self._write, events)))
            await self._writer.drain()
        except OSError as error:
            await self.close()
            raise Unavailable(what=f"{host}:{port}", why=str(error), fix="start what answers there") from error
        return ()

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class ToUdp:
    """One datagram for each event."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, SocketOptions, "output")
        self._write = codec_of(self._options, "json")

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        refused = []
        for event in events:
            host, port = event.sprintf(self._options.host), int(event.sprintf(str(self._options.port)))
            try:
                with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sending:
                    sending.sendto(self._write(event), (host, port))
            except OSError as error:
                refused.append(Refused(event, str(error)))
        return refused

    async def close(self) -> None:
        return None


class ToHttp:
    """One request for each event, or (json_batch) for each batch."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, HttpOptions, "output")
        if self._options.format not in ("json", "json_batch", "form", "message"):
            raise Invalid(what="output plugin 'http'", why=f"no format {self._options.format!r}", fix="json")
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        if self._options.format == "json_batch":
            why = await self._send(events[0], encode_json([self._mapped(event) for event in events]))
            return [Refused(event, why) for event in events] if why else ()
        refused = []
        for event in events:
            why = await self._send(event, self._body(event))
            if why:
                refused.append(Refused(event, why))
        return refused

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _mapped(self, event: Event) -> object:
        return formatted_value(event, self._options.mapping) if self._options.mapping else event.fields

    def _body(self, event: Event) -> bytes | aiohttp.FormData:
        match self._options.format:
            case "message":
                return event.sprintf(self._options.message).encode()
            case "form":
                mapped = self._mapped(event)
                assert isinstance(mapped, dict)
                return aiohttp.FormData([(name, text_of(value)) for name, value in mapped.items()])
        return encode_json(self._mapped(event))

    async def _send(self, event: Event, body: bytes | aiohttp.FormData) -> str:
        """Why it will never be taken, "" if it was. Raises Unavailable."""
        options = self._options
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=options.request_timeout))
        headers = {name: event.sprintf(value) for name, value in options.headers.items()}
        if options.format != "form":
            usual = "text/plain" if options.format == "message" else "application/json"
            headers.setdefault("Content-Type", options.content_type or usual)
        if options.user:
            headers["Authorization"] = aiohttp.encode_basic_auth(options.user, options.password)
        url = event.sprintf(options.url)
        try:
            async with self._session.request(options.http_method.upper(), url, data=body, headers=headers) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if options.retry_failed:
                raise Unavailable(what=url, why=str(error) or type(error).__name__, fix="") from error
            return str(error)
        if status < 300 or status in options.ignorable_codes:
            return ""
        if options.retry_failed and status in options.retryable_codes:
            raise Unavailable(what=url, why=f"HTTP {status}", fix="look at what answers there")
        return f"HTTP {status}"


class ToPipeline:
    """To inputs of other pipelines here, each of which gets events of its own."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, PipelineOptions, "output")
        self._ground = ground

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        for address in self._options.send_to:
            if not self._options.ensure_delivery and not self._ground.addresses.is_there(address):
                continue
            await self._ground.addresses.send(address, [event.copy() for event in events])
        return ()

    async def close(self) -> None:
        return None


class Nowhere:
    """null, sink."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        options_of(plugin, OutputOptions, "output")

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        return ()

    async def close(self) -> None:
        return None


def build_file(plugin: Plugin, ground: Ground) -> Output:
    """file."""
    options = options_of(plugin, FileOptions, "output")
    return ToFile(options, codec_of(options, "json_lines"))
