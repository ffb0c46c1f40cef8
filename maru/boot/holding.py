"""Who works on a platform's folder: a lock file per job, with the number of the process that holds it.

The lock is the kernel's and ends with its process, however that ends; the number in the file is only
to be believed while the lock is held. On a full disk there may be no number; the kernel's own list of
locks then tells. Source: flock(2), proc_locks(5).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maru.core.errors import Denied, Unavailable

_POLL_S = 0.02
_NUMBER_BYTES = 20


@contextmanager
def held_blocking(path: Path, what: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` (its folder exists), waiting at most `wait_s` for it.

    Raises Unavailable naming the process that has it, Denied when the file cannot be written.
    """
    give_up_at = time.monotonic() + wait_s
    while (descriptor := _take(path)) is None:
        if time.monotonic() >= give_up_at:
            pid = holder(path)
            raise Unavailable(
                what=what, why=f"process {pid} is at it already", fix=f"wait for it, or end it: kill {pid}"
            )
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> int:
    """The process that holds the lock, 0 for none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.read(descriptor, _NUMBER_BYTES).decode() or 0) or _listed_holder(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    return 0


def _take(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Denied(what=str(path), why=error.strerror or str(error), fix="make the folder writable") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it before may have removed the file, as `maru reset` does.
        if not path.exists() or path.stat().st_ino != os.fstat(descriptor).st_ino:
            raise BlockingIOError
    except BlockingIOError:
        os.close(descriptor)
        return None
    try:
        # In place: on a full disk that works where a new block would not be had.
        os.pwrite(descriptor, str(os.getpid()).ljust(_NUMBER_BYTES).encode(), 0)
    except OSError:
        os.ftruncate(descriptor, 0)  # better none than that of the last holder
    return descriptor


def _listed_holder(file: os.stat_result) -> int:
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[5] == place:
            return int(words[4])
    return 0
