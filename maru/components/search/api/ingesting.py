"""Ingest pipelines and stored scripts.

Source: Elasticsearch reference, "Ingest APIs", "Stored script APIs".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.api.templating import named_in
from maru.components.search.errors import failure, illegal, missing
from maru.components.search.model.definitions import PIPELINES, SCRIPTS
from maru.components.search.model.ingest.documents import Dropped, ProcessorFault
from maru.components.search.model.ingest.pipelines import compiled
from maru.core.errors import MaruError
from maru.wire.elastic.dates import iso
from maru.wire.elastic.json import Object


class IngestApi:
    """The edges of pipelines."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("PUT", "/_ingest/pipeline/{name}", self.put_pipeline),
            Route("GET", "/_ingest/pipeline", self.get_pipeline),
            Route("GET", "/_ingest/pipeline/{name}", self.get_pipeline),
            Route("DELETE", "/_ingest/pipeline/{name}", self.delete_pipeline),
            Route("GET POST", "/_ingest/pipeline/_simulate", self.simulate),
            Route("GET POST", "/_ingest/pipeline/{name}/_simulate", self.simulate),
            Route("GET", "/_ingest/processor/grok", self.grok),
            Route("PUT POST", "/_scripts/{name}", self.put_script),
            Route("GET", "/_scripts/{name}", self.get_script),
            Route("DELETE", "/_scripts/{name}", self.delete_script),
        ]

    async def put_pipeline(self, call: Call) -> Reply:
        body = call.needs_body()
        compiled(body)
        if body.get("on_failure"):
            compiled({"processors": body["on_failure"]})
        await self._house.shelves.of(PIPELINES).put(call.part("name"), body)
        return Reply({"acknowledged": True})

    async def get_pipeline(self, call: Call) -> Reply:
        found = named_in(self._house.shelves.of(PIPELINES), call.part("name"))
        told = {
            name: ({key: value for key, value in spec.items() if key != "name"} if not call.flag("summary") else {})
            for name, spec in found.items()
        }
        return Reply(told, 404 if not told and call.part("name") and "*" not in call.part("name") else 200)

    async def delete_pipeline(self, call: Call) -> Reply:
        shelf = self._house.shelves.of(PIPELINES)
        found = named_in(shelf, call.part("name"))
        if not found and call.part("name") != "*":
            raise missing(f"pipeline [{call.part('name')}] is missing")
        for name in found:
            await shelf.delete(name)
        return Reply({"acknowledged": True})

    async def simulate(self, call: Call) -> Reply:
        body = call.needs_body()
        name = call.part("name")
        definition = self._house.shelves.of(PIPELINES).get(name) if name else body.get("pipeline")
        if definition is None:
            raise (
                illegal(f"pipeline [{name}] does not exist")
                if name
                else failure(
                    400, "parse_exception", "[pipeline] required property is missing", property_name="pipeline"
                )
            )
        if not body.get("docs"):
            raise (
                failure(400, "parse_exception", "[docs] required property is missing", property_name="docs")
                if "docs" not in body
                else illegal("must specify at least one document in [docs]")
            )
        told = []
        for one in body["docs"]:
            if "_source" not in one:
                raise failure(400, "parse_exception", "[_source] required property is missing", property_name="_source")
            source = dict(one["_source"])
            meta: Object = {
                "_index": one.get("_index", "_index"),
                "_id": one.get("_id", "_id"),
                "_routing": one.get("routing", one.get("_routing")),
                "_version": "-3",
            }
            told.append(self._simulated(definition, source, meta, is_verbose=call.flag("verbose")))
        return Reply({"docs": told})

    def _simulated(self, definition: Object, source: Object, meta: Object, *, is_verbose: bool) -> Object:
        pipelines = self._house.pipelines
        stamp = {"timestamp": iso(self._house.indices.now())}
        try:
            results = pipelines.simulate(definition, source, meta)
        except Dropped:
            return (
                {"processor_results": [{"processor_type": "drop", "status": "dropped"}]}
                if is_verbose
                else {"doc": None}
            )
        except (MaruError, ProcessorFault) as error:
            kind = (
                error.details.get("kind", "illegal_argument_exception") if isinstance(error, MaruError) else error.kind
            )
            reason = error.what if isinstance(error, MaruError) else str(error)
            return {"error": {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason}}
        if is_verbose:
            return {
                "processor_results": [
                    {
                        **one,
                        "doc": {
                            "_index": meta["_index"],
                            "_id": meta["_id"],
                            "_version": "-3",
                            "_source": one.pop("document", {}),
                            "_ingest": stamp,
                        },
                    }
                    for one in results
                ]
            }
        told = {"_index": meta["_index"], "_id": meta["_id"], "_version": "-3", "_source": source, "_ingest": stamp}
        return {"doc": {**told, **({"_routing": meta["_routing"]} if meta.get("_routing") else {})}}

    async def grok(self, call: Call) -> Reply:
        from maru.components.search.model.ingest.grok import PATTERNS

        return Reply({"patterns": dict(sorted(PATTERNS.items())) if call.flag("s") else PATTERNS})

    async def put_script(self, call: Call) -> Reply:
        body = call.needs_body()
        if "script" not in body:
            raise illegal("must specify <script> for stored script")
        lang = (body["script"] or {}).get("lang")
        if not lang:
            raise illegal("must specify lang for stored script")
        await self._house.shelves.of(SCRIPTS).put(call.part("name"), {"script": body["script"]})
        return Reply({"acknowledged": True})

    async def get_script(self, call: Call) -> Reply:
        found = self._house.shelves.of(SCRIPTS).get(call.part("name"))
        if found is None:
            return Reply({"_id": call.part("name"), "found": False}, 404)
        return Reply({"_id": call.part("name"), "found": True, "script": found["script"]})

    async def delete_script(self, call: Call) -> Reply:
        if not await self._house.shelves.of(SCRIPTS).delete(call.part("name")):
            raise missing(f"stored script [{call.part('name')}] does not exist and cannot be deleted")
        return Reply({"acknowledged": True})
