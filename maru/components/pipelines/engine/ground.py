"""What plugins stand on: the world as the engine gives it to inputs, filters and outputs.

Source: Logstash reference, "Working with plugins" (what a plugin may rely on).
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType

from maru.components.pipelines.engine.addresses import Addresses
from maru.components.pipelines.engine.letters import Letters
from maru.components.pipelines.model.filters.shape import TimeIsUp
from maru.contracts.indexer import Indexer
from maru.core.clock import Clock
from maru.core.errors import Invalid
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.log import Log
from maru.core.site import Site

FILE_BYTES_MAX = 64 << 20


@dataclass(frozen=True)
class Ground:
    """addresses: of pipelines that send to each other; letters: the dead letter queues by pipeline.

    environment: for `${NAME}` in configurations. indexer: None where no search runs in this process.
    closers: what is to be closed with the pipeline; each pipeline has its own.
    """

    site: Site
    clock: Clock
    ids: Ids
    informers: Informers
    addresses: Addresses
    letters: Letters
    environment: Mapping[str, str]
    indexer: Indexer | None
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    log: Log = field(default_factory=lambda: Log("pipelines"))

    def now(self) -> datetime:
        return self.clock.now()

    def monotonic_s(self) -> float:
        return self.clock.monotonic_s()

    def unique_id(self) -> str:
        return self.ids.uid()

    def fraction(self) -> float:
        return self.ids.fraction()

    def read_file(self, path: Path) -> bytes:
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise Invalid(what=str(path), why="it is over 64 MiB", fix="make it smaller")
            return path.read_bytes()
        except OSError as error:
            raise Invalid(what=str(path), why=error.strerror or str(error), fix="make it a readable file") from error

    @contextmanager
    def limited(self, limit_s: float) -> Iterator[None]:
        """Raise TimeIsUp in the body once `limit_s` (0: never) of real time have gone by.

        A regular expression looks at signals while it runs, so this ends one that runs wild, too. For the
        process's main thread alone, and not one within another.
        """
        if limit_s <= 0:
            yield
            return
        # A pipeline's filters run on the loop's thread, one batch at a time, so nothing else has this timer.
        before = signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise TimeIsUp
