"""lumberjack: events to a beats input, in windows that are acknowledged.

Source: Logstash reference, "Lumberjack output plugin"; Lumberjack protocol version 2.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.outputs.shape import Refused
from maru.components.pipelines.engine.sessions import OutputTls, tls_of
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.options import options_of
from maru.core.errors import Invalid, Unavailable
from maru.wire.logstash.syntax import Plugin

DEADLINE_S = 60.0  # between two acknowledgements


class LumberjackOptions(OutputTls, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """hosts: in turn. Events go as JSON, whatever the codec."""

    not_done: ClassVar[frozenset[str]] = frozenset(["codec"])
    without_effect: ClassVar[frozenset[str]] = frozenset(["idle_flush_time", "flush_size"])

    hosts: Sequence[str]
    port: int
    ssl_enabled: bool = True
    idle_flush_time: float = 1
    flush_size: int = 1024


class ToLumberjack:
    """One connection; a batch is a window."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options = options_of(plugin, LumberjackOptions, "output")
        if not options.hosts:
            raise Invalid(what="output plugin 'lumberjack'", why="there are no hosts", fix='hosts => ["localhost"]')
        self._tls = tls_of(options, "output plugin 'lumberjack'") if options.ssl_enabled else None
        self._next = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        host = self._options.hosts[self._next % len(self._options.hosts)]
        try:
            reader, writer = await self._connected(host)
            writer.write(window([event.to_json() for event in events]))
            await writer.drain()
            acknowledged = 0
            while acknowledged < len(events):
                async with asyncio.timeout(DEADLINE_S):
                    head = await reader.readexactly(6)
                if head[:2] != b"2A":
                    raise OSError("the answer is no acknowledgement")
                acknowledged = int.from_bytes(head[2:], "big")
        except (OSError, EOFError, TimeoutError) as error:
            await self.close()
            self._next += 1
            what = f"{host}:{self._options.port}"
            raise Unavailable(
                what=what, why=str(error) or type(error).__name__, fix="start what answers there"
            ) from error
        return ()

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()

    async def _connected(self, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(host, self._options.port, ssl=self._tls)
        return self._streams


def window(bodies: Sequence[bytes]) -> bytes:
    """A window with all its events in one compressed frame."""
    frames = b"".join(b"2J" + struct.pack(">II", number, len(body)) + body for number, body in enumerate(bodies, 1))
    packed = zlib.compress(frames, 3)
    return b"2W" + struct.pack(">I", len(bodies)) + b"2C" + struct.pack(">I", len(packed)) + packed
