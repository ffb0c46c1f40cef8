"""Being told that something in a folder was written, made or moved: what a follower of logs waits for.

Source: inotify(7).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from contextlib import suppress

from maru.linux.processes import readable

_MODIFY = 0x002
_MOVED_FROM = 0x040
_MOVED_TO = 0x080
_CREATE = 0x100
_DELETE_SELF = 0x400
_ONLYDIR = 0x01000000
_BUFFER_BYTES = 64 * 1024


class FileChanges:
    """Changes in `folder` since this was made. Raises OSError when it cannot be watched."""

    def __init__(self, folder: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        mask = _MODIFY | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE_SELF | _ONLYDIR
        if libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask) < 0:
            number = ctypes.get_errno()
            self.close()
            raise OSError(number, os.strerror(number), folder)

    async def wait(self) -> None:
        """Return once something has changed since the last return."""
        await readable(self._descriptor)
        with suppress(BlockingIOError):
            while len(os.read(self._descriptor, _BUFFER_BYTES)) == _BUFFER_BYTES:
                pass

    async def wait_or(self, ended: asyncio.Future[None]) -> None:
        """Return once something has changed, or `ended` is done."""
        changed = asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait((changed, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            await asyncio.wait((changed,))

    def close(self) -> None:
        """Stop watching; idempotent. Nothing may wait any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
