"""Logs of containers are cut when they grow, and only the newest pieces are kept.

The live file is moved aside and the runtime writes a new one of the old name; followers notice by the
file's identity. Source: Kubernetes documentation, "Log rotation" (containerLogMaxSize, containerLogMaxFiles).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from maru.components.node.controllers.workshop import Workshop
from maru.core.errors import MaruError
from maru.core.log import Log


class LogRotation:
    """Looks at the logs of all running containers now and then."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._log = Log("node")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._workshop.clock.sleep(self._workshop.config.log_check_s)
            await self.rotate()

    async def rotate(self) -> None:
        """Cut every log that has grown over the bound."""
        config = self._workshop.config
        for status in self._workshop.runtime.list(owner="pods"):
            if not status.log_path or status.exit_code is not None:
                continue
            path, now = Path(status.log_path), self._workshop.clock.now()
            if not await asyncio.to_thread(_move_aside_blocking, path, config.log_bytes_max, now):
                continue
            try:
                await self._workshop.runtime.reopen_log(status.id)
            except MaruError as error:
                self._log.warning("cannot reopen a log", container=status.id, error=str(error))
            await asyncio.to_thread(_remove_old_blocking, path, config.log_files_max)


def _move_aside_blocking(path: Path, bytes_max: int, now: datetime) -> bool:
    if not path.exists() or path.stat().st_size < bytes_max:
        return False
    path.rename(path.with_name(f"{path.name}.{now.strftime('%Y%m%d-%H%M%S.%f')}"))
    return True


def _remove_old_blocking(path: Path, files_max: int) -> None:
    """The live file counts as one of `files_max`."""
    pieces = sorted(path.parent.glob(f"{path.name}.*"))
    for piece in pieces[: max(0, len(pieces) - (files_max - 1))]:
        piece.unlink(missing_ok=True)
