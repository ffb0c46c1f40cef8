"""Everything of swarm mode, put together: what runs while this node is in a swarm, and what goes when it leaves."""

from __future__ import annotations

from dataclasses import dataclass

from maru.components.docker.controllers.blueprints import Blueprints
from maru.components.docker.controllers.boxes import Boxes
from maru.components.docker.controllers.creating import Creating
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.ending import Ending
from maru.components.docker.controllers.networks import Networks
from maru.components.docker.controllers.starting import Starting
from maru.components.docker.controllers.swarm import agent
from maru.components.docker.controllers.swarm.agent import Agent
from maru.components.docker.controllers.swarm.balancing import Balancing
from maru.components.docker.controllers.swarm.files import Payloads, TaskFiles
from maru.components.docker.controllers.swarm.membership import Membership
from maru.components.docker.controllers.swarm.orchestrator import Orchestrator
from maru.components.docker.controllers.swarm.overlays import Overlays
from maru.components.docker.controllers.swarm.services import Services
from maru.core.lifecycle import Background


@dataclass(frozen=True, slots=True)
class Needs:
    """What swarm mode stands on."""

    dock: Dock
    boxes: Boxes
    networks: Networks
    creating: Creating
    starting: Starting
    ending: Ending
    blueprints: Blueprints
    version: str


@dataclass(frozen=True, slots=True)
class House:
    """For the edges."""

    dock: Dock
    membership: Membership
    overlays: Overlays
    services: Services
    orchestrator: Orchestrator
    agent: Agent
    payloads: Payloads


def build(needs: Needs) -> House:
    """Nothing runs yet: see `Membership.open`."""
    dock = needs.dock
    membership = Membership(dock, needs.version)
    overlays = Overlays(dock, needs.boxes, needs.networks, membership)
    services = Services(dock, membership, overlays)
    orchestrator = Orchestrator(dock, membership, services)
    runs = Agent(
        agent.Parts(
            dock,
            needs.boxes,
            needs.creating,
            needs.starting,
            needs.ending,
            membership,
            overlays,
            services,
        )
    )
    balancing = Balancing(dock, membership, overlays, runs)
    runs.before_ends(balancing.refresh)
    needs.blueprints.also_bind(TaskFiles(dock, membership, runs).binds_of)

    async def begin(tasks: Background) -> None:
        if not membership.cluster.status.get("hasNetworks"):
            await overlays.ensure_ingress()
            await membership.shelves.clusters.amend("default", {"hasNetworks": True})
        runs.begin(tasks)
        balancing.begin(tasks)
        orchestrator.begin(tasks)

    async def end() -> None:
        await runs.remove_all()
        await dock.network.balance(())
        await overlays.remove_all()

    membership.when_active(begin, end)
    return House(dock, membership, overlays, services, orchestrator, runs, Payloads(membership))
