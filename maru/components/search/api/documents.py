"""Documents one by one and in bulk: index, create, get, update, delete, mget, bulk.

Source: Elasticsearch reference, "Document APIs".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House, written_shards
from maru.components.search.controllers.index import Index
from maru.components.search.controllers.outcomes import Outcome, Write
from maru.components.search.engine.operations import Stored
from maru.components.search.engine.partition import count_of
from maru.components.search.engine.searching.hits import source_filter
from maru.components.search.engine.searching.rows import field_values
from maru.components.search.errors import body_of, failure, illegal, parsing, status_of
from maru.components.search.model.mapping.extract import filtered
from maru.core.errors import MaruError
from maru.wire.elastic.bulk import Item, items
from maru.wire.elastic.json import BodyError, Json, Object, as_text, decode


class DocumentApi:
    """The edges of documents."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("PUT POST", "/{index}/_doc/{id}", self.index),
            Route("POST", "/{index}/_doc", self.index),
            Route("PUT POST", "/{index}/_create/{id}", self.create),
            Route("GET", "/{index}/_doc/{id}", self.get),
            Route("GET", "/{index}/_source/{id}", self.source),
            Route("DELETE", "/{index}/_doc/{id}", self.delete),
            Route("POST", "/{index}/_update/{id}", self.update),
            Route("GET POST", "/_mget", self.mget),
            Route("GET POST", "/{index}/_mget", self.mget),
            Route("PUT POST", "/_bulk", self.bulk),
            Route("PUT POST", "/{index}/_bulk", self.bulk),
        ]

    async def index(self, call: Call) -> Reply:
        kind = call.arg("op_type", "index")
        if kind not in ("index", "create"):
            raise illegal(f"opType must be 'create' or 'index', found: [{kind}]")
        if not call.part("id"):
            kind = "create"
        return await self._put(call, kind)

    async def create(self, call: Call) -> Reply:
        return await self._put(call, "create")

    async def _put(self, call: Call, kind: str) -> Reply:
        if not call.body.strip():
            raise failure(400, "action_request_validation_exception", "Validation Failed: 1: source is missing;")
        write = _write(call, kind)
        write.source = call.body.strip()
        outcome = await self._house.writing.one(write, _refresh(call))
        status = 201 if outcome.written is not None and outcome.written.result == "created" else 200
        headers = (
            {"Location": f"/{outcome.index}/_doc/{outcome.written.id}"} if status == 201 and outcome.written else {}
        )
        return Reply(self._told(outcome), status, headers)

    async def delete(self, call: Call) -> Reply:
        outcome = await self._house.writing.one(_write(call, "delete"), _refresh(call))
        assert outcome.written is not None
        return Reply(self._told(outcome), 404 if outcome.written.result == "not_found" else 200)

    async def update(self, call: Call) -> Reply:
        write = _write(call, "update")
        body = call.needs_body()
        if "if_seq_no" in body:
            write.if_seq, write.if_term = int(body["if_seq_no"]), int(body.get("if_primary_term", 0))
        write.source = call.body
        write.retries = call.number("retry_on_conflict", 0)
        outcome = await self._house.writing.one(write, _refresh(call))
        told = self._told(outcome)
        wanted = body.get("_source", call.arg("_source") or None)
        if call.has("_source_includes") or call.has("_source_excludes"):
            wanted = {
                "includes": call.arg("_source_includes").split(",") if call.has("_source_includes") else [],
                "excludes": call.arg("_source_excludes").split(",") if call.has("_source_excludes") else [],
            }
        got = _updated_source(outcome, wanted)
        if got is not None:
            told["get"] = got
        assert outcome.written is not None
        return Reply(told, 201 if outcome.written.result == "created" else 200)

    async def get(self, call: Call) -> Reply:
        index, stored = await self.stored(call, call.part("index"), call.part("id"))
        if stored is None:
            return Reply({"_index": index.name, "_id": call.part("id"), "found": False}, 404)
        _check_version(call, index, stored)
        return Reply(_document(index, stored, _source_of(call), call.arg("stored_fields")))

    async def source(self, call: Call) -> Reply:
        index, stored = await self.stored(call, call.part("index"), call.part("id"))
        if stored is None or not index.mapping.keeps_source:
            reason = (
                f"Document not found [{index.name}]/[{call.part('id')}]"
                if stored is None
                else f"Source not found [{index.name}]/[{call.part('id')}]"
            )
            raise failure(404, "resource_not_found_exception", reason)
        _check_version(call, index, stored)
        _, includes, excludes = _source_of(call)
        return Reply(filtered(decode(stored.source), includes, excludes))

    async def mget(self, call: Call) -> Reply:
        body = call.needs_body()
        if "docs" not in body and "ids" not in body:
            raise failure(400, "action_request_validation_exception", "Validation Failed: 1: no documents to get;")
        for name in body:
            if name not in ("docs", "ids"):
                raise parsing(f"unknown key [{name}] for a START_ARRAY, expected [docs] or [ids]")
        wanted: list[Object] = [{"_id": one} for one in body["ids"]] if "ids" in body else body["docs"]
        if not wanted:
            raise failure(400, "action_request_validation_exception", "Validation Failed: 1: no documents to get;")
        problems: list[str] = []
        for one in wanted:
            if not one.get("_index", call.part("index")):
                problems.append("index is missing")
            if one.get("_id") is None:
                problems.append("id is missing")
        if problems:
            shown = "".join(f" {number}: {problem} for doc {number - 1};" for number, problem in enumerate(problems, 1))
            raise failure(400, "action_request_validation_exception", f"Validation Failed:{shown}")
        docs: list[Object] = []
        for one in wanted:
            name, doc_id = str(one.get("_index", call.part("index"))), as_text(one["_id"])
            try:
                index, stored = await self.stored(
                    call, name, doc_id, routing=as_text(one.get("routing", one.get("_routing", call.arg("routing"))))
                )
            except MaruError as error:
                inner = body_of(error)
                docs.append(
                    {
                        "_index": name,
                        "_id": doc_id,
                        "error": {
                            "root_cause": [{key: value for key, value in inner.items() if key != "caused_by"}],
                            **inner,
                        },
                    }
                )
                continue
            if stored is None:
                docs.append({"_index": index.name, "_id": doc_id, "found": False})
                continue
            asked = source_filter(one["_source"]) if "_source" in one else _source_of(call)
            fields = one.get("stored_fields", call.arg("stored_fields"))
            docs.append(
                _document(index, stored, asked, ",".join(fields) if isinstance(fields, list) else str(fields or ""))
            )
        return Reply({"docs": docs})

    async def bulk(self, call: Call) -> Reply:
        began_s = self._house.clock.monotonic_s()
        try:
            parsed = list(items(call.body))
        except BodyError as error:
            raise failure(400, error.kind, error.reason) from error
        common = Write(
            "",
            call.part("index"),
            routing=call.arg("routing"),
            pipeline=call.arg("pipeline"),
            require_alias=call.flag("require_alias"),
            returns=call.arg("_source") or None,
        )
        writes = [_item_write(item, common) for item in parsed]
        problems: list[str] = []
        for write in writes:
            if not write.target:
                problems.append(f" {len(problems) + 1}: index is missing;")
            if not write.id and write.kind in ("delete", "update"):
                problems.append(f" {len(problems) + 1}: id is missing;")
        if problems:
            raise failure(400, "action_request_validation_exception", f"Validation Failed:{''.join(problems)}")
        outcomes = await self._house.writing.many(writes, _refresh(call))
        shards = self._shards(outcomes)
        is_asked = not call.has("filter_path") or "items" in call.arg("filter_path") or "*" in call.arg("filter_path")
        told = [self._item(outcome, shards) for outcome in outcomes] if is_asked else []
        took = int((self._house.clock.monotonic_s() - began_s) * 1000)
        errors = any(outcome.error is not None for outcome in outcomes)
        return Reply({"errors": errors, "took": took, "items": told})

    def _shards(self, outcomes: Sequence[Outcome]) -> Object:
        """What `_shards` says of a write, by index."""
        told: Object = {}
        for name in {outcome.index for outcome in outcomes}:
            index = self._house.indices.get(name)
            told[name] = written_shards(index.replicas if index is not None else 1)
        return told

    def _item(self, outcome: Outcome, shards: Object) -> Object:
        write = outcome.write
        if outcome.error is not None:
            body = body_of(outcome.error)
            body.pop("root_cause", None)
            return {
                write.kind: {
                    "_index": outcome.index,
                    "_id": write.id or None,
                    "status": status_of(outcome.error),
                    "error": body,
                }
            }
        told = self._told(outcome, shards)
        assert outcome.written is not None
        told["status"] = _STATUSES.get(outcome.written.result, 200)
        if write.kind == "update" and write.returns is not None:
            got = _updated_source(outcome, write.returns)
            if got is not None:
                told["get"] = got
        return {write.kind: told}

    def _told(self, outcome: Outcome, shards: Object | None = None) -> Object:
        written = outcome.written
        assert written is not None
        if written.seq == -2:
            return {
                "_index": outcome.index,
                "_id": written.id or None,
                "_version": -3,
                "result": "noop",
                "_shards": {"total": 0, "successful": 0, "failed": 0},
            }
        told: Object = {
            "_index": outcome.index,
            "_id": written.id,
            "_version": written.version,
            "result": written.result,
        }
        if outcome.refreshed:
            told["forced_refresh"] = True
        told["_shards"] = (
            (shards or self._shards([outcome]))[outcome.index]
            if written.result != "noop"
            else {"total": 0, "successful": 0, "failed": 0}
        )
        told["_seq_no"], told["_primary_term"] = written.seq, written.term
        return told

    async def stored(self, call: Call, name: str, doc_id: str, *, routing: str = "") -> tuple[Index, Stored | None]:
        index = self._house.indices.one(name)
        if not index.is_open:
            raise failure(400, "index_closed_exception", "closed", index_uuid=index.uuid, index=index.name)
        routing = routing or call.arg("routing")
        if index.mapping.needs_routing and not routing:
            raise failure(
                400,
                "routing_missing_exception",
                f"routing is required for [{index.name}]/[{doc_id}]",
                index_uuid=index.uuid,
                index=index.name,
            )
        if call.flag("refresh"):
            await self._house.writing.refresh(index)
        shard = await index.engine()
        if not call.flag("realtime", default=True):
            from maru.components.search.engine.searching.rows import Target, places_of

            for place in places_of([Target(index.name, index.mapping, shard.snapshot())]):
                import tantivy

                query = tantivy.Query.term_query(place.partition.schema, "_id", doc_id)
                if count_of(place.searcher, query):
                    return index, await asyncio.to_thread(shard.get_blocking, doc_id)
            return index, None
        stored = await asyncio.to_thread(shard.get_blocking, doc_id)
        if stored is not None and routing and stored.routing != routing and index.shards > 1 and stored.routing:
            return index, None
        return index, stored


