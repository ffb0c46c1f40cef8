"""The link between supervisor and worker: a socket pair, one word a line.

The worker says `ready`; the supervisor says `reopen` when it has moved the worker's log away. Its end
is the supervisor's death, so no worker outlives its supervisor.
"""

from __future__ import annotations

import os
from pathlib import Path

READY = b"ready\n"
REOPEN = b"reopen\n"
LOG_BYTES_MAX = 8 * 1024 * 1024


def log_path(data_dir: Path, process: str) -> Path:
    """Where a process's log stands."""
    return data_dir / "log" / f"{process}.log"


def open_log(path: Path) -> int:
    """A descriptor that appends to the log, made for its owner alone."""
    path.parent.mkdir(exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def rotate(path: Path, bytes_max: int = LOG_BYTES_MAX) -> bool:
    """Move the log to `.log.1` when it is over the bound; whether it was. Writers go on in the moved one."""
    if not path.exists() or path.stat().st_size <= bytes_max:
        return False
    path.replace(path.with_suffix(".log.1"))
    return True


def reopen(path: Path) -> None:
    """Write standard output and error to the log at `path` from now on; nothing of either is lost."""
    fresh = open_log(path)
    for descriptor in (1, 2):
        os.dup2(fresh, descriptor)
    os.close(fresh)
