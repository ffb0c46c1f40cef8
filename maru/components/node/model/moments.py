"""Times as runtimes write them: RFC 3339 with nanoseconds."""

from __future__ import annotations

from datetime import datetime

from maru.core.clock import parse_rfc3339


def moment_of(stamp: str) -> datetime | None:
    """The moment to microseconds, None for "". Raises ValueError if it is no RFC 3339 time."""
    if not stamp:
        return None
    head, dot, rest = stamp.partition(".")
    if not dot:
        return parse_rfc3339(stamp)
    zone = rest.lstrip("0123456789")
    digits = rest[: len(rest) - len(zone)][:6].ljust(6, "0")
    return parse_rfc3339(f"{head}.{digits}{zone}")
