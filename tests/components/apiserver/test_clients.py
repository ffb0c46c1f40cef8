"""The API server's clients, in process and over the unix socket, by the suite that the fake passes too."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from maru.boot.wiring import opened
from maru.components.access import component as access
from maru.components.apiserver import component as apiserver
from maru.core.client import Clients
from maru.core.clock import Clock, SystemClock
from maru.core.ids import Ids, SystemIds
from maru.core.remote import RemoteClients
from maru.core.site import Site
from maru.core.store.engine import Engine
from maru.core.store.interface import Store
from maru.kinds.resources import SERVICEACCOUNTS
from tests.suites.client import ClientSuite

OFFSET = 41_000 + os.getpid() % 400 * 10


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Clients, Site]]:
    site = Site(folder, "n1", port_offset=OFFSET, instance="maru-test-clients")
    site.run_dir.mkdir()
    clock = SystemClock()
    given = {Site: site, Clock: clock, Ids: SystemIds(), Store: Engine(clock)}
    async with opened([("access", access), ("apiserver", apiserver)], given, {}) as things:
        account = {"metadata": {"name": "default", "namespace": "default"}}
        await things[Clients].acting_as("system:admin").create(SERVICEACCOUNTS, account)
        yield things[Clients], site


class TestLocalClients(ClientSuite):
    @pytest.fixture
    async def clients(self, tmp_path: Path) -> AsyncIterator[Clients]:
        async with serving(tmp_path) as (clients, _):
            yield clients


class TestRemoteClients(ClientSuite):
    @pytest.fixture
    async def clients(self, tmp_path: Path) -> AsyncIterator[Clients]:
        async with serving(tmp_path) as (_, site), RemoteClients.over_socket(site.socket("api")) as clients:
            yield clients
