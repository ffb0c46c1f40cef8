"""The component as the node process runs it: documents in, packets forwarded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from maru.components.network import component
from maru.components.network.config import NetworkConfig
from maru.contracts.pod_network import Attachment, PodNetwork
from maru.core.clock import SystemClock
from maru.core.errors import Invalid
from maru.core.ids import SystemIds
from maru.core.informer import Informers
from maru.core.site import Site
from maru.kinds.resources import ENDPOINTSLICES, NODES, SERVICES
from tests.fakes.client import FakeClients

if TYPE_CHECKING:
    from tests.components.network.conftest import Namespaces

pytestmark = pytest.mark.root

VIP = "10.96.3.3"
FORWARDED_WITHIN_S = 0.1


@dataclass
class Running:
    """The component over an API in memory."""

    node: str
    clients: FakeClients
    network: PodNetwork


def site_at(folder: Path) -> Site:
    return Site(data_dir=folder, node_name="here", instance="t", bridge="mt0")


@pytest.fixture
async def running(namespaces: Namespaces, tmp_path: Path) -> AsyncIterator[Running]:
    node, clients, clock, ids = namespaces.make("node"), FakeClients(), SystemClock(), SystemIds()
    informers = Informers(clients.acting_as("test"), clock, ids)
    needs = component.Needs(site_at(tmp_path), informers, clock, ids, NetworkConfig(netns_path=node))
    task = asyncio.ensure_future(informers.run())
    try:
        async with component.open(needs) as gives:
            yield Running(node, clients, gives.pod_network)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "protocol": "TCP"}]
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"clusterIP": VIP, "clusterIPs": [VIP], "ports": ports, **spec},
    }


def piece(*addresses: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "nodeName": "here"} for address in addresses],
    }


async def must_answer(namespaces: Namespaces, path: str, name: str, timeout_s: float = FORWARDED_WITHIN_S) -> None:
    """Ask until `name` answers."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                if (await namespaces.ask_tcp(path, VIP, 80))[0] == name:
                    return
            except ConnectionRefusedError:
                pass


async def test_a_change_of_endpoints_is_forwarded_within_100_ms(namespaces: Namespaces, running: Running) -> None:
    paths = {name: namespaces.make("pod") for name in ("one", "two", "client")}
    ips = {
        name: (await running.network.attach(Attachment(name, path, "default", name))).ips[0]
        for name, path in paths.items()
    }
    async with namespaces.tcp_server(paths["one"], 8080, "one"), namespaces.tcp_server(paths["two"], 8080, "two"):
        await running.clients.put(SERVICES, service())
        await running.clients.put(ENDPOINTSLICES, piece(ips["one"]))
        await must_answer(namespaces, paths["client"], "one", 2.0)
        client = running.clients.acting_as("test")
        await client.patch(ENDPOINTSLICES, "default", "web-1", {"endpoints": piece(ips["two"])["endpoints"]})
        await must_answer(namespaces, paths["client"], "two")
        await client.delete(SERVICES, "default", "web")
        async with asyncio.timeout(2):
            while True:
                try:
                    await namespaces.ask_tcp(paths["client"], VIP, 80)
                except ConnectionRefusedError:
                    break


async def test_health_check_port_says_whether_there_are_local_endpoints(
    namespaces: Namespaces, running: Running
) -> None:
    balanced = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=31999)

    async def status() -> str:
        sock = namespaces.open_socket(running.node)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, ("127.0.0.1", 31999))
            await loop.sock_sendall(sock, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return (await loop.sock_recv(sock, 1000)).decode()
        except ConnectionRefusedError:
            return ""
        finally:
            sock.close()

    async def until(start: str) -> str:
        async with asyncio.timeout(3):
            while not (answer := await status()).startswith(start) or not answer:
                await asyncio.sleep(0)
        return answer

    await running.clients.put(SERVICES, balanced)
    await until("HTTP/1.1 503")
    await running.clients.put(ENDPOINTSLICES, piece("10.244.0.9"))
    assert '"localEndpoints":1' in await until("HTTP/1.1 200")


async def test_other_nodes_pods_are_routed_to_their_node(namespaces: Namespaces, running: Running) -> None:
    namespaces.run(running.node, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
    namespaces.run(running.node, "ip", "address", "add", "192.0.2.2/24", "dev", "up0")
    namespaces.run(running.node, "ip", "link", "set", "up0", "up")
    other = {
        "metadata": {"name": "there"},
        "spec": {"podCIDR": "10.244.9.0/24", "podCIDRs": ["10.244.9.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.9"}]},
    }
    await running.clients.put(NODES, other)
    route = "10.244.9.0/24 via 192.0.2.9 dev up0"
    async with asyncio.timeout(3):
        while route not in namespaces.run(running.node, "ip", "route"):
            await asyncio.sleep(0)
    await running.clients.acting_as("test").delete(NODES, "", "there")
    async with asyncio.timeout(3):
        while route in namespaces.run(running.node, "ip", "route"):
            await asyncio.sleep(0)
    assert "10.244.0.0/16 dev mt0" in namespaces.run(running.node, "ip", "route")


async def test_a_range_that_is_none_is_refused_with_the_key(tmp_path: Path) -> None:
    clients, clock = FakeClients(), SystemClock()
    informers = Informers(clients.acting_as("test"), clock, SystemIds())
    needs = component.Needs(site_at(tmp_path), informers, clock, SystemIds(), NetworkConfig(node_range="10.0.0.0/31"))
    with pytest.raises(Invalid, match="/29"):
        async with component.open(needs):
            pass
