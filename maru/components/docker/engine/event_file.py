"""The last events, in a file that is written behind and begun anew when it holds twice as many.

Events are volume: a crash may lose those of the last moment, never the order of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from maru.components.docker.model.events import Event


class EventFile:
    """One JSON line each. kept: how many `read_blocking` answers at most."""

    def __init__(self, file: Path, kept: int) -> None:
        self._file = file
        self._kept = kept
        self._lines = 0

    def read_blocking(self) -> Sequence[Event]:
        """Oldest first; what cannot be read (a line cut off by a crash) is left out."""
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        self._lines = len(lines)
        found: list[Event] = []
        for line in lines[-self._kept :]:
            try:
                found.append(msgspec.json.decode(line, type=Event))
            except msgspec.MsgspecError:
                continue
        return found

    def append_blocking(self, events: Sequence[Event], everything: Sequence[Event]) -> None:
        """Add `events`. everything: those to begin anew with. Raises OSError."""
        if self._lines + len(events) > 2 * self._kept:
            fresh = self._file.with_suffix(".new")
            fresh.write_bytes(_encoded(everything))
            fresh.replace(self._file)
            self._lines = len(everything)
            return
        with self._file.open("ab") as stream:
            stream.write(_encoded(events))
        self._lines += len(events)


def _encoded(events: Sequence[Event]) -> bytes:
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)
