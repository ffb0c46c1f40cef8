"""Log lines as JSON on standard error: a constant message, and facts as fields with units.

The supervisor collects them per process; `maru logs` prints them for people. Levels: info, what a
person wants tomorrow; warning, may act; error, must act.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

_ENCODER = msgspec.json.Encoder(enc_hook=str)


class Log:
    """The log of one component."""

    def __init__(self, component: str) -> None:
        self._component = component

    def info(self, message: str, **facts: object) -> None:
        self._write("info", message, facts)

    def warning(self, message: str, **facts: object) -> None:
        self._write("warning", message, facts)

    def error(self, message: str, **facts: object) -> None:
        self._write("error", message, facts)

    def _write(self, level: str, message: str, facts: dict[str, object]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = {"at": at, "level": level, "component": self._component, "message": message, **facts}
        with suppress(OSError):  # a disk that is full loses lines, not processes
            sys.stderr.write(_ENCODER.encode(record).decode() + "\n")
            sys.stderr.flush()
