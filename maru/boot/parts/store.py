"""The store of the control process in its folder, and the root key that it and others seal secrets with.

The key stands in the folder of the keys, not in the store's: who copies the store alone has no secrets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.contracts.sealer import Sealer
from maru.core.clock import Clock
from maru.core.identity.seal import RootKeySealer
from maru.core.site import Site
from maru.core.store.interface import Store
from maru.core.store.opening import open_store
from maru.core.store.sealing import Sealing

ROOT_KEY = "root.key"  # in the folder of the component access


@dataclass(frozen=True)
class Needs:
    site: Site
    clock: Clock


@dataclass(frozen=True)
class Gives:
    store: Store
    sealer: Sealer


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every part
    """Raises Broken when the file is damaged or the key is not its own, Unavailable when another process holds it."""
    folder = needs.site.folder("store")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = needs.site.folder("access") / ROOT_KEY
    sealers: list[RootKeySealer] = []

    def read_key_blocking(may_make: bool) -> RootKeySealer:
        sealers.append(RootKeySealer.open_blocking(key, may_make=may_make))
        return sealers[0]

    async with open_store(folder / "documents.sqlite", needs.clock, Sealing(read_key_blocking)) as store:
        yield Gives(store, sealers[0])
