"""Being told of files that appear in a folder.

Source: inotify(7).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import AsyncIterator

from maru.linux.processes import readable

_CLOSE_WRITE = 0x008
_MOVED_TO = 0x080
_QUEUE_OVERFLOW = 0x4000
_ONLYDIR = 0x01000000
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows
_BUFFER_BYTES = 64 * 1024


class FolderWatch:
    """Files that were written or moved into `folder` since this was made."""

    def __init__(self, folder: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        mask = _CLOSE_WRITE | _MOVED_TO | _ONLYDIR
        if libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask) < 0:
            number = ctypes.get_errno()
            self.close()
            raise OSError(number, os.strerror(number), folder)

    async def names(self) -> AsyncIterator[str]:
        """Each file's name as it is complete; "" when the kernel dropped some and a rescan is due."""
        while True:
            try:
                buffer = os.read(self._descriptor, _BUFFER_BYTES)
            except BlockingIOError:
                await readable(self._descriptor)
                continue
            offset = 0
            while offset < len(buffer):
                _, mask, _, length = _EVENT.unpack_from(buffer, offset)
                offset += _EVENT.size
                name = buffer[offset : offset + length].rstrip(b"\0")
                offset += length
                yield "" if mask & _QUEUE_OVERFLOW else os.fsdecode(name)

    def close(self) -> None:
        """Stop watching; nothing may wait in `names` any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
