"""Outputs of lines: csv files, pipes and commands, graphite, statsd and syslog.

Source: Logstash reference, the output plugins of these names; RFC 3164 and 5424; StatsD's metric types.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import ClassVar

from maru.components.pipelines.engine.commands import ended, started
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.outputs.plain import FileOptions, ToFile
from maru.components.pipelines.engine.outputs.shape import Refused, codec_of
from maru.components.pipelines.model.codecs.records import GraphiteOptions, graphite_lines
from maru.components.pipelines.model.event import Event, text_of
from maru.components.pipelines.model.options import OutputOptions, options_of
from maru.core.errors import Invalid, Unavailable
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

COMMAND_S = 60.0
PIPES_MAX = 64
FACILITIES = (
    "kernel", "user-level", "mail", "daemon", "security/authorization", "syslogd", "line printer", "network news",
    "uucp", "clock", "security/authorization", "ftp", "ntp", "log audit", "log alert", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")


class CsvOptions(FileOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """csv_options: col_sep, quote_char, row_sep. spreadsheet_safe: a quote stands before what would be computed."""

    fields: Sequence[str]
    csv_options: Mapping[str, str] = {}
    spreadsheet_safe: bool = True


class PipeOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """command: formatted with the event; each has a process of its own. ttl: s without an event, then it ends."""

    command: str
    message_format: str = ""
    ttl: float = 10


class ExecOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """command: run for each event. quiet: what it prints is not logged."""

    command: str
    quiet: bool = False


class GraphiteOutputOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the codec's. reconnect_interval is the pipeline's own; resend_on_failure is so anyway."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["reconnect_interval", "resend_on_failure"])

    host: str = "localhost"
    port: int = 2003
    metrics: Mapping[str, str] = {}
    fields_are_metrics: bool = False
    include_metrics: Sequence[str] = (".*",)
    exclude_metrics: Sequence[str] = ("%\\{[^}]+\\}",)
    metrics_format: str = "*"
    reconnect_interval: float = 2
    resend_on_failure: bool = False


class StatsdOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names and values are formatted with the event; one message for each."""

    not_done: ClassVar[frozenset[str]] = frozenset(["protocol"])

    host: str = "localhost"
    port: int = 8125
    protocol: str = "udp"
    namespace: str = "logstash"
    sender: str = "%{host}"
    increment: Sequence[str] = ()
    decrement: Sequence[str] = ()
    count: Mapping[str, str] = {}
    gauge: Mapping[str, str] = {}
    set: Mapping[str, str] = {}
    timing: Mapping[str, str] = {}
    sample_rate: float = 1


class SyslogOptions(OutputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """rfc: rfc3164 or rfc5424. protocol: udp or tcp."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["reconnect_interval"])

    host: str
    port: int
    protocol: str = "udp"
    rfc: str = "rfc3164"
    appname: str = "LOGSTASH"
    facility: str = "user-level"
    severity: str = "notice"
    priority: str = ""
    use_labels: bool = True
    message: str = "%{message}"
    msgid: str = "-"
    procid: str = "-"
    sourcehost: str = "%{host}"
    timestamp: str = "%{@timestamp}"
    reconnect_interval: float = 1


class ToCsv(ToFile):
    """A file of rows."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        options = options_of(plugin, CsvOptions, "output")
        super().__init__(options, self._row)
        self._columns = [parse_reference(name) for name in options.fields]
        self._is_safe = options.spreadsheet_safe
        unknown = options.csv_options.keys() - {"col_sep", "quote_char", "row_sep"}
        if unknown:
            raise Invalid(
                what="output plugin 'csv'", why=f"csv_options {sorted(unknown)}", fix="col_sep, quote_char, row_sep"
            )
        self._separator = options.csv_options.get("col_sep", ",").replace("\\t", "\t")
        self._quote = options.csv_options.get("quote_char", '"')
        self._end = options.csv_options.get("row_sep", "\n").replace("\\r", "\r").replace("\\n", "\n")

    def _row(self, event: Event) -> bytes:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self._separator, quotechar=self._quote, lineterminator=self._end)
        writer.writerow([self._cell(event.get(column)) for column in self._columns])
        return out.getvalue().encode()

    def _cell(self, value: object) -> str:
        text = "" if value is None else text_of(value)
        return f"'{text}" if self._is_safe and text[:1] in ("=", "+", "-", "@") else text


