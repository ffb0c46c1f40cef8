"""Where shards lie and why: recovery, stores, allocation, rerouting. There is one node, so no shard moves.

Source: Elasticsearch reference, "Index recovery API", "Index shard stores API", "Cluster allocation explain
API", "Cluster reroute API".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.api.cluster import EVERYTHING, VOTING, ClusterApi
from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.figures import figures_of, status_of_index
from maru.components.search.api.house import House
from maru.components.search.controllers.index import Index
from maru.components.search.errors import failure, illegal, no_such_index
from maru.components.search.model.definitions import SETTINGS
from maru.components.search.model.version import VERSION
from maru.core.errors import MaruError
from maru.wire.elastic.json import Object

ADDRESS = "127.0.0.1:9300"
EXCLUSIONS_MAX = 10


class PlacementApi:
    """The edges of places."""

    def __init__(self, house: House, cluster: ClusterApi) -> None:
        self._house = house
        self._cluster = cluster

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/_recovery", self.recovery),
            Route("GET", "/{index}/_recovery", self.recovery),
            Route("GET", "/_shard_stores", self.stores),
            Route("GET", "/{index}/_shard_stores", self.stores),
            Route("GET POST", "/_cluster/allocation/explain", self.explain),
            Route("POST", "/_cluster/reroute", self.reroute),
            Route("POST", "/_cluster/voting_config_exclusions", self.exclude),
            Route("DELETE", "/_cluster/voting_config_exclusions", self.include),
            Route("GET", "/_resolve/cluster", self.resolve),
            Route("GET", "/_resolve/cluster/{index}", self.resolve),
        ]

    async def recovery(self, call: Call) -> Reply:
        """Every shard that is open was read from its own disk, and is done."""
        if call.flag("active_only"):
            return Reply({})
        told: Object = {}
        for one in self._house.find(call):
            figures = await figures_of(one.index)
            told[one.index.name] = {
                "shards": [self._recovered(number, figures["bytes"]) for number in range(one.index.shards)]
            }
        return Reply(told)

    def _recovered(self, number: int, size_bytes: int) -> Object:
        sizes = {"total_in_bytes": size_bytes, "reused_in_bytes": size_bytes, "recovered_in_bytes": 0}
        return {
            "id": number,
            "type": "EXISTING_STORE",
            "stage": "DONE",
            "primary": True,
            "start_time_in_millis": 0,
            "stop_time_in_millis": 0,
            "total_time_in_millis": 0,
            "source": {"bootstrap_new_history_uuid": False},
            "target": {
                "id": self._house.node_id,
                "host": "127.0.0.1",
                "transport_address": ADDRESS,
                "ip": "127.0.0.1",
                "name": self._house.site.node_name,
            },
            "index": {
                "size": {**sizes, "percent": "100.0%"},
                "files": {"total": 0, "reused": 0, "recovered": 0, "percent": "100.0%"},
                "total_time_in_millis": 0,
                "source_throttle_time_in_millis": 0,
                "target_throttle_time_in_millis": 0,
            },
            "translog": {
                "recovered": 0,
                "total": 0,
                "percent": "100.0%",
                "total_on_start": 0,
                "total_time_in_millis": 0,
            },
            "verify_index": {"check_index_time_in_millis": 0, "total_time_in_millis": 0},
        }

    async def stores(self, call: Call) -> Reply:
        wanted = set(call.arg("status", "yellow,red").split(","))
        for name in sorted(wanted - {"all", "green", "yellow", "red"}):
            raise illegal(f"unknown cluster health status [{name}]")
        told: Object = {}
        for one in self._house.find(call):
            if "all" in wanted or status_of_index(one.index) in wanted:
                store = {self._house.node_id: self._node(), "allocation_id": one.index.uuid, "allocation": "primary"}
                told[one.index.name] = {
                    "shards": {str(number): {"stores": [store]} for number in range(one.index.shards)}
                }
        return Reply({"indices": told})

    async def explain(self, call: Call) -> Reply:
        body = call.object()
        for name in body:
            if name not in ("index", "shard", "primary", "current_node"):
                raise failure(400, "x_content_parse_exception", f"[1:2] [allocation_explain] unknown field [{name}]")
        if not body:
            found = next((one for one in self._house.indices.all() if one.is_open and one.replicas), None)
            if found is None:
                raise illegal(
                    "There are no unassigned shards in this cluster. Specify an assigned shard in the request body to "
                    "explain its allocation."
                )
            note = (
                "No shard was specified in the explain API request, so this response explains a randomly chosen "
                "unassigned shard. There may be other unassigned shards in this cluster which cannot be assigned for "
                "different reasons."
            )
            return Reply({"note": note, **self._unassigned(found, 0)})
        missing = [name for name in ("index", "shard", "primary") if name not in body]
        if missing:
            listed = " ".join(f"{at}: {name} must be specified;" for at, name in enumerate(missing, 1))
            raise failure(400, "action_request_validation_exception", f"Validation Failed: {listed}")
        index = self._house.indices.get(str(body["index"]))
        if index is None:
            raise no_such_index(str(body["index"]))
        number = int(body["shard"])
        if not 0 <= number < index.shards:
            raise failure(404, "shard_not_found_exception", "no such shard", index=index.name, shard=str(number))
        if body["primary"] in (True, "true"):
            return Reply(self._assigned(index, number))
        if not index.replicas:
            raise illegal(f"unable to find a replica shard for [{index.name}][{number}]")
        return Reply(self._unassigned(index, number))

    def _unassigned(self, index: Index, number: int) -> Object:
        why = f"a copy of this shard is already allocated to this node [[{index.name}][{number}], node[_only], [P]]"
        return {
            "index": index.name,
            "shard": number,
            "primary": False,
            "current_state": "unassigned",
            "unassigned_info": {"reason": "INDEX_CREATED", "last_allocation_status": "no_attempt"},
            "can_allocate": "no",
            "allocate_explanation": (
                "Elasticsearch isn't allowed to allocate this shard to any of the nodes in the cluster."
            ),
            "node_allocation_decisions": [
                {
                    "node_id": self._house.node_id,
                    "node_name": self._house.site.node_name,
                    "transport_address": ADDRESS,
                    "roles": ["data", "ingest", "master"],
                    "node_decision": "no",
                    "deciders": [{"decider": "same_shard", "decision": "NO", "explanation": why}],
                }
            ],
        }

    def _assigned(self, index: Index, number: int) -> Object:
        return {
            "index": index.name,
            "shard": number,
            "primary": True,
            "current_state": "started",
            "current_node": {
                "id": self._house.node_id,
                "name": self._house.site.node_name,
                "transport_address": ADDRESS,
            },
            "can_remain_on_current_node": "yes",
            "can_rebalance_cluster": "no",
            "can_rebalance_to_other_node": "no",
            "rebalance_explanation": (
                "Elasticsearch cannot rebalance this shard to another node as there is no other node."
            ),
        }

    async def reroute(self, call: Call) -> Reply:
        """No command can be carried out on one node; without commands nothing is left to do."""
        commands = call.object().get("commands") or []
        explanations = []
        for command in commands:
            kind, given = next(iter(command.items()))
            why = f"[{kind}] cannot be carried out: there is no other node that could hold the shard"
            if not call.flag("explain"):
                raise illegal(why)
            decision = {"decider": f"{kind}_allocation_command", "decision": "NO", "explanation": why}
            explanations.append({"command": kind, "parameters": given, "decisions": [decision]})
        told: Object = {"acknowledged": True}
        metric = call.arg("metric")
        if metric != "none":
            told["state"] = (await self._cluster.state(call)).value
            if metric:
                kept = {"cluster_uuid", "state_uuid", "version", *metric.split(",")}
                told["state"] = {name: one for name, one in told["state"].items() if name in kept or "_all" in kept}
        if call.flag("explain"):
            told["explanations"] = explanations
        return Reply(told)

    async def exclude(self, call: Call) -> Reply:
        """Nodes that are not here are noted; the one that is here cannot leave the vote."""
        names = [one for one in call.arg("node_names").split(",") if one]
        ids = [one for one in call.arg("node_ids").split(",") if one]
        if bool(names) == bool(ids):
            raise illegal("You must set [node_names] or [node_ids] but not both")
        if self._house.site.node_name in names or self._house.node_id in ids:
            reason = "timed out waiting for voting config exclusions to take effect: this node is the only one"
            raise failure(503, "timeout_exception", reason)
        shelf = self._house.shelves.of(SETTINGS)
        there: list[Object] = list((shelf.get(VOTING) or {}).get("exclusions") or [])
        added = [{"node_id": "_absent_", "node_name": one} for one in names]
        added += [{"node_id": one, "node_name": "_absent_"} for one in ids]
        told = [*there, *(one for one in added if one not in there)]
        if len(told) > EXCLUSIONS_MAX:
            raise illegal(
                f"add voting config exclusions request for {names or ids} would exceed the maximum of "
                f"[cluster.max_voting_config_exclusions] {EXCLUSIONS_MAX}"
            )
        await shelf.put(VOTING, {"exclusions": told})
        return Reply(None)

    async def include(self, call: Call) -> Reply:
        await self._house.shelves.of(SETTINGS).put(VOTING, {"exclusions": []})
        return Reply(None)

    async def resolve(self, call: Call) -> Reply:
        told: Object = {"connected": True, "skip_unavailable": False}
        if call.part("index"):
            try:
                told["matching_indices"] = bool(self._house.find(call, default=EVERYTHING))
            except MaruError as error:
                told = {"connected": True, "skip_unavailable": False, "error": error.what}
        told["version"] = {
            "number": VERSION,
            "build_flavor": "default",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        }
        return Reply({"(local)": told})

    def _node(self) -> Object:
        return {
            "name": self._house.site.node_name,
            "ephemeral_id": self._house.node_id,
            "transport_address": ADDRESS,
            "attributes": {},
            "roles": ["data", "ingest", "master"],
        }
