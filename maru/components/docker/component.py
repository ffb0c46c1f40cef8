"""The Docker Engine API: what it needs, how its parts are put together, and the socket it answers on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import maru
from maru.components.docker.api import system
from maru.components.docker.api.archives import ArchiveApi
from maru.components.docker.api.attach import AttachApi
from maru.components.docker.api.builds import BuildApi
from maru.components.docker.api.containers import ContainerApi
from maru.components.docker.api.edge import router
from maru.components.docker.api.events import EventApi
from maru.components.docker.api.execs import ExecApi
from maru.components.docker.api.image_prune import ImagePruneApi
from maru.components.docker.api.images import ImageApi
from maru.components.docker.api.inside import Inside
from maru.components.docker.api.logs import LogApi
from maru.components.docker.api.machine import MachineApi
from maru.components.docker.api.networks import NetworkApi
from maru.components.docker.api.nodes import NodeApi
from maru.components.docker.api.plugins import PluginApi
from maru.components.docker.api.registries import RegistryApi
from maru.components.docker.api.running import RunningApi
from maru.components.docker.api.secrets import CONFIG, SECRET, SecretApi
from maru.components.docker.api.service_logs import ServiceLogApi
from maru.components.docker.api.services import ServiceApi
from maru.components.docker.api.swarm import SwarmApi
from maru.components.docker.api.tasks import TaskApi
from maru.components.docker.api.usage import UsageApi
from maru.components.docker.api.views import Engine
from maru.components.docker.api.volumes import VolumeApi
from maru.components.docker.config import DockerConfig
from maru.components.docker.controllers import creating, ending
from maru.components.docker.controllers.adopting import Adopting
from maru.components.docker.controllers.blueprints import Blueprints, release_blocking
from maru.components.docker.controllers.boxes import Boxes
from maru.components.docker.controllers.builds.building import Building
from maru.components.docker.controllers.builds.running import Runner
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.controllers.events import Events
from maru.components.docker.controllers.execs import Execs
from maru.components.docker.controllers.network_documents import NetworkDocuments
from maru.components.docker.controllers.networking import Networking
from maru.components.docker.controllers.networks import Networks
from maru.components.docker.controllers.starting import Starting
from maru.components.docker.controllers.swarm import house as swarm_house
from maru.components.docker.controllers.swarm.house import House, build
from maru.components.docker.controllers.volumes import Volumes
from maru.components.docker.engine.event_file import EventFile
from maru.components.docker.engine.facts import facts_blocking
from maru.components.docker.model.container import State
from maru.components.docker.model.sealing import ENVIRONMENT_KEY
from maru.contracts.container_network import ContainerNetwork
from maru.contracts.engine_api import EngineApi
from maru.contracts.image_store import ImageStore
from maru.contracts.registry_client import RegistryClient
from maru.contracts.runtime import ContainerRuntime
from maru.core.access import GROUP_MASTERS
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.front.listener import UnixListener
from maru.core.front.routes import Route
from maru.core.front.server import Bounds, serve
from maru.core.identity.seal import RootKeySealer
from maru.core.ids import Ids
from maru.core.lifecycle import Background, background
from maru.core.log import Log
from maru.core.site import Site

CALLER = "system:maru:docker"
STALL_S = 3600.0  # a client may look at its terminal for as long without reading


@dataclass(frozen=True)
class Needs:
    site: Site
    runtime: ContainerRuntime
    images: ImageStore
    registries: RegistryClient
    network: ContainerNetwork
    clients: Clients
    clock: Clock
    ids: Ids
    config: DockerConfig


@dataclass(frozen=True)
class Gives:
    """The API for dialects in this process; all others reach it over its socket."""

    api: EngineApi


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Answer until closed; the containers go on."""
    site = needs.site
    uploads = site.folder("docker") / "uploads"
    await asyncio.to_thread(shutil.rmtree, uploads, ignore_errors=True)
    await asyncio.to_thread(uploads.mkdir, mode=0o700, parents=True)
    await asyncio.to_thread(site.folder("docker").chmod, 0o711)
    await asyncio.to_thread(site.run_dir.mkdir, parents=True, exist_ok=True)
    client = needs.clients.acting_as(CALLER, [GROUP_MASTERS])
    sealer = await asyncio.to_thread(RootKeySealer.open_blocking, site.folder("docker") / ENVIRONMENT_KEY)
    documents = Documents(client, needs.clock, needs.ids, site.node_name, sealer)
    async with background("docker") as tasks:
        engine, adopting = await _assembled(needs, documents, tasks)
        kept = EventFile(site.folder("docker") / "events.jsonl", needs.config.events_kept)
        await engine.dock.events.take_up(kept)
        tasks.start(engine.dock.events.keep(kept), "events")
        networks = Networks(engine.dock, engine.boxes, engine.documents, engine.networking)
        tasks.start(NetworkDocuments(engine.dock, networks).run(), "network documents")
        images = ImageApi(engine.dock, engine.boxes, uploads)
        runner = Runner(engine.creating, engine.starting, engine.ending)
        builds = BuildApi(Building(engine.dock, runner), uploads)
        registries = RegistryApi(needs.registries)
        house = _swarm_house(engine, networks)
        plugins = PluginApi(engine.dock, needs.registries)
        edges = (registries, plugins, builds, ImagePruneApi(engine.dock), images, NetworkApi(networks, house.overlays))
        routes = [
            *system.routes(),
            *_swarm_routes(engine, house),
            *_routes(engine, needs.registries, house),
            *(route for edge in edges for route in edge.routes()),
        ]
        handler = router(routes)
        async with serve([UnixListener(site.socket("docker"))], handler, name="docker", bounds=Bounds(stall_s=STALL_S)):
            await adopting.carry_on(tasks)
            await house.membership.open()
            yield Gives(api=Inside(engine, handler))
            await house.membership.close()
        tasks.cancel()
        await engine.dock.events.write_rest(kept)


