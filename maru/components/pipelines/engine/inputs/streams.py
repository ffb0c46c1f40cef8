"""Inputs over sockets: tcp, udp, syslog.

A port stands for a conventional one, like every port of a platform (the offset is added). A reader
waits while the pipeline is full; TCP passes that on, UDP loses what the kernel cannot hold.
Source: Logstash reference, "Tcp", "Udp", "Syslog" input plugins; RFC 3164.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import ClassVar

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, Input, codec_of
from maru.components.pipelines.engine.sessions import served_tls
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.date import build as build_date
from maru.components.pipelines.model.grok.compiling import compile_grok
from maru.components.pipelines.model.grok.library import ECS, library
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.document import Value
from maru.core.errors import Invalid, Unavailable
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

READ_BYTES = 64 * 1024
DATAGRAMS_MAX = 2000
SYSLOG_PORT = 514
FACILITIES = (
    "kernel", "user-level", "mail", "system", "security/authorization", "syslogd", "line printer", "network news",
    "UUCP", "clock", "security/authorization", "FTP", "NTP", "log audit", "log alert", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = ("Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug")
_SYSLOG = (
    r"(?:<%{POSINT:priority}>|<0>)?(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp}) "
    r"(?:%{SYSLOGHOST:logsource}\+? )?(?:%{PROG:program}(?:\[%{POSINT:pid}\])?: )?%{GREEDYDATA:message}"
)
_DATE = '"MMM dd HH:mm:ss", "MMM  d HH:mm:ss", "MMM d HH:mm:ss", "ISO8601"'


class TcpOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """mode client: it connects, else it listens."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    port: int
    host: str = "0.0.0.0"
    mode: str = "server"
    ssl_enabled: bool = False
    ssl_certificate: str = ""
    ssl_key: str = ""
    ssl_key_passphrase: str = ""
    ssl_certificate_authorities: Sequence[str] = ()
    ssl_client_authentication: str = "none"
    ssl_supported_protocols: Sequence[str] = ()
    tcp_keep_alive: bool = False
    proxy_protocol: bool = False
    dns_reverse_lookup_enabled: bool = False
    ecs_compatibility: str = "v8"


class GraphiteOptions(TcpOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Graphite's lines over tcp."""

    port: int = 2003


class UdpOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """buffer_size: bytes of a datagram; receive_buffer_bytes: of the kernel, 0 for its own."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    port: int
    host: str = "0.0.0.0"
    buffer_size: int = 65536
    queue_size: int = DATAGRAMS_MAX
    receive_buffer_bytes: int = 0
    source_ip_fieldname: str = "[host][ip]"
    ecs_compatibility: str = "v8"


class SyslogOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both by TCP and by UDP."""

    not_done: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    port: int = SYSLOG_PORT
    host: str = "0.0.0.0"
    timezone: str = ""
    grok_pattern: str = _SYSLOG
    use_labels: bool = True
    facility_labels: Sequence[str] = FACILITIES
    severity_labels: Sequence[str] = SEVERITIES
    ecs_compatibility: str = "v8"


def address_of(ground: Ground, host: str, port: int) -> tuple[str, int]:
    """Where to listen: the platform's own address for "every one", and its port for the conventional one."""
    return ground.site.listen if host in ("0.0.0.0", "::", "") else host, ground.site.port(port)


def port_taken(what: str, error: OSError) -> Unavailable:
    """The error for an address that cannot be listened at."""
    why = "the port is taken" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
    return Unavailable(what=what, why=why, fix="free it, or give the input another port")


class Tcp:
    """Lines (or what the codec reads) over connections."""

    def __init__(self, options: TcpOptions, ground: Ground, codec: str) -> None:
        self._options = options
        if self._options.mode not in ("server", "client"):
            raise Invalid(what="input plugin 'tcp'", why=f"no mode {self._options.mode!r}", fix="server or client")
        if self._options.proxy_protocol or self._options.dns_reverse_lookup_enabled:
            raise Invalid(
                what="input plugin 'tcp'", why="PROXY and reverse lookups are not supported", fix="leave them"
            )
        self._tls = served_tls(self._options, "input plugin 'tcp'") if self._options.ssl_enabled else None
        self._ground = ground
        self._dress = Dress(self._options)
        self._codec = codec_of(self._options, codec)

    async def run(self, emit: Emit) -> None:
        options = self._options
        if options.mode == "client":
            await self._connect(emit)
            return
        host, port = address_of(self._ground, options.host, options.port)
        connections: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                await self._read(reader, writer, emit)
            finally:
                connections.discard(task)
                writer.close()

        try:
            server = await asyncio.start_server(accepted, host, port, ssl=self._tls)
        except OSError as error:
            raise port_taken(f"input tcp on {host}:{port}", error) from error
        try:
            async with server:
                await server.serve_forever()
        finally:
            for task in connections:
                task.cancel()

    async def _connect(self, emit: Emit) -> None:
        options = self._options
        try:
            reader, writer = await asyncio.open_connection(options.host, options.port)
        except OSError as error:
            raise Unavailable(
                what=f"{options.host}:{options.port}", why=str(error), fix="start what answers there"
            ) from error
        try:
            await self._read(reader, writer, emit)
        finally:
            writer.close()
        raise Unavailable(what=f"{options.host}:{options.port}", why="the connection ended", fix="")

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, emit: Emit) -> None:
        peer = writer.get_extra_info("peername") or ("", 0)
        if self._options.tcp_keep_alive:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        codec = self._codec()
        with suppress(ConnectionError):
            while chunk := await reader.read(READ_BYTES):
                await self._give(codec.feed(chunk), peer, emit)
        await self._give(codec.end(), peer, emit)

    async def _give(self, values: Sequence[Value], peer: tuple[str, int], emit: Emit) -> None:
        if values:
            now = self._ground.now()
            await emit([self._dress.event(_from(value, peer[0], peer[1]), now) for value in values])


