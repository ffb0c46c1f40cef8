"""The cluster: the root, health, state, stats, settings, nodes, tasks.

Health says what there is: on one node replicas are nowhere, so an index that wants them is yellow. Source:
Elasticsearch reference, "Cluster APIs".
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.figures import RANK, replicas_of, status_of_index
from maru.components.search.api.house import CLUSTER, House
from maru.components.search.controllers.index import Index
from maru.components.search.controllers.indices import Choice
from maru.components.search.errors import failure, illegal
from maru.components.search.model.definitions import SETTINGS
from maru.components.search.model.settings import flat, nested
from maru.components.search.model.version import LUCENE, VERSION
from maru.core.errors import MaruError
from maru.wire.elastic.json import Object
from maru.wire.elastic.units import duration_s

VOTING = "voting"  # the name of the setting that lists who does not vote
EVERYTHING = Choice(expand=frozenset({"open", "closed", "hidden"}), forbids_closed=False)


_SETTINGS = (
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
            Route("GET", "/_cluster/settings", self.get_settings),
            Route("PUT", "/_cluster/settings", self.put_settings),
            Route("GET", "/_cluster/pending_tasks", self.pending),
            Route("GET", "/_remote/info", self.nothing),
            Route("GET", "/_license", self.license),
            Route("GET", "/_xpack", self.xpack),
        ]

    async def root(self, call: Call) -> Reply:
        return Reply(
            {
                "name": self._house.site.node_name,
                "cluster_name": CLUSTER,
                "cluster_uuid": self._house.node_id,
                "version": {
                    "number": VERSION,
                    "build_flavor": "default",
                    "build_type": "tar",
                    "build_hash": "unknown",
                    "build_date": "2025-01-01T00:00:00.000Z",
                    "build_snapshot": False,
                    "lucene_version": LUCENE,
                    "minimum_wire_compatibility_version": "7.17.0",
                    "minimum_index_compatibility_version": "7.0.0",
                },
                "tagline": "You Know, for Search",
            }
        )

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
                status = max((status_of_index(one.index) for one in named), key=lambda one: RANK[one], default="green")
                is_there = True
            except MaruError as error:
                if error.details.get("kind") != "index_not_found_exception":
                    raise
                named, status, is_there = [], "red", False
            fits = (
                (not wanted or RANK[status] <= RANK.get(wanted, 0))
                and is_there
                and _nodes_fit(call.arg("wait_for_nodes"))
            )
            if fits:
                break
            if self._house.clock.monotonic_s() >= give_up_s:
                timed_out = True
                break
            await self._house.clock.sleep(0.05)
        told = {
            "cluster_name": CLUSTER,
            "status": status,
            "timed_out": timed_out,
            "number_of_nodes": 1,
            "number_of_data_nodes": 1,
            **_counted([one.index for one in named]),
            "number_of_pending_tasks": 0,
            "number_of_in_flight_fetch": 0,
            "task_max_waiting_in_queue_millis": 0,
            "active_shards_percent_as_number": _percent([one.index for one in named]),
        }
        if level != "cluster":
            told["indices"] = {one.index.name: _health_of(one.index, has_shards=level == "shards") for one in named}
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
                "cluster_coordination": {"term": 1, "voting_config_exclusions": self._excluded()},
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

    def _excluded(self) -> list[Object]:
        return list((self._house.shelves.of(SETTINGS).get(VOTING) or {}).get("exclusions") or [])

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
        for settings in changes.values():
            for name in settings:
                if not name.startswith(_SETTINGS):
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


def _health_of(index: Index, *, has_shards: bool) -> Object:
    told: Object = {
        "status": status_of_index(index),
        "number_of_shards": index.shards,
        "number_of_replicas": index.replicas,
        **_counted([index]),
    }
    if has_shards:
        one = {
            "status": status_of_index(index),
            "primary_active": not index.problem,
            "active_shards": 0 if index.problem else 1,
            "relocating_shards": 0,
            "initializing_shards": 0,
            "unassigned_shards": index.replicas,
        }
        told["shards"] = {str(number): one for number in range(index.shards)}
    return told


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


def disk_of(house: House) -> Object:
    """The disk that holds the data, in bytes."""
    told = os.statvfs(house.site.data_dir)
    total, free = told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize
    return {"total": {"total_in_bytes": total, "free_in_bytes": free, "available_in_bytes": free}, "data": []}


def processor_names() -> Sequence[str]:
    """The processors that ingest pipelines can have."""
    from maru.components.search.model.ingest.processors import PROCESSORS

    return sorted(PROCESSORS)