_STATUSES = {"created": 201, "not_found": 404}


def _item_write(item: Item, common: Write) -> Write:
    """common: what the request says for all. Raises illegal_argument_exception."""
    head = item.head
    if not head:
        return Write(
            item.kind,
            common.target,
            source=item.source,
            routing=common.routing,
            pipeline=common.pipeline,
            require_alias=common.require_alias,
            returns=common.returns,
        )
    if item.kind == "create" and head.get("_id") == "":
        raise illegal("if _id is specified it must not be empty")
    return Write(
        item.kind,
        str(head.get("_index") or common.target),
        as_text(head["_id"]) if head.get("_id") is not None else "",
        item.source,
        as_text(head.get("routing", head.get("_routing", common.routing)) or ""),
        int(head.get("if_seq_no", -1)),
        int(head.get("if_primary_term", 0)),
        int(head.get("version", head.get("_version", -1)) or -1),
        str(head.get("version_type", head.get("_version_type", "internal"))),
        str(head.get("pipeline", common.pipeline)),
        require_alias=bool(head.get("require_alias", common.require_alias)),
        returns=head.get("_source", common.returns),
    )


def _write(call: Call, kind: str) -> Write:
    if kind == "create" and call.has("version_type") and call.arg("version_type") != "internal":
        pass
    return Write(
        kind,
        call.part("index"),
        call.part("id"),
        routing=call.arg("routing"),
        if_seq=call.number("if_seq_no", -1),
        if_term=call.number("if_primary_term", 0),
        version=call.number("version", -1),
        version_type=call.arg("version_type", "internal"),
        pipeline=call.arg("pipeline"),
        require_alias=call.flag("require_alias"),
    )


