"""The monitoring API on port 9600: what runs, how much went through, how full the queues are.

Source: Logstash reference, "Node info API", "Node stats API", "Hot threads API", "Plugins info API".
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

import msgspec

from maru.components.pipelines.engine.catalog import INPUTS, OUTPUTS
from maru.components.pipelines.engine.house import House, Resident
from maru.components.pipelines.model.definitions import PERSISTED
from maru.components.pipelines.model.filters.catalog import FILTERS
from maru.core.document import Value
from maru.core.front.message import Answer, Request

VERSION = "8.19.0"


class MonitoringApi:
    """Answers GET only."""

    def __init__(self, house: House, address: str, node_id: str) -> None:
        self._house = house
        self._address = address
        self._id = node_id
        self._began_s = house.ground.clock.monotonic_s()

    async def answer(self, request: Request) -> Answer:
        """One request."""
        if request.method not in ("GET", "HEAD"):
            return _json({"status": 405, "error": {"message": "Method Not Allowed"}}, 405)
        parts = [part for part in request.path.split("/") if part]
        pages: Mapping[str, Callable[[list[str]], Value | None]] = {
            "": lambda _: {},
            "_node": self._node,
            "_health_report": self._health,
        }
        page = pages.get(parts[0] if parts else "")
        body = page(parts[1:]) if page is not None else None
        if body is None:
            return _json({"path": request.path, "status": 404, "error": {"message": "Not Found"}}, 404)
        return _json({**self._who(), **body}, 200)

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

    def _node(self, parts: list[str]) -> Value | None:
        match parts:
            case [] | ["pipelines"]:
                return {"pipelines": {name: _settings(each) for name, each in self._house.residents.items()}}
            case ["pipelines", name] if name in self._house.residents:
                return {"pipelines": {name: _settings(self._house.residents[name])}}
            case ["stats"]:
                return {"pipelines": self._stats(), "events": self._together(), "process": self._process()}
            case ["stats", "pipelines"]:
                return {"pipelines": self._stats()}
            case ["stats", "pipelines", name] if name in self._house.residents:
                return {"pipelines": {name: self._stats()[name]}}
            case ["stats", "events"]:
                return {"events": self._together()}
            case ["stats", "process"]:
                return {"process": self._process()}
            case ["plugins"]:
                kinds = {"input": INPUTS, "filter": FILTERS, "output": OUTPUTS}
                plugins = [
                    {"name": f"logstash-{kind}-{name}", "version": VERSION}
                    for kind, catalog in kinds.items()
                    for name in catalog
                ]
                return {"total": len(plugins), "plugins": plugins}
        return None

    def _health(self, parts: list[str]) -> Value | None:
        if parts:
            return None
        indicators = {
            name: {
                "status": "yellow" if each.failure else "green",
                "symptom": each.failure or "The pipeline is healthy",
            }
            for name, each in self._house.residents.items()
        }
        worst = "yellow" if any(each.failure for each in self._house.residents.values()) else "green"
        return {"status": worst, "indicators": {"pipelines": {"status": worst, "indicators": indicators}}}

    def _stats(self) -> Value:
        return {name: _stats_of(each) for name, each in self._house.residents.items()}

    def _together(self) -> Value:
        counts = [each.running.counts for each in self._house.residents.values()]
        return {
            "in": sum(count.events_in for count in counts),
            "filtered": sum(count.filtered for count in counts),
            "out": sum(count.events_out for count in counts),
            "duration_in_millis": int(sum(count.took_s for count in counts) * 1000),
            "queue_push_duration_in_millis": 0,
        }

    def _process(self) -> Value:
        uptime_s = self._house.ground.clock.monotonic_s() - self._began_s
        return {"uptime_in_millis": int(uptime_s * 1000), "cpu": {"total_in_millis": int(sum(os.times()[:2]) * 1000)}}


def _settings(resident: Resident) -> Value:
    spec = resident.spec
    return {
        "workers": spec.workers,
        "batch_size": spec.batch_size,
        "batch_delay": spec.batch_delay_ms,
        "config_reload_automatic": True,
        "dead_letter_queue_enabled": spec.dead_letter_queue,
    }


def _stats_of(resident: Resident) -> Value:
    running, counts = resident.running, resident.running.counts
    built = running.built

    def plugin(id_: str, name: str, events: Value) -> Value:
        return {"id": id_, "name": name, "events": events}

    inputs = [
        plugin(named.id, named.plugin.name, {"out": counts.by_plugin.get(named.id, 0)}) for named, _ in built.inputs
    ]
    outputs = [
        plugin(named.id, named.plugin.name, {"in": counts.by_plugin.get(named.id, 0)}) for named, _ in built.outputs
    ]
    return {
        "events": {
            "in": counts.events_in,
            "filtered": counts.filtered,
            "out": counts.events_out,
            "duration_in_millis": int(counts.took_s * 1000),
        },
        "plugins": {"inputs": inputs, "outputs": outputs},
        "reloads": {
            "successes": resident.reloads,
            "failures": resident.failures,
            "last_error": {"message": resident.failure} if resident.failure else None,
        },
        "queue": {
            "type": "persisted" if resident.spec.queue == PERSISTED else "memory",
            "events_count": resident.queue.depth,
        },
        "dead_letter_queue": {"refused": counts.refused},
    }


def _json(body: Value, status: int) -> Answer:
    return Answer(status, msgspec.json.encode(body), {"Content-Type": "application/json"})
