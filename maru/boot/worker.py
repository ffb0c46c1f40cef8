"""One worker process: opens its parts in line, says ready, runs until told to stop.

The supervisor hands it a link (see `boot/link.py`), whose end is the supervisor's death. A part that
fails ends the process with a line that says why; the supervisor starts it again. Only one process of
a name works in a folder: one that is left of an earlier supervisor is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from maru.boot.catalog import load
from maru.boot.holding import held_blocking
from maru.boot.link import READY, log_path, reopen
from maru.boot.processes import layout
from maru.boot.settings import settings_of
from maru.boot.site_file import read, site
from maru.boot.wiring import opened
from maru.core.clock import Clock, SystemClock
from maru.core.errors import Deadline, MaruError, Throttled, Unavailable
from maru.core.ids import Ids, SystemIds
from maru.core.log import Log
from maru.core.site import Site

_YOUNG_MAX = 10_000  # new objects between two collections: a request makes hundreds, nearly all freed by count
_SETTLING_S = 0.05  # after it is open: the first collection takes as long, and nobody who starts Maru waits for it
EXIT_FAILED = 1
EXIT_CANNOT = 78  # as the supervisor reads it: starting again will not help until a person acts
PREDECESSOR_S = 15.0
PASSING = (Unavailable, Deadline, Throttled)
"""What may be well again by itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m maru.boot.worker PROCESS DATA_DIR LINK_FD`; answers the exit code."""
    process, data_dir, link = (arguments or sys.argv[1:])[:3]
    log = Log(process)
    folder = Path(data_dir)
    lock = folder / "run" / f"{process}.lock"
    try:
        with held_blocking(lock, f"process {process}", wait_s=PREDECESSOR_S):
            uvloop.run(_run(process, folder, int(link), log))
    except MaruError as error:
        log.error("cannot start", what=error.what, why=error.why, fix=error.fix)
        return EXIT_FAILED if isinstance(error, PASSING) else EXIT_CANNOT
    except BaseExceptionGroup as group:
        expected, bugs = group.split(MaruError)
        if bugs is not None:
            raise
        assert expected is not None
        log.error("cannot go on", why="; ".join(str(error) for error in _leaves(expected)))
        return EXIT_FAILED
    return 0


async def _run(process: str, data_dir: Path, link: int, log: Log) -> None:
    stop, is_open = asyncio.Event(), asyncio.Event()
    life = asyncio.create_task(_live(process, data_dir, is_open, stop))

    def end() -> None:
        stop.set()
        if not is_open.is_set():  # what it waits for may never come
            life.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    with socket.socket(fileno=link) as pair:
        pair.settimeout(0)
        loop.add_reader(pair.fileno(), lambda: _hear(pair, end, log_path(data_dir, process)))
        opening = asyncio.create_task(is_open.wait())
        try:
            await asyncio.wait({life, opening}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                with contextlib.suppress(ConnectionError):
                    pair.send(READY)
                log.info("ready")
            with contextlib.suppress(asyncio.CancelledError):
                await life
        finally:
            opening.cancel()
            loop.remove_reader(pair.fileno())


async def _live(process: str, data_dir: Path, is_open: asyncio.Event, stop: asyncio.Event) -> None:
    told = read(data_dir)
    here = site(data_dir, told)
    gc.disable()  # imports and first reads make next to no garbage, but much to walk through
    parts = load(layout(one=told.processes_one, only=told.only)[process])
    given = {Site: here, Clock: SystemClock(), Ids: SystemIds()}
    async with opened(parts, given, settings_of(data_dir)):
        is_open.set()
        settling = asyncio.get_running_loop().call_later(_SETTLING_S, _settle)
        await stop.wait()
        settling.cancel()


def _settle() -> None:
    """What is here at start stays: do not walk it again on every collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_MAX)
    gc.enable()


def _hear(pair: socket.socket, end: Callable[[], None], path: Path) -> None:
    """The supervisor said that the log was moved, or is no more."""
    try:
        said = pair.recv(4096)
    except BlockingIOError:
        return
    except ConnectionError:
        said = b""
    if said:
        reopen(path)
    else:
        asyncio.get_running_loop().remove_reader(pair.fileno())
        end()


def _leaves(group: BaseExceptionGroup[MaruError]) -> list[MaruError]:
    found: list[MaruError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main())
