"""Collection: files that no content row names, left by a crash between the disk and the index, are removed.

One folder at a time, so that a look over a million files never holds anything up.
"""

from __future__ import annotations

from maru.components.aws_s3.engine.depot import Depot
from maru.components.aws_s3.engine.index import Rows
from maru.core.clock import Clock
from maru.core.errors import Unavailable
from maru.core.log import Log


class Collection:
    """Looks at once, and then every `every_s`."""

    def __init__(self, depot: Depot, clock: Clock, every_s: float) -> None:
        self._depot = depot
        self._clock = clock
        self._every_s = every_s
        self._log = Log("aws_s3")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                removed = await self.collect()
            except Unavailable as error:
                self._log.warning("files could not be collected", why=str(error))
            else:
                if removed:
                    self._log.info("files that no object names were removed", files=removed)
            await self._clock.sleep(self._every_s)

    async def collect(self) -> int:
        """How many files went."""
        removed = 0
        for folder in await self._depot.contents.folders():
            numbers = await self._depot.contents.numbers_in(folder)

            def unnamed(rows: Rows, numbers: tuple[int, ...] = tuple(numbers)) -> list[int]:
                text = "SELECT 1 FROM contents WHERE id = ?"
                return [number for number in numbers if rows.execute(text, (number,)).fetchone() is None]

            lost = await self._depot.index.read(unnamed)
            self._depot.contents.discard(lost)
            removed += len(lost)
        return removed
