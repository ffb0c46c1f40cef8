"""A node under test: the real component over an API in memory, with the runtime and network it is given.

Sandboxes are real (namespaces, mounts), so these tests need root; they leave nothing behind, and
`Kubelet.assert_clean` says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from maru.components.node import component
from maru.components.node.config import NodeConfig
from maru.contracts.image_store import ImageConfig, ImageStore
from maru.contracts.pod_network import PodNetwork
from maru.contracts.runtime import ContainerRuntime
from maru.core.client import DeleteOptions
from maru.core.clock import Clock
from maru.core.document import Resource, Value
from maru.core.ids import SystemIds
from maru.core.site import Site
from maru.kinds.resources import EVENTS, PODS
from maru.linux import cgroups
from maru.linux.mounts import mount_points
from tests.fakes.client import FakeClients
from tests.fakes.fast_clock import FastClock
from tests.fakes.images import FakeImages
from tests.fakes.pod_network import FakePodNetwork
from tests.fakes.runtime import FakeRuntime

NODE = "node-under-test"
WAIT_S = 20.0


def pod(name: str, *command: str, **spec: Any) -> Value:
    """A Pod bound to the node; `command` is its one container's, further keys are its spec's."""
    container = {"name": "app", "image": "busybox:1", "command": list(command or ("sleep", "1000"))}
    container.update(spec.pop("container", {}))
    metadata = {"name": name, "namespace": "default", **spec.pop("metadata", {})}
    return {
        "metadata": metadata,
        "spec": {"nodeName": NODE, "containers": [container], "terminationGracePeriodSeconds": 2, **spec},
    }


@dataclass
class Kubelet:
    """What a test acts on."""

    folder: Path
    clients: FakeClients
    runtime: ContainerRuntime
    images: ImageStore
    network: PodNetwork
    clock: Clock
    config: NodeConfig = field(default_factory=NodeConfig)
    instance: str = "nodetest"

    @property
    def site(self) -> Site:
        return Site(self.folder, NODE, instance=self.instance)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        needs = component.Needs(
            clients=self.clients,
            runtime=self.runtime,
            images=self.images,
            network=self.network,
            clock=self.clock,
            ids=SystemIds(),
            site=self.site,
            config=self.config,
        )
        try:
            async with component.open(needs):
                yield
        finally:
            cgroups.detect().remove_empty(f"/{self.instance}")

    async def create(self, value: Value) -> Value:
        return await self.clients.acting_as("test").create(PODS, value)

    async def delete(self, name: str, grace_s: int | None = None) -> None:
        await self.clients.acting_as("test").delete(PODS, "default", name, DeleteOptions(grace_period_s=grace_s))

    async def until(self, name: str, check: Callable[[Value], Any]) -> Value:
        """The Pod once `check` holds for it."""
        return await self.until_found(PODS, lambda value: value["metadata"]["name"] == name and check(value))

    async def until_gone(self, name: str) -> None:
        await self._watch(PODS, lambda: self.clients.find(PODS, "default", name) is None)
        await self.until_forgotten(name)

    async def until_forgotten(self, name: str) -> None:
        """The node itself has nothing of it any more."""
        async with asyncio.timeout(WAIT_S):
            while f'"name":"{name}"' in (await self.get("/pods"))[1]:
                pass

    async def until_found(self, resource: Resource, check: Callable[[Value], Any]) -> Value:
        found: list[Value] = []

        def look() -> bool:
            found[:] = [value for value in self.clients.all(resource) if check(value)]
            return bool(found)

        await self._watch(resource, look)
        return found[0]

    async def until_event(self, reason: str, words: str = "") -> Value:
        return await self.until_found(EVENTS, lambda event: event["reason"] == reason and words in event["message"])

    async def _watch(self, resource: Resource, look: Callable[[], bool]) -> None:
        watch = self.clients.store.watch(resource.storage)
        try:
            async with asyncio.timeout(WAIT_S):
                while not look():
                    await watch.batch()
        except TimeoutError:
            raise AssertionError(f"it never came: {self.events()} {self.clients.all(resource)}") from None
        finally:
            watch.close()

    def events(self) -> list[str]:
        return [f"{event['reason']}: {event['message']}" for event in self.clients.all(EVENTS)]

    async def get(self, path: str) -> tuple[int, str]:
        """A request to the node's API."""
        connector = aiohttp.UnixConnector(str(self.site.socket("node")))
        async with aiohttp.ClientSession(connector=connector) as http, http.get(f"http://node{path}") as response:
            return response.status, await response.text()

    def assert_clean(self) -> None:
        """Nothing is mounted and no Pod's folder is left."""
        assert mount_points(str(self.folder)) == []
        assert list((self.folder / "node" / "state").glob("*")) == []
        assert list((self.folder / "node" / "pods").glob("*")) == []
        assert list((self.folder / "run" / "sandboxes").glob("*")) == []
        assert list(self.runtime.list()) == []


def fake_kubelet(folder: Path, speed: float = 1.0, config: NodeConfig | None = None) -> Kubelet:
    """With the runtime, images and network of tests/fakes, and an image busybox:1."""
    clock = FastClock(speed)
    images = FakeImages(folder / "images")
    images.put("busybox:1", ImageConfig(command=("sh",), env=("PATH=/bin",)))
    return Kubelet(
        folder, FakeClients(clock), FakeRuntime(clock), images, FakePodNetwork(), clock, config or NodeConfig()
    )


def state(value: Value, name: str = "app") -> Value:
    """The state of one container."""
    return _entry(value, name).get("state", {})


def entry(value: Value, name: str = "app") -> Value:
    return _entry(value, name)


def ready(value: Value) -> bool:
    return condition(value, "Ready").get("status") == "True"


def condition(value: Value, kind: str) -> Value:
    for found in value.get("status", {}).get("conditions", ()):
        if found["type"] == kind:
            return dict(found)
    return {}


def _entry(value: Value, name: str) -> Value:
    for field_name in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for found in value.get("status", {}).get(field_name, ()):
            if found["name"] == name:
                return dict(found)
    return {}
