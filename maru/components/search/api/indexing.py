"""Indices: create, delete, mappings, settings, aliases, open, close, refresh, flush, stats, analyze.

Source: Elasticsearch reference, "Index APIs".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fnmatch import fnmatchcase

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.controllers.index import Index
from maru.components.search.controllers.indices import Choice
from maru.components.search.engine.log import FILE_BYTES
from maru.components.search.errors import failure, illegal
from maru.components.search.model.analysis.analyzers import Analyzers
from maru.components.search.model.mapping.fields import Field
from maru.components.search.model.names import resolved_math
from maru.components.search.model.settings import nested
from maru.core.errors import MaruError
from maru.wire.elastic.json import Object

OPEN_AND_CLOSED = Choice(expand=frozenset({"open", "closed"}), forbids_closed=False)
DEFAULTS: Object = {
    "index.refresh_interval": "1s",
    "index.max_result_window": "10000",
    "index.max_inner_result_window": "100",
    "index.max_terms_count": "65536",
    "index.max_regex_length": "1000",
    "index.number_of_routing_shards": "1",
    "index.translog.durability": "REQUEST",
    "index.translog.sync_interval": "5s",
    "index.mapping.total_fields.limit": "1000",
    "index.mapping.depth.limit": "20",
    "index.gc_deletes": "60s",
    "index.hidden": "false",
    "index.blocks.read_only": "false",
    "index.blocks.write": "false",
    "index.flush_after_merge": "512mb",
}


class IndexApi:
    """The edges of indices."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [
            Route("PUT", "/{index}", self.create),
            Route("DELETE", "/{index}", self.delete),
            Route("GET", "/{index}", self.get),
            Route("HEAD", "/{index}", self.exists),
            Route("GET", "/_mapping", self.get_mapping),
            Route("GET", "/{index}/_mapping", self.get_mapping),
            Route("PUT POST", "/{index}/_mapping", self.put_mapping),
            Route("PUT POST", "/{index}/_mappings", self.put_mapping),
            Route("GET", "/_mapping/field/{fields}", self.get_field_mapping),
            Route("GET", "/{index}/_mapping/field/{fields}", self.get_field_mapping),
            Route("GET", "/_settings", self.get_settings),
            Route("GET", "/_settings/{name}", self.get_settings),
            Route("GET", "/{index}/_settings", self.get_settings),
            Route("GET", "/{index}/_settings/{name}", self.get_settings),
            Route("PUT", "/_settings", self.put_settings),
            Route("PUT", "/{index}/_settings", self.put_settings),
            Route("POST", "/{index}/_open", self.open),
            Route("POST", "/{index}/_close", self.close),
            Route("PUT", "/{index}/_block/{block}", self.block),
            Route("GET POST", "/_refresh", self.refresh),
            Route("GET POST", "/{index}/_refresh", self.refresh),
            Route("GET POST", "/_flush", self.refresh),
            Route("GET POST", "/{index}/_flush", self.refresh),
            Route("POST", "/_forcemerge", self.forcemerge),
            Route("POST", "/{index}/_forcemerge", self.forcemerge),
            Route("POST", "/_cache/clear", self.clear_cache),
            Route("POST", "/{index}/_cache/clear", self.clear_cache),
            Route("GET POST", "/_analyze", self.analyze),
            Route("GET POST", "/{index}/_analyze", self.analyze),
            Route("POST PUT", "/{index}/_shrink/{target}", self.resize),
            Route("POST PUT", "/{index}/_split/{target}", self.resize),
            Route("POST PUT", "/{index}/_clone/{target}", self.resize),
        ]

    async def create(self, call: Call) -> Reply:
        name = resolved_math(call.part("index"), self._house.indices.now())
        index = await self._house.templates.create(name, call.object())
        return Reply({"acknowledged": True, "shards_acknowledged": True, "index": index.name})

    async def delete(self, call: Call) -> Reply:
        named = self._house.find(
            call, default=Choice(expand=frozenset({"open", "closed"}), forbids_closed=False, forbids_aliases=True)
        )
        for one in named:
            if one.index.spec.get("data_stream"):
                stream = str(one.index.spec["data_stream"])
                spec = self._house.indices.stream(stream)
                if spec is not None and spec["indices"][-1] == one.index.name:
                    raise illegal(
                        f"index [{one.index.name}] is the write index for data stream [{stream}] and cannot be deleted"
                    )
                if spec is not None:
                    await self._house.templates.streams.put(
                        stream, {**spec, "indices": [name for name in spec["indices"] if name != one.index.name]}
                    )
        for one in named:
            await self._house.indices.delete(one.index)
        return Reply({"acknowledged": True})

    async def exists(self, call: Call) -> Reply:
        try:
            named = self._house.find(call, default=OPEN_AND_CLOSED)
        except MaruError as error:
            return Reply(None, int(error.details.get("status", 404)))
        return Reply(None, 200 if named or call.flag("allow_no_indices", default="*" in call.part("index")) else 404)

    async def get(self, call: Call) -> Reply:
        features = [one for one in call.arg("features").split(",") if one] or ["aliases", "mappings", "settings"]
        told: Object = {}
        for one in self._house.find(call, default=OPEN_AND_CLOSED):
            entry: Object = {}
            if "aliases" in features:
                entry["aliases"] = shown_aliases(one.index)
            if "mappings" in features:
                entry["mappings"] = _shown_mapping(one.index)
            if "settings" in features:
                entry["settings"] = _shown_settings(call, one.index)
            if call.flag("include_defaults"):
                entry["defaults"] = nested(DEFAULTS) if not call.flag("flat_settings") else DEFAULTS
            if one.index.spec.get("data_stream"):
                entry["data_stream"] = one.index.spec["data_stream"]
            told[one.index.name] = entry
        return Reply(told)

    # Mappings and settings.

    async def get_mapping(self, call: Call) -> Reply:
        named = self._house.find(call, default=OPEN_AND_CLOSED)
        return Reply({one.index.name: {"mappings": _shown_mapping(one.index)} for one in named})

    async def put_mapping(self, call: Call) -> Reply:
        named = self._house.find(call, default=OPEN_AND_CLOSED)
        body = call.needs_body()
        for one in named:
            one.index.mapping.merged(body)
        for one in named:
            await self._house.indices.map_more(one.index, body)
        return Reply({"acknowledged": True})

    async def get_field_mapping(self, call: Call) -> Reply:
        told: Object = {}
        for one in self._house.find(call, default=OPEN_AND_CLOSED):
            entry: Object = {}
            for pattern in call.part("fields").split(","):
                for path, known in one.index.mapping.matching(pattern):
                    params = known.params
                    if call.flag("include_defaults"):
                        params = _with_defaults(known)
                    entry[path] = {"full_name": path, "mapping": {path.rpartition(".")[2]: params}}
            told[one.index.name] = {"mappings": entry}
        return Reply(told)

    async def get_settings(self, call: Call) -> Reply:
        told: Object = {}
        for one in self._house.find(call, default=OPEN_AND_CLOSED):
            entry: Object = {"settings": _shown_settings(call, one.index)}
            if call.flag("include_defaults"):
                defaults = {
                    name: value
                    for name, value in DEFAULTS.items()
                    if name.removeprefix("index.") not in one.index.settings
                }
                entry["defaults"] = defaults if call.flag("flat_settings") else nested(defaults)
            if entry["settings"] or not call.part("name"):
                told[one.index.name] = entry
        return Reply(told)

    async def put_settings(self, call: Call) -> Reply:
        body = call.needs_body()
        given = body.get("settings", body) if isinstance(body.get("settings", body), dict) else body
        for one in self._house.find(call, default=OPEN_AND_CLOSED):
            await self._house.indices.change_settings(one.index, given, preserves=call.flag("preserve_existing"))
        return Reply({"acknowledged": True})

    async def block(self, call: Call) -> Reply:
        block = call.part("block")
        if block not in ("write", "read", "read_only", "metadata"):
            raise illegal(f"No block found with name {block}")
        named = self._house.find(call)
        for one in named:
            await self._house.indices.change_settings(one.index, {f"blocks.{block}": True})
        return Reply(
            {
                "acknowledged": True,
                "shards_acknowledged": True,
                "indices": [{"name": one.index.name, "blocked": True} for one in named],
            }
        )

    async def open(self, call: Call) -> Reply:
        for one in self._house.find(call, default=Choice(expand=frozenset({"closed"}), forbids_closed=False)):
            if not one.index.is_open:
                await self._house.indices.change(one.index, state="open")
        return Reply({"acknowledged": True, "shards_acknowledged": True})

    async def close(self, call: Call) -> Reply:
        closed: Object = {}
        for one in self._house.find(call, default=Choice(forbids_closed=False)):
            if one.index.is_open:
                await self._house.indices.change(one.index, state="close")
                await one.index.close()
            closed[one.index.name] = {"closed": True}
        return Reply({"acknowledged": True, "shards_acknowledged": bool(closed), "indices": closed})

    # What keeps them well.

    async def refresh(self, call: Call) -> Reply:
        named = self._house.find(call)
        for one in named:
            await self._house.writing.refresh(one.index)
        total = sum(one.index.shards * (1 + one.index.replicas) for one in named)
        return Reply({"_shards": {"total": total, "successful": sum(one.index.shards for one in named), "failed": 0}})

    async def forcemerge(self, call: Call) -> Reply:
        if call.has("max_num_segments") and call.flag("only_expunge_deletes"):
            raise failure(
                400,
                "action_request_validation_exception",
                (
                    "Validation Failed: 1: cannot set only_expunge_deletes and max_num_segments at the same time, "
                    "those two parameters are mutually exclusive;"
                ),
            )
        named = self._house.find(call)
        for one in named:
            await self._house.writing.refresh(one.index)
            shard = await one.index.engine()
            async with shard.lock:
                if shard.bytes_on_disk() > FILE_BYTES:
                    await asyncio.to_thread(shard.compact_blocking)
                await asyncio.to_thread(shard.release_blocking)
        total = sum(one.index.shards * (1 + one.index.replicas) for one in named)
        return Reply({"_shards": {"total": total, "successful": sum(one.index.shards for one in named), "failed": 0}})

    async def clear_cache(self, call: Call) -> Reply:
        named = self._house.find(call)
        total = sum(one.index.shards * (1 + one.index.replicas) for one in named)
        return Reply({"_shards": {"total": total, "successful": sum(one.index.shards for one in named), "failed": 0}})

    async def analyze(self, call: Call) -> Reply:
        body = {
            **{name: call.arg(name) for name in ("analyzer", "field", "text", "tokenizer") if call.has(name)},
            **call.object(),
        }
        if "text" not in body:
            raise failure(400, "action_request_validation_exception", "Validation Failed: 1: text is missing;")
        for name in body:
            if name not in (
                "analyzer",
                "attributes",
                "char_filter",
                "explain",
                "field",
                "filter",
                "normalizer",
                "text",
                "tokenizer",
            ):
                raise failure(400, "x_content_parse_exception", f"[1:2] [analyze_request] unknown field [{name}]")
        index = self._house.indices.one(call.part("index")) if call.part("index") else None
        analyzers = index.mapping.analyzers if index is not None else Analyzers()
        try:
            analyzer = _chosen(body, analyzers, index)
        except ValueError as error:
            reason = str(error)
            if "analyzer" in body and "has not been configured" in reason:
                reason = f"failed to find global analyzer [{body['analyzer']}]"
            raise illegal(reason) from error
        texts = body["text"] if isinstance(body["text"], list) else [body["text"]]
        tokens, position, offset = [], 0, 0
        for text in texts:
            found = analyzer.tokens(str(text))
            tokens += [
                {
                    "token": token.text,
                    "start_offset": token.start + offset,
                    "end_offset": token.end + offset,
                    "type": token.kind,
                    "position": token.position + position,
                }
                for token in found
            ]
            position += (found[-1].position if found else 0) + 101
            offset += len(str(text)) + 1
        if body.get("explain"):
            return Reply(
                {
                    "detail": {
                        "custom_analyzer": "analyzer" not in body,
                        "analyzer": {"name": body.get("analyzer", "standard"), "tokens": tokens},
                    }
                }
            )
        return Reply({"tokens": tokens})

    # Aliases.

    # Copies.

    async def resize(self, call: Call) -> Reply:
        source = self._house.indices.one(call.part("index"))
        kind = "clone" if "_clone" in call.request.path else "shrink" if "_shrink" in call.request.path else "split"
        if (
            str(source.settings.get("blocks.write", "false")) != "true"
            and str(source.settings.get("blocks.read_only", "false")) != "true"
        ):
            raise failure(
                500 if False else 400,
                "illegal_state_exception",
                f'index {source.name} must be read-only to resize index. use "index.blocks.write=true"',
            )
        body = call.object()
        settings = {key: value for key, value in source.settings.items() if not key.startswith("blocks.")}
        parts = {"settings": body.get("settings") or {}, "aliases": body.get("aliases") or {}}
        from maru.components.search.model.settings import index_settings

        wanted = index_settings(parts["settings"])
        count = int(wanted.get("number_of_shards", 1 if kind == "shrink" else source.shards))
        if kind == "shrink" and source.shards % count:
            raise illegal(f"the number of source shards [{source.shards}] must be a multiple of [{count}]")
        if kind == "split" and (count % source.shards or count <= source.shards):
            raise illegal(
                f"the number of source shards [{source.shards}] must be less that the number of target shards [{count}]"
                if count <= source.shards
                else f"the number of source shards [{source.shards}] must be a factor of [{count}]"
            )
        settings |= {**wanted, "number_of_shards": str(count)}
        target = await self._house.indices.create(
            call.part("target"),
            {"settings": settings, "mappings": source.mapping.definition, "aliases": parts["aliases"]},
        )
        from maru.components.search.controllers.copying import copy_all

        await copy_all(self._house.writing, source, target)
        return Reply({"acknowledged": True, "shards_acknowledged": True, "index": target.name})


