"""Signals by number or name: 9, KILL, SIGKILL, SIGRTMIN+3. Source: signal(7), moby/sys/signal."""

from __future__ import annotations

import signal


def parse_signal(text: str) -> int:
    """Its number. Raises ValueError with the Engine's words."""
    if text.isdigit():
        if not 0 < int(text) <= 64:
            raise ValueError(f"invalid signal: {text}")
        return int(text)
    name = text.upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    base, plus, more = name.partition("+")
    try:
        number = int(signal.Signals[base]) + (int(more) if plus else 0)
    except (KeyError, ValueError) as error:
        raise ValueError(f"invalid signal: {text}") from error
    return number
