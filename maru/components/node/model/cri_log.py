"""The CRI log format: one record a line, `<time> <stdout|stderr> <P|F> <content>`.

P marks a record that goes on in the next one of its stream. Source: the kubelet's CRI logging design
document; conmon's k8s-file driver.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogLine:
    """stamp: RFC 3339 with nanoseconds, as written; stream: stdout or stderr; content: without newline."""

    stamp: bytes
    stream: bytes
    is_partial: bool
    content: bytes


def parse_line(line: bytes) -> LogLine | None:
    """One record without its newline; None when it is not one."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    return LogLine(parts[0], parts[1], parts[2].split(b":")[0] == b"P", parts[3] if len(parts) > 3 else b"")
