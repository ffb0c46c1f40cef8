"""The elasticsearch output against a cluster that takes, refuses and puts off: nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from maru.components.pipelines.model.definitions import PipelineSpec
from maru.core.errors import Invalid
from tests.components.pipelines.house import Shelf, house_in


class Cluster:
    """statuses: by document's n, what it answers, one after another; then 201."""

    def __init__(self, statuses: dict[int, list[int]]) -> None:
        self.statuses = statuses
        self.lines: list[list[Any]] = []
        self.requests: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        lines = [json.loads(line) for line in (await request.read()).splitlines()]
        self.lines.append(lines)
        items = []
        for at in range(0, len(lines), 2):
            (action,) = lines[at]
            fields = lines[at + 1].get("doc", lines[at + 1])
            waiting = self.statuses.get(fields.get("n"), [])
            status = waiting.pop(0) if waiting else 201
            items.append(
                {action: {"status": status, **({"error": {"type": "e", "reason": "r"}} if status > 201 else {})}}
            )
        return web.json_response({"errors": True, "items": items})


@asynccontextmanager
async def cluster(statuses: dict[int, list[int]]) -> AsyncIterator[tuple[Cluster, str]]:
    there = Cluster(statuses)
    app = web.Application()
    app.router.add_post("/{tail:.*}", there.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield there, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def sent(folder: Path, options: str, *events: dict[str, Any], letters: bool = False) -> list[str]:
    """Run events through the output to the end; the reasons of dead letters."""
    lines = ", ".join(f"'{json.dumps(event)}'" for event in events)
    config = f"input {{ generator {{ lines => [{lines}] count => 1 codec => json }} }} output {{ elasticsearch {{ {options} }} }}"
    async with house_in(folder, Shelf()) as house:
        await house.want("p", PipelineSpec(config, dead_letter_queue=letters))
        async with asyncio.timeout(20):
            await house.residents["p"].task
        kept: Any = await house.ground.letters.read("p", 0)
    return [fields["@metadata"]["dead_letter_queue"]["reason"] for _, fields in kept]


async def test_what_was_put_off_comes_again_alone(tmp_path: Path) -> None:
    async with cluster({2: [429, 503], 3: [409], 4: [403]}) as (there, url):
        options = f'hosts => ["{url}"] index => "i" retry_initial_interval => 0.01'
        await sent(tmp_path, options, *({"n": number} for number in (1, 2, 3, 4)))
    numbers = [[line["n"] for line in lines[1::2]] for lines in there.lines]
    assert numbers == [[1, 2, 3, 4], [2, 4], [2]]


async def test_what_will_never_be_taken_is_a_dead_letter(tmp_path: Path) -> None:
    async with cluster({1: [400], 2: [404], 3: [413]}) as (there, url):
        options = f'hosts => ["{url}"] index => "i-%{{app}}" dlq_custom_codes => [413]'
        events = [{"n": number, "app": "a"} for number in (1, 2, 3, 4)]
        reasons = await sent(tmp_path, options, *events, {"n": 5}, letters=True)
    assert sorted(reasons) == ["Could not resolve dynamic index name: i-%{app}", "e: r", "e: r", "e: r"]
    assert len(there.lines) == 1


@pytest.mark.parametrize(
    ("options", "head", "body"),
    [
        ('action => update document_id => "%{n}" doc_as_upsert => true retry_on_conflict => 3',
         {"update": {"_index": "i", "_id": "1", "retry_on_conflict": 3}}, {"doc": {"n": 1}, "doc_as_upsert": True}),
        ('action => update document_id => "%{n}" upsert => \'{"c": 0}\'',
         {"update": {"_index": "i", "_id": "1", "retry_on_conflict": 1}}, {"doc": {"n": 1}, "upsert": {"c": 0}}),
        ('action => update document_id => "%{n}" script => "ctx._source.c += params.event.n" scripted_upsert => true',
         {"update": {"_index": "i", "_id": "1", "retry_on_conflict": 1}},
         {"script": {"params": {"event": {"n": 1}}, "source": "ctx._source.c += params.event.n", "lang": "painless"},
          "scripted_upsert": True, "upsert": {}}),
        ('action => index routing => "r%{n}" pipeline => "p" version => "%{n}" version_type => external document_id => "d"',
         {"index": {"_index": "i", "_id": "d", "routing": "r1", "pipeline": "p", "version": 1, "version_type": "external"}}, {"n": 1}),
        ('action => "%{[@metadata][a]}" document_id => "1"', {"create": {"_index": "i", "_id": "1"}}, {"n": 1}),
    ],
)  # fmt: skip
async def test_actions_are_written_as_the_bulk_api_has_them(tmp_path: Path, options: str, head: Any, body: Any) -> None:
    async with cluster({}) as (there, url):
        text = f'hosts => ["{url}"] index => "i" path => "/es" parameters => {{ "q" => "1" }} {options}'
        await sent(tmp_path, text, {"n": 1, "@metadata": {"a": "create"}})
        ((got, source),) = there.lines
        assert str(there.requests[0].rel_url) == "/es/_bulk?q=1"
    for holder in (source, source.get("doc", {}), source.get("script", {}).get("params", {}).get("event", {})):
        for name in ("@timestamp", "@version", "host", "event") if holder is not source or "n" in source else ():
            holder.pop(name, None)
    assert (got, source) == (head, body)


@pytest.mark.parametrize(
    "options",
    ["action => update", "action => none", "ilm_enabled => true", "manage_template => true", "sniffing => true",
     "ssl_verification_mode => none_at_all", "script => 'x'", "upsert => '{' action => update document_id => 'x'"],
)  # fmt: skip
async def test_what_would_have_to_be_ignored_is_refused(tmp_path: Path, options: str) -> None:
    async with house_in(tmp_path, Shelf()) as house:
        text = f'input {{ heartbeat {{ }} }} output {{ elasticsearch {{ hosts => ["h"] index => "i" {options} }} }}'
        with pytest.raises(Invalid):
            await house.want("p", PipelineSpec(text))
