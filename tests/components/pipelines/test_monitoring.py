"""The monitoring API answers at every path that Logstash documents, in its shapes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from maru.components.pipelines.api.monitoring import MonitoringApi
from maru.components.pipelines.engine.house import House
from maru.components.pipelines.model.definitions import PERSISTED, PipelineSpec
from maru.core.errors import Invalid
from tests.components.pipelines.house import Shelf, house_in
from tests.components.pipelines.test_house import until

CONFIG = """input { generator { id => "in" lines => ["a", "b"] count => 5 } heartbeat { interval => 3600 message => "b" } }
filter { if [message] == "a" { mutate { id => "branch" add_tag => "t" } } drop { id => "all" percentage => 0 } }
output { if "t" in [tags] { null { id => "out" } } }"""


async def asked(house: House, path: str, method: str = "GET", **query: str) -> tuple[int, dict[str, Any]]:
    api = MonitoringApi(house, "127.0.0.1:9600", "node")
    request: Any = SimpleNamespace(
        method=method, path=path, query_get=lambda name, default="": query.get(name, default)
    )
    answer = await api.answer(request)
    return answer.status, msgspec.json.decode(answer.body)  # type: ignore[arg-type]


async def test_each_path_has_its_pages(tmp_path: Path) -> None:
    async with house_in(tmp_path, Shelf()) as house:
        await house.want("main", PipelineSpec(CONFIG))
        for path, pages in {
            "/": {"build_snapshot"},
            "/_node": {"pipelines", "os", "jvm"},
            "/_node/os": {"os"},
            "/_node/pipelines,jvm": {"pipelines", "jvm"},
            "/_node/pipelines": {"pipelines"},
            "/_node/pipelines/main": {"pipelines"},
            "/_node/plugins": {"total", "plugins"},
            "/_node/hot_threads": {"hot_threads"},
            "/_node/logging": {"loggers"},
            "/_node/stats": {"jvm", "process", "events", "pipelines", "reloads", "os", "queue"},
            "/_node/stats/events": {"events"},
            "/_node/stats/process,reloads": {"process", "reloads"},
            "/_node/stats/pipelines/main": {"pipelines"},
            "/_health_report": {"status", "indicators", "symptom"},
        }.items():
            status, body = await asked(house, path)
            assert status == 200, path
            assert pages <= body.keys(), path
            assert {"host", "version", "http_address", "id", "name", "status"} <= body.keys()
        for path in (
            "/none",
            "/_node/none",
            "/_node/stats/none",
            "/_node/pipelines/none",
            "/_node/stats/pipelines/none",
        ):
            status, body = await asked(house, path)
            assert (status, body["error"]["message"], body["path"]) == (404, "Not Found", path)
        assert (await asked(house, "/_node", "PUT"))[0] == 405
        assert (await asked(house, "/_node/logging", "PUT"))[0] == 501


async def test_each_plugin_tells_what_it_took_and_gave(tmp_path: Path) -> None:
    async with house_in(tmp_path, Shelf()) as house:
        await house.want("main", PipelineSpec(CONFIG, queue=PERSISTED, dead_letter_queue=True))
        await until(lambda: house.residents["main"].running.counts.events_out == 11)
        _, body = await asked(house, "/_node/stats/pipelines/main")
        stats = body["pipelines"]["main"]
    assert {name: stats["events"][name] for name in ("in", "filtered", "out")} == {"in": 11, "filtered": 11, "out": 11}
    by_id = {each["id"]: each["events"] for kind in ("inputs", "filters", "outputs") for each in stats["plugins"][kind]}
    assert by_id["in"]["out"] == 10
    assert (by_id["branch"]["in"], by_id["branch"]["out"]) == (5, 5)
    assert by_id["all"]["in"] == 11
    assert by_id["out"]["in"] == 5
    assert stats["queue"]["type"] == "persisted"
    assert stats["flow"]["input_throughput"]["lifetime"] > 0
    assert stats["dead_letter_queue"]["dropped_events"] == 0


async def test_a_reload_that_failed_is_told_of(tmp_path: Path) -> None:
    async with house_in(tmp_path, Shelf()) as house:
        await house.want("main", PipelineSpec(CONFIG))
        with pytest.raises(Invalid):
            await house.want("main", PipelineSpec("input { none { } }"))
        _, body = await asked(house, "/_node/stats/pipelines/main")
        reloads = body["pipelines"]["main"]["reloads"]
        assert (
            reloads["failures"] == 1
            and "none" in reloads["last_error"]["message"]
            and reloads["last_failure_timestamp"]
        )
        await house.want("main", PipelineSpec(CONFIG + " "))
        _, body = await asked(house, "/_node/stats/reloads")
        assert body["reloads"] == {"successes": 1, "failures": 1}