class ToPipe:
    """Lines into a process for each command, kept while there is something to write."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, PipeOptions, "output")
        self._write = codec_of(self._options, "line" if self._options.message_format else "json_lines")
        self._ground = ground
        self._processes: dict[str, tuple[asyncio.subprocess.Process, float]] = {}

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        by_command: dict[str, list[bytes]] = {}
        for event in events:
            by_command.setdefault(event.sprintf(self._options.command), []).append(self._line(event))
        for command, lines in by_command.items():
            await self._send(command, b"".join(lines))
        return ()

    async def tick(self) -> None:
        now_s = self._ground.monotonic_s()
        for command in [one for one, (_, used_s) in self._processes.items() if now_s - used_s >= self._options.ttl > 0]:
            await self._end(command)

    async def close(self) -> None:
        for command in list(self._processes):
            await self._end(command)

    def _line(self, event: Event) -> bytes:
        template = self._options.message_format
        return (event.sprintf(template) + "\n").encode() if template else self._write(event)

    async def _send(self, command: str, content: bytes) -> None:
        try:
            kept = self._processes.get(command)
            if kept is None or kept[0].returncode is not None:
                while len(self._processes) >= PIPES_MAX:
                    await self._end(next(iter(self._processes)))
                process = await started(command, takes=True)
            else:
                process = kept[0]
            self._processes[command] = process, self._ground.monotonic_s()
            assert process.stdin is not None
            process.stdin.write(content)
            await process.stdin.drain()
        except OSError as error:
            await self._end(command)
            raise Unavailable(what=command, why=str(error), fix="look at the command") from error

    async def _end(self, command: str) -> None:
        process, _ = self._processes.pop(command, (None, 0.0))
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(COMMAND_S):
                await process.wait()
        except TimeoutError:
            await ended(process)


class ToExec:
    """A command for each event; what becomes of it is the command's matter."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, ExecOptions, "output")
        self._ground = ground

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        refused = []
        for event in events:
            why = await self._run(event.sprintf(self._options.command))
            if why:
                refused.append(Refused(event, why))
        return refused

    async def close(self) -> None:
        return None

    async def _run(self, command: str) -> str:
        """Why it did not run, "" if it did."""
        try:
            process = await started(command, gives=True, errors=True)
        except Unavailable as error:
            return str(error)
        try:
            async with asyncio.timeout(COMMAND_S):
                printed, _ = await process.communicate()
        except TimeoutError:
            return f"the command took over {COMMAND_S:.0f} s"
        finally:
            await ended(process)
        if printed and not self._options.quiet:
            self._ground.log.info("a command said", command=command, output=printed[:1000].decode(errors="replace"))
        return ""


class _Stream:
    """One connection, made again when it breaks."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, content: bytes) -> None:
        """Raises Unavailable."""
        try:
            if self._writer is None or self._writer.is_closing():
                _, self._writer = await asyncio.open_connection(self._host, self._port)
            self._writer.write(content)
            await self._writer.drain()
        except OSError as error:
            self.close()
            raise Unavailable(
                what=f"{self._host}:{self._port}", why=str(error), fix="start what answers there"
            ) from error

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class ToGraphite:
    """Metrics to a carbon daemon."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        options = options_of(plugin, GraphiteOutputOptions, "output")
        self._lines = graphite_lines(
            GraphiteOptions(
                metrics=options.metrics, fields_are_metrics=options.fields_are_metrics,
                include_metrics=options.include_metrics, exclude_metrics=options.exclude_metrics,
                metrics_format=options.metrics_format,
            )
        )  # fmt: skip
        self._stream = _Stream(options.host, options.port)

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        content = b"".join(map(self._lines, events))
        if content:
            await self._stream.send(content)
        return ()

    async def close(self) -> None:
        self._stream.close()


