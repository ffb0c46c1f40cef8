"""The request cache: answers of searches that want no hits, kept with what they were found in.

A refresh that shows something new makes another snapshot, and so an empty cache. Source: Elasticsearch reference,
"Shard request cache": size 0, nothing that depends on the time or on chance, off by `request_cache=false` or
`index.requests.cache.enable`.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.engine.searching.request import SearchRequest
from maru.components.search.engine.searching.rows import Target
from maru.wire.elastic.json import Object, decode, encode

ANSWERS_MAX = 200
ANSWER_BYTES_MAX = 64 * 1024
_UNSTEADY = (b"now", b"random", b"script", b"profile")


def cache_key(targets: Sequence[Target], request: SearchRequest) -> bytes:
    """What its answer is kept under; b"" for a search that is not cached: over several indices, say."""
    if len(targets) != 1 or request.size or request.is_scroll or not request.may_cache:
        return b""
    target = targets[0]
    if str(target.settings.get("index.requests.cache.enable", "true")) == "false":
        return b""
    key = encode([request.body, target.filter, target.routings, request.is_typed, request.has_total_int])
    return b"" if any(word in key for word in _UNSTEADY) else key


def cached(targets: Sequence[Target], key: bytes) -> Object | None:
    """The answer under `key`, if it is kept."""
    found = targets[0].snapshot.answers.get(key) if key else None
    return decode(found) if found is not None else None


def keep(targets: Sequence[Target], key: bytes, answer: Object) -> None:
    """Keep an answer, in place of the oldest where there are many."""
    text = encode(answer) if key else b""
    if not text or len(text) > ANSWER_BYTES_MAX:
        return
    answers = targets[0].snapshot.answers
    answers[key] = text
    if len(answers) > ANSWERS_MAX:
        answers.pop(next(iter(answers)), None)
