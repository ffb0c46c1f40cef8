"""Networks over the Engine API and as documents, on networks without a kernel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from maru.components.docker.api.edge import router
from maru.components.docker.api.networks import NetworkApi
from maru.components.docker.config import DockerConfig
from maru.components.docker.controllers.boxes import Box, Boxes
from maru.components.docker.controllers.dock import Dock
from maru.components.docker.controllers.documents import Documents
from maru.components.docker.controllers.events import Events
from maru.components.docker.controllers.network_documents import NetworkDocuments
from maru.components.docker.controllers.networking import Networking
from maru.components.docker.controllers.networks import Networks
from maru.components.docker.controllers.swarm.membership import Membership
from maru.components.docker.controllers.swarm.overlays import Overlays
from maru.components.docker.model.container import Container, State
from maru.components.docker.model.definitions import NETWORKS
from maru.components.docker.model.host_config import Facts, defaults
from maru.contracts.container_network import BRIDGE, Join, Sandbox
from maru.core.client import DeleteOptions
from maru.core.clock import SystemClock
from maru.core.front.listener import UnixListener
from maru.core.front.server import serve
from maru.core.identity.seal import RootKeySealer
from maru.core.ids import SystemIds
from maru.core.lifecycle import background
from maru.core.log import Log
from maru.core.site import Site
from tests.fakes.client import FakeClient, FakeClients
from tests.fakes.container_network import FakeContainerNetwork
from tests.fakes.images import FakeImages
from tests.fakes.runtime import FakeRuntime

ONE = "1" * 64


@dataclass
class Running:
    """The edge with what it stands on."""

    session: aiohttp.ClientSession
    network: FakeContainerNetwork
    client: FakeClient
    boxes: Boxes
    documents: Documents
    dock: Dock

    async def ask(self, method: str, path: str, body: Any = None, **filters: list[str]) -> tuple[int, Any]:
        """(status, what is said)."""
        query = {"filters": json.dumps(filters)} if filters else {}
        async with self.session.request(method, path, json=body, params=query) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def add(self, *, is_running: bool) -> Box:
        """A container named one on the default bridge."""
        facts = Facts(1, 1 << 30, True, True, {"crun": "/usr/bin/crun"}, "crun")
        container = Container(ONE, "one", "here", "2026-01-02T03:04:05Z", "i", "sha256:i", {}, defaults(facts))
        container.networks = {BRIDGE: {}}
        box = Box(container, State(state="running" if is_running else "created"))
        self.boxes.reserve("one", ONE)
        self.boxes.add(box)
        await self.documents.add_container(container)
        if is_running:
            await self.network.open(Sandbox(ONE, "one", "/nowhere", joins=[Join(BRIDGE)]))
        return box


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    clock, ids, network = SystemClock(), SystemIds(), FakeContainerNetwork()
    client = FakeClients(clock).acting_as("test")
    site = Site(data_dir=tmp_path, node_name="here")
    facts = Facts(1, 1 << 30, True, True, {"crun": "/usr/bin/crun"}, "crun")
    async with background("test") as tasks:
        config, log = DockerConfig(), Log("docker")
        events = Events(clock, 100)
        dock = Dock(
            site, config, facts, FakeRuntime(), FakeImages(tmp_path), network, client, clock, ids, events, tasks, log
        )
        boxes, documents = Boxes(), Documents(client, clock, ids, "here", RootKeySealer(bytes(32)))
        networks = Networks(dock, boxes, documents, Networking(dock, boxes))
        tasks.start(NetworkDocuments(dock, networks).run())
        overlays = Overlays(dock, boxes, networks, Membership(dock, "1"))
        path = tmp_path / "docker.sock"
        async with (
            serve([UnixListener(path)], router(NetworkApi(networks, overlays).routes())),
            aiohttp.ClientSession("http://d", connector=aiohttp.UnixConnector(str(path))) as session,
        ):
            yield Running(session, network, client, boxes, documents, dock)
        tasks.cancel()


async def until(claim: Any) -> Any:
    """What `claim` (an async function) answers, once it is something."""
    async with asyncio.timeout(3):
        while True:
            found = await claim()
            if found:
                return found
            await asyncio.sleep(0)


async def test_a_network_is_created_listed_inspected_and_removed(running: Running) -> None:
    config = {"Subnet": "172.28.0.0/16", "IPRange": "172.28.5.0/24", "Gateway": "172.28.5.254"}
    body = {
        "Name": "shop",
        "CheckDuplicate": None,
        "IPAM": {"Driver": "default", "Config": [{**config, "AuxiliaryAddresses": {"a": "172.28.1.5"}}]},
        "Labels": {"tier": "front"},
        "Internal": True,
    }
    status, made = await running.ask("POST", "/v1.44/networks/create", body)
    assert (status, made["Warning"]) == (201, "")
    status, shown = await running.ask("GET", f"/networks/{made['Id'][:12]}")
    assert (status, shown["Name"], shown["Driver"], shown["Scope"], shown["Internal"]) == (
        *(200, "shop", "bridge", "local", True),
    )
    assert shown["IPAM"] == {
        "Driver": "default",
        "Options": None,
        "Config": [{**config, "AuxiliaryAddresses": {"a": "172.28.1.5"}}],
    }
    for filters in ({"name": ["sho"]}, {"id": [made["Id"][:8]]}, {"label": ["tier=front"]}, {"type": ["custom"]}):
        assert [each["Id"] for each in (await running.ask("GET", "/networks", **filters))[1]] == [made["Id"]]
    assert (await running.ask("GET", "/networks", name=["nowhere"]))[1] == []
    assert (await running.ask("GET", "/networks", nonsense=["a"]))[0] == 400
    assert (await running.ask("DELETE", "/networks/shop"))[0] == 204
    assert await running.ask("GET", "/networks/shop") == (404, {"message": "network shop not found"})


async def test_refusals_have_the_status_and_words_of_dockerd(running: Running) -> None:
    await running.ask("POST", "/networks/create", {"Name": "shop"})
    for body, status, words in (
        ({"Name": "shop"}, 409, "network with name shop already exists"),
        ({"Name": "shop", "CheckDuplicate": True}, 409, "network with name shop already exists"),
        ({"Name": "h", "Driver": "host"}, 403, 'only one instance of "host" network is allowed'),
        ({"Name": "bridge"}, 403, "operation is not permitted on predefined bridge network "),
        ({"Name": "s", "Scope": "swarm"}, 503, "This node is not a swarm manager"),
        ({"Name": "s", "Labels": ["a"]}, 400, "invalid network config"),
    ):
        answer = await running.ask("POST", "/networks/create", body)
        assert answer[0] == status
        assert words in answer[1]["message"]
    assert (await running.ask("POST", "/networks/create", {"Name": "shop", "CheckDuplicate": False}))[0] == 201
    assert (await running.ask("GET", "/networks/shop"))[0] == 400
    assert (await running.ask("DELETE", "/networks/host"))[0] == 403


async def test_a_running_container_joins_and_leaves_at_once(running: Running) -> None:
    await running.add(is_running=True)
    _, made = await running.ask("POST", "/networks/create", {"Name": "shop"})
    settings = {"Aliases": ["web"]}
    body = {"Container": "one", "EndpointConfig": settings}
    assert (await running.ask("POST", "/networks/shop/connect", body))[0] == 200
    shown = (await running.ask("GET", "/networks/shop"))[1]["Containers"]
    assert shown[ONE]["Name"] == "one"
    assert shown[ONE]["IPv4Address"].endswith("/16")
    assert "web" in running.network.find("shop").endpoints[ONE].dns_names
    stored = await running.client.list(NETWORKS)
    assert stored is not None
    answer = await running.ask("POST", "/networks/shop/connect", body)
    assert answer == (403, {"message": "endpoint with name one already exists in network shop"})
    status, refused = await running.ask("DELETE", f"/networks/{made['Id']}")
    assert status == 403
    assert "has active endpoints" in refused["message"]
    assert "127.0.0.11" in (running.dock.folder_of(ONE) / "resolv.conf").read_text()
    leave = {"Container": ONE, "Force": False}
    assert (await running.ask("POST", "/networks/shop/disconnect", leave))[0] == 200
    assert (await running.ask("POST", "/networks/shop/disconnect", {**leave, "Force": True}))[0] == 404
    assert (await running.ask("GET", "/networks/shop"))[1]["Containers"] == {}


async def test_a_stopped_container_joins_when_it_starts(running: Running) -> None:
    box = await running.add(is_running=False)
    await running.ask("POST", "/networks/create", {"Name": "shop"})
    settings = {"IPAMConfig": {"IPv4Address": "172.20.0.9"}}
    body = {"Container": "one", "EndpointConfig": settings}
    assert (await running.ask("POST", "/networks/shop/connect", body))[0] == 200
    assert box.container.networks == {BRIDGE: {}, "shop": settings}
    assert (await running.ask("GET", "/networks/shop"))[1]["Containers"] == {}
    assert (await running.ask("POST", "/networks/shop/disconnect", {"Container": "one"}))[0] == 200
    assert box.container.networks == {BRIDGE: {}}


async def test_prune_removes_what_nobody_uses_and_the_filters_mean(running: Running) -> None:
    await running.add(is_running=True)
    for name, labels in (("used", {}), ("kept", {"keep": "yes"}), ("gone", {})):
        await running.ask("POST", "/networks/create", {"Name": name, "Labels": labels})
    await running.ask("POST", "/networks/used/connect", {"Container": "one"})
    assert await running.ask("POST", "/networks/prune", **{"label!": ["keep"]}) == (200, {"NetworksDeleted": ["gone"]})
    assert await running.ask("POST", "/networks/prune") == (200, {"NetworksDeleted": ["kept"]})
    assert await running.ask("POST", "/networks/prune") == (200, {"NetworksDeleted": None})


async def test_events_tell_of_networks(running: Running) -> None:
    heard = running.dock.events.listen()
    await running.add(is_running=True)
    await running.ask("POST", "/networks/create", {"Name": "shop"})
    await running.ask("POST", "/networks/shop/connect", {"Container": "one"})
    await running.ask("POST", "/networks/shop/disconnect", {"Container": "one"})
    await running.ask("DELETE", "/networks/shop")
    events = [await anext(heard) for _ in range(4)]
    assert [event.action for event in events] == ["create", "connect", "disconnect", "destroy"]
    assert events[1].attributes == {"name": "shop", "type": "bridge", "container": ONE}


async def test_every_network_has_a_document_and_a_document_makes_a_network(running: Running) -> None:
    async def names() -> set[str]:
        page = await running.client.list(NETWORKS)
        return {document.key.name for document in page.documents if (document.value.get("status") or {}).get("id")}

    async def has(*wanted: str) -> bool:
        return await names() == {"bridge", "host", "none", *wanted}

    await running.ask("POST", "/networks/create", {"Name": "shop"})
    await running.ask("POST", "/networks/create", {"Name": "Not A Label"})
    other = f"network-{running.network.find('Not A Label').id[:12]}"
    await until(lambda: has("shop", other))
    applied = {"apiVersion": "engine.maru.dev/v1", "kind": "Network", "metadata": {"name": "applied"}}
    await running.client.create(NETWORKS, {**applied, "spec": {"pools": [{"subnet": "10.7.0.0/24"}]}})
    await until(lambda: has("shop", other, "applied"))
    assert running.network.find("applied").spec.pools[0].subnet == "10.7.0.0/24"
    await running.ask("DELETE", "/networks/shop")
    await until(lambda: has(other, "applied"))
    await running.client.delete(NETWORKS, "", "applied", DeleteOptions())
    await until(lambda: has(other))
    assert "applied" not in {network.name for network in running.network.list()}


async def test_a_document_that_cannot_be_says_why(running: Running) -> None:
    wrong = {"apiVersion": "engine.maru.dev/v1", "kind": "Network", "metadata": {"name": "wrong"}}
    await running.client.create(NETWORKS, {**wrong, "spec": {"driver": "nonsense"}})

    async def message() -> str:
        return str(((await running.client.get(NETWORKS, "", "wrong")).get("status") or {}).get("message") or "")

    assert "nonsense" in await until(message)
