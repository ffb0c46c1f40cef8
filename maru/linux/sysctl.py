"""Kernel settings by name, those of the network in the namespace of the calling thread.

Names are paths below /proc/sys: net/ipv4/ip_forward. Source: proc_sys(5).
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/proc/sys")


def read_blocking(name: str) -> str:
    """The value, without its newline. Raises OSError."""
    return (_ROOT / name).read_text().strip()


def write_blocking(name: str, value: str) -> None:
    """Set the value; nothing is written if it is that already. Raises OSError."""
    if read_blocking(name) != value:
        (_ROOT / name).write_text(value)
