"""Log files of containers: reopened after they were moved aside, and moved aside when they are large.

conmon writes each stream's lines in the CRI format and opens a new file when told so through its
control pipe. Rotated files keep the name with the time of rotation behind it, as kubelet names them.
Source: CRI log format; kubelet's container log manager.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from maru.components.engine.engine.containers import Container, Containers
from maru.components.engine.engine.sessions import REOPEN_LOG, write_pipe
from maru.core.clock import Clock
from maru.core.errors import Deadline, Unavailable
from maru.core.log import Log
from maru.linux.inotify import FolderWatch

REOPEN_DEADLINE_S = 5.0


async def reopen(folder: Path, log_path: str) -> None:
    """Have the holder in `folder` write to a new file at `log_path`. Returns once it does.

    Raises Unavailable when there is no holder, Deadline.
    """
    log = Path(log_path)
    watch = FolderWatch(str(log.parent))
    try:
        if not write_pipe(folder / "ctl", REOPEN_LOG):
            raise Unavailable(what=f"log {log_path}", why="its container has no holder any more", fix="")
        async with asyncio.timeout(REOPEN_DEADLINE_S):
            async for name in watch.names():
                if name in (log.name, ""):
                    return
    except TimeoutError as error:
        raise Deadline(what=f"log {log_path}", why="its holder did not reopen it", fix="") from error
    finally:
        watch.close()


async def rotate(containers: Containers, clock: Clock, check_s: float, files_max: int) -> None:
    """Look at the sizes every `check_s` seconds, until cancelled; keep `files_max` files of each log."""
    log = Log("engine")
    while True:
        await clock.sleep(check_s)
        for container in containers.all():
            try:
                await _rotate_one(container, clock.now(), files_max)
            except (OSError, Unavailable, Deadline) as error:
                log.warning("a log was not rotated", container=container.record.id, error=str(error))


async def _rotate_one(container: Container, now: datetime, files_max: int) -> None:
    record = container.record
    is_live = record.exit_code is None and not record.is_laid_out and record.phase == "created"
    if not record.log_bytes_max or not is_live:
        return
    path = Path(record.log_path)
    kept = record.log_files_max or files_max
    moved = await asyncio.to_thread(_move_blocking, path, record.log_bytes_max, now, kept)
    if moved:
        await reopen(container.folder, record.log_path)


def _move_blocking(path: Path, bytes_max: int, now: datetime, files_max: int) -> bool:
    if not path.exists() or path.stat().st_size <= bytes_max:
        return False
    older = sorted(path.parent.glob(f"{path.name}.2*"))
    for file in older[: max(0, len(older) - files_max + 2)]:
        file.unlink(missing_ok=True)
    if files_max == 1:
        path.unlink()
        return True
    path.rename(path.with_name(f"{path.name}.{now:%Y%m%d-%H%M%S}"))
    return True