class ToStatsd:
    """A datagram for each metric."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, StatsdOptions, "output")

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        options = self._options
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            for event in events:
                for line in self._messages(event):
                    with suppress(OSError):  # nobody hears of a datagram that is lost on its way either
                        sending.sendto(line.encode(), (event.sprintf(options.host), options.port))
        return ()

    async def close(self) -> None:
        return None

    def _messages(self, event: Event) -> Sequence[str]:
        options = self._options
        before = ".".join(filter(None, (event.sprintf(options.namespace), _stat(event.sprintf(options.sender)))))
        rate = f"|@{options.sample_rate:g}" if options.sample_rate < 1 else ""
        found = [(name, "1|c" + rate) for name in options.increment] + [
            (name, "-1|c" + rate) for name in options.decrement
        ]
        for kind, pairs in (("c", options.count), ("g", options.gauge), ("s", options.set), ("ms", options.timing)):
            sampled = rate if kind in ("c", "ms") else ""
            found += [(name, f"{event.sprintf(value)}|{kind}{sampled}") for name, value in pairs.items()]
        return [f"{before}.{_stat(event.sprintf(name))}:{value}" for name, value in found]


def _stat(name: str) -> str:
    """A name without the letters that StatsD means something by."""
    return re.sub(r"[:|@]", "_", name.replace("::", "."))


class ToSyslog:
    """Messages as RFC 3164 or 5424 has them."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options = options_of(plugin, SyslogOptions, "output")
        what = f"output plugin 'syslog' at line {plugin.place.line}"
        if options.rfc not in ("rfc3164", "rfc5424"):
            raise Invalid(what=what, why=f"no rfc {options.rfc!r}", fix="rfc3164 or rfc5424")
        if options.protocol not in ("udp", "tcp"):
            raise Invalid(what=what, why=f"protocol {options.protocol!r} is not supported", fix="udp or tcp")
        for word, words in ((options.facility, FACILITIES), (options.severity, SEVERITIES)):
            if options.use_labels and "%{" not in word and word not in words:
                raise Invalid(what=what, why=f"no label {word!r}", fix=", ".join(words))
        self._stream = _Stream(options.host, options.port)
        self._encode = codec_of(options, "plain") if options.codec is not None else None

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        messages = [self._message(event) for event in events]
        if self._options.protocol == "tcp":
            await self._stream.send(b"".join(message + b"\n" for message in messages))
            return ()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            for message in messages:
                with suppress(OSError):
                    sending.sendto(message, (self._options.host, self._options.port))
        return ()

    async def close(self) -> None:
        self._stream.close()

    def _message(self, event: Event) -> bytes:
        options = self._options
        text = event.sprintf(options.message) if self._encode is None else self._encode(event).decode()
        source, name, process = map(event.sprintf, (options.sourcehost, options.appname, options.procid))
        if options.rfc == "rfc3164":
            stamp = event.sprintf("%{+MMM dd HH:mm:ss}")
            begin = f"{stamp} {source} {name}[{process}]: "
        else:
            begin = f"1 {event.sprintf(options.timestamp)} {source} {name} {process} {event.sprintf(options.msgid)} - "
        return f"<{self._priority(event)}>{begin}{text.rstrip()}".replace("\n", "\\n").encode()

    def _priority(self, event: Event) -> int:
        options = self._options
        try:
            if not options.use_labels:
                return int(event.sprintf(options.priority or "13"))
            facility = FACILITIES.index(event.sprintf(options.facility))
            return facility * 8 + SEVERITIES.index(event.sprintf(options.severity))
        except ValueError:
            return 13  # user-level, notice
