"""The Kubernetes DNS specification, asked by dnspython over real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from maru.components.dns import component
from maru.components.dns.config import DnsConfig
from maru.core.clock import SystemClock
from maru.core.ids import SystemIds
from maru.core.informer import Informers
from maru.core.site import Site
from maru.kinds.resources import ENDPOINTSLICES, NAMESPACES, SERVICES
from tests.fakes.client import FakeClients

DOMAIN = "cluster.local."


def service(name: str, cluster_ip: str = "None", **spec: Any) -> dict[str, Any]:
    spec = {"clusterIP": cluster_ip, "clusterIPs": [cluster_ip], **spec}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def piece(name: str, ports: list[dict[str, Any]], *endpoints: dict[str, Any]) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": name}
    metadata = {"name": f"{name}-1", "namespace": "default", "labels": labels}
    return {"metadata": metadata, "addressType": "IPv4", "ports": ports, "endpoints": list(endpoints)}


def endpoint(address: str, hostname: str = "", *, ready: bool = True) -> dict[str, Any]:
    value: dict[str, Any] = {"addresses": [address], "conditions": {"ready": ready}}
    return {**value, "hostname": hostname} if hostname else value


class Outside:
    """A resolver outside: answers example.com and big.example.com, fails or is silent for others."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    def answer(self, raw: bytes, *, by_tcp: bool) -> bytes | None:
        query = dns.message.from_wire(raw)
        name = query.question[0].name.to_text().lower()
        self.asked.append(name)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if name == "silent.example.com.":
            return None
        if name == "example.com.":
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.1"))
        elif name == "big.example.com.":
            if by_tcp:
                reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", *(f"192.0.2.{n}" for n in range(200))))
            else:
                reply.flags |= dns.flags.TC
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
            reply.authority.append(dns.rrset.from_text("com.", 60, "IN", "SOA", "a. b. 1 2 3 4 60"))
        return reply.to_wire(max_size=65535)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        outside = self

        class Protocol(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                reply = outside.answer(data, by_tcp=False)
                if reply is not None:
                    self.transport.sendto(reply, addr)

        async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            length = int.from_bytes(await reader.readexactly(2), "big")
            reply = outside.answer(await reader.readexactly(length), by_tcp=True) or b""
            writer.write(len(reply).to_bytes(2, "big") + reply)
            writer.close()

        server = await asyncio.start_server(stream, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", self.port))
        async with server:
            yield
        transport.close()


class Dns:
    """A running server, and a client that asks it."""

    def __init__(self, clients: FakeClients, informers: Informers, port: int) -> None:
        self.clients = clients
        self.informers = informers
        self.port = port

    async def ask(
        self, name: str, kind: str = "A", *, tcp: bool = False, edns: int | None = None
    ) -> dns.message.Message:
        absolute = name if name.endswith(".") else f"{name}.{DOMAIN}"
        query = dns.message.make_query(absolute, kind)
        if edns:
            query.use_edns(0, payload=edns)
        ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await ask(query, "127.0.0.1", port=self.port, timeout=5)

    async def texts(self, name: str, kind: str = "A") -> list[str]:
        reply = await self.ask(name, kind)
        assert reply.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(reply.rcode())
        return sorted(item.to_text() for group in reply.answer for item in group)

    async def code(self, name: str, kind: str = "A") -> str:
        return dns.rcode.to_text((await self.ask(name, kind)).rcode())

    async def put(self, *documents: dict[str, Any]) -> None:
        """Create the documents, and wait until the informers have them."""
        for document in documents:
            resource = ENDPOINTSLICES if "endpoints" in document else SERVICES
            await self.clients.put(resource, document)
        while not all(
            self.informers.of(ENDPOINTSLICES if "endpoints" in one else SERVICES).get(
                "default", one["metadata"]["name"]
            )
            for one in documents
        ):
            await asyncio.sleep(0)


@asynccontextmanager
async def running(tmp_path: Path, **knobs: Any) -> AsyncIterator[Dns]:
    clock, ids, clients = SystemClock(), SystemIds(), FakeClients()
    for name in ("default", "kube-system", "empty"):
        await clients.put(NAMESPACES, {"metadata": {"name": name}})
    informers = Informers(clients.acting_as("test"), clock, ids)
    knobs.setdefault("resolv_conf", str(tmp_path / "no-such-file"))
    config = DnsConfig(listen=("127.0.0.1",), port=0, **knobs)
    needs = component.Needs(Site(tmp_path, "here"), clients, informers, clock, ids, config)
    task = asyncio.ensure_future(informers.run())
    try:
        async with component.open(needs) as gives:
            served = Dns(clients, informers, gives.server.port)
            while (
                not await served.texts("dns-version", "TXT") or await served.code("nothing.default.svc") == "SERVFAIL"
            ):
                await asyncio.sleep(0)
            yield served
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Dns]:
    async with running(tmp_path) as made:
        yield made


PORTS = [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "talk", "port": 81, "protocol": "UDP"}, {"port": 82}]


