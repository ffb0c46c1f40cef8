"""Filters that ask elsewhere or wait: what they put into events, and what they do when no answer comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest
from aiohttp import web

from maru.components.pipelines.engine.filters.catalog import FILTERS
from maru.components.pipelines.engine.ground import Ground
from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.plan import compile_filters
from maru.wire.logstash.parser import parse
from tests.components.pipelines.house import Shelf, ground_in

ANSWERS = {("web.test.", "A"): "192.0.2.7", ("7.2.0.192.in-addr.arpa.", "PTR"): "web.test."}


@asynccontextmanager
async def filtering(folder: Path, text: str) -> AsyncIterator[Any]:
    """A function from fields to fields, through `filter { text }`."""
    ground: Ground = ground_in(folder, Shelf())
    line = compile_filters(parse(f"filter {{ {text} }}").filters, FILTERS, ground)

    async def run(**fields: Any) -> dict[str, Any]:
        (event,) = await line.run([Event(fields)])
        return event.fields

    try:
        yield run
    finally:
        for close in ground.closers:
            await close()


@asynccontextmanager
async def name_server() -> AsyncIterator[tuple[int, list[str]]]:
    """A server of two names on loopback: its port, and what it was asked; a name beginning with slow gets no answer."""
    asked: list[str] = []

    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport

        def datagram_received(self, content: bytes, peer: tuple[str, int]) -> None:
            query = dns.message.from_wire(content)
            name, kind = str(query.question[0].name), dns.rdatatype.to_text(query.question[0].rdtype)
            asked.append(name)
            if name.startswith("slow"):
                return
            answer = dns.message.make_response(query)
            found = ANSWERS.get((name, kind))
            if found is None:
                answer.set_rcode(3)
            else:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, found))
            self.transport.sendto(answer.to_wire(), peer)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Protocol, ("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], asked
    finally:
        transport.close()


async def test_dns_puts_addresses_and_names(tmp_path: Path) -> None:
    async with name_server() as (port, asked):
        text = f'dns {{ %s nameserver => "127.0.0.1:{port}" timeout => 0.05 max_retries => 1 add_tag => "t" %s }}'
        async with filtering(tmp_path, text % ('resolve => ["h"]', "")) as run:
            assert await run(h="web.test") == {"h": ["web.test", "192.0.2.7"], "tags": ["t"]}
            assert await run(h="none.test") == {"h": "none.test"}
            assert await run(h=["a", "b"]) == {"h": ["a", "b"]}
            assert await run(h="slow.test") == {"h": "slow.test", "tags": ["_dnstimeout"]}
        assert asked.count("slow.test.") == 2
        async with filtering(tmp_path, text % ('reverse => ["h"] action => replace', "hit_cache_size => 9")) as run:
            assert (await run(h="192.0.2.7"))["h"] == "web.test"
            assert (await run(h=["192.0.2.7"]))["h"] == ["web.test"]
            assert await run(h="no address") == {"h": "no address"}
        assert asked.count("7.2.0.192.in-addr.arpa.") == 1


async def test_dns_asks_files_of_hosts_first(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.9 mine.test alias # a remark\n")
    async with filtering(tmp_path, f'dns {{ resolve => ["h"] hostsfile => ["{hosts}"] action => replace }}') as run:
        assert (await run(h="Alias"))["h"] == "192.0.2.9"


@asynccontextmanager
async def web_server(
    answer: Mapping[str, tuple[int, str, str]],
) -> AsyncIterator[tuple[str, list[tuple[str, str, str]]]]:
    """Answers by path: status, kind, body. Gives its URL and what was asked: method, path with query, body."""
    asked: list[tuple[str, str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.method, request.path_qs, await request.text()))
        status, kind, body = answer[request.path]
        return web.Response(status=status, body=body.encode(), headers={"Content-Type": kind, "X-One": "1"})

    runner = web.AppRunner(app := web.Application())
    app.router.add_route("*", "/{tail:.*}", handle)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def test_http_puts_an_answer_into_the_event(tmp_path: Path) -> None:
    answers = {"/j": (200, "application/json", '{"a": 1}'), "/t": (200, "text/plain", " x "), "/e": (500, "text/plain", ""),
               "/b": (200, "application/json", "{")}  # fmt: skip
    async with web_server(answers) as (url, asked):
        text = (
            f'http {{ url => "{url}/%{{p}}" query => {{ "q" => "%{{p}}" }} target_body => "b" target_headers => "h" }}'
        )
        async with filtering(tmp_path, text) as run:
            found = await run(p="j")
            assert found["b"] == {"a": 1} and found["h"]["x-one"] == "1"
            assert (await run(p="t"))["b"] == "x"
            assert (await run(p="e"))["tags"] == ["_httprequestfailure"]
            assert (await run(p="b"))["tags"] == ["_jsonparsefailure"]
        post = f'http {{ url => "{url}/t" verb => "POST" body_format => json body => {{ "k" => "%{{p}}" }} }}'
        async with filtering(tmp_path, post) as run:
            assert (await run(p="v"))["http"]["response"]["body"]["content"] == "x"
        assert asked[0] == ("GET", "/j?q=j", "")
        assert asked[-1] == ("POST", "/t", '{"k":"v"}')
    async with filtering(tmp_path, f'http {{ url => "{url}/t" automatic_retries => 0 }}') as run:
        assert (await run())["tags"] == ["_httprequestfailure"]


async def test_elasticsearch_copies_the_fields_of_an_earlier_document(tmp_path: Path) -> None:
    hit = '{"hits": {"hits": [{"_id": "7", "_source": {"a": {"b": 1}}}]}, "aggregations": {"n": {"value": 3}}}'
    answers = {"/logs-x/_search": (200, "application/json", hit), "/none/_search": (200, "application/json", '{"hits": {}}'),
               "/bad/_search": (404, "application/json", '{"error": {}}')}  # fmt: skip
    async with web_server(answers) as (url, asked):
        text = f"""elasticsearch {{ hosts => ["{url}"] index => "%{{i}}" query => "id:%{{k}}" fields => {{ "[a][b]" => "[found]" }}
            docinfo_fields => {{ "_id" => "its_id" }} aggregation_fields => {{ "n" => "count" }} add_tag => "t" }}"""
        async with filtering(tmp_path, text) as run:
            out = await run(i="logs-x", k="9")
            assert (out["found"], out["its_id"], out["count"], out["tags"]) == (1, "7", {"value": 3}, ["t"])
            assert "tags" not in await run(i="none", k="9")
            assert (await run(i="bad", k="9"))["tags"] == ["_elasticsearch_lookup_failure"]
        assert '"query":"id:9"' in asked[0][2] and '{"@timestamp":"desc"}' in asked[0][2]


@pytest.mark.parametrize(
    "text", ['sleep { time => "0.001" add_tag => "t" }', 'sleep { time => "%{s}" add_tag => "t" }']
)
async def test_sleep_lets_events_go_on(tmp_path: Path, text: str) -> None:
    async with filtering(tmp_path, text) as run:
        assert (await run(s=0.001))["tags"] == ["t"]
