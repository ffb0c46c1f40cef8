"""Inputs from within: other pipelines, and dead letters.

Source: Logstash reference, "Pipeline-to-pipeline communication", "Dead_letter_queue input plugin".
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import ClassVar

from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.inputs.shape import Dress, Emit, Pending
from maru.components.pipelines.model.event import METADATA, Event
from maru.components.pipelines.model.options import InputOptions, options_of
from maru.core.errors import AlreadyExists, Unavailable
from maru.core.identity.files import read_blocking, write_private_blocking
from maru.wire.logstash.syntax import Plugin

POLL_S = 1.0


class PipelineOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """address: where others send to."""

    address: str


class LetterOptions(InputOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """path is the platform's own and is not read; pipeline_id: whose letters. commit_offsets: remember how far."""

    not_done: ClassVar[frozenset[str]] = frozenset(["clean_consumed", "start_timestamp"])
    without_effect: ClassVar[frozenset[str]] = frozenset(["path"])

    path: str = ""
    pipeline_id: str = "main"
    commit_offsets: bool = True
    clean_consumed: bool = False
    start_timestamp: str = ""


class FromPipeline:
    """What outputs named pipeline send to its address."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, PipelineOptions, "input")
        self._ground = ground

    async def run(self, emit: Emit) -> None:
        async def receive(events: Sequence[Event]) -> None:
            await emit(events)

        try:
            self._ground.addresses.listen(self._options.address, receive)
        except AlreadyExists as error:
            raise Unavailable(what=error.what, why=error.why, fix=error.fix) from error
        try:
            await asyncio.Event().wait()
        finally:
            self._ground.addresses.leave(self._options.address)


class FromLetters:
    """Letters in order, and from where they were left once those before are safe (commit_offsets), else all again."""

    def __init__(self, plugin: Plugin, ground: Ground) -> None:
        self._options = options_of(plugin, LetterOptions, "input")
        self._ground = ground
        self._dress = Dress(self._options)
        name = hashlib.sha256(plugin.text.encode()).hexdigest()[:16]
        self._kept = ground.site.folder("pipelines") / "letters-read" / name

    async def run(self, emit: Emit) -> None:
        position = await asyncio.to_thread(self._position_blocking) if self._options.commit_offsets else 0
        while True:
            letters = await self._ground.letters.read(self._options.pipeline_id, position)
            if not letters:
                await self._ground.clock.sleep(POLL_S)
                continue
            events = []
            pending = Pending(len(letters))
            for _, fields in letters:
                metadata = fields.pop(METADATA, {})
                event = self._dress.event(fields, self._ground.now(), pending)
                event.metadata = metadata if isinstance(metadata, dict) else {}
                events.append(event)
            await emit(events)
            await pending.all_safe.wait()
            position = letters[-1][0] + 1
            if self._options.commit_offsets:
                await asyncio.to_thread(self._keep_blocking, position)

    def _position_blocking(self) -> int:
        return int(read_blocking(self._kept) or b"0")

    def _keep_blocking(self, position: int) -> None:
        try:
            write_private_blocking(self._kept, str(position).encode())
        except OSError as error:
            raise Unavailable(what=str(self._kept), why=error.strerror or str(error), fix="look at the disk") from error
