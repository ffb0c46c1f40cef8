"""The Docker API over a real engine (its own fixtures), or over fakes of everything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from maru.components.docker import component
from maru.components.docker.config import DockerConfig
from maru.components.engine.engine.asking import Asker
from maru.components.engine.engine.registry import Registries
from maru.contracts.image_store import ImageStore
from maru.contracts.registry_client import RegistryClient
from maru.contracts.runtime import ContainerRuntime
from maru.core.clock import SystemClock
from maru.core.ids import SystemIds
from maru.core.site import Site
from tests.components.engine.conftest import layer, needs, site
from tests.fakes.client import FakeClients
from tests.fakes.container_network import FakeContainerNetwork
from tests.fakes.images import FakeImages
from tests.fakes.runtime import FakeRuntime

__all__ = ["layer", "needs", "site"]


def needs_of(
    site: Site,
    runtime: ContainerRuntime,
    images: ImageStore,
    clients: FakeClients,
    registries: RegistryClient | None = None,
) -> component.Needs:
    asker = registries or Asker(Registries())
    network = FakeContainerNetwork()
    return component.Needs(site, runtime, images, asker, network, clients, SystemClock(), SystemIds(), DockerConfig())


class House:
    """Fakes that outlive the component, so that a test can open it again."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.runtime = FakeRuntime()
        self.images = FakeImages(folder)
        self.images.put("busybox:latest")
        self.clients = FakeClients()

    def needs(self) -> component.Needs:
        return needs_of(self.site, self.runtime, self.images, self.clients)

    def restart(self) -> None:
        self.runtime = self.runtime.restarted()


@pytest.fixture
def house(site: Site, tmp_path: Path) -> House:
    return House(site, tmp_path / "layers")


def session_of(site: Site) -> aiohttp.ClientSession:
    connector = aiohttp.UnixConnector(str(site.socket("docker")))
    return aiohttp.ClientSession("http://docker", connector=connector)


@pytest.fixture
async def docker(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    async with component.open(house.needs()), session_of(house.site) as session:
        yield session
