"""podman's API over docker's, and both over fakes of everything below."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from maru.components.docker import component as docker_component
from maru.components.engine.engine.content import Content
from maru.components.engine.engine.held import HeldContent
from maru.components.podman import component
from maru.core.site import Site
from tests.components.docker.conftest import House
from tests.components.engine.conftest import site

__all__ = ["site"]


@asynccontextmanager
async def opened(house: House, folder: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, aiohttp.ClientSession]]:
    """Sessions with podman's socket and with docker's."""
    needs = house.needs()
    held = HeldContent(Content(folder, needs.ids), _nothing)
    async with docker_component.open(needs) as docker:
        own = component.Needs(
            needs.site,
            docker.api,
            needs.runtime,
            needs.images,
            held,
            needs.registries,
            needs.clients,
            needs.clock,
            needs.ids,
        )
        async with (
            component.open(own),
            _session(house.site, "podman") as podman,
            _session(house.site, "docker") as other,
        ):
            yield podman, other


async def _nothing() -> None:
    """There is nothing to collect."""


def _session(here: Site, name: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession("http://maru", connector=aiohttp.UnixConnector(str(here.socket(name))))


@pytest.fixture
def house(site: Site, tmp_path: Path) -> House:
    return House(site, tmp_path / "layers")


@pytest.fixture
async def sessions(house: House, tmp_path: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, aiohttp.ClientSession]]:
    async with opened(house, tmp_path / "content") as both:
        yield both
