"""A hijacked connection and a session, joined until one of them ends.

Source: Docker Engine API v1.50, ContainerAttach ("Stream format"); moby container/stream/attach.go.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from maru.contracts.runtime import Session
from maru.core.errors import Conflict, Unavailable
from maru.core.front.message import Duplex
from maru.wire.docker.detach import KeyWatch
from maru.wire.docker.frames import frame


class Left(Enum):
    """How the client's side came to its end."""

    ENDED = auto()
    DETACHED = auto()


@dataclass(frozen=True, slots=True)
class Wiring:
    """streams: those the client wants (1, 2). is_framed: without a terminal. keys: None where nothing detaches."""

    wants_stdin: bool
    streams: frozenset[int]
    is_framed: bool
    keys: bytes | None = None

    def pack(self, stream: int, chunk: bytes) -> bytes:
        """A chunk as it goes over the connection."""
        return frame(stream, chunk) if self.is_framed else chunk


async def join(session: Session, duplex: Duplex, wiring: Wiring) -> bool:
    """Pour both ways until the session's output ends, the client goes, or it detaches (True then)."""
    out = asyncio.create_task(_pour_out(session, duplex, wiring))
    into = asyncio.create_task(_pour_in(session, duplex, wiring))
    try:
        await asyncio.wait((out, into), return_when=asyncio.FIRST_COMPLETED)
        if not out.done() and into.result() is not Left.DETACHED and wiring.streams:
            # The client has closed its side only: what comes out is still for it.
            await out
        return into.done() and into.result() is Left.DETACHED
    finally:
        for task in (out, into):
            task.cancel()
        await asyncio.wait((out, into))


async def _pour_out(session: Session, duplex: Duplex, wiring: Wiring) -> None:
    try:
        async for stream, chunk in session.output():
            if stream in wiring.streams:
                await duplex.write(wiring.pack(stream, chunk))
    except Unavailable:
        return


async def _pour_in(session: Session, duplex: Duplex, wiring: Wiring) -> Left:
    """Its closed side ends the process's input, no more."""
    watch = KeyWatch(wiring.keys) if wiring.keys else None
    while chunk := await duplex.read():
        if not wiring.wants_stdin:
            continue
        is_over = False
        if watch is not None:
            chunk, is_over = watch.feed(chunk)
        try:
            if chunk:
                await session.write_stdin(chunk)
        except (Unavailable, Conflict):
            return Left.ENDED
        if is_over:
            return Left.DETACHED
    if wiring.wants_stdin:
        await session.close_stdin()
    return Left.ENDED
