"""Search as a component of the telemetry process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.search.api.assembly import routes_of
from maru.components.search.api.edge import Router, handler_of
from maru.components.search.api.house import House
from maru.components.search.config import SearchConfig
from maru.components.search.controllers.indexer import OwnIndexer
from maru.components.search.controllers.indices import Indices
from maru.components.search.controllers.refreshing import Refreshing
from maru.components.search.controllers.shelves import Shelves
from maru.components.search.controllers.templates import Templates
from maru.components.search.controllers.writing import Writing
from maru.components.search.model.definitions import (
    COMPONENT_TEMPLATES,
    DATA_STREAMS,
    INDICES,
    LEGACY_TEMPLATES,
    PIPELINES,
    TEMPLATES,
)
from maru.components.search.model.ingest.pipelines import Pipelines
from maru.contracts.indexer import Indexer
from maru.core.access import GROUP_MASTERS
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.front.listener import TcpListener
from maru.core.front.server import serve
from maru.core.ids import Ids
from maru.core.lifecycle import background
from maru.core.site import Site

CALLER = "system:maru:search"


@dataclass(frozen=True)
class Needs:
    site: Site
    clients: Clients
    clock: Clock
    ids: Ids
    config: SearchConfig


@dataclass(frozen=True)
class Gives:
    """What takes documents in; people reach the rest over the port."""

    indexer: Indexer


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Answer until closed; what was acknowledged is on disk then."""
    site, config = needs.site, needs.config
    folder = site.folder("search")
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    client = needs.clients.acting_as(CALLER, [GROUP_MASTERS])
    shelves = Shelves(client, needs.clock, needs.ids)
    async with background("search") as tasks:
        await shelves.open(tasks)
        streams = shelves.of(DATA_STREAMS)
        indices = Indices(shelves.of(INDICES), streams, folder / "indices", config, (needs.clock, needs.ids))
        await indices.open()
        templates = Templates(
            indices, (shelves.of(TEMPLATES), shelves.of(COMPONENT_TEMPLATES), shelves.of(LEGACY_TEMPLATES), streams)
        )
        pipelines = Pipelines(shelves.of(PIPELINES).get, indices.now)
        writing = Writing(indices, templates, pipelines, needs.ids)
        house = House(
            site,
            config,
            shelves,
            indices,
            templates,
            pipelines,
            writing,
            needs.clock,
            needs.ids,
            needs.clock.monotonic_s(),
        )
        tasks.start(Refreshing(indices, writing, needs.clock, config).run(), "refresh")
        listeners = [TcpListener(config.listen or site.listen, site.port(config.port))] if config.port else []
        handler = handler_of(Router(routes_of(house)), config.body_bytes_max)
        async with serve(listeners, handler, name="search"):
            yield Gives(OwnIndexer(writing))
        tasks.cancel()
        await indices.close()
