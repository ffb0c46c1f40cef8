"""Reindex, update by query, delete by query.

They are answered when they are done, or with `wait_for_completion=false` at once, by a task.
Source: Elasticsearch reference, "Reindex API", "Update By Query API", "Delete By Query API".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.controllers.copying import BATCH, Tally, apply, batches
from maru.components.search.controllers.indices import Named
from maru.components.search.controllers.outcomes import Write
from maru.components.search.engine.operations import PRIMARY_TERM
from maru.components.search.engine.searching.executing import all_shards_failed
from maru.components.search.engine.searching.hits import source_filter
from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import failure, illegal, unsupported
from maru.components.search.model.mapping.extract import filtered
from maru.core.errors import MaruError
from maru.wire.elastic.json import Json, Object, encode


class CopyApi:
    """The edges that walk many documents."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("POST", "/_reindex", self.reindex),
            Route("POST", "/{index}/_update_by_query", self.update),
            Route("POST", "/{index}/_delete_by_query", self.delete),
        ]

    async def reindex(self, call: Call) -> Reply:
        body = call.needs_body()
        source, target = body.get("source") or {}, body.get("dest") or {}
        for name in body:
            if name not in ("source", "dest", "conflicts", "max_docs", "size", "script"):
                raise failure(400, "x_content_parse_exception", f"[1:2] [reindex] unknown field [{name}]")
        if not source.get("index"):
            raise _invalid("use _all if you really want to copy from all existing indexes")
        if not target.get("index"):
            raise _invalid("index is missing")
        if "remote" in source:
            raise unsupported("reindexing from a remote cluster")
        if "script" in body:
            raise unsupported("a script in reindex")
        given = source["index"]
        named = self._house.find(call, expression=",".join(given) if isinstance(given, list) else str(given))
        if any(one.index.name == target["index"] for one in named):
            raise _invalid("reindex cannot write into an index its reading from [" + str(target["index"]) + "]")
        is_shown, includes, excludes = source_filter(source.get("_source"))
        kind = str(target.get("op_type", "index"))
        if kind not in ("index", "create"):
            raise illegal(f"opType must be 'create' or 'index', found: [{kind}]")
        routing = str(target.get("routing", "keep"))

        def make(row: Row) -> Write:
            record = row.record
            raw = (
                record.source
                if is_shown and not includes and not excludes
                else encode(filtered(row.source, includes, excludes))
            )
            kept = record.routing if routing == "keep" else "" if routing == "discard" else routing.removeprefix("=")
            write = Write(kind, str(target["index"]), record.id, raw, kept, pipeline=str(target.get("pipeline", "")))
            if str(target.get("version_type", "internal")) != "internal":
                write.version, write.version_type = record.version, str(target["version_type"])
            return write

        most = call.number("max_docs", int(body.get("max_docs", body.get("size", -1)) or -1))
        return await self._walk(
            call,
            named,
            source.get("query"),
            (make, most, body.get("conflicts", "abort"), int(source.get("size", BATCH))),
        )

    async def update(self, call: Call) -> Reply:
        body = call.object()
        if "script" in body:
            raise unsupported("a script in update_by_query")
        named = self._house.find(call)

        def make(row: Row) -> Write:
            record = row.record
            return Write(
                "index",
                row.index,
                record.id,
                record.source,
                record.routing,
                record.seq,
                PRIMARY_TERM,
                pipeline=call.arg("pipeline"),
            )

        return await self._walk(
            call,
            named,
            body.get("query"),
            (
                make,
                call.number("max_docs", int(body.get("max_docs", -1))),
                body.get("conflicts", call.arg("conflicts", "abort")),
                call.number("scroll_size", BATCH),
            ),
        )

    async def delete(self, call: Call) -> Reply:
        body = call.object()
        if "query" not in body and not call.has("q"):
            raise _invalid("query is missing")
        named = self._house.find(call)

        def make(row: Row) -> Write:
            record = row.record
            return Write("delete", row.index, record.id, b"", record.routing, record.seq, PRIMARY_TERM)

        query = body.get("query") if "query" in body else {"query_string": {"query": call.arg("q")}}
        return await self._walk(
            call,
            named,
            query,
            (
                make,
                call.number("max_docs", int(body.get("max_docs", -1))),
                body.get("conflicts", call.arg("conflicts", "abort")),
                call.number("scroll_size", BATCH),
            ),
        )

    async def _walk(
        self, call: Call, named: Sequence[Named], query: Json, how: tuple[Callable[[Row], Write], int, str, int]
    ) -> Reply:
        if how[2] not in ("abort", "proceed"):
            raise illegal(f'conflicts may only be "proceed" or "abort" but was [{how[2]}]')
        if call.flag("wait_for_completion", default=True):
            told = await self._walked(call, named, query, how)
            statuses = {one["status"] for one in told["failures"]}
            return Reply(told, 409 if 409 in statuses else 400 if statuses else 200)
        kind = {"_reindex": "reindex", "_update_by_query": "update/byquery", "_delete_by_query": "delete/byquery"}
        names = ", ".join(one.index.name for one in named)
        action = kind[call.request.path.rpartition("/")[2]]
        job = self._house.jobs.start(
            f"indices:data/write/{action}", f"{action} [{names}]", self._walked(call, named, query, how)
        )
        return Reply({"task": f"{self._house.node_id}:{job.number}"})

    async def _walked(
        self, call: Call, named: Sequence[Named], query: Json, how: tuple[Callable[[Row], Write], int, str, int]
    ) -> Object:
        make, most, conflicts, size = how
        began_s = self._house.clock.monotonic_s()
        targets = await self._house.indices.targets(named)
        tally = Tally()
        rows = batches(targets, query, self._house.around(), most, size)
        try:
            await apply(self._house.writing, rows, make, tally, goes_on=conflicts == "proceed")
        except MaruError as error:
            if error.details.get("facts", {}).get("is_of_shard"):
                raise all_shards_failed(error, "query", targets[0].name) from error
            raise
        if call.flag("refresh"):
            for one in [
                index for index in self._house.indices.all() if index.shard is not None and index.shard.is_dirty
            ]:
                await self._house.writing.refresh(one)
        took = int((self._house.clock.monotonic_s() - began_s) * 1000)
        kind = call.request.path.rpartition("/")[2]
        total = (
            tally.created
            + tally.updated
            + tally.deleted
            + tally.conflicts
            + tally.noops
            + len(tally.failures)
            - (len(tally.failures) if tally.conflicts else 0)
        )
        told: Object = {"took": took, "timed_out": False, "total": total}
        if kind != "_delete_by_query":
            told["updated"] = tally.updated
        if kind == "_reindex":
            told["created"] = tally.created
        told |= {
            "deleted": tally.deleted,
            "batches": tally.batches,
            "version_conflicts": tally.conflicts,
            "noops": tally.noops,
            "retries": {"bulk": 0, "search": 0},
            "throttled_millis": 0,
            "requests_per_second": -1.0,
            "throttled_until_millis": 0,
            "failures": tally.failures,
        }
        return told


def _invalid(reason: str) -> MaruError:
    return failure(400, "action_request_validation_exception", f"Validation Failed: 1: {reason};")
