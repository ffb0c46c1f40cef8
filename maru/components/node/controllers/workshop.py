"""What all Pod workers of a node share: the ways to the API, the runtime, the network and the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import aiohttp

from maru.components.node.config import NodeConfig
from maru.components.node.controllers.references import References
from maru.components.node.controllers.tokens import Tokens
from maru.components.node.model.downward import Surroundings
from maru.components.node.model.machine import Machine
from maru.contracts.image_store import ImageStore
from maru.contracts.pod_network import PodNetwork
from maru.contracts.runtime import ContainerRuntime
from maru.core.client import Client
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.informer import Informer
from maru.core.recorder import Recorder
from maru.core.site import Site

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Workshop:
    """Handed to everything that works on Pods."""

    site: Site
    config: NodeConfig
    client: Client
    runtime: ContainerRuntime
    images: ImageStore
    network: PodNetwork
    clock: Clock
    ids: Ids
    recorder: Recorder
    references: References
    tokens: Tokens
    services: Informer
    http: aiohttp.ClientSession
    machine: Machine

    @property
    def host_ips(self) -> Sequence[str]:
        return (self.config.address or self.network.node_ip,)

    def around(self, pod_ips: Sequence[str]) -> Surroundings:
        """What the downward API may tell a Pod with these addresses."""
        return Surroundings(self.site.node_name, self.host_ips, pod_ips, self.machine.allocatable)


async def within(clock: Clock, work: Awaitable[T], limit_s: float) -> T:
    """The result of `work`, which is cancelled when `limit_s` of the clock's time are over.

    Raises TimeoutError then.
    """
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(max(0.0, limit_s)))
    try:
        await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        timer.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
