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
from maru.components.network.engine import container_plane
from maru.components.network.engine.bridged import BridgedNetwork
from maru.components.network.engine.container_plane import open_container_plane
from maru.components.network.engine.data_plane import DataPlane, open_data_plane
from maru.components.network.model.container_ground import container_ground_of
from maru.components.network.model.ground import TABLE_PREFIX, ground_of
from maru.contracts.container_network import ContainerNetwork, PublishedPort
from maru.contracts.pod_network import PodNetwork
from maru.core.clock import Clock, SystemClock
from maru.core.ids import Ids, SystemIds
from maru.core.informer import Informers
from maru.core.lifecycle import background
from maru.core.site import Site


@dataclass(frozen=True)
class Needs:
    """What the network stands on."""

    site: Site
    informers: Informers
    clock: Clock
    ids: Ids
    config: NetworkConfig


@dataclass(frozen=True)
class Gives:
    """Addresses for Pods, and networks for containers."""

    pod_network: PodNetwork
    container_network: ContainerNetwork


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - every component's entry
    """The network of this node; what it made stays when it closes, so that workloads go on talking."""
    site, config = needs.site, needs.config
    ground = ground_of(site, config)
    async with (
        open_data_plane(ground, site.folder("network"), config.netns_path) as plane,
        open_container_plane(_container_needs(needs, plane)) as container_networks,
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
        tasks.start(container_networks.watch(config.verify_s), "container guard")
        yield Gives(BridgedNetwork(plane, site.cluster_dns_ip), container_networks)


async def tear_down(site: Site) -> None:
    """Remove bridge, tables and settings; for `maru down`, when no process of this platform runs any more."""
    ground, folder = ground_of(site, NetworkConfig()), site.folder("network")
    grounds = container_ground_of(site, ground)
    needs = container_plane.Needs(grounds, folder, "", SystemClock(), SystemIds())
    async with open_data_plane(ground, folder) as plane:
        async with open_container_plane(needs) as container_networks:
            await container_networks.tear_down()
        await plane.tear_down(TABLE_PREFIX)


def _container_needs(needs: Needs, plane: DataPlane) -> container_plane.Needs:
    ground = container_ground_of(needs.site, ground_of(needs.site, needs.config))
    folder = needs.site.folder("network")

    def ports_of_pods() -> list[PublishedPort]:
        return [
            PublishedPort(port.container_port, port.protocol.lower(), port.host_ip or "0.0.0.0", port.host_port)
            for port in plane.list_host_ports()
        ]

    return container_plane.Needs(ground, folder, needs.config.netns_path, needs.clock, needs.ids, ports_of_pods)
