"""The cluster: the root, health, state, stats, settings, nodes, tasks.

Health says what there is: on one node replicas are nowhere, so an index that wants them is yellow. Source:
Elasticsearch reference, "Cluster APIs".
"""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Sequence
from fnmatch import fnmatchcase

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import CLUSTER, LUCENE, VERSION, House
from maru.components.search.controllers.indices import Choice, Index
from maru.components.search.errors import failure, illegal, missing, no_such_index
from maru.components.search.model.definitions import SETTINGS
from maru.components.search.model.settings import flat, nested
from maru.core.errors import MaruError
from maru.wire.elastic.json import Object
from maru.wire.elastic.units import duration_s

EVERYTHING = Choice(expand=frozenset({"open", "closed", "hidden"}), forbids_closed=False)
_RANK = {"green": 0, "yellow": 1, "red": 2}


class ClusterApi:
    """The edges of the cluster."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/", self.root),
            Route("GET", "/_cluster/health", self.health),
            Route("GET", "/_cluster/health/{index}", self.health),
            Route("GET", "/_cluster/state", self.state),
            Route("GET", "/_cluster/state/{metric}", self.state),
            Route("GET", "/_cluster/state/{metric}/{index}", self.state),
            Route("GET", "/_cluster/stats", self.stats),
            Route("GET", "/_cluster/settings", self.get_settings),
            Route("PUT", "/_cluster/settings", self.put_settings),
            Route("GET", "/_cluster/pending_tasks", self.pending),
            Route("GET", "/_nodes", self.nodes),
            Route("GET", "/_nodes/{node}", self.nodes),
            Route("GET", "/_nodes/{node}/{metric}", self.nodes),
            Route("GET", "/_nodes/stats", self.node_stats),
            Route("GET", "/_nodes/stats/{metric}", self.node_stats),
            Route("GET", "/_nodes/{node}/stats", self.node_stats),
            Route("GET", "/_nodes/{node}/stats/{metric}", self.node_stats),
            Route("GET", "/_tasks", self.tasks),
            Route("GET", "/_tasks/{task}", self.task),
            Route("POST", "/_tasks/_cancel", self.tasks),
            Route("GET", "/_remote/info", self.nothing),
            Route("GET", "/_license", self.license),
            Route("GET", "/_xpack", self.xpack),
            Route("GET", "/_stats", self.index_stats),
            Route("GET", "/_stats/{metric}", self.index_stats),
            Route("GET", "/{index}/_stats", self.index_stats),
            Route("GET", "/{index}/_stats/{metric}", self.index_stats),
            Route("GET", "/_segments", self.segments),
            Route("GET", "/{index}/_segments", self.segments),
        ]

    async def root(self, call: Call) -> Reply:
        return Reply(
            {
                "name": self._house.site.node_name,
                "cluster_name": CLUSTER,
                "cluster_uuid": self._house.node_id,
                "version": {
                    "number": VERSION, "build_flavor": "default", "build_type": "tar", "build_hash": "unknown", "build_date": "2025-01-01T00:00:00.000Z",
                    "build_snapshot": False, "lucene_version": LUCENE, "minimum_wire_compatibility_version": "7.17.0", "minimum_index_compatibility_version": "7.0.0",
                },
                "tagline": "You Know, for Search",
            }
        )  # fmt: skip

    async def health(self, call: Call) -> Reply:
        level = call.arg("level", "cluster")
        if level not in ("cluster", "indices", "shards"):
            raise illegal(f"level parameter must be one of [cluster] or [indices] or [shards] but was [{level}]")
        wanted = call.arg("wait_for_status")
        give_up_s = self._house.clock.monotonic_s() + (duration_s(call.arg("timeout")) if call.has("timeout") else 30.0)
        timed_out = False
        while True:
            try:
                named = self._house.find(call, default=EVERYTHING)
                status = max((status_of_index(one.index) for one in named), key=lambda one: _RANK[one], default="green")
                is_there = True
            except MaruError as error:
                if error.details.get("kind") != "index_not_found_exception":
                    raise
                named, status, is_there = [], "red", False
            fits = (
                (not wanted or _RANK[status] <= _RANK.get(wanted, 0))
                and is_there
                and _nodes_fit(call.arg("wait_for_nodes"))
            )
            if fits:
                break
            if self._house.clock.monotonic_s() >= give_up_s:
                timed_out = True
                break
            await self._house.clock.sleep(0.05)
        told = {"cluster_name": CLUSTER, "status": status, "timed_out": timed_out, "number_of_nodes": 1, "number_of_data_nodes": 1, **_counted([one.index for one in named]),
                "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0, "active_shards_percent_as_number": _percent([one.index for one in named])}  # fmt: skip
        if level != "cluster":
            told["indices"] = {
                one.index.name: {
                    "status": status_of_index(one.index),
                    "number_of_shards": one.index.shards,
                    "number_of_replicas": one.index.replicas,
                    **_counted([one.index]),
                }
                for one in named
            }
            if level == "shards":
                for one in named:
                    told["indices"][one.index.name]["shards"] = {
                        str(number): {
                            "status": status_of_index(one.index),
                            "primary_active": not one.index.problem,
                            "active_shards": 0 if one.index.problem else 1,
                            "relocating_shards": 0,
                            "initializing_shards": 0,
                            "unassigned_shards": one.index.replicas,
                        }
                        for number in range(one.index.shards)
                    }
        return Reply(told, 408 if timed_out else 200)

    async def state(self, call: Call) -> Reply:
        metrics = [one for one in call.part("metric", "_all").split(",") if one]
        everything = "_all" in metrics
        told: Object = {"cluster_name": CLUSTER, "cluster_uuid": self._house.node_id}
        node = self._house.node_id
        if everything or "version" in metrics:
            told |= {"version": 1, "state_uuid": node}
        if everything or "master_node" in metrics or "cluster_manager_node" in metrics:
            told["master_node"] = node
        if everything or "blocks" in metrics:
            told["blocks"] = {}
        if everything or "nodes" in metrics:
            told["nodes"] = {
                node: {
                    "name": self._house.site.node_name,
                    "ephemeral_id": node,
                    "transport_address": "127.0.0.1:9300",
                    "attributes": {},
                    "roles": ["data", "ingest", "master"],
                }
            }
        named = self._house.find(call, default=EVERYTHING)
        if everything or "metadata" in metrics:
            told["metadata"] = {
                "cluster_uuid": node,
                "cluster_coordination": {"term": 1},
                "templates": self._house.templates.legacy.all(),
                "indices": {
                    one.index.name: {
                        "state": "open" if one.index.is_open else "close",
                        "settings": nested(one.index.full_settings()),
                        "mappings": {"_doc": one.index.mapping.definition},
                        "aliases": sorted(one.index.aliases),
                    }
                    for one in named
                },
            }
        if everything or "routing_table" in metrics:
            told["routing_table"] = {
                "indices": {
                    one.index.name: {
                        "shards": {
                            str(number): [
                                {
                                    "state": "STARTED",
                                    "primary": True,
                                    "node": node,
                                    "relocating_node": None,
                                    "shard": number,
                                    "index": one.index.name,
                                }
                            ]
                            for number in range(one.index.shards)
                        }
                    }
                    for one in named
                }
            }
        if everything or "routing_nodes" in metrics:
            told["routing_nodes"] = {"unassigned": [], "nodes": {node: []}}
        return Reply(told)

    async def stats(self, call: Call) -> Reply:
        indices = self._house.indices.all()
        figures = [await figures_of(index) for index in indices]
        shards = sum(index.shards for index in indices)
        return Reply({
            "_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": CLUSTER, "cluster_uuid": self._house.node_id, "timestamp": self._house.indices.now(),
            "status": max((status_of_index(index) for index in indices), key=lambda one: _RANK[one], default="green"),
            "indices": {"count": len(indices), "shards": {"total": shards, "primaries": shards, "replication": 0.0} if shards else {}, "docs": {"count": sum(one["docs"] for one in figures), "deleted": 0}, "store": {"size_in_bytes": sum(one["bytes"] for one in figures), "reserved_in_bytes": 0}, "segments": {"count": sum(one["segments"] for one in figures)}, "mappings": {}, "analysis": {}},
            "nodes": {"count": {"total": 1, "data": 1, "master": 1, "ingest": 1, "coordinating_only": 0}, "versions": [VERSION], "os": {"available_processors": os.cpu_count() or 1}, "process": {}, "jvm": {"max_uptime_in_millis": 0, "mem": {"heap_used_in_bytes": memory_bytes(), "heap_max_in_bytes": memory_bytes()}, "threads": 1}, "fs": {}, "plugins": [], "network_types": {}},
        })  # fmt: skip

    async def get_settings(self, call: Call) -> Reply:
        spec = self._house.shelves.of(SETTINGS).get("cluster") or {}
        shape = (lambda one: one) if call.flag("flat_settings") else nested
        told = {kind: shape(spec.get(kind) or {}) for kind in ("persistent", "transient")}
        if call.flag("include_defaults"):
            told["defaults"] = shape(
                {
                    "cluster.name": CLUSTER,
                    "search.max_buckets": "65536",
                    "action.auto_create_index": "true",
                    "cluster.max_shards_per_node": "1000",
                }
            )
        return Reply(told)

    async def put_settings(self, call: Call) -> Reply:
        body = call.needs_body()
        for name in body:
            if name not in ("persistent", "transient"):
                raise failure(
                    400, "x_content_parse_exception", f"[1:2] [cluster_update_settings_request] unknown field [{name}]"
                )
        changes = {kind: flat(body.get(kind) or {}) for kind in ("persistent", "transient")}
        if not any(changes.values()):
            raise failure(400, "action_request_validation_exception", "Validation Failed: 1: no settings to update;")
        known = (
            "search.",
            "action.",
            "cluster.",
            "indices.",
            "ingest.",
            "script.",
            "http.",
            "network.",
            "logger.",
            "xpack.",
            "node.",
            "persistent_tasks.",
            "plugins.",
            "bootstrap.",
            "discovery.",
            "gateway.",
            "transport.",
            "thread_pool.",
            "archived.",
            "snapshot.",
            "reindex.",
            "compatibility.",
        )
        for settings in changes.values():
            for name in settings:
                if not name.startswith(known):
                    kind = "persistent" if name in changes["persistent"] else "transient"
                    raise illegal(f"{kind} setting [{name}], not recognized")
        shelf = self._house.shelves.of(SETTINGS)
        spec = dict(shelf.get("cluster") or {})
        for kind, settings in changes.items():
            have = dict(spec.get(kind) or {})
            for name, value in settings.items():
                if value is None:
                    for key in [key for key in have if fnmatchcase(key, name)]:
                        del have[key]
                else:
                    have[name] = value
            spec[kind] = have
        await shelf.put("cluster", spec)
        self._house.templates.may_create = self._house.indices_setting("action.auto_create_index", "true") != "false"
        shape = (lambda one: one) if call.flag("flat_settings") else nested
        return Reply(
            {
                "acknowledged": True,
                **{
                    kind: shape({key: value for key, value in settings.items() if value is not None})
                    for kind, settings in changes.items()
                },
            }
        )

    async def pending(self, call: Call) -> Reply:
        return Reply({"tasks": []})

    async def nothing(self, call: Call) -> Reply:
        return Reply({})

    async def nodes(self, call: Call) -> Reply:
        node = self._house.node_id
        port = self._house.site.port(self._house.config.port)
        entry = {
            "name": self._house.site.node_name, "transport_address": "127.0.0.1:9300", "host": "127.0.0.1", "ip": "127.0.0.1", "version": VERSION, "build_flavor": "default",
            "build_type": "tar", "build_hash": "unknown", "roles": ["data", "ingest", "master"], "attributes": {}, "settings": {"cluster": {"name": CLUSTER}, "node": {"name": self._house.site.node_name}},
            "http": {"bound_address": [f"127.0.0.1:{port}"], "publish_address": f"127.0.0.1:{port}", "max_content_length_in_bytes": self._house.config.body_bytes_max},
            "os": {"available_processors": os.cpu_count() or 1, "allocated_processors": os.cpu_count() or 1}, "process": {"id": os.getpid(), "mlockall": False}, "plugins": [], "modules": [],
            "ingest": {"processors": [{"type": name} for name in _processors()]}, "aggregations": {}, "thread_pool": {}, "transport": {"profiles": {}, "publish_address": "127.0.0.1:9300", "bound_address": ["127.0.0.1:9300"]}, "jvm": {"pid": os.getpid(), "version": "none"},
        }  # fmt: skip
        if call.flag("flat_settings"):
            entry["settings"] = flat(entry["settings"])
        return Reply(
            {"_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": CLUSTER, "nodes": {node: entry}}
        )

    async def node_stats(self, call: Call) -> Reply:
        indices = self._house.indices.all()
        figures = [await figures_of(index) for index in indices]
        total = _stat(figures)
        used = resource.getrusage(resource.RUSAGE_SELF)
        entry = {
            "timestamp": self._house.indices.now(), "name": self._house.site.node_name, "transport_address": "127.0.0.1:9300", "host": "127.0.0.1", "ip": "127.0.0.1:9300",
            "roles": ["data", "ingest", "master"], "indices": total, "os": {"cpu": {"percent": 0, "load_average": {"1m": os.getloadavg()[0]}}}, "process": {"cpu": {"total_in_millis": int((used.ru_utime + used.ru_stime) * 1000)}, "open_file_descriptors": len(os.listdir("/proc/self/fd")), "max_file_descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[0]},
            "jvm": {"mem": {"heap_used_in_bytes": memory_bytes(), "heap_max_in_bytes": memory_bytes(), "heap_used_percent": 0}, "uptime_in_millis": 0}, "fs": _disk(self._house), "http": {"current_open": 0, "total_opened": 0}, "breakers": {}, "thread_pool": {}, "transport": {}, "discovery": {}, "ingest": {"total": {"count": 0, "time_in_millis": 0, "current": 0, "failed": 0}, "pipelines": {}}, "script": {}, "indexing_pressure": {"memory": {}},
        }  # fmt: skip
        return Reply(
            {
                "_nodes": {"total": 1, "successful": 1, "failed": 0},
                "cluster_name": CLUSTER,
                "nodes": {self._house.node_id: entry},
            }
        )

    async def tasks(self, call: Call) -> Reply:
        task = {
            "node": self._house.node_id,
            "id": 1,
            "type": "direct",
            "action": "cluster:monitor/tasks/lists",
            "start_time_in_millis": self._house.indices.now(),
            "running_time_in_nanos": 1,
            "cancellable": False,
            "headers": {},
        }
        if call.arg("group_by") == "none":
            return Reply({"tasks": [task]})
        if call.arg("group_by") == "parents":
            return Reply({"tasks": {f"{self._house.node_id}:1": task}})
        return Reply(
            {
                "nodes": {
                    self._house.node_id: {
                        "name": self._house.site.node_name,
                        "transport_address": "127.0.0.1:9300",
                        "host": "127.0.0.1",
                        "ip": "127.0.0.1:9300",
                        "roles": ["data", "ingest", "master"],
                        "tasks": {f"{self._house.node_id}:1": task},
                    }
                }
            }
        )

    async def task(self, call: Call) -> Reply:
        name = call.part("task")
        if ":" not in name:
            raise illegal(f"malformed task id {name}")
        raise missing(f"task [{name}] isn't running and hasn't stored its results")

    async def license(self, call: Call) -> Reply:
        return Reply(
            {
                "license": {
                    "status": "active",
                    "uid": self._house.node_id,
                    "type": "basic",
                    "issue_date": "2025-01-01T00:00:00.000Z",
                    "issue_date_in_millis": 1735689600000,
                    "max_nodes": 1000,
                    "issued_to": CLUSTER,
                    "issuer": "maru",
                    "start_date_in_millis": -1,
                }
            }
        )

    async def xpack(self, call: Call) -> Reply:
        return Reply(
            {
                "build": {"hash": "unknown", "date": "2025-01-01T00:00:00.000Z"},
                "license": {"uid": self._house.node_id, "type": "basic", "mode": "basic", "status": "active"},
                "features": {},
                "tagline": "You know, for X",
            }
        )

    async def index_stats(self, call: Call) -> Reply:
        named = self._house.find(
            call, default=Choice(expand=frozenset({"open", "hidden"} if not call.part("index") else {"open"}))
        )
        metrics = [one for one in call.part("metric").split(",") if one and one != "_all"]
        unknown = [one for one in metrics if one not in _METRICS and one != "suggest"]
        if unknown:
            raise illegal(f"request [{call.request.path}] contains unrecognized metric: [{unknown[0]}]")
        told: Object = {}
        figures = []
        for one in named:
            numbers = await figures_of(one.index)
            figures.append(numbers)
            stat = _chosen(_stat([numbers]), metrics)
            told[one.index.name] = {
                "uuid": one.index.uuid,
                "health": status_of_index(one.index),
                "status": "open" if one.index.is_open else "close",
                "primaries": stat,
                "total": stat,
            }
            if call.arg("level") == "shards":
                told[one.index.name]["shards"] = {
                    "0": [
                        {
                            "routing": {
                                "state": "STARTED",
                                "primary": True,
                                "node": self._house.node_id,
                                "relocating_node": None,
                            },
                            **stat,
                            "commit": {"id": "", "generation": 1, "user_data": {}, "num_docs": numbers["docs"]},
                            "seq_no": {
                                "max_seq_no": numbers["seq"],
                                "local_checkpoint": numbers["seq"],
                                "global_checkpoint": numbers["seq"],
                            },
                        }
                    ]
                }
        total = _chosen(_stat(figures), metrics)
        shards = sum(one.index.shards for one in named)
        answer: Object = {
            "_shards": {
                "total": sum(one.index.shards * (1 + one.index.replicas) for one in named),
                "successful": shards,
                "failed": 0,
            },
            "_all": {"primaries": total, "total": total},
        }
        if call.arg("level") != "cluster":
            answer["indices"] = told
        return Reply(answer)

    async def segments(self, call: Call) -> Reply:
        named = self._house.find(call)
        told: Object = {}
        for one in named:
            numbers = await figures_of(one.index)
            segments = {
                f"_{number}": {
                    "generation": number,
                    "num_docs": numbers["docs"] if number == 0 else 0,
                    "deleted_docs": 0,
                    "size_in_bytes": numbers["bytes"],
                    "committed": True,
                    "search": True,
                    "version": LUCENE,
                    "compound": False,
                    "attributes": {},
                }
                for number in range(min(1, numbers["segments"]))
            }
            told[one.index.name] = {
                "shards": {
                    "0": [
                        {
                            "routing": {"state": "STARTED", "primary": True, "node": self._house.node_id},
                            "num_committed_segments": len(segments),
                            "num_search_segments": len(segments),
                            "segments": segments,
                        }
                    ]
                }
            }
        return Reply({"_shards": {"total": len(named), "successful": len(named), "failed": 0}, "indices": told})


def status_of_index(index: Index) -> str:
    """red: it cannot be opened; yellow: replicas are wanted and are nowhere; green otherwise."""
    if index.problem:
        return "red"
    auto = str(index.settings.get("auto_expand_replicas", "false"))
    return "yellow" if index.replicas > 0 and not auto.startswith("0-") else "green"


def replicas_of(index: Index) -> int:
    """Copies that are wanted and are nowhere."""
    return 0 if str(index.settings.get("auto_expand_replicas", "false")).startswith("0-") else index.replicas


async def figures_of(index: Index) -> Object:
    """docs, bytes, segments, seq, searches and operations of an index; opened if it has to be."""
    if not index.is_open:
        return {
            "docs": 0,
            "bytes": 0,
            "segments": 0,
            "seq": -1,
            "searches": 0,
            "indexed": 0,
            "deleted": 0,
            "refreshes": 0,
        }
    try:
        shard = await index.engine()
    except MaruError:
        return {
            "docs": 0,
            "bytes": 0,
            "segments": 0,
            "seq": -1,
            "searches": 0,
            "indexed": 0,
            "deleted": 0,
            "refreshes": 0,
        }
    size = await asyncio.to_thread(shard.bytes_on_disk)
    found = sum(int(searcher.num_docs) for _, searcher in shard.snapshot().partitions)
    return {
        "docs": found,
        "bytes": size,
        "segments": shard.segments(),
        "seq": shard.seq,
        "searches": index.searches,
        "indexed": shard.indexed_total,
        "deleted": shard.deleted_total,
        "refreshes": index.stats.get("refreshes", 0),
    }


def memory_bytes() -> int:
    """What this process holds."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
        return int(file.read().split()[1]) * resource.getpagesize()


