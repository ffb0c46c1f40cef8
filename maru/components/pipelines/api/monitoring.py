"""The monitoring API on port 9600: what runs, how much went through, how full the queues are.

Source: Logstash reference, "Node info API", "Node stats API", "Hot threads API", "Plugins info API",
"Health report API", "Logging" (the logging APIs).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from maru.components.pipelines.api import statistics
from maru.components.pipelines.engine.catalog import INPUTS, OUTPUTS
from maru.components.pipelines.engine.filters.catalog import FILTERS
from maru.components.pipelines.engine.house import House, Resident
from maru.components.pipelines.model.codecs.catalog import READING, WRITING
from maru.core.document import Value
from maru.core.front.message import Answer, Request

VERSION = "8.19.0"
Page = Callable[[], Awaitable[object]]


class MonitoringApi:
    """Answers GET only."""

    def __init__(self, house: House, address: str, node_id: str) -> None:
        self._house = house
        self._address = address
        self._id = node_id
        self._began_s = house.ground.clock.monotonic_s()

    async def answer(self, request: Request) -> Answer:
        """One request."""
        parts = [part for part in request.path.split("/") if part]
        if request.method not in ("GET", "HEAD"):
            if parts[:2] == ["_node", "logging"]:
                return _json(_error(501, "levels of the log are not changed while it runs"), 501, request)
            return _json(_error(405, "Method Not Allowed"), 405, request)
        body = await self._page(parts)
        if body is None:
            return _json({"path": request.path, **_error(404, "Not Found")}, 404, request)
        return _json({**self._who(), **body}, 200, request)

    async def _page(self, parts: Sequence[str]) -> Value | None:
        match list(parts):
            case []:
                return {"build_snapshot": False}
            case ["_health_report"]:
                return self._health()
            case ["_node"]:
                return await self._chosen(self._info(), ["pipelines", "os", "jvm"])
            case ["_node", "plugins"]:
                return _plugins()
            case ["_node", "hot_threads"]:
                tasks = statistics.hot_tasks()
                now = self._house.ground.now().isoformat(timespec="seconds")
                return {"hot_threads": {"time": now, "busiest_threads": len(tasks), "threads": tasks}}
            case ["_node", "logging"]:
                return {"loggers": {"pipelines": "INFO"}}
            case ["_node", "stats"]:
                return await self._chosen(self._stats(), list(self._stats()))
            case ["_node", "stats", "pipelines", name]:
                return await self._one(name, lambda each: statistics.stats_of(name, each, self._house))
            case ["_node", "stats", names]:
                return await self._chosen(self._stats(), names.split(","))
            case ["_node", "pipelines", name]:
                return await self._one(name, _settings)
            case ["_node", names]:
                return await self._chosen(self._info(), names.split(","))
        return None

    async def _chosen(self, pages: Mapping[str, Page], names: Sequence[str]) -> Value | None:
        """The pages named, None if there is one that is none."""
        if not set(names) <= pages.keys():
            return None
        return {name: await pages[name]() for name in names}

    async def _one(self, name: str, of: Callable[[Resident], Awaitable[Value]]) -> Value | None:
        resident = self._house.residents.get(name)
        return {"pipelines": {name: await of(resident)}} if resident is not None else None

    def _info(self) -> Mapping[str, Page]:
        async def pipelines() -> object:
            return {name: statistics.settings_of(each) for name, each in self._house.residents.items()}

        return {"pipelines": pipelines, "os": _ready(statistics.os_of_node), "jvm": _ready(statistics.runtime)}

    def _stats(self) -> Mapping[str, Page]:
        residents = self._house.residents

        async def pipelines() -> object:
            return {name: await statistics.stats_of(name, each, self._house) for name, each in list(residents.items())}

        async def process() -> object:
            return await asyncio.to_thread(statistics.process_blocking)

        return {
            "jvm": _ready(lambda: {"uptime_in_millis": self._uptime_ms()}),
            "process": process,
            "events": _ready(lambda: statistics.together(list(residents.values()))),
            "pipelines": pipelines,
            "reloads": _ready(
                lambda: {
                    "successes": sum(each.reloads for each in residents.values()),
                    "failures": sum(each.failures for each in residents.values()),
                }
            ),
            "os": _ready(dict),
            "queue": _ready(lambda: {"events_count": sum(each.queue.depth for each in residents.values())}),
        }

    def _uptime_ms(self) -> int:
        return int((self._house.ground.clock.monotonic_s() - self._began_s) * 1000)

    def _who(self) -> Value:
        return {
            "host": socket.gethostname(),
            "version": VERSION,
            "http_address": self._address,
            "id": self._id,
            "name": socket.gethostname(),
            "ephemeral_id": self._id,
            "status": "green" if not any(each.failure for each in self._house.residents.values()) else "yellow",
            "snapshot": False,
            "pipeline": {"workers": os.cpu_count(), "batch_size": 250, "batch_delay": 50},
        }

    def _health(self) -> Value:
        indicators = {
            name: {
                "status": "yellow" if each.failure else "green",
                "symptom": each.failure or "The pipeline is healthy",
            }
            for name, each in self._house.residents.items()
        }
        worst = "yellow" if any(each.failure for each in self._house.residents.values()) else "green"
        symptom = f"{len(indicators)} pipelines, {worst}"
        pipelines = {"status": worst, "symptom": symptom, "indicators": indicators}
        return {"status": worst, "symptom": symptom, "indicators": {"pipelines": pipelines}}


def _ready(make: Callable[[], object]) -> Page:
    async def page() -> object:
        return make()

    return page


async def _settings(resident: Resident) -> Value:
    return statistics.settings_of(resident)


def _plugins() -> Value:
    kinds = {"codec": {*READING, *WRITING}, "filter": FILTERS, "input": INPUTS, "output": OUTPUTS}
    names = [f"logstash-{kind}-{name}" for kind, catalog in kinds.items() for name in sorted(catalog)]
    return {"total": len(names), "plugins": [{"name": name, "version": VERSION} for name in names]}


def _error(status: int, message: str) -> Value:
    return {"status": status, "error": {"message": message}}


def _json(body: Value, status: int, request: Request) -> Answer:
    content = msgspec.json.encode(body)
    if request.query_get("pretty", "false") in ("", "true"):
        content = msgspec.json.format(content, indent=2) + b"\n"
    return Answer(status, content, {"Content-Type": "application/json"})