def _refresh(call: Call) -> str:
    if not call.has("refresh"):
        return "false"
    value = call.arg("refresh") or "true"
    if value not in ("true", "false", "wait_for"):
        raise illegal(f"Unknown value for refresh: [{value}].")
    return value


def _source_of(call: Call) -> tuple[bool, list[str], list[str]]:
    includes = call.arg("_source_includes", call.arg("_source_include"))
    excludes = call.arg("_source_excludes", call.arg("_source_exclude"))
    given = call.arg("_source")
    is_shown = given != "false"
    names = includes.split(",") if includes else given.split(",") if given not in ("", "true", "false") else []
    if call.has("stored_fields") and not call.has("_source"):
        is_shown = "_source" in call.arg("stored_fields").split(",")
    return is_shown, names, excludes.split(",") if excludes else []


def _document(
    index: Index, stored: Stored, asked: tuple[bool, list[str], list[str]], stored_fields: str = ""
) -> Object:
    told: Object = {
        "_index": index.name,
        "_id": stored.id,
        "_version": stored.version,
        "_seq_no": stored.seq,
        "_primary_term": stored.term,
    }
    if stored.routing:
        told["_routing"] = stored.routing
    told["found"] = True
    is_shown, includes, excludes = asked
    mapping = index.mapping
    if is_shown and mapping.keeps_source:
        source = filtered(decode(stored.source), list(mapping.source_includes), list(mapping.source_excludes))
        told["_source"] = filtered(source, includes, excludes)
    fields: Object = {}
    for name in filter(None, stored_fields.split(",")):
        known = mapping.find(name)
        if known is not None and known.params.get("store") in (True, "true"):
            values: list[Json] = field_values(known, decode(stored.source))
            if values:
                fields[name] = values
    if fields:
        told["fields"] = fields
    return told


def _check_version(call: Call, index: Index, stored: Stored) -> None:
    wanted = call.number("version", -1)
    kind = call.arg("version_type", "internal")
    if wanted < 0:
        return
    is_right = {
        "internal": stored.version == wanted,
        "external": stored.version == wanted,
        "external_gte": stored.version <= wanted,
    }.get(kind, False)
    if not is_right:
        raise failure(
            409,
            "version_conflict_engine_exception",
            (
                f"[{stored.id}]: version conflict, current version [{stored.version}] is different than the one "
                f"provided [{wanted}]"
            ),
            index_uuid=index.uuid,
            shard="0",
            index=index.name,
        )


def _updated_source(outcome: Outcome, wanted: Json) -> Object | None:
    if wanted in (None, False, "false") or outcome.written is None:
        return None
    _, includes, excludes = source_filter(wanted)
    source = filtered(decode(outcome.source), includes, excludes)
    return {"_seq_no": outcome.written.seq, "_primary_term": outcome.written.term, "found": True, "_source": source}
