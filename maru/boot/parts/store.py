"""The store of the control process, in its folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.core.clock import Clock
from maru.core.site import Site
from maru.core.store.interface import Store
from maru.core.store.opening import open_store


@dataclass(frozen=True)
class Needs:
    site: Site
    clock: Clock


@dataclass(frozen=True)
class Gives:
    store: Store


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every part
    """Raises Broken when the file is damaged, Unavailable when another process holds it."""
    folder = needs.site.folder("store")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with open_store(folder / "documents.sqlite", needs.clock) as store:
        yield Gives(store)
