"""A file from an address, for imports and for ADD. Source: moby builder/remotecontext/remote.go (wording)."""

from __future__ import annotations

import asyncio
import os
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from maru.core.errors import Invalid, TooLarge, Unavailable
from maru.linux.files import reason_of

CONNECT_S, READ_S = 20.0, 60.0
BYTES_MAX = 64 << 30
PIECE_BYTES = 1 << 20


async def fetch(address: str, file: Path) -> None:
    """What stands at `address`, dated as its server says (else 1970).

    Raises Unavailable, TooLarge, Invalid (it is no address).
    """
    import aiohttp  # here, since it costs memory and what is fetched so is rare

    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=READ_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(address) as response:
            if response.status >= 400:
                words = f"failed to GET {address} with status {response.status} {response.reason}"
                raise Unavailable(what=words, why="", fix="", status=500)
            size_bytes = 0
            with file.open("wb") as stream:
                async for chunk in response.content.iter_chunked(PIECE_BYTES):
                    size_bytes += len(chunk)
                    if size_bytes > BYTES_MAX:
                        raise TooLarge(what=address, why=f"over {BYTES_MAX} bytes", fix="")
                    await asyncio.to_thread(stream.write, chunk)
            stamp_s = _stamp_s(response.headers.get("Last-Modified", ""))
            os.utime(file, (stamp_s, stamp_s))
    except aiohttp.InvalidURL as error:
        raise Invalid(what=f'parse "{address}": invalid URL', why="", fix="") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        words = f'Get "{address}": {error or type(error).__name__}'
        raise Unavailable(what=words, why="", fix="", status=500) from error
    except OSError as error:
        raise Unavailable(what=f"download of {address}", why=reason_of(error), fix="", status=500) from error


def file_name(address: str) -> str:
    """The last part of its path. Raises Invalid when there is none."""
    name = urlsplit(address).path.rpartition("/")[2]
    if not name or name in (".", ".."):
        raise Invalid(what=f"cannot determine filename for source {address}", why="", fix="")
    return name


def _stamp_s(header: str) -> float:
    try:
        return parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError):
        return 0.0
