"""The shared informers of a process, over whatever Clients stand before them in line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.core.access import GROUP_MASTERS
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.lifecycle import background


@dataclass(frozen=True)
class Needs:
    clients: Clients
    clock: Clock
    ids: Ids


@dataclass(frozen=True)
class Gives:
    informers: Informers


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every part
    """Keep every informer that anybody asks for fresh until closed."""
    informers = Informers(needs.clients.acting_as("system:maru", [GROUP_MASTERS]), needs.clock, needs.ids)
    async with background("informers") as tasks:
        tasks.start(informers.run())
        yield Gives(informers)
