"""Making a whole tree durable at once, and what is said of a file that could not be written.

Source: syncfs(2), errno(3).
"""

from __future__ import annotations

import ctypes
import errno
import os


def sync_filesystem_blocking(folder: str) -> None:
    """Write everything of the file system that holds `folder` to disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)
    finally:
        os.close(descriptor)


def sync_folder_blocking(folder: str) -> None:
    """Write a folder's own entries to disk: after a rename in it. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason_of(error: OSError) -> str:
    """What the kernel says, as programs written in Go print it: no space left on device."""
    return (error.strerror or str(error)).lower()


def is_full(error: OSError) -> bool:
    """Whether it is the disk, or somebody's share of it, that has no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
