"""What every ContainerNetwork promises; run by a test module that gives `network` and `sandbox`.

`sandbox` is a factory: (container name, joins, ports) to a Sandbox whose namespace exists; the same name gives
the same container in the same namespace.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from maru.contracts.container_network import (
    BRIDGE,
    HOST,
    NONE,
    Balancer,
    ContainerNetwork,
    Join,
    NetworkSpec,
    Pool,
    PortRequest,
    Sandbox,
)
from maru.core.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound, NotSupported, Unavailable

MakeSandbox = Callable[..., Sandbox]
TINY = Pool(subnet="10.77.0.0/29", gateway="10.77.0.1")
PORT = 18123


class ContainerNetworkSuite:
    """Derive from this in the module that has the fixtures."""

    async def test_three_networks_are_always_there(self, network: ContainerNetwork) -> None:
        have = {each.name: each for each in network.list()}
        assert {BRIDGE, HOST, NONE} <= set(have)
        assert [have[name].spec.driver for name in (BRIDGE, HOST, NONE)] == ["bridge", "host", "null"]
        for name in (BRIDGE, HOST, NONE):
            with pytest.raises(Denied):
                await network.remove(have[name].id)
            with pytest.raises(Denied):
                await network.create(NetworkSpec(name))

    async def test_a_network_is_found_by_id_name_and_beginning(self, network: ContainerNetwork) -> None:
        made = await network.create(NetworkSpec("shop", labels={"tier": "front"}))
        assert len(made.id) == 64
        for reference in (made.id, "shop", made.id[:10]):
            assert network.find(reference) == made
        assert network.find("shop").spec.labels == {"tier": "front"}
        assert made.spec.pools[0].subnet
        assert made.spec.pools[0].gateway
        with pytest.raises(NotFound):
            network.find("nowhere")

    async def test_a_name_is_taken_unless_duplicates_are_asked_for(self, network: ContainerNetwork) -> None:
        await network.create(NetworkSpec("shop"))
        with pytest.raises(AlreadyExists):
            await network.create(NetworkSpec("shop"))
        second = await network.create(NetworkSpec("shop", allow_duplicate=True))
        with pytest.raises(Invalid):
            network.find("shop")
        assert network.find(second.id) == second

    async def test_two_networks_never_share_a_range(self, network: ContainerNetwork) -> None:
        one = await network.create(NetworkSpec("one"))
        two = await network.create(NetworkSpec("two"))
        assert one.spec.pools[0].subnet != two.spec.pools[0].subnet
        with pytest.raises(Denied):
            await network.create(NetworkSpec("three", pools=[Pool(subnet=one.spec.pools[0].subnet)]))

    async def test_what_cannot_be_is_refused(self, network: ContainerNetwork) -> None:
        for spec, error in (
            (NetworkSpec(""), Invalid),
            (NetworkSpec("a", driver="host"), Denied),
            (NetworkSpec("a", driver="overlay"), NotSupported),
            (NetworkSpec("a", driver="nonsense"), NotFound),
            (NetworkSpec("a", pools=[Pool(subnet="10.1.0.0/40")]), Invalid),
            (NetworkSpec("a", pools=[Pool(subnet="10.78.0.0/24", gateway="10.79.0.1")]), Invalid),
        ):
            with pytest.raises(error):
                await network.create(spec)
        assert all(each.is_predefined for each in network.list())

    async def test_containers_get_addresses_and_a_used_network_stays(
        self, network: ContainerNetwork, sandbox: MakeSandbox
    ) -> None:
        made = await network.create(NetworkSpec("shop", pools=[TINY]))
        one = await network.open(sandbox("one", [Join("shop", aliases=["web"])]))
        endpoint = one.endpoints[0]
        assert (endpoint.ip, endpoint.prefix, endpoint.gateway) == ("10.77.0.2", 29, "10.77.0.1")
        assert {"one", "web", endpoint.container_id[:12]} <= set(endpoint.dns_names)
        assert one.has_embedded_dns
        assert network.find("shop").endpoints == {endpoint.container_id: endpoint}
        with pytest.raises(Denied):
            await network.remove(made.id)
        await network.close(endpoint.container_id)
        await network.close(endpoint.container_id)
        await network.remove(made.id)
        with pytest.raises(NotFound):
            await network.remove(made.id)

    async def test_open_twice_gives_the_same_answer(self, network: ContainerNetwork, sandbox: MakeSandbox) -> None:
        wanted = sandbox("one", [Join(BRIDGE)])
        assert await network.open(wanted) == await network.open(wanted)
        assert network.find_connectivity(wanted.container_id) == await network.open(wanted)

    async def test_the_default_bridge_has_no_names(self, network: ContainerNetwork, sandbox: MakeSandbox) -> None:
        have = await network.open(sandbox("one", [Join(BRIDGE)]))
        assert not have.has_embedded_dns
        assert have.resolvers
        assert not have.endpoints[0].dns_names

    async def test_a_static_address_is_kept_for_whoever_has_it(
        self, network: ContainerNetwork, sandbox: MakeSandbox
    ) -> None:
        await network.create(NetworkSpec("shop", pools=[TINY]))
        have = await network.open(sandbox("one", [Join("shop", ip="10.77.0.5", mac="02:42:ac:11:22:33")]))
        assert (have.endpoints[0].ip, have.endpoints[0].mac) == ("10.77.0.5", "02:42:ac:11:22:33")
        with pytest.raises(Denied):
            await network.open(sandbox("two", [Join("shop", ip="10.77.0.5")]))
        with pytest.raises(Invalid):
            await network.open(sandbox("two", [Join("shop", ip="10.99.0.5")]))
        await network.create(NetworkSpec("free"))
        with pytest.raises(Invalid):
            await network.open(sandbox("two", [Join("free", ip="10.77.0.6")]))
        assert network.find_connectivity(sandbox("two").container_id) is None

    async def test_a_used_up_range_is_unavailable_until_one_leaves(
        self, network: ContainerNetwork, sandbox: MakeSandbox
    ) -> None:
        await network.create(NetworkSpec("shop", pools=[TINY]))
        for number in range(5):
            await network.open(sandbox(f"c{number}", [Join("shop")]))
        with pytest.raises(Unavailable):
            await network.open(sandbox("late", [Join("shop")]))
        await network.close(sandbox("c0").container_id)
        assert (await network.open(sandbox("late", [Join("shop")]))).endpoints[0].ip == "10.77.0.2"

    async def test_networks_come_and_go_while_a_container_lives(
        self, network: ContainerNetwork, sandbox: MakeSandbox
    ) -> None:
        made = await network.create(NetworkSpec("shop"))
        wanted = sandbox("one", [Join(BRIDGE)])
        await network.open(wanted)
        endpoint = await network.connect(wanted.container_id, Join("shop"))
        assert endpoint.device == "eth1"
        with pytest.raises(Denied):
            await network.connect(wanted.container_id, Join("shop"))
        have = network.find_connectivity(wanted.container_id)
        assert have is not None
        assert [each.network_name for each in have.endpoints] == [BRIDGE, "shop"]
        assert have.has_embedded_dns
        await network.disconnect(wanted.container_id, made.id)
        assert not network.find("shop").endpoints
        with pytest.raises(NotFound):
            await network.disconnect(wanted.container_id, made.id)
        with pytest.raises(NotFound):
            await network.connect("0" * 64, Join("shop"))

    async def test_ports_are_published_once(self, network: ContainerNetwork, sandbox: MakeSandbox) -> None:
        request = PortRequest(80, host_port=PORT)
        have = await network.open(sandbox("one", [Join(BRIDGE)], [request, PortRequest(81)]))
        fixed, free = ([port for port in have.ports if port.container_port == number] for number in (80, 81))
        assert {port.host_port for port in fixed} == {PORT}
        assert "0.0.0.0" in {port.host_ip for port in fixed}
        assert len({port.host_port for port in free}) == 1
        assert free[0].host_port >= 1024
        with pytest.raises(Conflict) as caught:
            await network.open(sandbox("two", [Join(BRIDGE)], [request]))
        assert "port is already allocated" in str(caught.value)
        assert network.find_connectivity(sandbox("two").container_id) is None
        ranged = PortRequest(80, host_port=PORT, host_port_last=PORT + 3)
        second = await network.open(sandbox("three", [Join(BRIDGE)], [ranged]))
        assert {port.host_port for port in second.ports} == {PORT + 1}
        await network.close(sandbox("one").container_id)
        await network.open(sandbox("two", [Join(BRIDGE)], [request]))

    async def test_a_container_without_a_network_is_open_all_the_same(
        self, network: ContainerNetwork, sandbox: MakeSandbox
    ) -> None:
        have = await network.open(sandbox("one", [Join(NONE)], [PortRequest(80, host_port=PORT)]))
        assert [(each.network_name, each.ip, each.device) for each in have.endpoints] == [(NONE, "", "")]
        assert not have.ports

    async def test_another_name_is_known_at_once(self, network: ContainerNetwork, sandbox: MakeSandbox) -> None:
        await network.create(NetworkSpec("shop"))
        wanted = sandbox("one", [Join("shop", aliases=["web"])])
        await network.open(wanted)
        await network.rename(wanted.container_id, "uno")
        endpoint = network.find("shop").endpoints[wanted.container_id]
        assert endpoint.container_name == "uno"
        assert "one" not in endpoint.dns_names
        assert {"uno", "web"} <= set(endpoint.dns_names)

    async def test_no_container_gets_the_address_of_a_balancer(
        self, network: ContainerNetwork, sandbox: MakeSandbox
    ) -> None:
        made = await network.create(NetworkSpec("shop", pools=[TINY]))
        assert await network.balance([Balancer("web", made.id, "10.77.0.2", ("web",))]) == {}
        one, two = sandbox("one", [Join("shop")]), sandbox("two", [Join("shop", ip="10.77.0.2")])
        assert (await network.open(one)).endpoints[0].ip == "10.77.0.3"
        with pytest.raises(Denied):
            await network.open(two)
        with pytest.raises(NotFound):
            await network.balance([Balancer("web", "f" * 64, "10.77.0.2")])
        await network.balance([])
        assert (await network.open(two)).endpoints[0].ip == "10.77.0.2"

    async def test_retain_closes_all_others(self, network: ContainerNetwork, sandbox: MakeSandbox) -> None:
        await network.create(NetworkSpec("shop"))
        one, two = sandbox("one", [Join("shop")]), sandbox("two", [Join("shop")])
        await network.open(one)
        await network.open(two)
        await network.retain([two.container_id])
        assert list(network.find("shop").endpoints) == [two.container_id]
