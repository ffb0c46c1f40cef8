"""Container networks on the kernel: real namespaces, real packets, real names."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maru.components.network.config import NetworkConfig
from maru.components.network.engine.container_plane import ContainerPlane, Needs, open_container_plane
from maru.components.network.engine.data_plane import open_data_plane
from maru.components.network.model.container_ground import container_ground_of
from maru.components.network.model.ground import ground_of
from maru.contracts.container_network import (
    BRIDGE,
    Balancer,
    Endpoint,
    Join,
    NetworkSpec,
    Pool,
    PortRequest,
    PublishedPort,
    Sandbox,
)
from maru.core.clock import SystemClock
from maru.core.errors import Conflict
from maru.core.ids import SystemIds
from maru.core.site import Site
from maru.linux.namespace_sockets import socket_in_blocking
from maru.wire.dns.message import AAAA, PTR, A, encode_query
from maru.wire.dns.names import encode_name, reverse_name, skip_name
from tests.suites.container_network import ContainerNetworkSuite

if TYPE_CHECKING:
    from tests.components.network.conftest import Namespaces

pytestmark = pytest.mark.root
MakeSandbox = Callable[..., Sandbox]
SILENCE_S = 0.4
PORT = 18200


@pytest.fixture
def node(namespaces: Namespaces) -> str:
    return namespaces.make("node")


@pytest.fixture
def opening(node: str, tmp_path: Path) -> Callable[..., object]:
    site = Site(data_dir=tmp_path, node_name="here", instance="t", bridge="mt0", container_cidr="10.120.0.0/18")

    @asynccontextmanager
    async def opened(ports: Callable[[], Sequence[PublishedPort]] = tuple) -> AsyncIterator[ContainerPlane]:
        ground = ground_of(site, NetworkConfig())
        needs = Needs(
            container_ground_of(site, ground), site.folder("network"), node, SystemClock(), SystemIds(), ports
        )
        async with open_data_plane(ground, site.folder("network"), node), open_container_plane(needs) as plane:
            yield plane

    return opened


@pytest.fixture
async def network(opening: Callable[..., object]) -> AsyncIterator[ContainerPlane]:
    async with opening() as plane:  # type: ignore[attr-defined]
        yield plane


@pytest.fixture
def sandbox(namespaces: Namespaces) -> MakeSandbox:
    paths: dict[str, str] = {}

    def make(
        name: str, joins: Sequence[Join] = (), ports: Sequence[PortRequest] = (), dns_servers: Sequence[str] = ()
    ) -> Sandbox:
        if name not in paths:
            paths[name] = namespaces.make("box")
        container_id = hashlib.sha256(name.encode()).hexdigest()
        return Sandbox(container_id, name, paths[name], f"host-{name}", joins, ports, dns_servers)

    return make


class TestContainerPlane(ContainerNetworkSuite):
    """The contract's suite, on the kernel."""


async def ask_name(path: str, name: bytes, kind: int, *, by_tcp: bool = False) -> tuple[int, list[bytes]]:
    """(code, contents) of the answer that 127.0.0.11 gives inside of the namespace."""
    query, loop = encode_query(7, name, kind), asyncio.get_running_loop()
    wire = socket.SOCK_STREAM if by_tcp else socket.SOCK_DGRAM
    sock = await asyncio.to_thread(socket_in_blocking, path, socket.AF_INET, wire)
    with sock:
        async with asyncio.timeout(3.0):
            await loop.sock_connect(sock, ("127.0.0.11", 53))
            await loop.sock_sendall(sock, (struct.pack(">H", len(query)) if by_tcp else b"") + query)
            reply = await loop.sock_recv(sock, 4096)
    reply = reply[2:] if by_tcp else reply
    code, count = reply[3] & 15, struct.unpack_from(">H", reply, 6)[0]
    offset = skip_name(reply, 12) + 4
    contents: list[bytes] = []
    for _ in range(count):
        offset = skip_name(reply, offset)
        length = struct.unpack_from(">H", reply, offset + 8)[0]
        contents.append(reply[offset + 10 : offset + 10 + length])
        offset += 10 + length
    return code, contents