_METRICS = (
    "docs",
    "store",
    "indexing",
    "get",
    "search",
    "merge",
    "merges",
    "flush",
    "refresh",
    "query_cache",
    "request_cache",
    "fielddata",
    "completion",
    "segments",
    "translog",
    "warmer",
    "recovery",
    "bulk",
    "shard_stats",
    "shards_stats",
    "mappings",
    "dense_vector",
)


def _chosen(stat: Object, metrics: Sequence[str]) -> Object:
    if not metrics:
        return stat
    wanted = {"merge": "merges"}
    return {name: stat[name] for name in (wanted.get(one, one) for one in metrics) if name in stat}


def _stat(figures: Sequence[Object]) -> Object:
    def total(name: str) -> int:
        return sum(int(one[name]) for one in figures)

    return {
        "docs": {"count": total("docs"), "deleted": 0, "total_size_in_bytes": total("bytes")}, "shard_stats": {"total_count": len(figures)}, "store": {"size_in_bytes": total("bytes"), "total_data_set_size_in_bytes": total("bytes"), "reserved_in_bytes": 0},
        "indexing": {"index_total": total("indexed"), "index_time_in_millis": 0, "index_current": 0, "index_failed": 0, "delete_total": total("deleted"), "delete_time_in_millis": 0, "delete_current": 0, "noop_update_total": 0, "is_throttled": False, "throttle_time_in_millis": 0},
        "get": {"total": 0, "time_in_millis": 0, "exists_total": 0, "exists_time_in_millis": 0, "missing_total": 0, "missing_time_in_millis": 0, "current": 0},
        "search": {"open_contexts": 0, "query_total": total("searches"), "query_time_in_millis": 0, "query_current": 0, "fetch_total": total("searches"), "fetch_time_in_millis": 0, "fetch_current": 0, "scroll_total": 0, "scroll_time_in_millis": 0, "scroll_current": 0, "suggest_total": 0, "suggest_time_in_millis": 0, "suggest_current": 0},
        "merges": {"current": 0, "current_docs": 0, "current_size_in_bytes": 0, "total": 0, "total_time_in_millis": 0, "total_docs": 0, "total_size_in_bytes": 0}, "refresh": {"total": total("refreshes"), "total_time_in_millis": 0, "external_total": total("refreshes"), "external_total_time_in_millis": 0, "listeners": 0},
        "flush": {"total": total("refreshes"), "periodic": 0, "total_time_in_millis": 0}, "warmer": {"current": 0, "total": 0, "total_time_in_millis": 0}, "query_cache": {"memory_size_in_bytes": 0, "total_count": 0, "hit_count": 0, "miss_count": 0, "cache_size": 0, "cache_count": 0, "evictions": 0},
        "fielddata": {"memory_size_in_bytes": 0, "evictions": 0}, "completion": {"size_in_bytes": 0}, "segments": {"count": total("segments"), "memory_in_bytes": 0, "index_writer_memory_in_bytes": 0, "version_map_memory_in_bytes": 0, "fixed_bit_set_memory_in_bytes": 0, "file_sizes": {}},
        "translog": {"operations": 0, "size_in_bytes": 0, "uncommitted_operations": 0, "uncommitted_size_in_bytes": 0, "earliest_last_modified_age": 0}, "request_cache": {"memory_size_in_bytes": 0, "evictions": 0, "hit_count": 0, "miss_count": 0}, "recovery": {"current_as_source": 0, "current_as_target": 0, "throttle_time_in_millis": 0}, "bulk": {"total_operations": 0, "total_time_in_millis": 0, "total_size_in_bytes": 0, "avg_time_in_millis": 0, "avg_size_in_bytes": 0},
    }  # fmt: skip


