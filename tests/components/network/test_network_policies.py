"""NetworkPolicies: the plan against its meaning spelt out, and packets that pass or do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maru.components.network import component
from maru.components.network.config import NetworkConfig
from maru.components.network.controllers.policies import GroupNumbers
from maru.components.network.model.boxes import ANYTHING, Box, disjoint, network_boxes
from maru.components.network.model.policies import EGRESS, INGRESS, PolicyPod, plan_policies
from maru.contracts.pod_network import Attachment
from maru.core.clock import SystemClock
from maru.core.ids import SystemIds
from maru.core.informer import Informers
from maru.core.site import Site
from maru.kinds.resources import ENDPOINTSLICES, NAMESPACES, NETWORKPOLICIES, PODS, SERVICES
from tests.fakes.client import FakeClients

if TYPE_CHECKING:
    from tests.components.network.conftest import Namespaces

Spec = dict[str, Any]
VIP = "10.96.3.3"

spans = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair)))
port_sets = st.one_of(
    st.just(ANYTHING),
    st.tuples(st.sampled_from((6, 17)), spans).map(lambda made: ((made[0], made[0], *made[1]),)),
)
boxes = st.lists(st.tuples(spans, port_sets).map(lambda made: Box(*made[0], made[1])), max_size=8)


def allows(many: list[Box], address: int, protocol: int, port: int) -> int:
    """How many ranges let it through."""
    return sum(
        box.first <= address <= box.last and first <= protocol <= last and low <= port <= high
        for box in many
        for first, last, low, high in box.ports
    )


@given(boxes, st.integers(0, 31), st.sampled_from((1, 6, 17)), st.integers(0, 31))
def test_disjoint_ranges_allow_the_same_and_never_twice(
    many: list[Box], address: int, protocol: int, port: int
) -> None:
    assert allows(disjoint(many), address, protocol, port) == (allows(many, address, protocol, port) > 0)


def test_neighbours_that_allow_the_same_are_one_range() -> None:
    many = [Box(number, number, ANYTHING) for number in range(5, 9)]
    assert disjoint(many) == [Box(5, 8, ANYTHING)]


def test_excepted_networks_are_cut_out() -> None:
    cut = disjoint(network_boxes("10.0.0.0/8", ["10.1.0.0/16"], ANYTHING))
    assert [(box.first, box.last) for box in cut] == [
        (0x0A000000, 0x0A00FFFF),
        (0x0A020000, 0x0AFFFFFF),
    ]


def pod(address: str, app: str, *, namespace: str = "default", is_local: bool = True, **ports: int) -> PolicyPod:
    return PolicyPod(namespace, {"app": app}, address, {(name, "TCP"): n for name, n in ports.items()}, is_local)


def policy(spec: Spec, name: str = "p") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


SPACES = {"default": {"name": "default"}, "other": {"team": "b"}}


def test_pods_selected_by_the_same_policies_share_a_group_and_others_are_free() -> None:
    pods = [
        pod("10.0.0.1", "web"),
        pod("10.0.0.2", "web"),
        pod("10.0.0.3", "db"),
        pod("10.0.0.4", "web", is_local=False),
    ]
    plan = plan_policies([policy({"podSelector": {"matchLabels": {"app": "web"}}})], pods, SPACES)
    assert set(plan.groups[INGRESS]) == {"10.0.0.1", "10.0.0.2"}
    assert len(set(plan.groups[INGRESS].values())) == 1
    assert plan.groups[EGRESS] == {}
    assert list(plan.allowed.values()) == [[]]


def test_peers_named_ports_and_namespaces_become_ranges() -> None:
    web = pod("10.0.0.1", "web", http=8080)
    pods = [web, pod("10.0.0.2", "client"), pod("10.0.0.3", "client", namespace="other"), pod("10.0.0.9", "x")]
    rules = [
        {"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": "http"}]},
        {"from": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}], "ports": [{"port": 1000, "endPort": 2000}]},
    ]
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": rules}
    allowed = next(iter(plan_policies([policy(spec)], pods, SPACES).allowed.values()))
    assert allowed == [
        Box(0x0A000002, 0x0A000002, ((6, 6, 8080, 8080),)),
        Box(0x0A000003, 0x0A000003, ((6, 6, 1000, 2000),)),
    ]


def test_egress_ports_by_name_mean_those_of_each_peer() -> None:
    pods = [pod("10.0.0.1", "web"), pod("10.0.0.2", "db", sql=1), pod("10.0.0.3", "db", sql=2), pod("10.0.0.4", "db")]
    rule = {"to": [{"podSelector": {"matchLabels": {"app": "db"}}}], "ports": [{"port": "sql"}]}
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": [rule]}
    plan = plan_policies([policy(spec)], pods, SPACES)
    assert plan.groups[INGRESS] == {}
    assert [box.ports for box in next(iter(plan.allowed.values()))] == [((6, 6, 1, 1),), ((6, 6, 2, 2),)]


def test_group_numbers_stay_while_used_and_are_given_again() -> None:
    numbers = GroupNumbers()
    one, two, three = [(INGRESS, frozenset({("n", name)}), ()) for name in ("one", "two", "three")]
    first = dict(numbers.take({one, two}))
    second = dict(numbers.take({two, three}))
    assert second[two] == first[two]
    assert second[three] == first[one]


class Running:
    """The component, three Pods that have documents too, and a Service of one of them."""

    def __init__(self, namespaces: Namespaces, node: str, clients: FakeClients) -> None:
        self.namespaces = namespaces
        self.node = node
        self.clients = clients
        self.paths: dict[str, str] = {}
        self.ips: dict[str, str] = {}

    async def can(self, client: str, port: int, address: str = "") -> bool:
        path = self.node if client == "node" else self.paths[client]
        try:
            await self.namespaces.ask_tcp(path, address or self.ips["web"], port, timeout_s=0.5)
        except TimeoutError:
            return False
        return True

    async def must_become(self, wanted: bool, client: str, port: int) -> None:
        async with asyncio.timeout(3):
            while await self.can(client, port) != wanted:
                await asyncio.sleep(0)


@pytest.fixture
async def running(namespaces: Namespaces, tmp_path: Path) -> AsyncIterator[Running]:
    clients, clock, ids = FakeClients(), SystemClock(), SystemIds()
    made = Running(namespaces, namespaces.make("node"), clients)
    informers = Informers(clients.acting_as("test"), clock, ids)
    site = Site(data_dir=tmp_path, node_name="here", instance="t", bridge="mt0")
    needs = component.Needs(site, informers, clock, SystemIds(), NetworkConfig(netns_path=made.node))
    task = asyncio.ensure_future(informers.run())
    await clients.put(NAMESPACES, {"metadata": {"name": "default", "labels": {"name": "default"}}})
    try:
        async with component.open(needs) as gives:
            for name in ("web", "friend", "stranger"):
                made.paths[name] = namespaces.make("pod")
                attachment = Attachment(name, made.paths[name], "default", name)
                made.ips[name] = (await gives.pod_network.attach(attachment)).ips[0]
                spec = {"nodeName": "here", "containers": []}
                document = {"metadata": {"name": name, "namespace": "default", "labels": {"app": name}}, "spec": spec}
                await clients.put(PODS, {**document, "status": {"podIP": made.ips[name], "phase": "Running"}})
            spec = {"clusterIP": VIP, "clusterIPs": [VIP], "ports": [{"port": 8080, "protocol": "TCP"}]}
            await clients.put(SERVICES, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
            labels = {"kubernetes.io/service-name": "web"}
            piece = {"metadata": {"name": "web-1", "namespace": "default", "labels": labels}, "addressType": "IPv4"}
            ends = {"ports": [{"port": 8080, "protocol": "TCP"}], "endpoints": [{"addresses": [made.ips["web"]]}]}
            await clients.put(ENDPOINTSLICES, {**piece, **ends})
            web = made.paths["web"]
            async with namespaces.tcp_server(web, 8080, "web"), namespaces.tcp_server(web, 9090, "web"):
                yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.root
async def test_an_isolated_pod_takes_only_what_is_allowed_and_itself_and_the_machine(running: Running) -> None:
    assert await running.can("stranger", 8080)
    peers = {"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}], "ports": [{"port": 8080}]}
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [peers]}
    await running.clients.put(NETWORKPOLICIES, policy(spec))
    await running.must_become(wanted=False, client="stranger", port=8080)
    assert await running.can("friend", 8080)
    assert await running.can("friend", 8080, VIP)
    assert not await running.can("friend", 9090)
    assert not await running.can("stranger", 8080, VIP)
    assert await running.can("node", 9090)
    assert await running.can("web", 8080, VIP)
    await running.clients.acting_as("test").delete(NETWORKPOLICIES, "default", "p")
    await running.must_become(wanted=True, client="stranger", port=9090)


@pytest.mark.root
async def test_an_isolated_pod_reaches_only_what_is_allowed(running: Running) -> None:
    to = {"to": [{"ipBlock": {"cidr": f"{running.ips['web']}/32"}}], "ports": [{"port": 8080}]}
    spec = {"podSelector": {"matchLabels": {"app": "friend"}}, "policyTypes": ["Egress"], "egress": [to]}
    await running.clients.put(NETWORKPOLICIES, policy(spec))
    await running.must_become(wanted=False, client="friend", port=9090)
    assert await running.can("friend", 8080)
    assert await running.can("stranger", 9090)
    async with running.namespaces.tcp_server(running.node, 7000, "node"):
        assert not await running.can("friend", 7000, "10.244.0.1")
        assert await running.can("stranger", 7000, "10.244.0.1")
