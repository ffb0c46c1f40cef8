"""Pods on one node: real namespaces, real packets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maru.components.network.config import NetworkConfig
from maru.components.network.engine.bridged import BridgedNetwork
from maru.components.network.engine.data_plane import DataPlane, open_data_plane
from maru.components.network.model.ground import ground_of
from maru.contracts.pod_network import Attachment, HostPort
from maru.core.errors import NotFound
from maru.core.site import Site
from tests.suites.pod_network import PodNetworkSuite

if TYPE_CHECKING:
    from tests.components.network.conftest import Namespaces

pytestmark = pytest.mark.root


@pytest.fixture
def node(namespaces: Namespaces) -> str:
    return namespaces.make("node")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(data_dir=tmp_path, node_name="here", instance="t", bridge="mt0")


@pytest.fixture
async def plane(node: str, site: Site) -> AsyncIterator[DataPlane]:
    async with open_data_plane(ground_of(site, NetworkConfig()), site.folder("network"), node) as plane:
        await plane.replace({})
        yield plane


@pytest.fixture
def network(plane: DataPlane, site: Site) -> BridgedNetwork:
    return BridgedNetwork(plane, site.cluster_dns_ip)


@pytest.fixture
async def small(namespaces: Namespaces, site: Site) -> AsyncIterator[BridgedNetwork]:
    ground = ground_of(site, NetworkConfig(node_range="10.244.7.0/29"))
    async with open_data_plane(ground, site.folder("small"), namespaces.make("small")) as plane:
        await plane.replace({})
        yield BridgedNetwork(plane, site.cluster_dns_ip)


@pytest.fixture
def attachment(namespaces: Namespaces) -> Callable[..., Attachment]:
    paths: dict[str, str] = {}

    def make(sandbox_id: str, host_ports: Sequence[HostPort] = ()) -> Attachment:
        if sandbox_id not in paths:
            paths[sandbox_id] = namespaces.make("pod")
        return Attachment(sandbox_id, paths[sandbox_id], "default", sandbox_id, host_ports)

    return make


class TestBridgedNetwork(PodNetworkSuite):
    """The contract's suite, on the kernel."""


async def test_two_pods_talk_over_tcp_and_see_each_others_address(
    namespaces: Namespaces, network: BridgedNetwork, attachment: Callable[..., Attachment]
) -> None:
    one, two = attachment("one"), attachment("two")
    first, second = await network.attach(one), await network.attach(two)
    async with namespaces.tcp_server(two.netns_path, 80, "two"):
        assert await namespaces.ask_tcp(one.netns_path, second.ips[0], 80) == ["two", first.ips[0]]


async def test_host_and_pod_reach_each_other(
    namespaces: Namespaces, node: str, network: BridgedNetwork, attachment: Callable[..., Attachment]
) -> None:
    pod = attachment("one")
    addresses = await network.attach(pod)
    async with namespaces.tcp_server(pod.netns_path, 80, "pod"), namespaces.tcp_server(node, 81, "host"):
        assert await namespaces.ask_tcp(node, addresses.ips[0], 80) == ["pod", addresses.gateway]
        assert await namespaces.ask_tcp(pod.netns_path, addresses.gateway, 81) == ["host", addresses.ips[0]]


async def test_device_of_a_pod_that_was_freed_by_a_killed_process_is_removed_at_the_next_start(
    namespaces: Namespaces, node: str, plane: DataPlane, site: Site, attachment: Callable[..., Attachment]
) -> None:
    await plane.attach(attachment("kept"))
    await plane.attach(attachment("gone"))
    journal = site.folder("network") / "leases.jsonl"
    with journal.open("a") as file:
        file.write('{"free":"gone"}\n{"take":{"sandbox_id":"torn')
    assert namespaces.run(node, "ip", "link").count("master mt0") == 2
    async with open_data_plane(ground_of(site, NetworkConfig()), site.folder("network"), node) as again:
        assert namespaces.run(node, "ip", "link").count("master mt0") == 1
        late = await again.attach(attachment("late"))
        assert late.ips[0] == "10.244.0.4"


async def test_attach_to_a_namespace_that_is_not_there_leaves_nothing(
    namespaces: Namespaces, node: str, site: Site, plane: DataPlane
) -> None:
    lost = Attachment("lost", "/run/netns/mnet-no-such", "default", "lost")
    with pytest.raises(NotFound):
        await plane.attach(lost)
    assert "master mt0" not in namespaces.run(node, "ip", "link")
    assert (site.folder("network") / "leases.jsonl").read_text().splitlines()[-1] == '{"free":"lost"}'