class Udp:
    """A datagram is read by the codec; plain: it is one event."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, UdpOptions, "input")
        self._ground = ground
        self._dress = Dress(self._options)
        self._codec = codec_of(self._options, "plain")

    async def run(self, emit: Emit) -> None:
        host, port = address_of(self._ground, self._options.host, self._options.port)
        options = self._options
        async for datagram, peer in datagrams(host, port, options.queue_size, options.receive_buffer_bytes):
            values = [*(codec := self._codec()).feed(datagram[: options.buffer_size]), *codec.end()]
            now = self._ground.now()
            await emit([self._dress.event(self._sent(value, peer), now) for value in values])

    def _sent(self, value: Value, peer: str) -> Value:
        """What was sent, with its sender under source_ip_fieldname, unless the sender says that field itself."""
        place, event = parse_reference(self._options.source_ip_fieldname), Event({**value})
        if not event.has(place[:1]):
            event.put(place, peer)
        return event.fields


class Syslog:
    """RFC 3164 messages, by TCP (a line each) and UDP; what is none is kept with a tag."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, SyslogOptions, "input")
        self._ground = ground
        self._dress = Dress(self._options)
        self._grok = compile_grok(self._options.grok_pattern, library(ECS))
        zone = f' timezone => "{self._options.timezone}"' if self._options.timezone else ""
        from maru.wire.logstash.parser import parse

        (date,) = parse(f'filter {{ date {{ match => ["timestamp", {_DATE}]{zone} }} }}').filters
        assert isinstance(date, Plugin)
        self._date = build_date(date, ground)

    async def run(self, emit: Emit) -> None:
        host, port = address_of(self._ground, self._options.host, self._options.port)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._by_udp(host, port, emit))
            group.create_task(self._by_tcp(host, port, emit))

    async def _by_udp(self, host: str, port: int, emit: Emit) -> None:
        async for datagram, peer in datagrams(host, port, DATAGRAMS_MAX):
            lines = datagram.decode("utf-8", "replace").splitlines()
            await emit([self._event(line, peer) for line in lines if line])

    async def _by_tcp(self, host: str, port: int, emit: Emit) -> None:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = (writer.get_extra_info("peername") or ("",))[0]
            with suppress(ConnectionError, ValueError):
                while line := await reader.readline():
                    text = line.decode("utf-8", "replace").rstrip("\r\n")
                    if text:
                        await emit([self._event(text, peer)])
            writer.close()

        try:
            server = await asyncio.start_server(accepted, host, port, limit=READ_BYTES)
        except OSError as error:
            raise port_taken(f"input syslog on {host}:{port}", error) from error
        async with server:
            await server.serve_forever()

    def _event(self, line: str, peer: str) -> Event:
        event = self._dress.event({"message": line, "host": {"ip": peer}}, self._ground.now())
        match = self._grok.pattern.search(line)
        if match is None:
            event.tag("_grokparsefailure_sysloginput")
            self._level(event, 13)
            return event
        found = {capture.name: match[capture.group] for capture in self._grok.captures if match[capture.group]}
        event.put(("event", "original"), line)
        event.put(("message",), found.get("message", ""))
        for name, place in (
            ("timestamp", ("timestamp",)),
            ("logsource", ("host", "hostname")),
            ("program", ("process", "name")),
        ):
            if name in found:
                event.put(place, found[name])
        if "pid" in found:
            event.put(("process", "pid"), int(found["pid"]))
        self._level(event, int(found.get("priority", 13)))
        self._date([event])
        event.remove(("timestamp",))
        return event

    def _level(self, event: Event, priority: int) -> None:
        facility, severity = divmod(priority, 8)
        event.put(("log", "syslog", "priority"), priority)
        event.put(("log", "syslog", "facility", "code"), facility)
        event.put(("log", "syslog", "severity", "code"), severity)
        if not self._options.use_labels:
            return
        if facility < len(self._options.facility_labels):
            event.put(("log", "syslog", "facility", "name"), self._options.facility_labels[facility])
        if severity < len(self._options.severity_labels):
            event.put(("log", "syslog", "severity", "name"), self._options.severity_labels[severity])


async def datagrams(host: str, port: int, count_max: int, kernel_bytes: int = 0) -> AsyncIterator[tuple[bytes, str]]:
    """(datagram, sender's address) until cancelled, at most `count_max` waiting. Raises Unavailable: the port."""
    line: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue(count_max)

    class Protocol(asyncio.DatagramProtocol):
        def datagram_received(self, datagram: bytes, sender: tuple[str, int]) -> None:
            with suppress(asyncio.QueueFull):
                line.put_nowait((datagram, sender[0]))

    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Protocol, local_addr=(host, port))
    except OSError as error:
        raise port_taken(f"UDP {host}:{port}", error) from error
    if kernel_bytes:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kernel_bytes)
    try:
        while True:
            yield await line.get()
    finally:
        transport.close()


def _from(value: Value, address: str, port: int) -> Value:
    """The sender beside what it sent; the sender's own word for its host stays."""
    source: Value = {"ip": address}
    fields = {**value}
    fields.setdefault("host", {"ip": address})
    if port:
        fields["@metadata"] = {"input": {"tcp": {"source": {**source, "port": port}}}}
    return fields


def build_tcp(plugin: Plugin, ground: Ground) -> Input:
    """tcp."""
    return Tcp(options_of(plugin, TcpOptions, "input"), ground, "line")


def build_graphite(plugin: Plugin, ground: Ground) -> Input:
    """graphite."""
    return Tcp(options_of(plugin, GraphiteOptions, "input"), ground, "graphite")
