"""Settings of pipelines.yml mean what they say, or are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from maru.components.pipelines.controllers.settings import read_settings_blocking
from maru.components.pipelines.model.definitions import PipelineSpec, pipeline_of
from maru.core.errors import Invalid
from maru.wire.logstash.parser import parse
from maru.wire.logstash.syntax import Plugin
from tests.components.pipelines.house import Shelf, house_in
from tests.components.pipelines.test_house import until

TO_INDEX = 'output { elasticsearch { index => "i" } }'


def written(folder: Path, text: str) -> PipelineSpec:
    (folder / "pipelines.yml").write_text(text)
    (spec,) = read_settings_blocking(folder).values()
    return spec


def test_each_setting_reaches_its_pipeline(tmp_path: Path) -> None:
    text = """
- pipeline.id: a
  config.string: "input { }"
  pipeline.workers: 1
  pipeline.ordered: true
  pipeline.ecs_compatibility: disabled
  config.support_escapes: true
  queue.type: persisted
  queue.max_bytes: 4gb
  queue.checkpoint.writes: 1
"""
    spec = written(tmp_path, text)
    assert (spec.is_ordered, spec.ecs_compatibility, spec.support_escapes) == (True, "disabled", True)
    assert spec.queue_max_bytes == 4 << 30
    with pytest.raises(Invalid, match=r"xpack\.management"):
        written(tmp_path, text + "  xpack.management: true\n")


@pytest.mark.parametrize(
    ("string", "raw", "read"),
    [
        (r'"a\nb\t\"c\""', r"a\nb\t\"c\"", 'a\nb\t"c"'),
        (r"'it\'s \\ \d'", r"it\'s \\ \d", r"it's \ \d"),
        (r'"\/x"', r"\/x", "/x"),
    ],
)
def test_escapes_are_read_where_they_are_asked_for(string: str, raw: str, read: str) -> None:
    for escapes, expected in ((False, raw), (True, read)):
        (plugin,) = parse(f"filter {{ grok {{ add_tag => {string} }} }}", escapes=escapes).filters
        assert isinstance(plugin, Plugin)
        assert plugin.attributes == (("add_tag", expected),)


async def test_a_pipeline_names_fields_as_it_is_told(tmp_path: Path) -> None:
    head = 'input { file { path => "/none" } }'
    line = '198.51.100.7 - - [10/Oct/2025:13:55:36 -0700] \\"GET / HTTP/1.0\\" 200 23'
    config = f"""input {{ generator {{ ecs_compatibility => v8 count => 1 lines => ["{line}"] }} }}
        filter {{ if [message] {{ grok {{ match => {{ "message" => "%{{COMMONAPACHELOG}}" }} }} }} }} {TO_INDEX}"""
    shelf = Shelf()
    async with house_in(tmp_path, shelf) as house:
        await house.want("p", PipelineSpec(config, ecs_compatibility="disabled", support_escapes=True))
        await until(lambda: bool(shelf.documents))
        with pytest.raises(Invalid, match="ecs_compatibility"):
            await house.want("q", PipelineSpec(head + TO_INDEX, ecs_compatibility="disabled"))
    (event,) = shelf.documents.values()
    assert event["clientip"] == "198.51.100.7"


@pytest.mark.parametrize(
    "spec",
    [
        PipelineSpec("input { a { } }", workers=2, is_ordered=True),
        PipelineSpec("input { a { } }", ecs_compatibility="v9"),
    ],
)
def test_settings_that_are_at_odds_are_refused(spec: PipelineSpec) -> None:
    with pytest.raises(Invalid):
        pipeline_of(spec, {})


async def test_a_reload_just_after_the_beginning_waits_for_nothing(tmp_path: Path) -> None:
    config = f"input {{ heartbeat {{ interval => 3600 }} }} {TO_INDEX}"
    async with house_in(tmp_path, Shelf()) as house:
        await house.want("p", PipelineSpec(config))
        before = house.residents["p"]
        await house.want("p", PipelineSpec(config + " "))
        assert before.running.built.outputs and before.task.done() and not before.task.cancelled()
