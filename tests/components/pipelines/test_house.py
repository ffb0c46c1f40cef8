"""Pipelines take what clients send and bring it where the configuration says, once it is there and not before."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from maru.components.pipelines.engine.house import House
from maru.components.pipelines.model.definitions import PERSISTED, PipelineSpec
from maru.core.clock import SystemClock
from maru.core.errors import Invalid
from tests.components.pipelines.house import Shelf, free_port, house_in

CLOCK = SystemClock()
TO_INDEX = 'output { elasticsearch { index => "${INDEX}-%{+YYYY.MM.dd}" document_id => "%{n}" } }'


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():
            await CLOCK.sleep(0.01)


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
            await CLOCK.sleep(0.01)


def window(*values: dict[str, object]) -> bytes:
    frames = b"2W" + struct.pack(">I", len(values))
    for sequence, value in enumerate(values, 1):
        body = json.dumps(value).encode()
        frames += b"2J" + struct.pack(">II", sequence, len(body)) + body
    return frames


async def test_json_over_tcp_is_filtered_and_indexed_by_day(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    head = f"input {{ tcp {{ port => {port} codec => json_lines }} }}"
    config = head + 'filter { mutate { add_tag => "t" } }' + TO_INDEX
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(config))
        _, writer = await connected(port)
        writer.write(
            b'{"n": 1, "@timestamp": "2026-01-02T03:04:05Z"}\n{"n": 2, "@timestamp": "2026-01-03T00:00:00Z"}\n'
        )
        await until(lambda: len(shelf.documents) == 2)
        writer.close()
    assert sorted(shelf.documents) == [("logs-2026.01.02", "1"), ("logs-2026.01.03", "2")]
    assert shelf.documents["logs-2026.01.02", "1"]["tags"] == ["t"]


async def test_a_beat_is_acknowledged_only_once_its_events_are_indexed(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    shelf.failures = 3
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(f"input {{ beats {{ port => {port} }} }} {TO_INDEX}"))
        reader, writer = await connected(port)
        writer.write(window({"n": 1, "message": "a"}, {"n": 2, "message": "b"}))
        async with asyncio.timeout(10):
            assert await reader.readexactly(6) == b"2A\0\0\0\x02"
        assert {key[1] for key in shelf.documents} == {"1", "2"}
        assert shelf.failures == 0
        writer.close()


async def test_with_a_persistent_queue_a_beat_is_acknowledged_while_the_index_is_away(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    shelf.failures = 1_000_000
    spec = PipelineSpec(f"input {{ beats {{ port => {port} }} }} {TO_INDEX}", queue=PERSISTED)
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", spec)
        reader, writer = await connected(port)
        writer.write(window({"n": 1}))
        async with asyncio.timeout(10):
            assert await reader.readexactly(6) == b"2A\0\0\0\x01"
        writer.close()
        house.residents["main"].task.cancel()  # as if the process had ended here
        await asyncio.wait([house.residents["main"].task])
    assert not shelf.documents
    shelf.failures = 0
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", spec)
        await until(lambda: bool(shelf.documents))


async def test_what_the_index_refuses_is_a_dead_letter_that_another_pipeline_reads(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    out = tmp_path / "letters.json"
    async with house_in(tmp_path, shelf) as house:
        await house.want(
            "main", PipelineSpec(f"input {{ http {{ port => {port} }} }} {TO_INDEX}", dead_letter_queue=True)
        )
        reading = 'input { dead_letter_queue { pipeline_id => "main" } } filter { mutate { copy => '
        reading += (
            f'{{ "[@metadata][dead_letter_queue][reason]" => "why" }} }} }} output {{ file {{ path => "{out}" }} }}'
        )
        await house.want("letters", PipelineSpec(reading))
        await connected(port)
        async with aiohttp.ClientSession() as session:
            body = [{"n": 1, "bad": {}}, {"n": 2}]
            async with session.post(f"http://127.0.0.1:{port}/", json=body) as answer:
                assert answer.status == 200
        await until(out.exists)
    assert {key[1] for key in shelf.documents} == {"2"}
    letter = json.loads(out.read_text())
    assert letter["why"] == "mapper_parsing_exception: failed to parse field [bad]"


async def test_letters_that_were_read_do_not_come_again(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    out = tmp_path / "letters.json"
    main = PipelineSpec(f"input {{ http {{ port => {port} }} }} {TO_INDEX}", dead_letter_queue=True)
    reading = PipelineSpec(f'input {{ dead_letter_queue {{ }} }} output {{ file {{ path => "{out}" }} }}')

    async def refuse(number: int) -> None:
        await connected(port)
        url, body = f"http://127.0.0.1:{port}/", {"n": number, "bad": {}}
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
            assert answer.status == 200

    for number in (1, 2):
        async with house_in(tmp_path, shelf) as house:
            await house.want("main", main)
            await house.want("letters", reading)
            await refuse(number)
            await until(lambda: out.exists() and len(out.read_text().splitlines()) == number)  # noqa: B023 - at once
            await until(lambda: any((tmp_path / "pipelines" / "letters-read").glob("[0-9a-f]*")))
    assert [json.loads(line)["n"] for line in out.read_text().splitlines()] == [1, 2]


async def test_pipelines_send_to_pipelines_and_conditions_choose_the_output(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    async with house_in(tmp_path, shelf) as house:
        first = f'input {{ tcp {{ port => {port} codec => json_lines }} }} output {{ if [n] == 1 {{ pipeline {{ send_to => ["x"] }} }}'
        await house.want("first", PipelineSpec(first + f' else {{ file {{ path => "{tmp_path}/rest.json" }} }} }}'))
        await house.want("second", PipelineSpec(f'input {{ pipeline {{ address => "x" }} }} {TO_INDEX}'))
        _, writer = await connected(port)
        writer.write(b'{"n": 1}\n{"n": 2}\n')
        await until(lambda: bool(shelf.documents) and (tmp_path / "rest.json").exists())
        writer.close()
    assert {key[1] for key in shelf.documents} == {"1"}
    assert json.loads((tmp_path / "rest.json").read_text())["n"] == 2


async def test_a_new_configuration_replaces_the_old_one_without_loss_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()

    def spec(tag: str) -> PipelineSpec:
        head = f"input {{ beats {{ port => {port} }} }} filter {{ mutate {{ add_tag => {tag} }} }}"
        return PipelineSpec(f"{head} {TO_INDEX}")

    async def send(number: int) -> None:
        """As a beat does: again, until it is acknowledged."""
        async with asyncio.timeout(20):
            while True:
                reader, writer = await connected(port)
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    writer.write(window({"n": number}))
                    while (await reader.readexactly(6))[5] != 1:
                        pass
                    writer.close()
                    return
                writer.close()

    async with house_in(tmp_path, shelf) as house:
        await house.want("main", spec("one"))
        await send(0)
        sending = asyncio.gather(*(send(number) for number in range(1, 20)))
        await house.want("main", spec("two"))
        await sending
        with pytest.raises(Invalid, match="line 1, column 1"):
            await house.want("main", PipelineSpec("nonsense"))
        await send(20)
        assert house.residents["main"].reloads == 1
        assert "Expected one of" in house.residents["main"].failure
    assert {key[1] for key in shelf.documents} == {str(number) for number in range(21)}
    tags = {document["n"]: document["tags"] for document in shelf.documents.values()}
    assert "one" in str(tags[0])
    assert "two" in str(tags[20])


async def test_a_pattern_that_runs_wild_is_given_up_and_the_rest_goes_on(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    wild = 'filter { grok { match => { "message" => "^(a+)+$" } timeout_millis => 100 named_captures_only => false } }'
    async with house_in(tmp_path, shelf) as house:
        await house.want(
            "main", PipelineSpec(f"input {{ tcp {{ port => {port} codec => json_lines }} }} {wild} {TO_INDEX}")
        )
        _, writer = await connected(port)
        for number, message in enumerate(("aaa", "a" * 40 + "!", "aa")):
            writer.write(json.dumps({"n": number, "message": message}).encode() + b"\n")
        await until(lambda: len(shelf.documents) == 3)
        writer.close()
    tags = {document["n"]: document.get("tags") for document in shelf.documents.values()}
    assert tags == {0: None, 1: ["_groktimeout"], 2: None}


async def test_a_multiline_java_trace_is_one_event(tmp_path: Path) -> None:
    shelf = Shelf()
    log = tmp_path / "app.log"
    log.write_text("INFO start\nERROR broken\n\tat a.b.C\n\tat d.e.F\nINFO on\n")
    codec = 'codec => multiline { pattern => "^\\s" what => "previous" }'
    config = (
        f'input {{ file {{ path => "{log}" start_position => "beginning" stat_interval => 0.05 {codec} }} }} '
        'filter { fingerprint { source => "message" target => "n" method => "SHA256" } } ' + TO_INDEX
    )
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(config))
        await until(lambda: len(shelf.documents) == 3)
    messages = sorted(str(document["message"]) for document in shelf.documents.values())
    assert messages == ["ERROR broken\n\tat a.b.C\n\tat d.e.F", "INFO on", "INFO start"]


async def test_lines_that_wait_for_their_event_are_read_again_after_a_crash(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("ERROR broken\n\tat a.b.C\n")
    codec = 'codec => multiline { pattern => "^\\s" what => "previous" auto_flush_interval => 3600 }'
    config = (
        f'input {{ file {{ path => "{log}" start_position => "beginning" stat_interval => 0.02 '
        f'sincedb_write_interval => 0 sincedb_path => "{tmp_path}/since" {codec} }} }} '
        'filter { fingerprint { source => "message" target => "n" method => "SHA256" } } ' + TO_INDEX
    )
    before, after = Shelf(), Shelf()
    async with house_in(tmp_path, before) as house:
        await house.want("main", PipelineSpec(config))
        await until((tmp_path / "since").exists)
    assert not before.documents
    with log.open("a") as file:
        file.write("INFO on\n")
    async with house_in(tmp_path, after) as house:
        await house.want("main", PipelineSpec(config))
        await until(lambda: bool(after.documents))
    (document,) = after.documents.values()
    assert document["message"] == "ERROR broken\n\tat a.b.C"


async def test_syslog_lines_are_read_by_both_protocols(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    read = 'filter { mutate { copy => { "[process][pid]" => "n" } } }'
    async with house_in(tmp_path, shelf) as house:
        await house.want("main", PipelineSpec(f"input {{ syslog {{ port => {port} }} }} {read} {TO_INDEX}"))
        _, writer = await connected(port)
        writer.write(b"<34>Oct 11 22:14:15 mymachine su[231]: 'su root' failed for lonvick on /dev/pts/8\n")
        await until(lambda: bool(shelf.documents))
        writer.close()
    (document,) = shelf.documents.values()
    assert document["message"] == "'su root' failed for lonvick on /dev/pts/8"
    assert document["host"] == {"ip": "127.0.0.1", "hostname": "mymachine"}
    assert document["log"]["syslog"]["severity"] == {"code": 2, "name": "Critical"}  # type: ignore[index]
    assert document["log"]["syslog"]["facility"]["name"] == "security/authorization"  # type: ignore[index]


async def test_a_port_that_is_taken_is_taken_over_once_it_is_free(tmp_path: Path) -> None:
    shelf, port = Shelf(), free_port()
    other = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", port)
    async with house_in(tmp_path, shelf) as house:
        config = f"input {{ tcp {{ port => {port} codec => json_lines }} }} {TO_INDEX}"
        await house.want("main", PipelineSpec(config))
        other.close()
        await other.wait_closed()
        await _index_one(house, port, shelf)
    assert len(shelf.documents) == 1


async def _index_one(house: House, port: int, shelf: Shelf) -> None:
    assert house.residents["main"]
    _, writer = await connected(port)
    writer.write(b'{"n": 1}\n')
    await until(lambda: bool(shelf.documents))
    writer.close()
