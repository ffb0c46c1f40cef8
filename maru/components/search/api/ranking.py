"""Terms of a field by their beginning, how good searches are, and what languages scripts may have.

Source: Elasticsearch reference, "Terms enum API", "Ranking evaluation API", "Get script languages API".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House, shards_of
from maru.components.search.api.searches import SearchApi
from maru.components.search.errors import answer_body, failure, illegal, parsing, unsupported
from maru.components.search.model.ranking import metric_of, score_of
from maru.core.errors import MaruError
from maru.wire.elastic.json import Object

TERMS_MAX = 10_000
_SPECIAL = re.compile(r'[.?+*|{}\[\]()"\\#@&<>~^$-]')
_LISTED = ("keyword", "constant_keyword", "flattened", "version", "ip")


class RankingApi:
    """The edges of ranking."""

    def __init__(self, house: House, searches: SearchApi) -> None:
        self._house = house
        self._searches = searches

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET POST", "/{index}/_terms_enum", self.terms),
            Route("GET POST", "/_rank_eval", self.evaluate),
            Route("GET POST", "/{index}/_rank_eval", self.evaluate),
            Route("GET", "/_script_language", self.languages),
        ]

    async def terms(self, call: Call) -> Reply:
        body = call.needs_body()
        known = ("field", "string", "size", "timeout", "case_insensitive", "index_filter", "search_after")
        for name in body:
            if name not in known:
                raise failure(400, "x_content_parse_exception", f"[1:2] [terms_enum] unknown field [{name}]")
        if not body.get("field"):
            reason = "Validation Failed: 1: field cannot be null or empty;"
            raise failure(400, "action_request_validation_exception", reason)
        size = int(body.get("size", 10))
        if not 0 < size <= TERMS_MAX:
            raise illegal(f"size must be positive and at most [{TERMS_MAX}] but was [{size}]")
        named = self._house.find(call)
        kinds = {known.kind for one in named for _, known in one.index.mapping.matching(str(body["field"]))}
        for kind in sorted(kinds - set(_LISTED)):
            raise illegal(f"Field [{body['field']}] of type [{kind}] does not support terms enum")
        after = body.get("search_after")
        aggregation: Object = {
            "field": body["field"],
            "size": TERMS_MAX if after is not None else size,
            "order": {"_key": "asc"},
        }
        if body.get("string"):
            aggregation["include"] = _starting(str(body["string"]), is_folded=body.get("case_insensitive") is True)
        search: Object = {"size": 0, "aggs": {"terms": {"terms": aggregation}}}
        if body.get("index_filter"):
            search["query"] = body["index_filter"]
        answer = await self._searches.answered(call, call.part("index"), search) if kinds else {}
        buckets = answer.get("aggregations", {}).get("terms", {}).get("buckets", [])
        found = [str(one["key"]) for one in buckets if after is None or str(one["key"]) > str(after)]
        shards = shards_of(sum(one.index.shards for one in named))
        shards.pop("skipped")
        is_all = after is None or len(buckets) < TERMS_MAX
        return Reply({"_shards": shards, "terms": found[:size], "complete": is_all})

    async def evaluate(self, call: Call) -> Reply:
        body = call.needs_body()
        for name in body:
            if name not in ("requests", "metric", "max_concurrent_searches", "templates"):
                raise failure(400, "x_content_parse_exception", f"[1:2] [rank_eval] unknown field [{name}]")
        if "templates" in body:
            raise unsupported("[templates] in a ranking evaluation")
        for name in ("requests", "metric"):
            if not body.get(name):
                raise illegal(f"Required [{name}]")
        kind, params = metric_of(body["metric"])
        details: Object = {}
        failures: Object = {}
        for one in body["requests"]:
            try:
                details[str(one["id"])] = await self._evaluated(call, one, (kind, params))
            except MaruError as error:
                failures[str(one["id"])] = answer_body(error)
        scores = [one["metric_score"] for one in details.values()]
        mean = sum(scores) / len(scores) if scores else 0.0
        return Reply({"metric_score": mean, "details": details, "failures": failures})

    async def _evaluated(self, call: Call, one: Object, metric: tuple[str, Object]) -> Object:
        kind, params = metric
        if "request" not in one:
            raise parsing("[rank_eval] a request without [request]")
        ratings = {(str(each["_index"]), str(each["_id"])): int(each["rating"]) for each in one.get("ratings", [])}
        answer = await self._searches.answered(call, call.part("index"), {**one["request"], "size": int(params["k"])})
        hits: list[Object] = [
            {"hit": {name: each[name] for name in ("_index", "_id", "_score")}, "rating": None}
            for each in answer["hits"]["hits"]
        ]
        for each in hits:
            each["rating"] = ratings.get((each["hit"]["_index"], each["hit"]["_id"]))
        score, details = score_of(kind, params, [each["rating"] for each in hits], list(ratings.values()))
        return {
            "metric_score": score,
            "unrated_docs": [
                {"_index": each["hit"]["_index"], "_id": each["hit"]["_id"]} for each in hits if each["rating"] is None
            ],
            "hits": hits,
            "metric_details": {kind: details},
        }

    async def languages(self, call: Call) -> Reply:
        """What really runs: templates, and arithmetic over buckets."""
        told = [
            {"language": "mustache", "contexts": ["template"]},
            {"language": "painless", "contexts": ["bucket_aggregation", "moving-function"]},
        ]
        return Reply({"types_allowed": ["inline", "stored"], "language_contexts": told})


def _starting(prefix: str, *, is_folded: bool) -> str:
    """A regular expression of Lucene's for terms that begin so."""
    out = ""
    for letter in prefix:
        plain = _SPECIAL.sub(lambda one: "\\" + one[0], letter)
        is_cased = is_folded and letter.lower() != letter.upper()
        out += f"[{letter.lower()}{letter.upper()}]" if is_cased else plain
    return out + ".*"
