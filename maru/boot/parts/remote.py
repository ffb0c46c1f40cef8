"""The Clients of a process that does not hold the store: the Kubernetes API over the unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.remote import RemoteClients
from maru.core.site import Site

POLL_S = 0.02


@dataclass(frozen=True)
class Needs:
    site: Site
    clock: Clock


@dataclass(frozen=True)
class Gives:
    clients: Clients


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every part
    """Wait until the API answers on its socket, then give clients to it."""
    path = needs.site.socket("api")
    while not await _answers(str(path)):
        await needs.clock.sleep(POLL_S)
    async with RemoteClients.over_socket(path) as clients:
        yield Gives(clients)


async def _answers(path: str) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    writer.close()
    return True
