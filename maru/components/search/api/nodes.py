"""The one node.

Source: Elasticsearch reference, "Nodes info API", "Nodes stats API", "Cluster stats API".
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from maru.components.search.api.cluster import disk_of, processor_names
from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.figures import RANK, figures_of, memory_bytes, status_of_index
from maru.components.search.api.house import CLUSTER, House
from maru.components.search.api.stat_shape import summed
from maru.components.search.api.statistics import METRICS, reduced
from maru.components.search.errors import illegal, unsupported
from maru.components.search.model.settings import flat
from maru.components.search.model.version import VERSION
from maru.wire.elastic.json import Object


class NodeApi:
    """The edges of nodes."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/_cluster/stats", self.stats),
            Route("GET", "/_cluster/stats/nodes/{node}", self.stats),
            Route("GET", "/_nodes", self.nodes),
            Route("GET", "/_nodes/{node}", self.nodes),
            Route("GET", "/_nodes/{node}/{metric}", self.nodes),
            Route("GET", "/_nodes/stats", self.node_stats),
            Route("GET", "/_nodes/stats/{metric}", self.node_stats),
            Route("GET", "/_nodes/stats/{metric}/{index_metric}", self.node_stats),
            Route("GET", "/_nodes/{node}/stats", self.node_stats),
            Route("GET", "/_nodes/{node}/stats/{metric}", self.node_stats),
            Route("GET", "/_nodes/{node}/stats/{metric}/{index_metric}", self.node_stats),
            Route("GET", "/_nodes/hot_threads", self.refused),
            Route("GET", "/_nodes/{node}/hot_threads", self.refused),
            Route("GET", "/_nodes/usage", self.refused),
            Route("GET", "/_nodes/{node}/usage", self.refused),
        ]

    async def stats(self, call: Call) -> Reply:
        """Of the nodes that are named: this one and all of it, or nothing."""
        count = int(self._is_here(call.part("node", "_all")))
        indices = self._house.indices.all() if count else ()
        figures = [await figures_of(index) for index in indices]
        shards = sum(index.shards for index in indices)
        return Reply(
            {
                "_nodes": {"total": count, "successful": count, "failed": 0},
                "cluster_name": CLUSTER,
                "cluster_uuid": self._house.node_id,
                "timestamp": self._house.indices.now(),
                "status": max(
                    (status_of_index(index) for index in indices), key=lambda one: RANK[one], default="green"
                ),
                "indices": {
                    "count": len(indices),
                    "shards": {"total": shards, "primaries": shards, "replication": 0.0} if shards else {},
                    "docs": {"count": sum(one["docs"] for one in figures), "deleted": 0},
                    "store": {"size_in_bytes": sum(one["bytes"] for one in figures), "reserved_in_bytes": 0},
                    "segments": {"count": sum(one["segments"] for one in figures)},
                    "mappings": {},
                    "analysis": {},
                },
                "nodes": {
                    "count": {**dict.fromkeys(("total", "data", "master", "ingest"), count), "coordinating_only": 0},
                    "versions": [VERSION] * count,
                    "os": {"available_processors": os.cpu_count() or 1},
                    "process": {},
                    "jvm": {
                        "max_uptime_in_millis": 0,
                        "mem": {"heap_used_in_bytes": memory_bytes(), "heap_max_in_bytes": memory_bytes()},
                        "threads": 1,
                    },
                    "fs": {},
                    "plugins": [],
                    "network_types": {},
                },
            }
        )

    async def nodes(self, call: Call) -> Reply:
        expression, metrics = call.part("node", "_all"), call.part("metric")
        if not metrics and set(expression.split(",")) <= _PARTS:
            expression, metrics = "_all", expression
        port = self._house.site.port(self._house.config.port)
        entry = {
            "name": self._house.site.node_name,
            "transport_address": "127.0.0.1:9300",
            "host": "127.0.0.1",
            "ip": "127.0.0.1",
            "version": VERSION,
            "build_flavor": "default",
            "build_type": "tar",
            "build_hash": "unknown",
            "roles": ["data", "ingest", "master"],
            "attributes": {},
            "settings": {"cluster": {"name": CLUSTER}, "node": {"name": self._house.site.node_name}},
            "http": {
                "bound_address": [f"127.0.0.1:{port}"],
                "publish_address": f"127.0.0.1:{port}",
                "max_content_length_in_bytes": self._house.config.body_bytes_max,
            },
            "os": {"available_processors": os.cpu_count() or 1, "allocated_processors": os.cpu_count() or 1},
            "process": {"id": os.getpid(), "mlockall": False},
            "plugins": [],
            "modules": [],
            "ingest": {"processors": [{"type": name} for name in processor_names()]},
            "aggregations": {},
            "thread_pool": {},
            "transport": {"profiles": {}, "publish_address": "127.0.0.1:9300", "bound_address": ["127.0.0.1:9300"]},
            "jvm": {"pid": os.getpid(), "version": "none"},
        }
        if call.flag("flat_settings"):
            entry["settings"] = flat(entry["settings"])
        return self._told(expression, _with_metrics(call, entry, _PARTS, metrics))

    def _told(self, expression: str, entry: Object) -> Reply:
        """The node, where the expression names it."""
        count = int(self._is_here(expression))
        return Reply(
            {
                "_nodes": {"total": count, "successful": count, "failed": 0},
                "cluster_name": CLUSTER,
                "nodes": {self._house.node_id: entry} if count else {},
            }
        )

    def _is_here(self, expression: str) -> bool:
        """Whether it names this node: by id, name, address or role."""
        names = (self._house.node_id, self._house.site.node_name, "127.0.0.1")
        is_here = False
        for one in expression.split(","):
            name, _, value = one.partition(":")
            if value:
                is_here = (name in ("data", "ingest", "master")) == (value == "true") or is_here
            else:
                is_here = is_here or one in _HERE or any(fnmatchcase(known, one) for known in names)
        return is_here

    async def refused(self, call: Call) -> Reply:
        """What threads do and how often each action was asked for is not known."""
        raise unsupported(f"[{call.request.path}]")

    async def node_stats(self, call: Call) -> Reply:
        indices = self._house.indices.all()
        figures = [await figures_of(index) for index in indices]
        total = summed(figures)
        used = resource.getrusage(resource.RUSAGE_SELF)
        entry = {
            "timestamp": self._house.indices.now(),
            "name": self._house.site.node_name,
            "transport_address": "127.0.0.1:9300",
            "host": "127.0.0.1",
            "ip": "127.0.0.1:9300",
            "roles": ["data", "ingest", "master"],
            "indices": total,
            "os": {"cpu": {"percent": 0, "load_average": {"1m": os.getloadavg()[0]}}},
            "process": {
                "cpu": {"total_in_millis": int((used.ru_utime + used.ru_stime) * 1000)},
                "open_file_descriptors": len(list(Path("/proc/self/fd").iterdir())),
                "max_file_descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            },
            "jvm": {
                "mem": {
                    "heap_used_in_bytes": memory_bytes(),
                    "heap_max_in_bytes": memory_bytes(),
                    "heap_used_percent": 0,
                },
                "uptime_in_millis": 0,
            },
            "fs": disk_of(self._house),
            "http": {"current_open": 0, "total_opened": 0},
            "breakers": {},
            "thread_pool": {},
            "transport": {},
            "discovery": {},
            "ingest": {"total": {"count": 0, "time_in_millis": 0, "current": 0, "failed": 0}, "pipelines": {}},
            "script": {},
            "indexing_pressure": {"memory": {}},
        }
        metrics = re.sub(r"\bbreaker\b", "breakers", call.part("metric"))
        wanted = [one for one in call.part("index_metric").split(",") if one and one != "_all"]
        strange = sorted(set(wanted) - set(METRICS) - {"suggest"})
        if strange:
            raise illegal(f"request [{call.request.path}] contains unrecognized index metric: [{strange[0]}]")
        entry["indices"] = reduced(total, wanted)
        return self._told(call.part("node", "_all"), _with_metrics(call, entry, _STATS, metrics))


_HERE = ("_all", "*", "_local", "_master", "_cluster_manager")
_PARTS = frozenset(
    [
        "settings",
        "os",
        "process",
        "jvm",
        "thread_pool",
        "transport",
        "http",
        "plugins",
        "modules",
        "ingest",
        "aggregations",
        "indices",
        "remote_cluster_server",
    ]
)
_STATS = frozenset(
    [
        "indices",
        "os",
        "process",
        "jvm",
        "thread_pool",
        "fs",
        "transport",
        "http",
        "breakers",
        "script",
        "discovery",
        "ingest",
        "indexing_pressure",
        "adaptive_selection",
        "script_cache",
        "repositories",
        "allocations",
    ]
)


def _with_metrics(call: Call, entry: Object, known: frozenset[str], metrics: str) -> Object:
    """The entry with the parts that were asked for. Raises illegal_argument_exception."""
    wanted = {one for one in metrics.split(",") if one}
    if not wanted or "_all" in wanted:
        return entry
    if "_none" in wanted and len(wanted) == 1:
        wanted = set()
    strange = sorted(wanted - known)
    if strange:
        raise illegal(f"request [{call.request.path}] contains unrecognized metric: [{strange[0]}]")
    return {name: one for name, one in entry.items() if name not in known or name in wanted}
