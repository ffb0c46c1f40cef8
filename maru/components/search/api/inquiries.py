"""Questions about searches: _count, _validate, _explain, _field_caps, _search_shards.

Source: Elasticsearch reference, "Search APIs".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fnmatch import fnmatchcase

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House, shards_of
from maru.components.search.api.searches import lucene_text, with_parameters
from maru.components.search.engine.queries.compiling import compile_query
from maru.components.search.engine.queries.context import Context
from maru.components.search.engine.searching.executing import Search, all_shards_failed
from maru.components.search.engine.searching.hits import explanation, source_filter
from maru.components.search.engine.searching.request import parse_request
from maru.components.search.engine.searching.rows import places_of
from maru.components.search.errors import failure, parsing
from maru.components.search.model.mapping.extract import filtered
from maru.components.search.model.mapping.fields import family_of
from maru.core.errors import MaruError, NotSupported
from maru.wire.elastic.json import Object


class InquiryApi:
    """The edges of questions."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        pairs = (
            ("_count", self.count),
            ("_validate/query", self.validate),
            ("_field_caps", self.field_caps),
            ("_search_shards", self.search_shards),
        )
        return [
            *(Route("GET POST", f"{start}/{name}", action) for name, action in pairs for start in ("", "/{index}")),
            Route("GET POST", "/{index}/_explain/{id}", self.explain),
        ]

    async def count(self, call: Call) -> Reply:
        body = call.object()
        for name in body:
            if name != "query":
                raise parsing(f"request does not support [{name}]")
        request = parse_request(with_parameters(call, body))
        named = self._house.find(call)
        targets = await self._house.indices.targets(named, call.arg("routing"))
        search = Search(targets, request, self._house.around())
        try:
            count = await asyncio.to_thread(search.count_blocking)
        except MaruError as error:
            if error.details.get("facts", {}).get("is_of_shard"):
                raise all_shards_failed(error, "query", targets[0].name) from error
            raise
        return Reply({"count": count, "_shards": shards_of(sum(one.index.shards for one in named))})

    async def validate(self, call: Call) -> Reply:
        body = call.object()
        for name in body:
            if name != "query":
                raise parsing(f"request does not support [{name}]")
        named = self._house.find(call)
        targets = await self._house.indices.targets(named)
        query = with_parameters(call, body).get("query")
        around = self._house.around()
        told: Object = {"_shards": {"total": 1, "successful": 1, "failed": 0}, "valid": True}
        shown = []
        for target in targets:
            place = places_of([target])[0]
            context = Context(place, around.now, compile_query, around.docs_max, around.other)
            try:
                compiled = context.compile(query) if query is not None else context.everything()
                shown.append({"index": target.name, "valid": True, "explanation": lucene_text(query, compiled)})
            except MaruError as error:
                if isinstance(error, NotSupported):
                    raise
                told["valid"] = False
                shown.append({"index": target.name, "valid": False, "error": f"[{target.name}] {error.what}"})
                if not error.details.get("facts", {}).get("is_of_shard"):
                    told["error"] = error.what
        if call.flag("explain") or call.flag("rewrite"):
            told["explanations"] = shown
        return Reply(told)

    async def explain(self, call: Call) -> Reply:
        named = self._house.find(call)
        targets = await self._house.indices.targets(named)
        body = call.object()
        for name in body:
            if name != "query":
                raise parsing(f"Unknown key for a VALUE_STRING in [{name}].")
        query = with_parameters(call, body).get("query")
        if query is None:
            raise failure(400, "action_request_validation_exception", "Validation Failed: 1: query is missing;")
        doc_id = call.part("id")
        request = parse_request({"query": {"bool": {"must": [query], "filter": [{"ids": {"values": [doc_id]}}]}}})
        search = Search(targets, request, self._house.around())
        lone = Search(targets, parse_request({"query": {"ids": {"values": [doc_id]}}}), self._house.around())
        try:
            rows = await asyncio.to_thread(search.rows_blocking, 1)
            there = await asyncio.to_thread(lone.rows_blocking, 1)
        except MaruError as error:
            if error.details.get("facts", {}).get("is_of_shard"):
                raise all_shards_failed(error, "query", targets[0].name) from error
            raise
        told: Object = {"_index": targets[0].name, "_id": doc_id, "matched": bool(rows)}
        if not there:
            return Reply({**told, "matched": False}, 404)
        context = next(one for one in lone.contexts if one.place.order == there[0].place.order)
        if rows:
            told["explanation"] = explanation(context, query, rows[0])
        else:
            told["explanation"] = {"value": 0.0, "description": "no matching term", "details": []}
        if call.has("_source") or call.has("_source_includes") or call.has("_source_excludes"):
            is_shown, includes, excludes = source_filter(call.arg("_source", "true"))
            includes = call.arg("_source_includes").split(",") if call.has("_source_includes") else includes
            excludes = call.arg("_source_excludes").split(",") if call.has("_source_excludes") else excludes
            if is_shown:
                record = there[0].record
                told["get"] = {
                    "_seq_no": record.seq,
                    "_primary_term": record.term,
                    "found": True,
                    "_source": filtered(there[0].source, includes, excludes),
                }
        return Reply(told)

    async def field_caps(self, call: Call) -> Reply:
        body = call.object()
        given = body.get("fields") or [one for one in call.arg("fields").split(",") if one]
        if not given:
            raise failure(400, "action_request_validation_exception", "Validation Failed: 1: no fields specified;")
        named = self._house.find(call)
        if body.get("index_filter"):
            targets = await self._house.indices.targets(named)
            kept = []
            for one, target in zip(named, targets, strict=True):
                search = Search([target], parse_request({"query": body["index_filter"]}), self._house.around())
                if await asyncio.to_thread(search.count_blocking):
                    kept.append(one)
            named = kept
        names = [one.index.name for one in named]
        found: dict[str, dict[str, list[str]]] = {}
        facts: dict[tuple[str, str], tuple[bool, bool]] = {}
        for one in named:
            mapping = one.index.mapping
            for pattern in given:
                for path, known in mapping.matching(str(pattern)):
                    kind = known.kind
                    found.setdefault(path, {}).setdefault(kind, []).append(one.index.name)
                    facts[path, kind] = (known.is_indexed, known.has_values and family_of(kind) != "stored")
                for path, node in mapping.objects.items():
                    if fnmatchcase(path, str(pattern)):
                        kind = "nested" if node.nested == path else "object"
                        found.setdefault(path, {}).setdefault(kind, []).append(one.index.name)
                        facts[path, kind] = (False, False)
        if call.flag("include_unmapped") or body.get("include_unmapped"):
            for kinds in found.values():
                rest = [name for name in names if not any(name in holders for holders in kinds.values())]
                if rest:
                    kinds["unmapped"] = rest
        fields: Object = {}
        for path in sorted(found):
            fields[path] = {}
            for kind, holders in found[path].items():
                is_searchable, is_aggregatable = facts.get((path, kind), (False, False))
                entry: Object = {
                    "type": kind,
                    "metadata_field": False,
                    "searchable": is_searchable,
                    "aggregatable": is_aggregatable,
                }
                if len(found[path]) > 1:
                    entry["indices"] = holders
                fields[path][kind] = entry
        return Reply({"indices": names, "fields": fields})

    async def search_shards(self, call: Call) -> Reply:
        named = self._house.find(call)
        node = self._house.node_id
        shards = [
            [
                {
                    "state": "STARTED",
                    "primary": True,
                    "node": node,
                    "relocating_node": None,
                    "shard": number,
                    "index": one.index.name,
                    "allocation_id": {"id": one.index.uuid},
                }
            ]
            for one in named
            for number in range(one.index.shards)
        ]
        indices: Object = {}
        for one in named:
            entry: Object = {}
            if one.aliases and not one.is_direct:
                entry["aliases"] = one.aliases
                only = [one.index.aliases[alias].get("filter") for alias in one.aliases]
                if all(only):
                    entry["filter"] = only[0] if len(only) == 1 else {"bool": {"should": only}}
            indices[one.index.name] = entry
        return Reply(
            {
                "nodes": {
                    node: {
                        "name": self._house.site.node_name,
                        "ephemeral_id": node,
                        "transport_address": "127.0.0.1:9300",
                        "attributes": {},
                        "roles": ["data", "ingest", "master"],
                    }
                },
                "indices": indices,
                "shards": shards,
            }
        )
