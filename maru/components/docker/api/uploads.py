"""An upload kept in a file, in pieces, with a bound. Source: core/front/message.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

from maru.core.errors import TooLarge, Unavailable
from maru.core.front.message import Request
from maru.linux.files import reason_of

ARCHIVE_BYTES_MAX = 64 << 30  # one uploaded archive
WRITE_BYTES = 1 << 20


async def received(request: Request, file: Path) -> None:
    """The whole body. On failure no file is left. Raises TooLarge, Unavailable (a full disk)."""
    try:
        await _received(request, file)
    except BaseException as error:
        file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Unavailable(what=f"write {file.name}: {reason_of(error)}", why="", fix="", status=500) from error
        raise


async def _received(request: Request, file: Path) -> None:
    size_bytes = 0
    with file.open("wb") as stream:
        buffer = bytearray()
        async for chunk in request.chunks():
            size_bytes += len(chunk)
            if size_bytes > ARCHIVE_BYTES_MAX:
                raise TooLarge(what="archive", why=f"over {ARCHIVE_BYTES_MAX} bytes", fix="load the images one by one")
            buffer += chunk
            if len(buffer) >= WRITE_BYTES:
                await asyncio.to_thread(stream.write, bytes(buffer))
                buffer.clear()
        await asyncio.to_thread(stream.write, bytes(buffer))