def _counted(indices: Sequence[Index]) -> Object:
    active = sum(index.shards for index in indices if not index.problem)
    unassigned = sum(index.shards * replicas_of(index) + (index.shards if index.problem else 0) for index in indices)
    return {
        "active_primary_shards": active,
        "active_shards": active,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": unassigned,
        "unassigned_primary_shards": sum(index.shards for index in indices if index.problem),
        "delayed_unassigned_shards": 0,
    }


def _percent(indices: Sequence[Index]) -> float:
    counted = _counted(indices)
    total = counted["active_shards"] + counted["unassigned_shards"]
    return 100.0 if not total else counted["active_shards"] * 100.0 / total


def _nodes_fit(wanted: str) -> bool:
    text = wanted.replace("ge(", ">=").replace("le(", "<=").replace("gt(", ">").replace("lt(", "<").rstrip(")")
    if not text:
        return True
    for sign in (">=", "<=", ">", "<"):
        if text.startswith(sign):
            number = int(text[len(sign) :])
            return {">=": number <= 1, "<=": number >= 1, ">": number < 1, "<": number > 1}[sign]
    return int(text) == 1


def _disk(house: House) -> Object:
    told = os.statvfs(house.site.data_dir)
    total, free = told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize
    return {"total": {"total_in_bytes": total, "free_in_bytes": free, "available_in_bytes": free}, "data": []}


def _processors() -> Sequence[str]:
    from maru.components.search.model.ingest.processors import PROCESSORS

    return sorted(PROCESSORS)


def unknown_index(name: str) -> MaruError:
    """index_not_found_exception."""
    return no_such_index(name)
