"""A process's own view of mounts, and its end together with its parent's.

Source: mount_namespaces(7), unshare(2); prctl(2), PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import ctypes
import os
import signal

from maru.linux.mounts import mount_blocking

_CLONE_NEWNS = 0x00020000
_BIND, _RECURSIVE, _REMOUNT, _READ_ONLY, _PRIVATE, _SLAVE = 0x1000, 0x4000, 0x20, 0x1, 1 << 18, 1 << 19
_PARENT_DEATH_SIGNAL = 1


def make_private_blocking() -> None:
    """Give the calling process mounts of its own: what it mounts nobody else sees. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")
    mount_blocking("none", "/", "none", _SLAVE | _RECURSIVE)


def bind_tree_blocking(source: str, target: str, *, is_read_only: bool) -> None:
    """Show `source` (file or folder) with what is mounted in it at `target`. Raises OSError.

    Read-only is for what stands at `source` itself, as with a container's bind mounts.
    """
    mount_blocking(source, target, "none", _BIND | _RECURSIVE)
    mount_blocking("none", target, "none", _PRIVATE | _RECURSIVE)
    if is_read_only:
        mount_blocking("none", target, "none", _REMOUNT | _BIND | _READ_ONLY)


def die_with_parent() -> None:
    """Have the calling process killed when the thread that forked it ends; for between fork and exec."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
