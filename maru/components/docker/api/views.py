"""What the edges show of a container, gathered. Source: Docker Engine API v1.50, ContainerInspect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from maru.components.docker.controllers.blueprints import Blueprints
from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.creating import Creating
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.controllers.ending import Ending
from maru.components.docker.controllers.execs import Execs
from maru.components.docker.controllers.networking import Networking
from maru.components.docker.controllers.starting import Starting
from maru.components.docker.controllers.volumes import Volumes
from maru.components.docker.engine.sizes import sizes_blocking
from maru.components.docker.model.inspect import View
from maru.components.docker.model.log_options import log_options


@dataclass(frozen=True, slots=True)
class Engine:
    """All controllers, for the edges."""

    dock: Dock
    boxes: Boxes
    documents: Documents
    volumes: Volumes
    networking: Networking
    creating: Creating
    starting: Starting
    ending: Ending
    execs: Execs
    blueprints: Blueprints


async def view_of(engine: Engine, box: Box, *, with_size: bool = False) -> View:
    """A container as it is now."""
    dock, container = engine.dock, box.container
    status = dock.runtime.find(box.id)
    sizes = None
    if with_size and status is not None:
        image = dock.images.find(container.image_id)
        image_bytes = sum(await dock.images.layer_bytes(image)) if image else 0
        sizes = await asyncio.to_thread(sizes_blocking, status.root_path, image_bytes)
    return View(
        container=container,
        state=box.state,
        pid=status.pid if status is not None and box.state.state in ("running", "paused") else 0,
        connectivity=dock.network.find_connectivity(box.id),
        exec_ids=list(box.execs),
        names=engine.boxes.names_of(box.id),
        folder=dock.folder_of(box.id),
        log_path=engine.starting.log_path(box, log_options(container)),
        sizes=sizes,
    )
