"""The registry as a part of a process: a port that somebody else has does not keep the others from running."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp

from maru.components.registry import component
from maru.components.registry.config import RegistryConfig
from maru.core.ids import SystemIds
from maru.core.site import PORT_REGISTRY, Site
from tests.components.registry.conftest import Registry
from tests.fakes.fast_clock import FastClock


async def test_taken_port_is_taken_over_once_it_is_free(registry: Registry, tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    site = Site(tmp_path / "data", "node", port_offset=port - PORT_REGISTRY)
    needs = component.Needs(site, registry.shelf.content, FastClock(100.0), SystemIds(), RegistryConfig())
    async with component.open(needs):
        taken.close()
        async with asyncio.timeout(10), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/v2/") as response:
                        assert response.status == 200
                        return
                except aiohttp.ClientConnectionError:
                    await needs.clock.sleep(1.0)
