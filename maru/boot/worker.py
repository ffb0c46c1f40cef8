"""One worker process: opens its parts in line, says ready, runs until told to stop.

The supervisor hands it a pipe: the worker writes one line when it is ready and takes the pipe's end
as the supervisor's death, so no worker outlives its supervisor. A part that fails ends the process
with a line that says why; the supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from maru.boot.catalog import load
from maru.boot.processes import layout
from maru.boot.site_file import read, site
from maru.boot.wiring import opened
from maru.core.clock import Clock, SystemClock
from maru.core.config import read_file
from maru.core.errors import MaruError
from maru.core.ids import Ids, SystemIds
from maru.core.log import Log
from maru.core.site import Site

EXIT_FAILED = 1
EXIT_CANNOT = 78  # EX_CONFIG: starting again will not help until a person acts


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m maru.boot.worker PROCESS DATA_DIR LINK_FD`; answers the exit code."""
    process, data_dir, link = (arguments or sys.argv[1:])[:3]
    log = Log(process)
    try:
        uvloop.run(_run(process, Path(data_dir), int(link), log))
    except MaruError as error:
        log.error("cannot start", what=error.what, why=error.why, fix=error.fix)
        return EXIT_CANNOT
    except BaseExceptionGroup as group:
        expected, bugs = group.split(MaruError)
        if bugs is not None:
            raise
        assert expected is not None
        log.error("cannot go on", why="; ".join(str(error) for error in _leaves(expected)))
        return EXIT_FAILED
    return 0


async def _run(process: str, data_dir: Path, link: int, log: Log) -> None:
    told = read(data_dir)
    here = site(data_dir, told)
    parts = load(layout(one=told.processes_one, only=told.only)[process])
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with open(link, "r+b", buffering=0) as pipe:
        loop.add_reader(pipe.fileno(), stop.set)
        given = {Site: here, Clock: SystemClock(), Ids: SystemIds()}
        async with opened(parts, given, read_file(data_dir / "config.yaml")):
            gc.collect()
            gc.freeze()  # what is here at start stays: do not walk it again on every collection
            pipe.write(b"ready\n")
            log.info("ready", parts=[name for name, _ in parts])
            await stop.wait()
        loop.remove_reader(pipe.fileno())


def _leaves(group: BaseExceptionGroup[MaruError]) -> list[MaruError]:
    found: list[MaruError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main())
