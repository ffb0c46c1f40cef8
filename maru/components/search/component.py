"""Search as a component of the telemetry process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.search.api.assembly import routes_of
from maru.components.search.api.edge import Router, handler_of
from maru.components.search.api.house import House
from maru.components.search.api.passing import passing_handler
from maru.components.search.config import SearchConfig
from maru.components.search.controllers.backend import BackendIndexer, backend
from maru.components.search.controllers.indexer import OwnIndexer
from maru.components.search.controllers.indices import Indices
from maru.components.search.controllers.jobs import Jobs
from maru.components.search.controllers.lifecycle import Lifecycle
from maru.components.search.controllers.refreshing import Refreshing
from maru.components.search.controllers.shelves import Shelves
from maru.components.search.controllers.snapshots import Snapshots
from maru.components.search.controllers.templates import Templates
from maru.components.search.controllers.writing import Writing
from maru.components.search.model.definitions import (
    COMPONENT_TEMPLATES,
    DATA_STREAMS,
    INDICES,
    LEGACY_TEMPLATES,
    PIPELINES,
    POLICIES,
    REPOSITORIES,
    SETTINGS,
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
    """Answer until closed; what was acknowledged is on disk then, or in the cluster behind."""
    site, config = needs.site, needs.config
    listeners = [TcpListener(config.listen or site.listen, site.port(config.port))] if config.port else []
    if config.backend == "opensearch":
        async with backend(config) as cluster, serve(listeners, passing_handler(cluster, config), name="search"):
            yield Gives(BackendIndexer(cluster))
        return
    folder = site.folder("search")
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    client = needs.clients.acting_as(CALLER, [GROUP_MASTERS])
    shelves = Shelves(client, needs.clock, needs.ids)
    async with background("search") as tasks:
        await shelves.open(tasks)
        house = await _assembled(needs, shelves, Jobs(tasks, needs.clock))
        tasks.start(Refreshing(house.indices, house.writing, needs.clock, config).run(), "refresh")
        tasks.start(house.lifecycle.run(), "lifecycle")
        handler = handler_of(Router(routes_of(house)), config.body_bytes_max)
        async with serve(listeners, handler, name="search"):
            yield Gives(OwnIndexer(house.writing))
        tasks.cancel()
        await house.indices.close()


async def _assembled(needs: Needs, shelves: Shelves, jobs: Jobs) -> House:
    folder = needs.site.folder("search") / "indices"
    streams, policies = shelves.of(DATA_STREAMS), shelves.of(POLICIES)
    indices = Indices(shelves.of(INDICES), streams, folder, needs.config, (needs.clock, needs.ids))
    await indices.open()
    composable, components, legacy = (shelves.of(kind) for kind in (TEMPLATES, COMPONENT_TEMPLATES, LEGACY_TEMPLATES))
    templates = Templates(indices, (composable, components, legacy, streams))
    pipelines = Pipelines(shelves.of(PIPELINES).get, indices.now)
    writing = Writing(indices, templates, pipelines, needs.ids)
    places = (needs.site.folder("search") / "repositories", needs.config.path_repo)
    return House(
        site=needs.site,
        config=needs.config,
        shelves=shelves,
        indices=indices,
        templates=templates,
        pipelines=pipelines,
        writing=writing,
        lifecycle=Lifecycle(indices, templates, policies, shelves.of(SETTINGS), needs.clock),
        jobs=jobs,
        snapshots=Snapshots(shelves.of(REPOSITORIES), indices, writing, needs.ids, places),
        clock=needs.clock,
        ids=needs.ids,
        started_s=needs.clock.monotonic_s(),
    )
