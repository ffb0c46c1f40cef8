"""The Docker Engine API: what it needs, and the socket it answers on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.docker.api import system
from maru.components.docker.api.edge import router
from maru.components.docker.api.images import ImageApi
from maru.components.docker.config import DockerConfig
from maru.contracts.image_store import ImageStore
from maru.core.front.listener import UnixListener
from maru.core.front.server import serve
from maru.core.ids import Ids
from maru.core.site import Site


@dataclass(frozen=True)
class Needs:
    site: Site
    images: ImageStore
    ids: Ids
    config: DockerConfig


@dataclass(frozen=True)
class Gives:
    """Nothing: others reach it over its socket."""


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Answer until closed; the containers go on."""
    site = needs.site
    uploads = site.folder("docker") / "uploads"
    await asyncio.to_thread(shutil.rmtree, uploads, ignore_errors=True)
    await asyncio.to_thread(uploads.mkdir, mode=0o700, parents=True)
    await asyncio.to_thread(site.run_dir.mkdir, parents=True, exist_ok=True)
    handler = router([*system.routes(), *ImageApi(needs.images, uploads, needs.ids).routes()])
    async with serve([UnixListener(site.socket("docker"))], handler, name="docker"):
        yield Gives()
