"""Commands that plugins run: each in a session of its own, so that what it starts ends with it.

Source: setsid(2), kill(2).
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from maru.core.errors import Unavailable


async def started(
    command: str, *, takes: bool = False, gives: bool = False, errors: bool = False
) -> asyncio.subprocess.Process:
    """A shell runs `command`. takes: it has standard input; gives: its output is read, errors: those, too.

    Raises Unavailable.
    """
    try:
        return await asyncio.create_subprocess_shell(
            command,
            stdin=asyncio.subprocess.PIPE if takes else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if gives else None,
            stderr=asyncio.subprocess.STDOUT if errors else None,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(what=command, why=str(error), fix="look at the command") from error


async def ended(process: asyncio.subprocess.Process) -> None:
    """End it and what it started, if it runs still; idempotent."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
