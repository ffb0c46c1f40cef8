"""What `docker logs` asks for, and what it sees of a record.

Source: Docker Engine API v1.50, ContainerLogs; the CRI log format `<time> <stream> <P|F> <content>`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from maru.core.errors import Invalid
from maru.wire.docker.moments import moment_of, parse_moment

STREAMS = {b"stdout": 1, b"stderr": 2}


@dataclass(frozen=True, slots=True)
class LogQuery:
    """tail: None for all. since, until: None for no bound."""

    stdout: bool
    stderr: bool
    follow: bool
    timestamps: bool
    details: bool
    tail: int | None
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Record:
    """stamp: RFC 3339 with nanoseconds in UTC. stream: 1 or 2. content: with its newline unless it goes on."""

    stamp: bytes
    stream: int
    content: bytes


def read_query(get: Callable[[str], str], now: datetime) -> LogQuery:
    """From query parameters. Raises Invalid in dockerd's words."""

    def flag(name: str) -> bool:
        return get(name).strip().lower() not in ("", "0", "no", "false", "none")

    if not flag("stdout") and not flag("stderr"):
        raise Invalid(what="Bad parameters: you must choose at least one stream", why="")
    tail = get("tail")
    try:
        return LogQuery(
            stdout=flag("stdout"),
            stderr=flag("stderr"),
            follow=flag("follow"),
            timestamps=flag("timestamps"),
            details=flag("details"),
            tail=int(tail) if tail.isdigit() else None,
            since=parse_moment(get("since"), now) if get("since") not in ("", "0") else None,
            until=parse_moment(get("until"), now) if get("until") not in ("", "0") else None,
        )
    except ValueError as error:
        raise Invalid(what=str(error), why="") from error


def parse_record(line: bytes) -> Record | None:
    """One line of the file; None when it is none of ours."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in STREAMS:
        return None
    content = parts[3] if len(parts) > 3 else b""
    is_partial = parts[2].startswith(b"P")
    return Record(parts[0].replace(b"+00:00", b"Z"), STREAMS[parts[1]], content if is_partial else content + b"\n")


def is_wanted(record: Record, query: LogQuery) -> bool:
    """By stream and by time."""
    if not (query.stdout if record.stream == 1 else query.stderr):
        return False
    if query.since is None and query.until is None:
        return True
    moment = moment_of(record.stamp.decode("ascii", "replace"))
    if moment is None:
        return False
    return not (query.since and moment < query.since) and not (query.until and moment > query.until)


def is_past(record: Record, query: LogQuery) -> bool:
    """Behind the last moment that was asked for."""
    moment = moment_of(record.stamp.decode("ascii", "replace")) if query.until else None
    return moment is not None and query.until is not None and moment > query.until


def shown(record: Record, query: LogQuery, details: str) -> bytes:
    """The line as the client sees it."""
    prefix = record.stamp + b" " if query.timestamps else b""
    return prefix + (details.encode() + b" " if query.details else b"") + record.content