async def test_service_with_a_cluster_address(served: Dns) -> None:
    await served.put(service("web", "10.96.1.2", ports=PORTS))
    assert await served.texts("web.default.svc") == ["10.96.1.2"]
    assert await served.texts("WEB.Default.SVC") == ["10.96.1.2"]
    assert await served.texts("_http._tcp.web.default.svc", "SRV") == [f"0 100 80 web.default.svc.{DOMAIN}"]
    assert await served.texts("_talk._udp.web.default.svc", "SRV") == [f"0 100 81 web.default.svc.{DOMAIN}"]
    assert await served.texts("2.1.96.10.in-addr.arpa.", "PTR") == [f"web.default.svc.{DOMAIN}"]
    reply = await served.ask("_http._tcp.web.default.svc", "SRV")
    assert [item.to_text() for group in reply.additional for item in group] == ["10.96.1.2"]


async def test_headless_service_has_its_ready_endpoints_by_name_and_address(served: Dns) -> None:
    endpoints = (endpoint("10.244.0.5", "db-0"), endpoint("10.244.0.6"), endpoint("10.244.0.7", "db-2", ready=False))
    await served.put(service("db"), piece("db", [{"name": "sql", "port": 5432, "protocol": "TCP"}], *endpoints))
    assert await served.texts("db.default.svc") == ["10.244.0.5", "10.244.0.6"]
    assert await served.texts("db-0.db.default.svc") == ["10.244.0.5"]
    assert await served.texts("10-244-0-6.db.default.svc") == ["10.244.0.6"]
    assert await served.code("db-2.db.default.svc") == "NXDOMAIN"
    assert await served.texts("_sql._tcp.db.default.svc", "SRV") == [
        f"0 100 5432 10-244-0-6.db.default.svc.{DOMAIN}",
        f"0 100 5432 db-0.db.default.svc.{DOMAIN}",
    ]
    assert await served.texts("5.0.244.10.in-addr.arpa.", "PTR") == [f"db-0.db.default.svc.{DOMAIN}"]


async def test_endpoints_that_are_not_ready_are_published_when_the_service_says_so(served: Dns) -> None:
    early = endpoint("10.244.0.9", "early", ready=False)
    await served.put(service("peers", publishNotReadyAddresses=True), piece("peers", [], early))
    assert await served.texts("early.peers.default.svc") == ["10.244.0.9"]


async def test_headless_service_without_ready_endpoints_is_no_name(served: Dns) -> None:
    await served.put(service("none"), piece("none", [], endpoint("10.244.0.9", ready=False)))
    assert await served.code("none.default.svc") == "NXDOMAIN"


async def test_records_follow_every_change(served: Dns) -> None:
    await served.put(service("db"), piece("db", [], endpoint("10.244.0.5"), endpoint("10.244.0.6")))
    assert len(await served.texts("db.default.svc")) == 2
    informer = served.informers.of(ENDPOINTSLICES)
    before = informer.get("default", "db-1")
    client = served.clients.acting_as("test")
    patch = {"endpoints": [endpoint("10.244.0.6")]}
    await client.patch(ENDPOINTSLICES, "default", "db-1", patch)
    while informer.get("default", "db-1") is before:
        await asyncio.sleep(0)
    assert await served.texts("db.default.svc") == ["10.244.0.6"]
    assert await served.code("5.0.244.10.in-addr.arpa.", "PTR") == "NXDOMAIN"
    await client.delete(SERVICES, "default", "db")
    while served.informers.of(SERVICES).get("default", "db") is not None:
        await asyncio.sleep(0)
    assert await served.code("db.default.svc") == "NXDOMAIN"


async def test_several_addresses_take_turns(served: Dns) -> None:
    await served.put(service("db"), piece("db", [], *(endpoint(f"10.244.0.{n}") for n in range(5, 8))))
    firsts = {(await served.ask("db.default.svc")).answer[0][0].to_text() for _ in range(6)}
    assert len(firsts) == 3


async def test_what_exists_without_the_type_is_no_data_and_the_rest_no_name(served: Dns) -> None:
    await served.put(service("web", "10.96.1.2", ports=PORTS))
    for name, kind in (
        ("web.default.svc", "AAAA"),
        ("_tcp.web.default.svc", "SRV"),
        ("default.svc", "A"),
        ("empty.svc", "A"),
        ("svc", "A"),
        (DOMAIN, "A"),
    ):
        reply = await served.ask(name, kind)
        assert (dns.rcode.to_text(reply.rcode()), reply.answer) == ("NOERROR", []), name
        assert reply.authority[0].rdtype == dns.rdatatype.SOA
        assert reply.authority[0].ttl == 5
    for name in (
        "web.elsewhere.svc",
        "nope.default.svc",
        "example.com.default.svc",
        "example.com",
        "x.web.default.svc",
    ):
        reply = await served.ask(name)
        assert dns.rcode.to_text(reply.rcode()) == "NXDOMAIN", name
        assert reply.authority[0].rdtype == dns.rdatatype.SOA
    assert await served.code("9.9.96.10.in-addr.arpa.", "PTR") == "NXDOMAIN"


