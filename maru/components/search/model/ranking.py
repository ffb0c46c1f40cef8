"""How good a ranking is: precision, recall, reciprocal rank, cumulative gain, over rated hits.

Source: Elasticsearch reference, "Ranking evaluation API".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from maru.components.search.errors import failure, illegal
from maru.wire.elastic.json import Object

# kind: its members and their defaults; None has none and must be given.
_KINDS: dict[str, Object] = {
    "precision": {"k": 10, "relevant_rating_threshold": 1, "ignore_unlabeled": False},
    "recall": {"k": 10, "relevant_rating_threshold": 1},
    "mean_reciprocal_rank": {"k": 10, "relevant_rating_threshold": 1},
    "dcg": {"k": 10, "normalize": False, "unknown_doc_rating": -1},
    "expected_reciprocal_rank": {"maximum_relevance": None, "k": 10, "unknown_doc_rating": -1},
}
Ratings = Sequence[int | None]


def metric_of(given: Object) -> tuple[str, Object]:
    """(kind, its parameters with defaults). Raises parsing_exception, illegal_argument_exception."""
    if len(given) != 1:
        raise failure(400, "parsing_exception", "Expected one metric", line=1, col=1)
    kind, params = next(iter(given.items()))
    defaults = _KINDS.get(kind)
    if defaults is None:
        raise failure(400, "named_object_not_found_exception", f"[1:1] unknown field [{kind}]")
    for name in params:
        if name not in defaults:
            raise failure(400, "x_content_parse_exception", f"[1:1] [{kind}] unknown field [{name}]")
    found = {**defaults, **params}
    if any(value is None for value in found.values()):
        raise illegal("Required [maximum_relevance]")
    if int(found["k"]) <= 0:
        raise illegal("Window size k must be positive.")
    return kind, found


def score_of(kind: str, params: Object, found: Ratings, rated: Sequence[int]) -> tuple[float, Object]:
    """(score, details) of the ratings of hits in order (None: not rated), out of all that were rated."""
    threshold = int(params.get("relevant_rating_threshold", 1))
    good = [rating is not None and rating >= threshold for rating in found]
    if kind == "precision":
        counted = sum(rating is not None for rating in found) if params["ignore_unlabeled"] else len(found)
        details = {"relevant_docs_retrieved": sum(good), "docs_retrieved": counted}
        return (sum(good) / counted if counted else 0.0), details
    if kind == "recall":
        wanted = sum(rating >= threshold for rating in rated)
        details = {"relevant_docs_retrieved": sum(good), "relevant_docs": wanted}
        return (sum(good) / wanted if wanted else 0.0), details
    if kind == "mean_reciprocal_rank":
        first = good.index(True) + 1 if True in good else -1
        return (1.0 / first if first > 0 else 0.0), {"first_relevant": first}
    return _gain(kind, params, found, rated)


def _gain(kind: str, params: Object, found: Ratings, rated: Sequence[int]) -> tuple[float, Object]:
    unknown = int(params["unknown_doc_rating"])
    filled = [rating if rating is not None else unknown if unknown >= 0 else None for rating in found]
    unrated = {"unrated_docs": sum(rating is None for rating in found)}
    if kind == "expected_reciprocal_rank":
        left, total = 1.0, 0.0
        for rank, rating in enumerate(filled, 1):
            if rating is not None:
                chance = (2**rating - 1) / 2 ** int(params["maximum_relevance"])
                total += chance * left / rank
                left *= 1 - chance
        return total, unrated
    gain = _discounted(filled)
    details: Object = {"dcg": gain}
    if not params["normalize"]:
        return gain, details | unrated
    best = _discounted(sorted(rated, reverse=True)[: len(found)])
    details |= {"ideal_dcg": best, "normalized_dcg": gain / best if best else 0.0}
    return details["normalized_dcg"], details | unrated


def _discounted(ratings: Ratings) -> float:
    found = ((2.0**one - 1) / math.log2(rank + 1) for rank, one in enumerate(ratings, 1) if one is not None)
    return float(sum(found))
