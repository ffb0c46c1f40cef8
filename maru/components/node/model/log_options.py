"""What `kubectl logs` asks for, and which lines answer it.

Source: core/v1 PodLogOptions; pkg/kubelet/kuberuntime/logs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from maru.components.node.model.cri_log import LogLine
from maru.components.node.model.moments import moment_of
from maru.core.clock import parse_rfc3339
from maru.core.errors import Invalid


@dataclass(frozen=True, slots=True)
class LogOptions:
    """tail_lines: None for all. since: None for ever. bytes_max: None for no bound. stream: All, Stdout, Stderr."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    bytes_max: int | None = None
    stream: str = "All"


def parse_log_options(get: Callable[[str], str], now: datetime) -> LogOptions:
    """From query parameters. Raises Invalid naming the parameter."""
    since = None
    if get("sinceSeconds"):
        since = now - timedelta(seconds=_number("sinceSeconds", get("sinceSeconds"), at_least=1))
    elif get("sinceTime"):
        try:
            since = parse_rfc3339(get("sinceTime"))
        except ValueError as error:
            raise Invalid(what="sinceTime", why=str(error), fix="write it as RFC 3339") from error
    stream = get("stream") or "All"
    if stream not in ("All", "Stdout", "Stderr"):
        raise Invalid(what="stream", why=f"{stream!r} is not All, Stdout or Stderr", fix="")
    return LogOptions(
        follow=get("follow") in ("true", "1"),
        previous=get("previous") in ("true", "1"),
        timestamps=get("timestamps") in ("true", "1"),
        tail_lines=_number("tailLines", get("tailLines"), at_least=0) if get("tailLines") else None,
        since=since,
        bytes_max=_number("limitBytes", get("limitBytes"), at_least=1) if get("limitBytes") else None,
        stream=stream,
    )


def shown(line: LogLine, options: LogOptions) -> bytes | None:
    """What the client sees of one record, None when it is not asked for."""
    if options.stream != "All" and line.stream.decode() != options.stream.lower():
        return None
    if options.since is not None:
        moment = moment_of(line.stamp.decode("ascii", "replace"))
        if moment is not None and moment < options.since:
            return None
    content = line.content if line.is_partial else line.content + b"\n"
    # The holder writes UTC as an offset, the kubelet's readers know it as Z.
    return line.stamp.replace(b"+00:00", b"Z") + b" " + content if options.timestamps else content


def _number(name: str, text: str, *, at_least: int) -> int:
    if not text.isdigit() or int(text) < at_least:
        raise Invalid(what=name, why=f"{text!r} is not a whole number of at least {at_least}", fix="")
    return int(text)