async def test_pod_names_are_answered_in_namespaces_that_exist(served: Dns) -> None:
    assert await served.texts("10-244-0-77.default.pod") == ["10.244.0.77"]
    assert await served.code("10-244-0-77.elsewhere.pod") == "NXDOMAIN"
    assert await served.code("10-244-0-777.default.pod") == "NXDOMAIN"
    assert await served.texts("10-244-0-77.default.pod", "AAAA") == []


async def test_the_zone_itself(served: Dns) -> None:
    assert await served.texts("dns-version", "TXT") == ['"1.1.0"']
    assert await served.texts(DOMAIN, "NS") == [f"ns.dns.{DOMAIN}"]
    assert await served.texts("ns.dns") == ["10.96.0.10"]
    assert len(await served.texts(DOMAIN, "SOA")) == 1


async def test_long_answers_are_cut_over_udp_and_whole_over_tcp(served: Dns) -> None:
    await served.put(service("many"), piece("many", [], *(endpoint(f"10.244.1.{n}") for n in range(1, 101))))
    short = await served.ask("many.default.svc")
    assert short.flags & dns.flags.TC
    assert 0 < len(short.answer[0]) < 100
    assert len((await served.ask("many.default.svc", edns=1232)).answer[0]) > len(short.answer[0])
    assert len((await served.ask("many.default.svc", tcp=True)).answer[0]) == 100


async def test_its_own_service_is_made_and_made_again(served: Dns) -> None:
    assert await served.texts("kube-dns.kube-system.svc") == ["10.96.0.10"]
    informer = served.informers.of(SERVICES)
    before = informer.get("kube-system", "kube-dns")
    assert before is not None
    await served.clients.acting_as("test").delete(SERVICES, "kube-system", "kube-dns")
    while informer.get("kube-system", "kube-dns") in (before, None):
        await asyncio.sleep(0)
    piece_value = served.informers.of(ENDPOINTSLICES).get("kube-system", "kube-dns")
    assert piece_value is not None
    assert piece_value.value["ports"][0]["port"] == served.port


async def test_names_outside_are_asked_outside_once_and_kept(tmp_path: Path) -> None:
    outside = Outside()
    async with outside.running(), running(tmp_path, upstreams=(f"127.0.0.1:{outside.port}",)) as served:
        assert await served.texts("example.com.") == ["192.0.2.1"]
        assert await served.texts("EXAMPLE.com.") == ["192.0.2.1"]
        assert await served.code("nope.com.") == "NXDOMAIN"
        assert await served.code("nope.com.") == "NXDOMAIN"
        assert outside.asked == ["example.com.", "nope.com."]
        assert (await served.ask("big.example.com.")).flags & dns.flags.TC
        assert len((await served.ask("big.example.com.", tcp=True)).answer[0]) == 200


async def test_external_name_is_an_alias_that_is_followed(tmp_path: Path) -> None:
    outside = Outside()
    async with outside.running(), running(tmp_path, upstreams=(f"127.0.0.1:{outside.port}",)) as served:
        await served.put(
            service("away", "", type="ExternalName", externalName="example.com"),
            service("lost", "", type="ExternalName", externalName="nope.com"),
            service("large", "", type="ExternalName", externalName="big.example.com"),
            service("near", "", type="ExternalName", externalName="web.default.svc.cluster.local"),
            service("web", "10.96.1.2", ports=PORTS),
        )
        assert await served.texts("away.default.svc") == ["192.0.2.1", "example.com."]
        assert await served.texts("away.default.svc", "CNAME") == ["example.com."]
        assert await served.code("lost.default.svc") == "NXDOMAIN"
        whole = await served.ask("large.default.svc", tcp=True)
        assert [len(group) for group in whole.answer] == [1, 200]
        assert await served.texts("near.default.svc") == ["10.96.1.2", f"web.default.svc.{DOMAIN}"]


async def test_silent_resolvers_are_a_server_failure_in_time_and_others_go_on(tmp_path: Path) -> None:
    outside = Outside()
    knobs: dict[str, Any] = {"upstream_timeout_s": 0.1, "upstream_tries": 2}
    async with outside.running(), running(tmp_path, upstreams=(f"127.0.0.1:{outside.port}",), **knobs) as served:
        slow = asyncio.ensure_future(served.code("silent.example.com."))
        assert await served.texts("example.com.") == ["192.0.2.1"]
        assert await slow == "SERVFAIL"
        assert outside.asked.count("silent.example.com.") == 2


async def test_the_machines_resolvers_are_used_but_never_itself(tmp_path: Path) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("search example.org\nnameserver 10.96.0.10\nnameserver 127.0.0.1\nnameserver 10.244.0.1\n")
    async with running(tmp_path, resolv_conf=str(resolv_conf)) as served:
        assert await served.code("example.com.") == "SERVFAIL"


async def test_junk_gets_no_answer_or_an_error_and_the_server_lives(served: Dns) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for junk in (b"", b"x", b"\0" * 12, b"\xff" * 600, b"\x12\x34\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"):
            sock.sendto(junk, ("127.0.0.1", served.port))
    assert await served.texts("dns-version", "TXT") == ['"1.1.0"']