def only(endpoints: Sequence[Endpoint]) -> Endpoint:
    assert len(endpoints) == 1
    return endpoints[0]


async def test_containers_talk_within_a_network_and_not_from_one_to_another(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox
) -> None:
    for name in ("red", "blue"):
        await network.create(NetworkSpec(name))
    a, b, c = sandbox("a", [Join("red")]), sandbox("b", [Join("red")]), sandbox("c", [Join("blue")])
    addresses = [only((await network.open(each)).endpoints).ip for each in (a, b, c)]
    async with namespaces.tcp_server(b.netns_path, 80, "b"):
        assert await namespaces.ask_tcp(a.netns_path, addresses[1], 80) == ["b", addresses[0]]
        with pytest.raises(TimeoutError):
            await namespaces.ask_tcp(c.netns_path, addresses[1], 80, SILENCE_S)


async def test_a_container_leaves_under_the_machines_address_and_an_internal_network_does_not(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    outside = join_outside(namespaces, node)
    await network.create(NetworkSpec("inside", internal=True))
    open_one, closed_one = sandbox("open", [Join(BRIDGE)]), sandbox("closed", [Join("inside")])
    await network.open(open_one)
    assert only((await network.open(closed_one)).endpoints).gateway == ""
    async with namespaces.tcp_server(outside, 80, "outside"):
        assert await namespaces.ask_tcp(open_one.netns_path, "192.0.2.2", 80) == ["outside", "192.0.2.1"]
        with pytest.raises(OSError):
            await namespaces.ask_tcp(closed_one.netns_path, "192.0.2.2", 80, SILENCE_S)


async def test_what_is_not_published_is_not_reached_from_outside(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    outside = join_outside(namespaces, node)
    box = sandbox("box", [Join(BRIDGE)], [PortRequest(80, host_port=PORT)])
    ip = only((await network.open(box)).endpoints).ip
    namespaces.run(outside, "ip", "route", "add", "10.120.0.0/18", "via", "192.0.2.1")
    async with namespaces.tcp_server(box.netns_path, 80, "box"), namespaces.tcp_server(box.netns_path, 81, "box"):
        assert await namespaces.ask_tcp(outside, "192.0.2.1", PORT) == ["box", "192.0.2.2"]
        with pytest.raises(TimeoutError):
            await namespaces.ask_tcp(outside, ip, 81, SILENCE_S)


async def test_a_published_port_is_reached_from_everywhere(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    join_outside(namespaces, node)
    await network.create(NetworkSpec("other"))
    ports = [PortRequest(80, host_port=PORT), PortRequest(53, "udp", host_port=PORT)]
    box = sandbox("box", [Join(BRIDGE)], ports)
    same, other = sandbox("same", [Join(BRIDGE)]), sandbox("other", [Join("other")])
    for each in (box, same, other):
        await network.open(each)
    async with namespaces.tcp_server(box.netns_path, 80, "tcp"), namespaces.udp_server(box.netns_path, 53, "udp"):
        for client, address in (
            (node, "127.0.0.1"),
            (node, "192.0.2.1"),
            (same.netns_path, "192.0.2.1"),
            (other.netns_path, "192.0.2.1"),
            (box.netns_path, "192.0.2.1"),
        ):
            assert (await namespaces.ask_tcp(client, address, PORT))[0] == "tcp", (client, address)
            assert (await namespaces.ask_udp(client, address, PORT))[0] == "udp", (client, address)
        assert await ask_tcp6(node, "::1", PORT) == "tcp"


async def test_a_port_at_one_address_is_at_no_other(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    join_outside(namespaces, node)
    box = sandbox("box", [Join(BRIDGE)], [PortRequest(80, host_ip="127.0.0.1", host_port=PORT)])
    await network.open(box)
    async with namespaces.tcp_server(box.netns_path, 80, "box"):
        assert (await namespaces.ask_tcp(node, "127.0.0.1", PORT))[0] == "box"
        with pytest.raises(ConnectionRefusedError):
            await namespaces.ask_tcp(node, "192.0.2.1", PORT)
        await network.close(box.container_id)
        with pytest.raises(ConnectionRefusedError):
            await namespaces.ask_tcp(node, "127.0.0.1", PORT)


async def test_a_port_that_a_program_has_is_a_conflict(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    async with namespaces.tcp_server(node, PORT, "program"):
        with pytest.raises(Conflict, match="address already in use"):
            await network.open(sandbox("box", [Join(BRIDGE)], [PortRequest(80, host_port=PORT)]))
        assert (await namespaces.ask_tcp(node, "127.0.0.1", PORT))[0] == "program"


async def test_a_udp_client_that_asked_too_early_is_answered_later(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    outside = join_outside(namespaces, node)
    asker = namespaces.open_socket(outside, socket.SOCK_DGRAM)
    asker.bind(("192.0.2.2", 5353))
    with asker:
        with pytest.raises((TimeoutError, ConnectionRefusedError)):
            await namespaces.ask_udp(outside, "192.0.2.1", PORT, SILENCE_S, asker)
        box = sandbox("box", [Join(BRIDGE)], [PortRequest(53, "udp", host_port=PORT)])
        await network.open(box)
        async with namespaces.udp_server(box.netns_path, 53, "udp"):
            assert (await namespaces.ask_udp(outside, "192.0.2.1", PORT, sock=asker))[0] == "udp"


async def test_a_port_of_a_pod_is_a_conflict(
    namespaces: Namespaces, opening: Callable[..., object], sandbox: MakeSandbox
) -> None:
    pods = PublishedPort(80, "tcp", "0.0.0.0", PORT)
    async with opening(lambda: [pods]) as network:  # type: ignore[attr-defined]
        with pytest.raises(Conflict, match="already allocated"):
            await network.open(sandbox("box", [Join(BRIDGE)], [PortRequest(80, host_port=PORT)]))


async def test_names_aliases_links_and_addresses_are_known_inside(
    network: ContainerPlane, sandbox: MakeSandbox
) -> None:
    await network.create(NetworkSpec("shop"))
    web = sandbox("web", [Join("shop", aliases=["www"])], dns_servers=["127.9.9.9"])
    asker = sandbox("asker", [Join("shop", links=[("web", "peer")])], dns_servers=["127.9.9.9"])
    ip = only((await network.open(web)).endpoints).ip
    await network.open(asker)
    packed = socket.inet_aton(ip)
    for name in ("web", "WWW", "peer", "web.shop", web.container_id[:12], "host-web"):
        assert await ask_name(asker.netns_path, encode_name(name), A) == (0, [packed]), name
    assert await ask_name(asker.netns_path, encode_name("web"), A, by_tcp=True) == (0, [packed])
    assert await ask_name(asker.netns_path, encode_name("web"), AAAA) == (0, [])
    assert await ask_name(asker.netns_path, reverse_name(ip), PTR) == (0, [encode_name("web.shop")])
    assert (await ask_name(web.netns_path, encode_name("peer"), A))[1] == [], "a link is seen by one alone"
    await network.rename(web.container_id, "site")
    assert await ask_name(asker.netns_path, encode_name("site"), A) == (0, [packed])
    await network.close(web.container_id)
    assert await ask_name(asker.netns_path, encode_name("site"), A) == (2, []), "nobody outside is there to ask"


async def test_other_names_are_asked_outside(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox
) -> None:
    await network.create(NetworkSpec("shop"))
    resolver = sandbox("resolver", [Join("shop")])
    ip = only((await network.open(resolver)).endpoints).ip
    asker = sandbox("asker", [Join("shop")], dns_servers=[ip])
    await network.open(asker)
    sock = namespaces.open_socket(resolver.netns_path, socket.SOCK_DGRAM)
    sock.bind((ip, 53))  # port 53 of a container is its own
    with sock:
        answering = asyncio.ensure_future(answer_once(sock, socket.inet_aton("203.0.113.9")))
        assert await ask_name(asker.netns_path, encode_name("example.org"), A) == (0, [b"\xcb\x00\x71\x09"])
        await answering


async def test_a_second_network_is_joined_and_left_live(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox
) -> None:
    await network.create(NetworkSpec("alpha"))
    await network.create(NetworkSpec("beta", pools=[Pool(subnet="10.121.5.0/24")]))
    box, peer = sandbox("box", [Join("beta")]), sandbox("peer", [Join("alpha")])
    await network.open(box)
    peer_ip = only((await network.open(peer)).endpoints).ip
    assert "via 10.121.5.1 dev eth0" in namespaces.run(box.netns_path, "ip", "route", "show", "default")
    endpoint = await network.connect(box.container_id, Join("alpha"))
    route = namespaces.run(box.netns_path, "ip", "route", "show", "default")
    assert f"via {endpoint.gateway} dev eth1" in route, "the network whose name sorts first leads outside"
    async with namespaces.tcp_server(peer.netns_path, 80, "peer"):
        assert await namespaces.ask_tcp(box.netns_path, peer_ip, 80) == ["peer", endpoint.ip]
    await network.disconnect(box.container_id, endpoint.network_id)
    assert "eth1" not in namespaces.run(box.netns_path, "ip", "link")
    assert "via 10.121.5.1 dev eth0" in namespaces.run(box.netns_path, "ip", "route", "show", "default")


async def test_without_icc_containers_reach_outside_and_not_each_other(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    outside = join_outside(namespaces, node)
    await network.create(NetworkSpec("cells", options={"com.docker.network.bridge.enable_icc": "false"}))
    one, two = sandbox("one", [Join("cells")]), sandbox("two", [Join("cells")])
    await network.open(one)
    ip = only((await network.open(two)).endpoints).ip
    async with namespaces.tcp_server(outside, 80, "outside"), namespaces.tcp_server(two.netns_path, 80, "two"):
        assert (await namespaces.ask_tcp(one.netns_path, "192.0.2.2", 80))[0] == "outside"
        with pytest.raises(OSError):
            await namespaces.ask_tcp(one.netns_path, ip, 80, SILENCE_S)


async def test_ipv6_is_forwarded_named_and_published(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    pools = [Pool(subnet="fd77:1::/64")]
    await network.create(NetworkSpec("six", enable_ipv6=True, pools=pools))
    box = sandbox("box", [Join("six", ip6="fd77:1::80")], [PortRequest(80, host_port=PORT)])
    asker = sandbox("asker", [Join("six")])
    await network.open(box)
    await network.open(asker)
    assert await ask_name(asker.netns_path, encode_name("box"), AAAA) == (
        0,
        [socket.inet_pton(socket.AF_INET6, "fd77:1::80")],
    )
    async with tcp6_server(box.netns_path, 80):
        assert await ask_tcp6(asker.netns_path, "fd77:1::80", 80) == "six"
        assert await ask_tcp6(node, "fd77:1::1", PORT) == "six"
        assert await ask_tcp6(asker.netns_path, "fd77:1::1", PORT) == "six"
        assert await ask_tcp6(node, "::1", PORT) == "six"


async def test_macvlans_talk_on_their_parent(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    namespaces.run(node, "ip", "link", "add", "wire", "type", "bridge")
    namespaces.run(node, "ip", "link", "set", "wire", "up")
    pool = Pool(subnet="10.122.0.0/24")
    await network.create(NetworkSpec("flat", driver="macvlan", pools=[pool], options={"parent": "wire"}))
    one, two = sandbox("one", [Join("flat")]), sandbox("two", [Join("flat")])
    await network.open(one)
    ip = only((await network.open(two)).endpoints).ip
    async with namespaces.tcp_server(two.netns_path, 80, "two"):
        assert (await namespaces.ask_tcp(one.netns_path, ip, 80))[0] == "two"
    await network.close(one.container_id)
    assert "eth0" not in namespaces.run(one.netns_path, "ip", "link")


async def test_a_balancer_leads_to_its_backends_in_turn_by_address_name_and_port(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    outside = join_outside(namespaces, node)
    made = await network.create(NetworkSpec("shop", pools=[Pool("10.77.0.0/24")]))
    boxes = [sandbox(name, [Join("shop")]) for name in ("a", "b", "asker")]
    ips = [only((await network.open(box)).endpoints).ip for box in boxes]
    virtual, asker = "10.77.0.254", boxes[2].netns_path
    balancer = Balancer("web", made.id, virtual, ("web",), tuple(ips[:2]), (PortRequest(80, "tcp", "", PORT, PORT),))
    assert await network.balance([balancer]) == {}
    a, b = (namespaces.tcp_server(boxes[number].netns_path, 80, "ab"[number]) for number in (0, 1))
    async with a, b:
        for client, address, port in (
            (asker, virtual, 80),
            (boxes[0].netns_path, virtual, 80),
            (node, virtual, 80),
            (node, "127.0.0.1", PORT),
            (outside, "192.0.2.1", PORT),
        ):
            told = {(await namespaces.ask_tcp(client, address, port))[0] for _ in range(40)}
            assert told == {"a", "b"}, (client, address)
        assert await ask_tcp6(node, "::1", PORT) in "ab"
        assert await ask_name(asker, encode_name("web"), A) == (0, [socket.inet_aton(virtual)])
        await network.balance([replace(balancer, backends=(ips[1],))])
        assert {(await namespaces.ask_tcp(asker, virtual, 80))[0] for _ in range(20)} == {"b"}


async def test_a_balancer_without_backends_refuses_and_is_not_the_machine(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    made = await network.create(NetworkSpec("shop", pools=[Pool("10.77.0.0/24")]))
    asker = sandbox("asker", [Join("shop")])
    await network.open(asker)
    await network.balance([Balancer("web", made.id, "10.77.0.254", ("web",))])
    async with namespaces.tcp_server(node, 80, "the machine"):
        for client in (asker.netns_path, node):
            with pytest.raises(ConnectionRefusedError):
                await namespaces.ask_tcp(client, "10.77.0.254", 80)
    await network.balance([])
    assert "10.77.0.254" not in namespaces.run(node, "ip", "address")


async def test_a_balancers_port_that_somebody_has_is_told_and_tried_again(
    namespaces: Namespaces, network: ContainerPlane, sandbox: MakeSandbox, node: str
) -> None:
    made = await network.create(NetworkSpec("shop", pools=[Pool("10.77.0.0/24")]))
    box = sandbox("box", [Join("shop")])
    ip = only((await network.open(box)).endpoints).ip
    ports = (PortRequest(80, "tcp", "", PORT, PORT),)
    balancer = Balancer("web", made.id, "10.77.0.254", ("web",), (ip,), ports)
    async with namespaces.tcp_server(box.netns_path, 80, "box"):
        async with namespaces.tcp_server(node, PORT, "machine"):
            failures = await network.balance([balancer])
            assert "address already in use" in failures["web"]
            assert (await namespaces.ask_tcp(node, "127.0.0.1", PORT))[0] == "machine"
        assert await network.balance([balancer]) == {}
        assert (await namespaces.ask_tcp(node, "127.0.0.1", PORT))[0] == "box"


async def test_balancers_go_on_after_a_restart(
    namespaces: Namespaces, opening: Callable[..., object], sandbox: MakeSandbox, node: str
) -> None:
    box = sandbox("box", [Join("shop")])
    async with opening() as first:  # type: ignore[attr-defined]
        made = await first.create(NetworkSpec("shop", pools=[Pool("10.77.0.0/24")]))
        ip = only((await first.open(box)).endpoints).ip
        ports = (PortRequest(80, "tcp", "", PORT, PORT),)
        await first.balance([Balancer("web", made.id, "10.77.0.254", ("web",), (ip,), ports)])
    async with namespaces.tcp_server(box.netns_path, 80, "box"):
        assert (await namespaces.ask_tcp(node, "127.0.0.1", PORT))[0] == "box", "nobody runs, packets do"
        async with opening() as second:  # type: ignore[attr-defined]
            await second.retain([box.container_id])
            assert (await namespaces.ask_tcp(node, "127.0.0.1", PORT))[0] == "box"
            assert await ask_tcp6(node, "::1", PORT) == "box"
            await second.tear_down()


async def test_everything_goes_on_after_a_restart(
    namespaces: Namespaces, opening: Callable[..., object], sandbox: MakeSandbox, node: str
) -> None:
    box = sandbox("box", [Join("shop")], [PortRequest(80, host_port=PORT)])
    async with opening() as first:  # type: ignore[attr-defined]
        made = await first.create(NetworkSpec("shop"))
        before = await first.open(box)
    async with namespaces.tcp_server(box.netns_path, 80, "box"):
        assert (await namespaces.ask_tcp(node, "127.0.0.1", PORT))[0] == "box", "nobody runs, packets do"
        async with opening() as second:  # type: ignore[attr-defined]
            await second.retain([box.container_id])
            assert second.find_connectivity(box.container_id) == before
            assert second.find("shop").id == made.id
            assert (await namespaces.ask_tcp(node, "127.0.0.1", PORT))[0] == "box"
            assert (await ask_name(box.netns_path, encode_name("box"), A))[1]
            with pytest.raises(Conflict):
                await second.open(sandbox("late", [Join(BRIDGE)], [PortRequest(80, host_port=PORT)]))
            await second.tear_down()
            assert "br-" not in namespaces.run(node, "ip", "link")
            assert "containers" not in namespaces.run(node, "nft", "list", "tables")
            assert second.find("shop").id == made.id


def join_outside(namespaces: Namespaces, node: str) -> str:
    """A namespace on another link of the node: 192.0.2.2, the node is 192.0.2.1."""
    outside = namespaces.make("outside")
    name = Path(outside).name
    namespaces.run(node, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", name)
    for path, device, address in ((node, "up0", "192.0.2.1/24"), (outside, "eth0", "192.0.2.2/24")):
        namespaces.run(path, "ip", "address", "add", address, "dev", device)
        namespaces.run(path, "ip", "link", "set", device, "up")
    return outside


async def answer_once(sock: socket.socket, address: bytes) -> None:
    """Answer one question, whatever it is, with the address."""
    loop = asyncio.get_running_loop()
    query, client = await loop.sock_recvfrom(sock, 4096)
    section = query[12 : skip_name(query, 12) + 4]
    header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", A, 1, 60, 4) + address
    await loop.sock_sendto(sock, header + section + record, client)


@asynccontextmanager
async def tcp6_server(path: str, port: int) -> AsyncIterator[None]:
    listener = await asyncio.to_thread(socket_in_blocking, path, socket.AF_INET6)
    listener.bind(("::", port))
    listener.listen()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"six")
        writer.close()

    async with await asyncio.start_server(answer, sock=listener):
        yield


async def ask_tcp6(path: str, address: str, port: int) -> str:
    """The first word that is said at the address, asked from inside."""
    loop = asyncio.get_running_loop()
    with await asyncio.to_thread(socket_in_blocking, path, socket.AF_INET6) as sock:
        async with asyncio.timeout(3.0):
            await loop.sock_connect(sock, (address, port))
            return (await loop.sock_recv(sock, 1000)).decode().split()[0]
