"""The network as a component of the node process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.network.config import NetworkConfig
from maru.components.network.controllers.guard import TableGuard
from maru.components.network.controllers.health import HealthChecks
from maru.components.network.controllers.nodes import NodesController
from maru.components.network.controllers.policies import PoliciesController
from maru.components.network.controllers.services import ServicesController
from maru.components.network.engine.bridged import BridgedNetwork
from maru.components.network.engine.data_plane import open_data_plane
from maru.components.network.model.ground import TABLE_PREFIX, ground_of
from maru.contracts.pod_network import PodNetwork
from maru.core.clock import Clock
from maru.core.informer import Informers
from maru.core.lifecycle import background
from maru.core.site import Site


@dataclass(frozen=True)
class Needs:
    """What the network stands on."""

    site: Site
    informers: Informers
    clock: Clock
    config: NetworkConfig


@dataclass(frozen=True)
class Gives:
    """Addresses for Pods."""

    pod_network: PodNetwork


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - every component's entry
    """The network of this node; what it made stays when it closes, so that workloads go on talking."""
    site, config = needs.site, needs.config
    ground = ground_of(site, config)
    async with (
        open_data_plane(ground, site.folder("network"), config.netns_path) as plane,
        background("network") as tasks,
    ):
        services = ServicesController(plane, needs.informers, needs.clock, site.node_name, debounce_s=config.debounce_s)
        checks = HealthChecks(plane, site.node_name)
        services.on_service(checks.on_service)
        nodes = NodesController(plane, needs.informers, needs.clock, site.node_name)
        gateway = ground.addresses.gateway
        policies = PoliciesController(plane, needs.informers, needs.clock, site.node_name, gateway)
        guard = TableGuard(plane, services.is_replaced, needs.clock, config.verify_s)
        tasks.start(services.run(), "services")
        tasks.start(checks.run(), "health checks")
        tasks.start(nodes.run(), "nodes")
        tasks.start(guard.run(), "guard")
        tasks.start(policies.run(services.is_replaced, config.policy_debounce_s), "policies")
        yield Gives(pod_network=BridgedNetwork(plane, site.cluster_dns_ip))


async def tear_down(site: Site) -> None:
    """Remove bridge, tables and settings; for `maru down`, when no process of this platform runs any more."""
    async with open_data_plane(ground_of(site, NetworkConfig()), site.folder("network")) as plane:
        await plane.tear_down(TABLE_PREFIX)
