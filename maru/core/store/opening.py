"""Opening a store: the journal read back, the engine on top, its loops running while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from maru.core.clock import Clock
from maru.core.lifecycle import background
from maru.core.store.engine import Engine
from maru.core.store.journal import SqliteJournal
from maru.core.store.sealing import Sealing


@asynccontextmanager
async def open_store(path: Path, clock: Clock, sealing: Sealing | None = None) -> AsyncIterator[Engine]:
    """The store in the file `path`, made if it is not there; what `sealing` names stands sealed in it.

    Writes in line when the scope ends are still committed. Raises Unavailable when another process has the
    file or the disk refuses, Broken when it is damaged or its key is not the one; also later, when a commit
    finds that out.
    """
    journal = SqliteJournal(path, sealing)
    version, documents = await journal.open()
    try:
        engine = Engine(clock, journal, version=version, documents=documents)
        del documents
        async with background("store") as tasks:
            committer = tasks.start(engine.run(), "commits")
            tasks.start(engine.run_tidy(), "tidy")
            try:
                yield engine
            finally:
                engine.close()
                await asyncio.wait({committer})  # what it raises, the scope raises
    finally:
        await journal.close()
