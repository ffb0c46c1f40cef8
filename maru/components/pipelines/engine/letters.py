"""Dead letters: events that an output refused for good, with the reason, kept on disk by pipeline.

Source: Logstash reference, "Dead letter queues (DLQ)".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from maru.components.pipelines.engine.queues.pages import Pages
from maru.components.pipelines.model.event import METADATA, Event, encode_json

READ_MAX = 256


@dataclass(frozen=True, slots=True)
class Letter:
    """What an output says of an event it will never take."""

    event: Event
    reason: str
    plugin_type: str
    plugin_id: str


class Letters:
    """folder: with one folder for each pipeline. bytes_max: of one of them; what is over is dropped and counted."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        self._folder = folder
        self._bytes_max = bytes_max
        self._boxes: dict[str, Pages] = {}
        self._disk = asyncio.Lock()
        self.dropped: dict[str, int] = {}

    async def put(self, pipeline: str, letters: Sequence[Letter], now: datetime) -> None:
        """On disk when this returns. Raises Unavailable."""
        records = [_record(letter, now) for letter in letters]
        async with self._disk:
            box = await self._box(pipeline)
            if await asyncio.to_thread(box.size_bytes_blocking) > self._bytes_max:
                self.dropped[pipeline] = self.dropped.get(pipeline, 0) + len(records)
                return
            await asyncio.to_thread(box.append_blocking, records)

    async def read(self, pipeline: str, position: int) -> Sequence[tuple[int, dict[str, object]]]:
        """Letters from `position` on, each with its own."""
        async with self._disk:
            box = await self._box(pipeline)
            first = max(position, box.done)
            records = await asyncio.to_thread(box.read_blocking, first, READ_MAX)
        return [(first + number, msgspec.json.decode(record)) for number, record in enumerate(records)]

    async def size_bytes(self, pipeline: str) -> int:
        """Of what is kept."""
        async with self._disk:
            return await asyncio.to_thread((await self._box(pipeline)).size_bytes_blocking)

    async def close(self) -> None:
        """Close the files."""
        async with self._disk:
            for box in self._boxes.values():
                await asyncio.to_thread(box.close_blocking)
            self._boxes.clear()

    async def _box(self, pipeline: str) -> Pages:
        if pipeline not in self._boxes:
            box = Pages(self._folder / pipeline)
            await asyncio.to_thread(box.open_blocking)
            self._boxes[pipeline] = box
        return self._boxes[pipeline]


def _record(letter: Letter, now: datetime) -> bytes:
    about = {
        "reason": letter.reason,
        "plugin_type": letter.plugin_type,
        "plugin_id": letter.plugin_id,
        "entry_time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    metadata = {**letter.event.metadata, "dead_letter_queue": about}
    return encode_json({**letter.event.fields, METADATA: metadata})
