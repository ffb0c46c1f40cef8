"""Statistics of indices: _stats and _segments.

Source: Elasticsearch reference, "Index stats API", "Index segments API".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.figures import figures_of, status_of_index
from maru.components.search.api.house import House
from maru.components.search.api.stat_shape import summed
from maru.components.search.controllers.indices import Choice
from maru.components.search.errors import illegal
from maru.components.search.model.version import LUCENE
from maru.wire.elastic.json import Object


class StatisticsApi:
    """The edges of statistics."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/_stats", self.index_stats),
            Route("GET", "/_stats/{metric}", self.index_stats),
            Route("GET", "/{index}/_stats", self.index_stats),
            Route("GET", "/{index}/_stats/{metric}", self.index_stats),
            Route("GET", "/_segments", self.segments),
            Route("GET", "/{index}/_segments", self.segments),
        ]

    async def index_stats(self, call: Call) -> Reply:
        named = self._house.find(
            call, default=Choice(expand=frozenset({"open", "hidden"} if not call.part("index") else {"open"}))
        )
        metrics = [one for one in call.part("metric").split(",") if one and one != "_all"]
        unknown = [one for one in metrics if one not in METRICS and one != "suggest"]
        if unknown:
            raise illegal(f"request [{call.request.path}] contains unrecognized metric: [{unknown[0]}]")
        told: Object = {}
        figures = []
        for one in named:
            numbers = await figures_of(one.index)
            figures.append(numbers)
            stat = reduced(summed([numbers]), metrics)
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
        total = reduced(summed(figures), metrics)
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


METRICS = (
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


def reduced(stat: Object, metrics: Sequence[str]) -> Object:
    """Only the groups that were asked for; all for none."""
    if not metrics:
        return stat
    wanted = {"merge": "merges"}
    return {name: stat[name] for name in (wanted.get(one, one) for one in metrics) if name in stat}
