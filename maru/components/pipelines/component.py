"""Pipelines: what the component needs, how its parts are put together, and the port of its monitoring API."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.pipelines.api.monitoring import MonitoringApi
from maru.components.pipelines.config import PipelinesConfig
from maru.components.pipelines.controllers.documents import Documents
from maru.components.pipelines.controllers.settings import Settings
from maru.components.pipelines.engine.addresses import Addresses
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.engine.house import House
from maru.components.pipelines.engine.letters import Letters
from maru.components.pipelines.model.definitions import PIPELINES, spec_of
from maru.contracts.indexer import Indexer
from maru.core.access import GROUP_MASTERS
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.errors import Unavailable
from maru.core.front.listener import TcpListener
from maru.core.front.server import serve
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.kept import Kept
from maru.core.lifecycle import background
from maru.core.log import Log
from maru.core.site import PORT_PIPELINES, Site

CALLER = "system:maru:pipelines"
BIND_AGAIN_S = 5.0


@dataclass(frozen=True)
class Needs:
    site: Site
    clients: Clients
    informers: Informers
    indexers: Sequence[Indexer]
    clock: Clock
    ids: Ids
    config: PipelinesConfig


@dataclass(frozen=True)
class Gives:
    """Nothing: events go where the configurations say."""


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Run the pipelines that documents and files describe, until closed."""
    folder = needs.site.folder("pipelines")
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    ground = Ground(
        site=needs.site,
        clock=needs.clock,
        ids=needs.ids,
        informers=needs.informers,
        addresses=Addresses(),
        letters=Letters(folder / "letters", needs.config.letters_bytes_max),
        environment=dict(os.environ),
        indexer=needs.indexers[0] if needs.indexers else None,
    )
    client = needs.clients.acting_as(CALLER, [GROUP_MASTERS])
    kept = Kept(client, PIPELINES, spec_of, needs.clock, needs.ids)
    async with background("pipelines") as tasks:
        house = House(ground, tasks)
        documents = Documents(kept, house, needs.clock, needs.ids)
        await documents.open(tasks, container_logs=needs.config.container_logs and ground.indexer is not None)
        if needs.config.settings:
            tasks.start(Settings(needs.config, house, needs.clock).run(), "settings")
        tried = asyncio.Event()
        tasks.start(_answer(needs, house, tried), "monitoring")
        await tried.wait()
        try:
            yield Gives()
        finally:
            await house.close()
            tasks.cancel()


async def _answer(needs: Needs, house: House, tried: asyncio.Event) -> None:
    port = needs.site.port(PORT_PIPELINES)
    api = MonitoringApi(house, f"{needs.site.listen}:{port}", needs.ids.uid())
    while True:
        try:
            async with serve([TcpListener(needs.site.listen, port)], api.answer, name="pipelines"):
                tried.set()
                await asyncio.Event().wait()
        except Unavailable as error:
            if not tried.is_set():
                Log("pipelines").error("the monitoring API has no port yet", why=str(error), fix=error.fix)
            tried.set()
        await needs.clock.sleep(BIND_AGAIN_S)
