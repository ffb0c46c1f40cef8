"""Term vectors: the terms of a document's fields, where they stand, and how common they are.

Statistics come from a walk through the index, up to DOCS_MAX documents of it; a larger one answers without them.
Source: Elasticsearch reference, "Term vectors API", "Multi term vectors API".
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from maru.components.search.api.documents import DocumentApi
from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.engine.searching.rows import field_values
from maru.components.search.engine.shard import Shard
from maru.components.search.model.mapping.fields import Field
from maru.wire.elastic.json import Json, Object, decode

DOCS_MAX = 10_000
_PARAMETERS = ("term_statistics", "field_statistics", "positions", "offsets", "payloads")


@dataclass
class _Statistics:
    """Of one field over an index."""

    docs: int = 0
    doc_freq: Counter[str] = field(default_factory=Counter)
    total_freq: Counter[str] = field(default_factory=Counter)


class TermVectorApi:
    """The edges of term vectors."""

    def __init__(self, house: House, documents: DocumentApi) -> None:
        self._house = house
        self._documents = documents

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET POST", "/{index}/_termvectors/{id}", self.one),
            Route("GET POST", "/{index}/_termvectors", self.one),
            Route("GET POST", "/_mtermvectors", self.several),
            Route("GET POST", "/{index}/_mtermvectors", self.several),
        ]

    async def one(self, call: Call) -> Reply:
        return Reply(await self._vectors(call, call.part("index"), call.part("id"), call.object()))

    async def several(self, call: Call) -> Reply:
        body = call.object()
        ids = body.get("ids") or [one for one in call.arg("ids").split(",") if one]
        wanted = body.get("docs") or [{"_id": one} for one in ids]
        docs = [
            await self._vectors(
                call,
                str(one.get("_index", call.part("index"))),
                str(one.get("_id", "")),
                {**body.get("parameters", {}), **one},
            )
            for one in wanted
        ]
        return Reply({"docs": docs})

    async def _vectors(self, call: Call, name: str, doc_id: str, body: Object) -> Object:
        began_s = self._house.clock.monotonic_s()
        index = self._house.indices.one(name)
        told: Object = {"_index": index.name, "_id": doc_id}
        if "doc" in body:
            source, version = body["doc"], 0
        else:
            _, stored = await self._documents.stored(call, name, doc_id)
            if stored is None:
                return {**told, "_version": 0, "found": False, "took": 0}
            source, version = decode(stored.source), stored.version
        given = body.get("fields") or [one for one in call.arg("fields").split(",") if one]
        asked = {one: _is_asked(call, body, one) for one in _PARAMETERS}
        vectors: Object = {}
        chosen: dict[str, Field] = {}
        for path, known in index.mapping.fields.items():
            if (not given or path in given) and known.analyzer is not None:
                terms = _terms(known, source, asked)
                if terms:
                    vectors[path], chosen[path] = {"terms": {word: terms[word] for word in sorted(terms)}}, known
        if asked["field_statistics"] or asked["term_statistics"]:
            found = await asyncio.to_thread(_counted_blocking, await index.engine(), chosen)
            for path, counted in found.items():
                vectors[path] = _with_statistics(vectors[path], counted, asked)
        took = int((self._house.clock.monotonic_s() - began_s) * 1000)
        return {**told, "_version": version, "found": True, "took": took, "term_vectors": vectors}


def _is_asked(call: Call, body: Object, name: str) -> bool:
    """Term statistics are given on demand, everything else unless refused."""
    return body.get(name, call.flag(name, default=name != "term_statistics")) in (True, "true")


def _terms(known: Field, source: Json, asked: dict[str, bool]) -> Object:
    assert known.analyzer is not None
    terms: Object = {}
    for text in field_values(known, source):
        for token in known.analyzer.tokens(str(text)):
            entry = terms.setdefault(token.text, {"term_freq": 0})
            entry["term_freq"] += 1
            shown: Object = {"position": token.position} if asked["positions"] else {}
            if asked["offsets"]:
                shown |= {"start_offset": token.start, "end_offset": token.end}
            if shown:
                entry.setdefault("tokens", []).append(shown)
    return terms


def _counted_blocking(shard: Shard, chosen: dict[str, Field]) -> dict[str, _Statistics]:
    """By field; nothing for an index that is too large to walk through."""
    found = {path: _Statistics() for path in chosen}
    for number, record in enumerate(shard.live_blocking()):
        if number >= DOCS_MAX:
            return {}
        source = decode(record.source)
        for path, known in chosen.items():
            assert known.analyzer is not None
            words = [token.text for text in field_values(known, source) for token in known.analyzer.tokens(str(text))]
            found[path].docs += bool(words)
            found[path].doc_freq.update(set(words))
            found[path].total_freq.update(words)
    return found


def _with_statistics(vector: Object, counted: _Statistics, asked: dict[str, bool]) -> Object:
    if asked["term_statistics"]:
        for word, entry in vector["terms"].items():
            if counted.doc_freq[word]:
                entry |= {"doc_freq": counted.doc_freq[word], "ttf": counted.total_freq[word]}
    if not asked["field_statistics"]:
        return vector
    told = {
        "sum_doc_freq": counted.doc_freq.total(),
        "doc_count": counted.docs,
        "sum_ttf": counted.total_freq.total(),
    }
    return {"field_statistics": told, **vector}
