"""The registry: what it needs, how its parts are put together, and the port it answers on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.registry.api.blobs import BlobApi
from maru.components.registry.api.edge import router
from maru.components.registry.api.guard import guarded
from maru.components.registry.api.lists import ListApi
from maru.components.registry.api.manifests import ManifestApi
from maru.components.registry.api.uploads import UploadApi
from maru.components.registry.config import RegistryConfig
from maru.components.registry.controllers.shelf import Shelf
from maru.components.registry.controllers.uploads import Uploads
from maru.components.registry.engine.catalog import Catalog
from maru.components.registry.engine.passwords import Passwords
from maru.contracts.content_store import ContentStore
from maru.core.clock import Clock
from maru.core.errors import Unavailable
from maru.core.front.listener import TcpListener
from maru.core.front.message import Handler
from maru.core.front.server import serve
from maru.core.ids import Ids
from maru.core.lifecycle import background
from maru.core.log import Log
from maru.core.site import PORT_REGISTRY, Site

BIND_AGAIN_S = 5.0


@dataclass(frozen=True)
class Needs:
    site: Site
    content: ContentStore
    clock: Clock
    ids: Ids
    config: RegistryConfig


@dataclass(frozen=True)
class Gives:
    """Nothing: others reach it over its port."""


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Answer until closed. A port that is taken is taken over once it is free; the other parts go on."""
    folder = needs.site.folder("registry")
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    catalog = await asyncio.to_thread(Catalog, folder / "catalog.db")
    try:
        shelf = Shelf(catalog, needs.content, needs.clock)
        await shelf.open()
        uploads = Uploads(needs.content, needs.clock, needs.ids, needs.config.uploads_max)
        async with background("registry") as tasks:
            tried = asyncio.Event()
            handler = guarded(handler_of(shelf, uploads), Passwords(needs.config.htpasswd_file))
            tasks.start(_answer(needs, handler, tried), "front")
            tasks.start(_collect(needs, shelf, uploads), "collection")
            await tried.wait()
            yield Gives()
            tasks.cancel()
    finally:
        await asyncio.to_thread(catalog.close_blocking)


def handler_of(shelf: Shelf, uploads: Uploads) -> Handler:
    """The whole API."""
    apis = (ListApi(shelf), UploadApi(shelf, uploads), BlobApi(shelf), ManifestApi(shelf))
    return router([route for api in apis for route in api.routes()])


async def _answer(needs: Needs, handler: Handler, tried: asyncio.Event) -> None:
    listener = TcpListener(needs.site.listen, needs.site.port(PORT_REGISTRY))
    while True:
        try:
            async with serve([listener], handler, name="registry"):
                tried.set()
                await asyncio.Event().wait()
        except Unavailable as error:
            if not tried.is_set():
                Log("registry").error("the registry has no port yet", why=str(error), fix=error.fix)
            tried.set()
        await needs.clock.sleep(BIND_AGAIN_S)


async def _collect(needs: Needs, shelf: Shelf, uploads: Uploads) -> None:
    while True:
        await needs.clock.sleep(needs.config.collect_every_s)
        try:
            await uploads.end_idle(needs.config.unreferenced_s)
            await shelf.collect(needs.config.unreferenced_s)
        except Unavailable as error:
            Log("registry").warning("content could not be collected", why=str(error))