async def tear_down(site: Site) -> None:
    """Take what containers had mounted off the machine; the containers themselves are the engine's. Idempotent."""
    await asyncio.to_thread(release_blocking, str(site.folder("docker")))


async def _assembled(needs: Needs, documents: Documents, tasks: Background) -> tuple[Engine, Adopting]:
    dock = Dock(
        site=needs.site,
        config=needs.config,
        facts=await asyncio.to_thread(facts_blocking, needs.runtime.choices()),
        runtime=needs.runtime,
        images=needs.images,
        network=needs.network,
        client=needs.clients.acting_as(CALLER, [GROUP_MASTERS]),
        clock=needs.clock,
        ids=needs.ids,
        events=Events(needs.clock, needs.config.events_kept),
        tasks=tasks,
        log=Log("docker"),
    )
    boxes = Boxes()
    volumes = Volumes(dock, documents, lambda name: _users_of(boxes, name))
    networking = Networking(dock, boxes)
    blueprints = Blueprints(dock, boxes, volumes)
    starting = Starting(dock, boxes, documents, networking, blueprints)
    ends = ending.Ending(ending.Parts(dock, boxes, documents, networking, volumes, starting))
    starting.when_ended(ends.ended)
    creates = creating.Creating(creating.Parts(dock, boxes, documents, volumes, starting))
    execs = Execs(dock, boxes, blueprints)
    adopting = Adopting(dock, boxes, documents, starting, ends)

    def state_of(container_id: str) -> State | None:
        box = boxes.find(container_id)
        return box.state if box is not None and box.state.state != "removing" else None

    await documents.open(state_of)
    await volumes.open()
    await adopting.load()
    tasks.start(documents.run(), "documents")
    tasks.start(documents.follow_deletions(ends.gone), "deletions")
    return Engine(dock, boxes, documents, volumes, networking, creates, starting, ends, execs, blueprints), adopting


def _swarm_house(engine: Engine, networks: Networks) -> House:
    return build(
        swarm_house.Needs(
            engine.dock,
            engine.boxes,
            networks,
            engine.creating,
            engine.starting,
            engine.ending,
            engine.blueprints,
            maru.__version__,
        )
    )


def _swarm_routes(engine: Engine, house: House) -> Sequence[Route]:
    apis = (
        SwarmApi(house),
        ServiceLogApi(house, engine),
        ServiceApi(house),
        TaskApi(house),
        NodeApi(house),
        SecretApi(house, SECRET),
        SecretApi(house, CONFIG),
    )
    return [route for api in apis for route in api.routes()]


def _routes(engine: Engine, registries: RegistryClient, house: House) -> Sequence[Route]:
    apis = (
        ContainerApi(engine),
        RunningApi(engine),
        AttachApi(engine),
        LogApi(engine),
        ExecApi(engine),
        ArchiveApi(engine),
        UsageApi(engine),
        VolumeApi(engine),
        EventApi(engine.dock),
        MachineApi(engine, registries.rules, house),
    )
    return [route for api in apis for route in api.routes()]


def _users_of(boxes: Boxes, name: str) -> Sequence[str]:
    return [box.id for box in boxes.all() if any(point.name == name for point in box.container.mounts)]