def shown_aliases(index: Index) -> Object:
    """The aliases of an index by name."""
    return {name: index.aliases[name] for name in sorted(index.aliases)}


def _shown_mapping(index: Index) -> Object:
    return _sorted_mapping(index.mapping.definition)


def _sorted_mapping(definition: Object) -> Object:
    shown: Object = {}
    for name, value in definition.items():
        if name == "properties":
            if value:
                shown[name] = {key: _sorted_mapping(value[key]) for key in sorted(value)}
        elif name == "dynamic" and not isinstance(value, str):
            shown[name] = str(value).lower()
        else:
            shown[name] = value
    return shown or (
        {}
        if "properties" not in definition
        else {"type": "object"}
        if definition.get("properties") == {} and len(definition) == 1
        else {}
    )


def _shown_settings(call: Call, index: Index) -> Object:
    settings = index.full_settings()
    names = [one for one in call.part("name", call.arg("name")).split(",") if one and one not in ("_all", "*")]
    if names:
        settings = {key: value for key, value in settings.items() if any(fnmatchcase(key, name) for name in names)}
    return dict(sorted(settings.items())) if call.flag("flat_settings") else nested(settings)


def _with_defaults(known: Field) -> Object:
    more: Object = {}
    if known.is_text:
        more = {
            "analyzer": known.params.get("analyzer", "default"),
            "index": True,
            "store": False,
            "norms": True,
            "index_options": "positions",
            "eager_global_ordinals": False,
        }
    elif known.kind == "keyword":
        more = {
            "index": True,
            "store": False,
            "doc_values": True,
            "norms": False,
            "ignore_above": 2147483647,
            "eager_global_ordinals": False,
            "null_value": None,
        }
    else:
        more = {"index": True, "store": False, "doc_values": True, "null_value": None}
    return {**more, **known.params}


def _chosen(body: Object, analyzers: Analyzers, index: Index | None):  # type: ignore[no-untyped-def]
    if "analyzer" in body:
        return analyzers.named(str(body["analyzer"]))
    if "normalizer" in body:
        return analyzers.normalizer(str(body["normalizer"]))
    if "field" in body and index is not None:
        known = index.mapping.find(str(body["field"]))
        if known is not None and known.analyzer is not None:
            return known.analyzer
        if known is not None and known.normalizer is not None:
            return known.normalizer
        return analyzers.named("keyword") if known is not None else analyzers.named("default")
    if any(name in body for name in ("tokenizer", "filter", "char_filter")):
        return analyzers.custom(
            "__custom__",
            {
                "tokenizer": body.get("tokenizer", "keyword"),
                "filter": body.get("filter"),
                "char_filter": body.get("char_filter"),
            },
        )
    return analyzers.named("default")
