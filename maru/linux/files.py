"""Making a whole tree durable at once.

Source: syncfs(2).
"""

from __future__ import annotations

import ctypes
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
