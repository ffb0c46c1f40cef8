"""The node: what it needs, and how it comes up: register, adopt, follow the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from maru.components.node.api.server import node_api
from maru.components.node.config import NodeConfig
from maru.components.node.controllers.evictor import Evictor
from maru.components.node.controllers.image_collector import ImageCollector
from maru.components.node.controllers.log_rotation import LogRotation
from maru.components.node.controllers.pods import Pods
from maru.components.node.controllers.references import References
from maru.components.node.controllers.registration import Registration
from maru.components.node.controllers.tokens import Tokens
from maru.components.node.controllers.usage_sampler import UsageSampler
from maru.components.node.controllers.workshop import Workshop
from maru.components.node.engine.clearing import clear_blocking
from maru.components.node.engine.machine_figures import read_figures_blocking, read_pressure_blocking
from maru.components.node.model.machine import machine_of
from maru.contracts.image_store import ImageStore
from maru.contracts.pod_network import PodNetwork
from maru.contracts.runtime import ContainerRuntime
from maru.core.access import GROUP_NODES
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.lifecycle import background
from maru.core.recorder import Recorder
from maru.core.site import Site
from maru.kinds.resources import NODES, PODS, SERVICES


@dataclass(frozen=True)
class Needs:
    clients: Clients
    runtime: ContainerRuntime
    images: ImageStore
    network: PodNetwork
    clock: Clock
    ids: Ids
    site: Site
    config: NodeConfig


@dataclass(frozen=True)
class Gives:
    """Nothing: others reach the node over its socket."""


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - the shape of every component
    """Run the node until closed; its Pods keep running."""
    site, clock, ids = needs.site, needs.clock, needs.ids
    folder = site.folder("node")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o711)
    await asyncio.to_thread(site.run_dir.mkdir, parents=True, exist_ok=True)
    client = needs.clients.acting_as(f"system:node:{site.node_name}", [GROUP_NODES])
    informers = Informers(client, clock, ids)
    own_pods = informers.of(PODS, fields=f"spec.nodeName={site.node_name}")
    own_node = informers.of(NODES, fields=f"metadata.name={site.node_name}")
    recorder = Recorder(client, clock, ids, "kubelet", site.node_name)
    figures = await asyncio.to_thread(read_figures_blocking, folder)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as http, background("node") as tasks:
        workshop = Workshop(
            site=site,
            config=needs.config,
            client=client,
            runtime=needs.runtime,
            images=needs.images,
            network=needs.network,
            clock=clock,
            ids=ids,
            recorder=recorder,
            references=References(client, clock, ids, tasks),
            tokens=Tokens(client, clock),
            services=informers.of(SERVICES),
            http=http,
            machine=machine_of(figures, needs.config),
        )
        registration = Registration(workshop, lambda: read_pressure_blocking(folder, needs.config.thresholds))
        tasks.start(recorder.run(), name="events")
        tasks.start(informers.run(), name="informers")
        await registration.register()
        tasks.start(registration.run_lease(), name="lease")
        tasks.start(registration.run_status(), name="status")
        pods = Pods(workshop, own_pods, own_node, tasks)
        tasks.start(pods.run(), name="pods")
        tasks.start(LogRotation(workshop).run(), name="log rotation")
        collector = ImageCollector(workshop, pods, folder)
        tasks.start(collector.run(), name="images")
        tasks.start(Evictor(workshop, pods, collector, folder).run(), name="evictions")
        sampler = UsageSampler(workshop, pods)
        tasks.start(sampler.run(), name="usage")
        async with node_api(workshop, pods, sampler):
            yield Gives()


async def tear_down(site: Site) -> None:
    """Take sandboxes and mounts of a platform whose workers have stopped off the machine. Idempotent."""
    await asyncio.to_thread(clear_blocking, site)
