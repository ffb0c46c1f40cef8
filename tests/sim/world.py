"""A cluster in simulated time: the real controllers and scheduler over the in-memory API and a simulated kubelet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from maru.components.scheduler import component as scheduler
from maru.components.workloads.component import controllers
from maru.components.workloads.config import WorkloadsConfig
from maru.components.workloads.controllers.kit import Kit, Runner
from maru.core.client import Change, Client
from maru.core.document import Resource, Value
from maru.core.ids import SeededIds
from maru.core.informer import Informers
from maru.core.lifecycle import background
from maru.core.site import Site
from maru.kinds import resources
from maru.kinds.resources import DEPLOYMENTS, NAMESPACES, NODES, PODS
from tests.fakes.client import Act, FakeClient, FakeClients
from tests.fakes.clock import FakeClock
from tests.sim.kubelet import Behaviour, Kubelet

KINDS: tuple[Resource, ...] = tuple(
    value for value in vars(resources).values() if isinstance(value, Resource) and value.plural != "events"
)
Build = Callable[[Kit], Sequence[Runner]]


SITE = Site(Path("/nonexistent/maru-sim"), "n1")


class Kinds:
    """A KindsServed of all built-in kinds, and those a test adds."""

    def __init__(self, *more: Resource) -> None:
        self.more = list(more)

    def resources(self) -> Sequence[Resource]:
        return [*KINDS, *self.more]


def everything(kit: Kit) -> Sequence[Runner]:
    """All controllers as the component runs them."""
    return controllers(kit, Kinds(), WorkloadsConfig(), SITE)


class LateClient:
    """Reads for informers, whose watches show changes `lag_s` late, as a busy API server does."""

    def __init__(self, client: FakeClient, clock: FakeClock, lag_s: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._lag_s = lag_s
        self.list = client.list

    @asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str = "", *, since: int, labels: str = "", fields: str = ""
    ) -> AsyncIterator[AsyncIterator[Sequence[Change]]]:
        async with self._client.watch(resource, namespace, since=since, labels=labels, fields=fields) as batches:

            async def late() -> AsyncIterator[Sequence[Change]]:
                async for batch in batches:
                    await self._clock.sleep(self._lag_s())
                    yield batch

            yield late()


class World:
    """api: what is stored; clock: turned by `run`; behaviour: what the next Pods do."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = FakeClock()
        self.ids = SeededIds(seed)
        self.api = FakeClients(self.clock, self.ids)
        self.user = self.api.acting_as("kubernetes-admin")
        self.script: Callable[[Value], Behaviour] = lambda pod: Behaviour()
        self.kubelet: Kubelet | None = None
        self.lag_s: Callable[[], float] = lambda: 0.0

    async def setup(self, nodes: int = 1, cpu: str = "16") -> None:
        await self.user.create(NAMESPACES, {"metadata": {"name": "default"}, "spec": {"finalizers": ["kubernetes"]}})
        for number in range(1, nodes + 1):
            await self.add_node(f"n{number}", cpu)

    async def add_node(self, name: str, cpu: str = "16", **labels: str) -> Value:
        allocatable = {"cpu": cpu, "memory": "32Gi", "pods": "250"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        return await self.api.put(
            NODES,
            {
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
                "spec": {},
                "status": {"allocatable": allocatable, "capacity": allocatable, "conditions": [ready]},
            },
        )

    @asynccontextmanager
    async def running(self, build: Build = everything) -> AsyncIterator[None]:
        """The control plane and the kubelet; leaving stops them and keeps the store, as kill -9 does."""
        late = cast("Client", LateClient(self.api.acting_as("informers"), self.clock, self._lag_s))
        informers = Informers(late, self.clock, self.ids)
        kit = Kit(self.api, informers, self.clock, self.ids)
        async with background("world") as tasks:
            for controller in build(kit):
                tasks.start(controller.run(), name=controller.name)
            self.kubelet = Kubelet(self.api, informers, self.clock, self._behaviour)
            needs = scheduler.Needs(self.api, informers, self.clock, self.ids)
            async with scheduler.open(needs):
                tasks.start(self.kubelet.run(), name="kubelet")
                tasks.start(informers.run(), name="informers")
                await self.clock.settle()
                yield

    def _lag_s(self) -> float:
        return self.lag_s()

    def _behaviour(self, pod: Value) -> Behaviour:
        return self.script(pod)

    async def run(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def until(self, holds: Callable[[], bool], seconds: float = 120, step_s: float = 0.25) -> bool:
        """Turn time until `holds`, and say so; fails after `seconds`."""
        passed = 0.0
        await self.clock.settle()
        while not holds():
            if passed >= seconds:
                raise AssertionError(f"did not come about within {seconds} s")
            await self.clock.advance(step_s)
            passed += step_s
        return True

    def writes(self) -> list[Act]:
        """Everything that controllers and the scheduler wrote so far."""
        return [act for act in self.api.acts if act.user.startswith(("system:controller", "system:kube"))]

    def pods(self, **labels: str) -> list[Value]:
        return [p for p in self.api.all(PODS) if labels.items() <= (p["metadata"].get("labels") or {}).items()]

    def get(self, resource: Resource, name: str, namespace: str = "default") -> Value:
        value = self.api.find(resource, namespace if resource.namespaced else "", name)
        assert value is not None, f"{resource.kind} {name} is not there"
        return value

    async def change(self, resource: Resource, name: str, **spec: object) -> Value:
        return await self.user.patch(resource, "default", name, {"spec": spec})


def is_ready(pod: Value) -> bool:
    return any(e["type"] == "Ready" and e["status"] == "True" for e in pod.get("status", {}).get("conditions", ()))


def template(app: str, image: str = "app:1", **spec: object) -> Value:
    return {
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": image}], "restartPolicy": "Always", **spec},
    }


def deployment(name: str = "web", replicas: int = 3, image: str = "app:1", **spec: object) -> Value:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, image),
            "strategy": rolling,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            **spec,
        },
    }


def is_rolled_out(value: Value) -> bool:
    """As kubectl rollout status judges."""
    status, want = value.get("status", {}), value["spec"]["replicas"]
    return (
        status.get("observedGeneration", 0) >= value["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == want
        and status.get("replicas", 0) == want
        and status.get("availableReplicas", 0) == want
    )


async def roll_out(world: World, name: str = "web", seconds: float = 60) -> bool:
    return await world.until(lambda: is_rolled_out(world.get(DEPLOYMENTS, name)), seconds)
