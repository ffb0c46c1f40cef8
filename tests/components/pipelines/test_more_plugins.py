"""Inputs and outputs beside the usual ones: what goes in comes out, and nothing that was taken is lost."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from confluent_kafka import Consumer, Producer, TopicPartition

from maru.components.pipelines.engine import s3_client
from maru.components.pipelines.engine.catalog import INPUTS, OUTPUTS
from maru.components.pipelines.engine.inputs.asking import span_s
from maru.components.pipelines.engine.refusals import REFUSED
from maru.components.pipelines.model.definitions import PipelineSpec
from maru.core.errors import Invalid
from tests.components.pipelines.house import Shelf, free_port, house_in
from tests.components.pipelines.test_house import connected, until

TO_INDEX = 'output { elasticsearch { index => "i" document_id => "%{n}" } }'


def generated(*lines: str, codec: str = "json") -> str:
    quoted = ", ".join(f"'{line}'" for line in lines)
    return f"input {{ generator {{ lines => [{quoted}] count => 1 codec => {codec} }} }}"


def indexed(shelf: Shelf) -> list[dict[str, Any]]:
    return list(shelf.documents.values())


async def ended(folder: Path, config: str) -> None:
    """Run a pipeline whose inputs end by themselves, to its end."""
    async with house_in(folder, Shelf()) as house:
        await house.want("p", PipelineSpec(config))
        async with asyncio.timeout(20):
            await house.residents["p"].task


@pytest.fixture
def broker() -> Iterator[str]:
    """The address of a broker: librdkafka's mock cluster, which lives as long as the producer that it came with."""
    producer = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
    (about,) = producer.list_topics(timeout=10).brokers.values()
    yield f"{about.host}:{about.port}"
    producer.flush(1)


async def test_what_kafka_is_sent_it_has_and_an_offset_is_committed_once_its_event_is_indexed(
    tmp_path: Path, broker: str
) -> None:
    head = generated('{"n": 1, "t": "one"}', '{"n": 2, "t": "two"}')
    await ended(
        tmp_path,
        f"""{head} output {{ kafka {{ bootstrap_servers => "{broker}" topic_id => "%{{t}}" codec => json
        message_key => "%{{n}}" message_headers => {{ "h" => "v" }} acks => all compression_type => gzip }} }}""",
    )
    config = f"""input {{ kafka {{ bootstrap_servers => "{broker}" topics_pattern => "one|two" auto_offset_reset => earliest
        codec => json decorate_events => extended }} }}
        filter {{ mutate {{ add_field => {{ "about" => "%{{[@metadata][kafka][topic]}} %{{[@metadata][kafka][key]}} %{{[@metadata][kafka][headers][h]}}" }} }} }}
        {TO_INDEX}"""
    shelf = Shelf()
    shelf.failures = 2
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "logstash"})
    places = [TopicPartition(topic, number) for topic in ("one", "two") for number in range(4)]
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(config))
        await until(lambda: len(shelf.documents) == 2)
        await until(lambda: sorted(each.offset for each in consumer.committed(places, timeout=10))[-2:] == [1, 1])
    assert {event["about"] for event in indexed(shelf)} == {"one 1 v", "two 2 v"}
    consumer.close()


@pytest.mark.parametrize(
    "options",
    ["acks => 2", "security_protocol => WRONG", "security_protocol => SASL_SSL sasl_mechanism => GSSAPI", "compression_type => br",
     "security_protocol => SSL ssl_truststore_location => '/a.jks' ssl_truststore_type => jks"],
)  # fmt: skip
async def test_kafka_says_what_it_does_not_do(tmp_path: Path, options: str) -> None:
    async with house_in(tmp_path, Shelf()) as house:
        with pytest.raises(Invalid):
            await house.want(
                "p", PipelineSpec(generated("{}") + f"output {{ kafka {{ topic_id => 'tt' {options} }} }}")
            )


