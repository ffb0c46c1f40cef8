"""The workload controllers as a component: they need documents, time and randomness, and give only effects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maru.components.workloads.config import WorkloadsConfig
from maru.components.workloads.controllers.cron_jobs import CronJobs
from maru.components.workloads.controllers.daemon_sets import DaemonSets
from maru.components.workloads.controllers.deployments import Deployments
from maru.components.workloads.controllers.disruption_budgets import DisruptionBudgets
from maru.components.workloads.controllers.endpoint_slices import EndpointSliceMirrors, EndpointSlices
from maru.components.workloads.controllers.endpoints import Endpoints
from maru.components.workloads.controllers.ephemeral_volumes import EphemeralVolumes
from maru.components.workloads.controllers.finished_jobs import FinishedJobs
from maru.components.workloads.controllers.garbage_collector import GarbageCollector
from maru.components.workloads.controllers.horizontal_pod_autoscalers import HorizontalPodAutoscalers
from maru.components.workloads.controllers.jobs import Jobs
from maru.components.workloads.controllers.kit import Kit, Runner
from maru.components.workloads.controllers.namespaces import Namespaces
from maru.components.workloads.controllers.nodes import Nodes
from maru.components.workloads.controllers.pod_garbage import PodGarbage
from maru.components.workloads.controllers.protection import ClaimProtection, VolumeProtection
from maru.components.workloads.controllers.replica_sets import ReplicaSets, ReplicationControllers
from maru.components.workloads.controllers.resource_quotas import ResourceQuotas
from maru.components.workloads.controllers.service_accounts import ServiceAccounts, ServiceAccountTokens
from maru.components.workloads.controllers.stateful_sets import StatefulSets
from maru.components.workloads.controllers.taint_evictions import TaintEvictions
from maru.components.workloads.controllers.volumes import Volumes
from maru.contracts.kinds_served import KindsServed
from maru.contracts.usage import UsageSource
from maru.core.client import Clients
from maru.core.clock import Clock
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.lifecycle import background
from maru.core.site import Site


@dataclass(frozen=True)
class Needs:
    """site: where provisioned volumes are kept; clients: to write as system:controller:NAME.

    informers: run by whoever gives them.
    """

    site: Site
    clients: Clients
    informers: Informers
    clock: Clock
    ids: Ids
    kinds: KindsServed
    usage: UsageSource
    config: WorkloadsConfig


@dataclass(frozen=True)
class Gives:
    """Nothing: what they do shows in documents."""


@asynccontextmanager
async def open(needs: Needs) -> AsyncIterator[Gives]:  # noqa: A001 - every component is opened by this name
    """Bring documents right until closed."""
    kit = Kit(needs.clients, needs.informers, needs.clock, needs.ids, needs.config.workers)
    async with background("workloads") as tasks:
        for controller in controllers(kit, needs.kinds, needs.config, needs.site):
            tasks.start(controller.run(), name=controller.name)
        scaler = HorizontalPodAutoscalers(kit, needs.kinds, needs.usage, needs.config)
        tasks.start(scaler.run(), name=scaler.name)
        yield Gives()


def controllers(kit: Kit, kinds: KindsServed, config: WorkloadsConfig, site: Site) -> list[Runner]:
    """All that need documents alone, not yet running."""
    return [
        Deployments(kit),
        ReplicaSets(kit),
        ReplicationControllers(kit),
        StatefulSets(kit),
        DaemonSets(kit),
        Jobs(kit),
        CronJobs(kit),
        FinishedJobs(kit),
        DisruptionBudgets(kit),
        ResourceQuotas(kit, kinds),
        Endpoints(kit),
        EndpointSlices(kit),
        EndpointSliceMirrors(kit),
        Namespaces(kit, kinds),
        ServiceAccounts(kit),
        ServiceAccountTokens(kit),
        Nodes(kit, config.node_monitor_grace_s),
        TaintEvictions(kit),
        PodGarbage(kit, config.terminated_pods_max),
        Volumes(kit, site),
        EphemeralVolumes(kit),
        ClaimProtection(kit),
        VolumeProtection(kit),
        GarbageCollector(kit, kinds),
    ]
