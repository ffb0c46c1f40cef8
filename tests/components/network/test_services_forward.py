"""Services on real packets: what a client meets at each kind of address."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from maru.components.network.config import NetworkConfig
from maru.components.network.engine.data_plane import DataPlane, open_data_plane
from maru.components.network.model.addresses import hardware_address
from maru.components.network.model.claims import Claims
from maru.components.network.model.elements import GROUP_IN, GROUP_OUT, Difference, PolicyGroup
from maru.components.network.model.ground import ground_of
from maru.components.network.model.services import plan_service
from maru.contracts.pod_network import Attachment, HostPort
from maru.core.site import Site

if TYPE_CHECKING:
    from tests.components.network.conftest import Namespaces

pytestmark = pytest.mark.root

VIP = "10.96.7.7"
NODE_NAME = "here"
OUTSIDE_IP, NODE_IP = "192.0.2.1", "192.0.2.2"
NODE_PORT = 30080


@dataclass
class Pod:
    path: str
    ip: str


class Cluster:
    """A node, an outside machine on a link with it, and Pods; Services go straight to the data plane."""

    def __init__(self, namespaces: Namespaces, site: Site) -> None:
        self.namespaces = namespaces
        self.site = site
        self.node = namespaces.make("node")
        self.outside = namespaces.make("out")
        run = namespaces.run
        node_name = Path(self.node).name
        run(self.outside, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", node_name)
        for path, address in ((self.outside, OUTSIDE_IP), (self.node, NODE_IP)):
            run(path, "ip", "address", "add", f"{address}/24", "dev", "up0")
            run(path, "ip", "link", "set", "up0", "up")
        run(self.node, "ip", "route", "add", "default", "via", OUTSIDE_IP)
        self.claims = Claims()
        self._stack = AsyncExitStack()
        self.plane: DataPlane

    async def start(self) -> None:
        ground = ground_of(self.site, NetworkConfig())
        folder = self.site.folder("network")
        self.plane = await self._stack.enter_async_context(open_data_plane(ground, folder, self.node))

    async def stop(self) -> None:
        await self._stack.aclose()

    async def pod(self, name: str, host_ports: tuple[HostPort, ...] = ()) -> Pod:
        path = self.namespaces.make("pod")
        addresses = await self.plane.attach(Attachment(name, path, "default", name, host_ports))
        return Pod(path, addresses.ips[0])

    async def serve(self, service: dict[str, Any], endpoints: list[dict[str, Any]], port: int = 8080) -> None:
        """Put a Service and its one slice."""
        protocol = service["spec"]["ports"][0].get("protocol", "TCP")
        piece = {
            "addressType": "IPv4",
            "metadata": {"name": "web-1"},
            "ports": [{"name": "", "port": port, "protocol": protocol}],
            "endpoints": endpoints,
        }
        plan = plan_service(service, [piece], NODE_NAME)
        change, stale = self.claims.take({("default", service["metadata"]["name"]): plan})
        await self.plane.apply(change)
        if stale.may_exist:
            await self.plane.forget(stale.has)


def service(name: str = "web", vip: str = VIP, **spec: Any) -> dict[str, Any]:
    ports = spec.pop("ports", [{"port": 80, "nodePort": NODE_PORT, "protocol": "TCP"}])
    return {"metadata": {"name": name}, "spec": {"clusterIP": vip, "clusterIPs": [vip], "ports": ports, **spec}}


def endpoint(pod: Pod, node: str = NODE_NAME, **conditions: bool) -> dict[str, Any]:
    return {"addresses": [pod.ip], "nodeName": node, "conditions": conditions or {"ready": True}}


@pytest.fixture(params=[False, True], ids=["routed", "bridge-netfilter"])
async def cluster(namespaces: Namespaces, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    made = Cluster(namespaces, Site(data_dir=tmp_path, node_name=NODE_NAME, instance="t", bridge="mt0"))
    value = "1" if request.param else "0"
    namespaces.run(made.node, "sh", "-c", f"echo {value} > /proc/sys/net/bridge/bridge-nf-call-iptables || true")
    namespaces.run(made.node, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")
    await made.start()
    await made.plane.replace({})
    yield made
    await made.stop()


async def test_cluster_address_spreads_over_all_backends_and_keeps_pod_addresses(cluster: Cluster) -> None:
    ns = cluster.namespaces
    client, one, two = [await cluster.pod(name) for name in ("client", "one", "two")]
    await cluster.serve(service(), [endpoint(one), endpoint(two)])
    async with ns.tcp_server(one.path, 8080, "one"), ns.tcp_server(two.path, 8080, "two"):
        answers = [await ns.ask_tcp(client.path, VIP, 80) for _ in range(40)]
        assert {answer[1] for answer in answers} == {client.ip}
        assert all(count >= 5 for count in Counter(answer[0] for answer in answers).values())
        assert {answer[0] for answer in answers} == {"one", "two"}
        assert (await ns.ask_tcp(cluster.node, VIP, 80))[0] in ("one", "two")


async def test_node_port_is_open_from_outside_from_the_machine_and_by_loopback(cluster: Cluster) -> None:
    ns = cluster.namespaces
    one = await cluster.pod("one")
    await cluster.serve(service(), [endpoint(one)])
    async with ns.tcp_server(one.path, 8080, "one"):
        assert (await ns.ask_tcp(cluster.outside, NODE_IP, NODE_PORT))[0] == "one"
        assert (await ns.ask_tcp(cluster.node, NODE_IP, NODE_PORT))[0] == "one"
        assert (await ns.ask_tcp(cluster.node, "127.0.0.1", NODE_PORT))[0] == "one"
        client = await cluster.pod("client")
        assert (await ns.ask_tcp(client.path, NODE_IP, NODE_PORT))[0] == "one"


async def test_pod_reaches_itself_through_its_service(cluster: Cluster) -> None:
    ns = cluster.namespaces
    one = await cluster.pod("one")
    await cluster.serve(service(), [endpoint(one)])
    async with ns.tcp_server(one.path, 8080, "one"):
        assert (await ns.ask_tcp(one.path, VIP, 80))[0] == "one"
        assert (await ns.ask_tcp(one.path, NODE_IP, NODE_PORT))[0] == "one"


async def test_service_without_endpoints_refuses_at_once(cluster: Cluster) -> None:
    ns = cluster.namespaces
    client = await cluster.pod("client")
    await cluster.serve(service(), [])
    for path, address, port in (
        (client.path, VIP, 80),
        (cluster.node, VIP, 80),
        (cluster.outside, NODE_IP, NODE_PORT),
        (client.path, "10.96.200.200", 443),
    ):
        with pytest.raises(ConnectionRefusedError):
            await ns.ask_tcp(path, address, port)
    udp = service("dns", "10.96.7.8", ports=[{"port": 53, "protocol": "UDP"}])
    await cluster.serve(udp, [])
    with pytest.raises(ConnectionRefusedError):
        await ns.ask_udp(client.path, "10.96.7.8", 53)


async def test_session_affinity_keeps_a_client_until_its_backend_goes(cluster: Cluster) -> None:
    ns = cluster.namespaces
    client = await cluster.pod("client")
    pods = {name: await cluster.pod(name) for name in ("one", "two", "three")}
    sticky = service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}})
    await cluster.serve(sticky, [endpoint(pod) for pod in pods.values()])
    async with AsyncExitStack() as stack:
        for name, pod in pods.items():
            await stack.enter_async_context(ns.tcp_server(pod.path, 8080, name))
        first = {(await ns.ask_tcp(client.path, VIP, 80))[0] for _ in range(12)}
        assert len(first) == 1
        await cluster.plane.replace({})
        assert {(await ns.ask_tcp(client.path, VIP, 80))[0] for _ in range(12)} == first
        left = [endpoint(pod) for name, pod in pods.items() if name not in first]
        await cluster.serve(sticky, left)
        second = {(await ns.ask_tcp(client.path, VIP, 80))[0] for _ in range(12)}
        assert len(second) == 1
        assert second != first


async def test_local_policy_keeps_the_clients_address_and_drops_without_local_backends(cluster: Cluster) -> None:
    ns = cluster.namespaces
    one, client = await cluster.pod("one"), await cluster.pod("client")
    local = service(type="NodePort", externalTrafficPolicy="Local")
    await cluster.serve(local, [endpoint(one)])
    async with ns.tcp_server(one.path, 8080, "one"):
        assert await ns.ask_tcp(cluster.outside, NODE_IP, NODE_PORT) == ["one", OUTSIDE_IP]
        await cluster.serve(local, [endpoint(one, node="elsewhere")])
        with pytest.raises(TimeoutError):
            await ns.ask_tcp(cluster.outside, NODE_IP, NODE_PORT, timeout_s=0.3)
        assert (await ns.ask_tcp(client.path, NODE_IP, NODE_PORT))[0] == "one"
        assert (await ns.ask_tcp(cluster.node, NODE_IP, NODE_PORT))[0] == "one"


async def test_balancer_and_external_addresses_forward_and_source_ranges_hold(cluster: Cluster) -> None:
    ns = cluster.namespaces
    one = await cluster.pod("one")
    balanced = service(type="LoadBalancer", externalIPs=["203.0.113.9"], loadBalancerSourceRanges=["192.0.2.0/30"])
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.8"}]}}
    ns.run(cluster.outside, "ip", "route", "add", "203.0.113.0/24", "via", NODE_IP)
    await cluster.serve(balanced, [endpoint(one)])
    async with ns.tcp_server(one.path, 8080, "one"):
        assert (await ns.ask_tcp(cluster.outside, "203.0.113.8", 80))[0] == "one"
        assert (await ns.ask_tcp(cluster.outside, "203.0.113.9", 80))[0] == "one"
        balanced["spec"]["loadBalancerSourceRanges"] = ["198.51.100.0/24", "192.0.2.128/25"]
        await cluster.serve(balanced, [endpoint(one)])
        with pytest.raises(TimeoutError):
            await ns.ask_tcp(cluster.outside, "203.0.113.8", 80, timeout_s=0.3)
        assert (await ns.ask_tcp(cluster.outside, "203.0.113.9", 80))[0] == "one"


async def test_udp_client_moves_on_when_its_backend_goes(cluster: Cluster) -> None:
    ns = cluster.namespaces
    client, one, two = [await cluster.pod(name) for name in ("client", "one", "two")]
    udp = service(ports=[{"port": 80, "nodePort": NODE_PORT, "protocol": "UDP"}])
    await cluster.serve(udp, [endpoint(one)])
    sock = ns.open_socket(client.path, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", 5555))
    async with ns.udp_server(one.path, 8080, "one"), ns.udp_server(two.path, 8080, "two"):
        assert (await ns.ask_udp(client.path, VIP, 80, sock=sock))[0] == "one"
        await cluster.serve(udp, [endpoint(two)])
        assert (await ns.ask_udp(client.path, VIP, 80, sock=sock))[0] == "two"
    sock.close()


async def test_rules_stand_while_maru_is_down_and_a_restart_loses_no_connection(cluster: Cluster) -> None:
    ns = cluster.namespaces
    client, one = await cluster.pod("client"), await cluster.pod("one")
    await cluster.serve(service(), [endpoint(one)])
    async with ns.tcp_server(one.path, 8080, "one"):
        await cluster.stop()
        assert (await ns.ask_tcp(client.path, VIP, 80))[0] == "one"
        await cluster.start()
        assert (await ns.ask_tcp(client.path, VIP, 80))[0] == "one"
        again = await cluster.plane.attach(Attachment("one", one.path, "default", "one"))
        assert again.ips[0] == one.ip
        await cluster.plane.replace(cluster.claims.elements())
        assert (await ns.ask_tcp(client.path, VIP, 80))[0] == "one"
        assert (await ns.ask_tcp(one.path, VIP, 80))[0] == "one"


async def test_host_port_reaches_its_pod_and_closes_with_it(cluster: Cluster) -> None:
    ns = cluster.namespaces
    pod = await cluster.pod("one", (HostPort(8088, 8080), HostPort(8089, 8080, host_ip="127.0.0.1")))
    async with ns.tcp_server(pod.path, 8080, "one"):
        assert await ns.ask_tcp(cluster.outside, NODE_IP, 8088) == ["one", OUTSIDE_IP]
        assert (await ns.ask_tcp(cluster.node, "127.0.0.1", 8088))[0] == "one"
        assert (await ns.ask_tcp(cluster.node, "127.0.0.1", 8089))[0] == "one"
        with pytest.raises(ConnectionRefusedError):
            await ns.ask_tcp(cluster.outside, NODE_IP, 8089)
        await cluster.plane.detach("one")
        with pytest.raises(ConnectionRefusedError):
            await ns.ask_tcp(cluster.outside, NODE_IP, 8088)


async def test_pods_leave_under_the_machines_address(cluster: Cluster) -> None:
    ns = cluster.namespaces
    client = await cluster.pod("client")
    async with ns.tcp_server(cluster.outside, 9000, "outside"):
        assert await ns.ask_tcp(client.path, OUTSIDE_IP, 9000) == ["outside", NODE_IP]


async def test_pods_cannot_reach_the_machines_loopback(cluster: Cluster) -> None:
    ns = cluster.namespaces
    client = await cluster.pod("client")
    arrived = []
    server = ns.open_socket(cluster.node, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", 9001))
    for destination in ("127.0.0.1", "10.244.0.1"):
        ns.send_frame(client.path, hardware_address("10.244.0.1"), client.ip, destination, 9001)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                arrived.append((await asyncio.get_running_loop().sock_recv(server, 100)).decode())
    server.close()
    assert arrived == ["10.244.0.1"]


async def test_flushed_rules_come_back(cluster: Cluster) -> None:
    ns = cluster.namespaces
    client, one = await cluster.pod("client"), await cluster.pod("one")
    await cluster.serve(service(), [endpoint(one)])
    ns.run(cluster.node, "nft", "flush", "ruleset")
    assert await cluster.plane.verify()
    async with ns.tcp_server(one.path, 8080, "one"):
        assert (await ns.ask_tcp(client.path, VIP, 80))[0] == "one"


async def test_the_nft_command_can_list_every_kind_of_rule(cluster: Cluster) -> None:
    one, two = await cluster.pod("one"), await cluster.pod("two", (HostPort(8088, 8080),))
    sources = {"type": "LoadBalancer", "loadBalancerSourceRanges": ["198.51.100.0/24"]}
    for number, policy in enumerate(("Cluster", "Local")):
        for affinity in ("None", "ClientIP"):
            name, vip = f"{policy}-{affinity}", f"10.96.8.{10 * number + len(affinity)}"
            ports = [{"port": 80, "nodePort": 30100 + 10 * number + len(affinity), "protocol": "TCP"}]
            spec = {**sources, "externalTrafficPolicy": policy, "sessionAffinity": affinity, "ports": ports}
            await cluster.serve(service(name, vip, **spec), [endpoint(one), endpoint(two, node="elsewhere")])
    groups = {PolicyGroup("in", 1), PolicyGroup("out", 1)}
    isolated = {GROUP_IN: {bytes(4): PolicyGroup("in", 1)}, GROUP_OUT: {bytes(4): PolicyGroup("out", 1)}}
    await cluster.plane.apply(Difference(add=isolated))
    listed = cluster.namespaces.run(cluster.node, "nft", "list", "ruleset")
    assert all(group.chain in listed for group in groups)
    assert "node-2-local-1-keep-10800" in listed
    assert "10.244.0.3 . 8080" in listed


async def test_tear_down_leaves_nothing(cluster: Cluster) -> None:
    ns = cluster.namespaces
    await cluster.pod("one")
    await cluster.serve(service(), [])
    await cluster.plane.tear_down("maru-")
    assert ns.run(cluster.node, "nft", "list", "ruleset") == ""
    assert "mt0" not in ns.run(cluster.node, "ip", "link")
    assert ns.run(cluster.node, "cat", "/proc/sys/net/ipv4/ip_forward").strip() == "0"