class Bucket:
    """A bucket in memory that wants every request signed; down: answers 503."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.parts = 0
        self.is_down = False

    async def answer(self, request: web.Request) -> web.Response:
        content = await request.read()
        signature = request.headers.get("Authorization", "")
        if self.is_down or not re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=AK/\d{8}/eu-x/s3/aws4_request, .*Signature=[0-9a-f]{64}", signature
        ):
            return web.Response(status=503)
        key, query = request.path.removeprefix("/floor").lstrip("/"), request.query
        match request.method:
            case "GET" if not key:
                found = [
                    k
                    for k in sorted(self.objects)
                    if k.startswith(query.get("prefix", "")) and k > query.get("start-after", "")
                ]
                items = "".join(
                    f"<Contents><Key>{k}</Key><LastModified>2026</LastModified><ETag>&quot;{k}&quot;</ETag>"
                    f"<Size>{len(self.objects[k])}</Size></Contents>" for k in found
                )  # fmt: skip
                return web.Response(text=f"<ListBucketResult>{items}</ListBucketResult>")
            case "GET":
                return web.Response(body=self.objects[key])
            case "DELETE":
                del self.objects[key]
            case "POST" if "uploads" in query:
                self.uploads["u&1"] = {}
                return web.Response(text="<UploadId>u&amp;1</UploadId>")
            case "POST":
                parts = self.uploads.pop(query["uploadId"])
                assert content.decode().count("<Part>") == len(parts)
                self.parts += len(parts)
                self.objects[key] = b"".join(parts[number] for number in sorted(parts))
            case "PUT" if "uploadId" in query:
                self.uploads[query["uploadId"]][int(query["partNumber"])] = content
                return web.Response(headers={"ETag": '"e"'})
            case "PUT":
                self.objects[key], self.headers[key] = (
                    content,
                    {name.lower(): value for name, value in request.headers.items()},
                )
        return web.Response()


@asynccontextmanager
async def bucket() -> AsyncIterator[tuple[Bucket, str]]:
    """A bucket and the options that lead there."""
    there = Bucket()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{tail:.*}", there.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield (
            there,
            f'bucket => "floor" region => "eu-x" endpoint => "{url}" access_key_id => "AK" secret_access_key => "s"',
        )
    finally:
        await runner.cleanup()


async def test_s3_gets_an_object_for_each_prefix_and_what_it_had_not_comes_after_a_restart(tmp_path: Path) -> None:
    async with bucket() as (there, options):
        head = generated('{"n": 1, "app": "a"}', '{"n": 2, "app": "b"}')
        config = f'{head} output {{ s3 {{ {options} prefix => "logs/%{{app}}/" codec => json_lines tags => ["x"] encoding => gzip canned_acl => private }} }}'
        there.is_down = True
        await ended(tmp_path, config)
        assert there.objects == {}
        there.is_down = False
        await ended(tmp_path, config)
        assert len(there.objects) == 4
        key = next(key for key in there.objects if key.startswith("logs/a/ls.s3.") and ".tag_x.part0.txt.gz" in key)
        assert json.loads(there.objects[key])["n"] == 1  # the server has unpacked it
        assert (there.headers[key]["content-encoding"], there.headers[key]["x-amz-acl"]) == ("gzip", "private")


async def test_s3_takes_large_objects_in_parts_and_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "PART_BYTES", 1000)
    counts = []
    for threshold in (1000, 5000):
        content, parts = await _s3_content_and_parts(tmp_path / str(threshold), threshold)
        assert content == b"y" * 2500 + b"\n"
        counts.append(parts)
    assert counts == [3, 0]


async def _s3_content_and_parts(folder: Path, threshold: int) -> tuple[bytes, int]:
    async with bucket() as (there, options):
        config = f"""{generated("x", codec="plain")} filter {{ mutate {{ replace => {{ "message" => "{"y" * 2500}" }} }} }}
            output {{ s3 {{ {options} rotation_strategy => size size_file => 1024 upload_multipart_threshold => {threshold}
            codec => line {{ format => "%{{message}}" }} }} }}"""
        await ended(folder, config)
        (content,) = there.objects.values()
        return content, there.parts


async def test_objects_of_s3_are_read_once(tmp_path: Path) -> None:
    async with bucket() as (there, options):
        there.objects = {
            "in/1": b'{"n": 1}\n{"n": 2}\n',
            "in/2.gz": gzip.compress(b'{"n": 3}\n'),
            "in/skip": b'{"n": 4}\n',
            "out": b"x",
        }
        source = f's3 {{ {options} prefix => "in/" exclude_pattern => "skip" codec => json_lines watch_for_new_files => false }}'
        for expected in (["1", "2", "3"], []):
            shelf = Shelf()
            async with house_in(tmp_path, shelf) as house:
                await house.want("p", PipelineSpec(f"input {{ {source} }} {TO_INDEX}"))
                async with asyncio.timeout(20):
                    await house.residents["p"].task
            assert sorted(number for _, number in shelf.documents) == expected


async def test_csv_files_pipes_and_commands_get_every_event(tmp_path: Path) -> None:
    head = generated('{"n": 1, "t": "=a,b"}', '{"n": 2}')
    await ended(
        tmp_path,
        f"""{head} output {{
        csv {{ path => "{tmp_path}/out.csv" fields => ["n", "t"] }}
        pipe {{ command => "cat >> {tmp_path}/piped" message_format => "%{{n}}" }}
        exec {{ command => "echo %{{n}} >> {tmp_path}/executed" }} }}""",
    )
    assert (tmp_path / "out.csv").read_text() == '1,"\'=a,b"\n2,\n'
    assert (tmp_path / "piped").read_text() == "1\n2\n"
    assert (tmp_path / "executed").read_text() == "1\n2\n"


async def test_graphite_statsd_and_syslog_speak_their_protocols(tmp_path: Path) -> None:
    lines: list[bytes] = []

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(10)
        at = '"@timestamp": "2026-01-02T03:04:05Z"'
        await ended(
            tmp_path,
            f"""{generated('{"n": 1, "h": "web", ' + at + "}")} output {{
            graphite {{ host => "127.0.0.1" port => {port} metrics => {{ "a.%{{h}}" => "%{{n}}" }} }}
            statsd {{ host => "127.0.0.1" port => {udp.getsockname()[1]} sender => "%{{h}}" increment => ["x::%{{n}}"]
                timing => {{ "took" => "%{{n}}" }} sample_rate => 0.5 }}
            syslog {{ host => "127.0.0.1" port => {udp.getsockname()[1]} facility => "local0" severity => "error"
                message => "said %{{n}}" sourcehost => "%{{h}}" appname => "app" procid => "9" }}
            syslog {{ host => "127.0.0.1" port => {port} protocol => tcp rfc => rfc5424 sourcehost => "%{{h}}" message => "m" }} }}""",
        )
        datagrams = {udp.recv(999) for _ in range(3)}
    server.close()
    await until(lambda: len(lines) == 2)
    assert datagrams == {
        b"logstash.web.x.1:1|c|@0.5",
        b"logstash.web.took:1|ms|@0.5",
        b"<131>Jan 02 03:04:05 web app[9]: said 1",
    }
    assert set(lines) == {b"a.web 1 1767323045\n", b"<13>1 2026-01-02T03:04:05.000Z web LOGSTASH - - - m\n"}


async def test_lumberjack_sends_what_beats_takes(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    async with house_in(tmp_path, shelf) as house:
        await house.want("to", PipelineSpec(f"input {{ beats {{ port => {port} }} }} {TO_INDEX}"))
        send = f'output {{ lumberjack {{ hosts => ["127.0.0.1"] port => {port} ssl_enabled => false }} }}'
        await house.want("from", PipelineSpec(generated('{"n": 1}', '{"n": 2}') + send))
        await until(lambda: len(shelf.documents) == 2)
    assert sorted(shelf.documents) == [("i", "1"), ("i", "2")]


async def test_commands_and_sockets_of_this_machine_are_read(tmp_path: Path) -> None:
    shelf, path = Shelf(), tmp_path / "s.sock"
    config = f"""input {{ pipe {{ command => "echo '{{\\"n\\": 1}}'; sleep 60" codec => json_lines }}
        unix {{ path => "{path}" codec => json_lines }} }} {TO_INDEX}"""
    async with house_in(tmp_path, shelf) as house:
        await house.want("p", PipelineSpec(config.replace('\\"', "\\042")))
        await until(path.exists)
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"n": 2}\n')
        await until(lambda: ("i", "2") in shelf.documents)
        writer.close()
    assert shelf.documents["i", "2"]["file"] == {"path": str(path)}


async def test_gelf_comes_compressed_and_in_chunks(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    message = json.dumps(
        {"version": "1.1", "host": "h", "short_message": "s", "timestamp": 1767323045.5, "level": 3, "_n": 1}
    )
    whole = zlib.compress(message.encode())
    chunk = b"\x1e\x0f12345678"
    async with house_in(tmp_path, shelf) as house:
        await house.want("p", PipelineSpec(f"input {{ gelf {{ port => {port} }} }} {TO_INDEX}"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:

            def arrived(*datagrams: bytes) -> bool:
                for datagram in datagrams:
                    udp.sendto(datagram, ("127.0.0.1", port))
                return ("i", "1") in shelf.documents

            await until(lambda: arrived(chunk + b"\x01\x02" + whole[9:], chunk + b"\x00\x02" + whole[:9]))
            event = shelf.documents.pop(("i", "1"))
            await until(lambda: arrived(message.encode()))
    assert (event["message"], event["host"], event["@timestamp"]) == ("s", "h", "2026-01-02T03:04:05.500Z")


async def test_graphite_lines_are_events(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    async with house_in(tmp_path, shelf) as house:
        await house.want("p", PipelineSpec(f"input {{ graphite {{ port => {port} }} }} {TO_INDEX}"))
        _, writer = await connected(port)
        writer.write(b"a.b 1.5 1767323045\n")
        await until(lambda: bool(shelf.documents))
        writer.close()
    assert indexed(shelf)[0]["a.b"] == 1.5


async def test_urls_are_polled_and_searches_read_to_their_end(tmp_path: Path) -> None:
    asked: list[tuple[str, str, str]] = []
    pages = [[{"_id": "7", "_index": "i", "_source": {"n": 1}, "sort": [3]}], []]

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.path, await request.text()))
        bodies: dict[str, Any] = {"/poll": {"n": 9}, "/logs/_pit": {"id": "p"}, "/_pit": {}}
        if request.path == "/_search":
            return web.json_response({"hits": {"hits": pages.pop(0)}})
        return web.json_response(bodies[request.path]) if request.path in bodies else web.Response(status=404)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url, shelf = f"http://127.0.0.1:{runner.addresses[0][1]}", Shelf()
    config = f"""input {{
        http_poller {{ urls => {{ mine => "{url}/poll" gone => "http://127.0.0.1:1/" }} schedule => {{ in => "0s" }} metadata_target => "about" }}
        elasticsearch {{ hosts => ["{url}"] index => "logs" query => '{{"query": {{"match_all": {{}}}}}}' docinfo => true docinfo_target => "doc" }}
        }} filter {{ if [tags] {{ mutate {{ add_field => {{ "n" => "failed" }} }} }} }} {TO_INDEX}"""
    try:
        async with house_in(tmp_path, shelf) as house:
            await house.want("p", PipelineSpec(config))
            await until(lambda: len(shelf.documents) == 3)
    finally:
        await runner.cleanup()
    assert shelf.documents["i", "9"]["about"]["code"] == 200
    assert shelf.documents["i", "failed"]["tags"] == ["_http_request_failure"]
    assert shelf.documents["i", "1"]["doc"] == {"_index": "i", "_id": "7"}
    assert '"search_after":[3]' in next(body for _, path, body in asked[::-1] if path == "/_search")
    assert ("DELETE", "/_pit", '{"id":"p"}') in asked


async def test_metrics_go_out_when_the_pipeline_ends(tmp_path: Path) -> None:
    shelf = Shelf()
    async with house_in(tmp_path, shelf) as house:
        text = f'filter {{ metrics {{ meter => "e" add_tag => "m" add_field => {{ "n" => "metric" }} }} }} {TO_INDEX}'
        await house.want("p", PipelineSpec(generated('{"n": 1}', '{"n": 2}') + text))
        await until(lambda: ("i", "metric") in shelf.documents)
    assert shelf.documents["i", "metric"]["e.count"] == 2


@pytest.mark.parametrize(("written", "seconds"), [("60s", 60), ("1m 30s", 90), ("0.5", 0.5), ("250ms", 0.25)])
def test_spans_of_time(written: str, seconds: float) -> None:
    assert span_s(written) == seconds


async def test_what_will_not_be_here_is_refused_by_name(tmp_path: Path) -> None:
    assert not (REFUSED["input"].keys() & INPUTS.keys() or REFUSED["output"].keys() & OUTPUTS.keys())
    async with house_in(tmp_path, Shelf()) as house:
        for section, config in (
            ("input", "input {{ {} {{ }} }}"),
            ("output", generated("{{}}").replace("{", "{{").replace("}", "}}") + "output {{ {} {{ }} }}"),
        ):
            for name in REFUSED[section]:
                with pytest.raises(Invalid, match="it is not supported"):
                    await house.want("p", PipelineSpec(config.format(name)))
