"""Terms by their beginning, the worth of rankings, and where shards lie."""

from __future__ import annotations

import math

import pytest

from maru.components.search.model.ranking import metric_of, score_of
from maru.wire.elastic.json import Object
from tests.components.search.house import Search


async def test_terms_of_a_field_are_listed_by_their_beginning(search: Search) -> None:
    for at, word in enumerate(("Foo.bar", "foox", "fool", "other")):
        await search.must("PUT", f"/words/_doc/{at}?refresh=true", {"w": word})

    async def listed(**more: object) -> list[str]:
        answer = await search.must("POST", "/words/_terms_enum", {"field": "w.keyword", **more})
        return list(answer["terms"])

    assert await listed(string="foo") == ["fool", "foox"]
    assert await listed(string="foo", case_insensitive=True) == ["Foo.bar", "fool", "foox"]
    assert await listed(string="Foo.") == ["Foo.bar"]
    assert await listed(size=2) == ["Foo.bar", "fool"]
    assert await listed(search_after="fool") == ["foox", "other"]
    assert (await search.fails("POST", "/words/_terms_enum", {"string": "a"}))[0] == 400


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        ({"precision": {}}, 2 / 3),
        ({"precision": {"ignore_unlabeled": True}}, 1.0),
        ({"recall": {}}, 2 / 3),
        ({"mean_reciprocal_rank": {"relevant_rating_threshold": 3}}, 1 / 3),
        ({"dcg": {}}, 1 + 7 / 2),
        ({"dcg": {"normalize": True}}, (1 + 7 / 2) / (7 + 3 / math.log2(3) + 1 / 2)),
        ({"expected_reciprocal_rank": {"maximum_relevance": 3}}, 1 / 8 + 7 / 8 * 7 / 8 / 3),
    ],
)
def test_ranking_is_worth_what_its_metric_says(metric: Object, score: float) -> None:
    kind, params = metric_of(metric)
    assert score_of(kind, params, [1, None, 3], [1, 2, 3])[0] == pytest.approx(score)


async def test_evaluation_tells_failed_requests_apart(search: Search) -> None:
    await search.must("PUT", "/books/_doc/1?refresh=true", {"t": "one"})
    good = {
        "id": "good",
        "request": {"query": {"match": {"t": "one"}}},
        "ratings": [{"_index": "books", "_id": "1", "rating": 1}],
    }
    bad = {"id": "bad", "request": {"query": {"no_such": {}}}, "ratings": []}
    answer = await search.must("POST", "/books/_rank_eval", {"requests": [good, bad], "metric": {"precision": {}}})
    assert answer["metric_score"] == 1.0
    assert answer["details"]["good"]["unrated_docs"] == []
    assert list(answer["failures"]) == ["bad"]


async def test_places_of_shards_are_explained(search: Search) -> None:
    await search.must("PUT", "/one", {"settings": {"number_of_replicas": 0}})
    assert (await search.fails("POST", "/_cluster/allocation/explain"))[0] == 400
    assert (await search.must("GET", "/one/_shard_stores"))["indices"] == {}
    assert (await search.must("GET", "/one/_recovery"))["one"]["shards"][0]["stage"] == "DONE"
    await search.must("PUT", "/two")
    told = await search.must("POST", "/_cluster/allocation/explain")
    assert (told["index"], told["can_allocate"]) == ("two", "no")
    told = await search.must("POST", "/_cluster/allocation/explain", {"index": "one", "shard": 0, "primary": True})
    assert told["current_state"] == "started"
    assert list((await search.must("GET", "/_shard_stores"))["indices"]) == ["two"]
    assert await search.must("POST", "/_cluster/reroute?metric=none") == {"acknowledged": True}
    move = {"commands": [{"move": {"index": "one", "shard": 0, "from_node": "a", "to_node": "b"}}]}
    assert (await search.fails("POST", "/_cluster/reroute", move))[1] == "illegal_argument_exception"


async def test_nodes_that_do_not_vote_are_noted_until_they_are_forgotten(search: Search) -> None:
    async def excluded() -> list[dict[str, str]]:
        state = await search.must("GET", "/_cluster/state")
        return list(state["metadata"]["cluster_coordination"]["voting_config_exclusions"])

    await search.must("POST", "/_cluster/voting_config_exclusions?node_ids=a,b")
    assert await excluded() == [{"node_id": one, "node_name": "_absent_"} for one in ("a", "b")]
    assert (await search.fails("POST", "/_cluster/voting_config_exclusions?node_names=n1"))[0] == 503
    assert (await search.fails("POST", "/_cluster/voting_config_exclusions"))[0] == 400
    await search.must("DELETE", "/_cluster/voting_config_exclusions")
    assert await excluded() == []


async def test_term_vectors_count_terms_over_all_documents(search: Search) -> None:
    for at, text in enumerate(("The quick brown fox is brown.", "brown bread")):
        await search.must("PUT", f"/texts/_doc/{at}?refresh=true", {"text": text})
    body = {"docs": [{"_index": "texts", "_id": "0"}]}
    (told,) = (await search.must("POST", "/_mtermvectors?term_statistics=true", body))["docs"]
    brown = told["term_vectors"]["text"]["terms"]["brown"]
    assert (brown["term_freq"], brown["doc_freq"], brown["ttf"]) == (2, 2, 3)
    assert told["term_vectors"]["text"]["field_statistics"] == {"sum_doc_freq": 7, "doc_count": 2, "sum_ttf": 8}
    bare = await search.must("GET", "/texts/_termvectors/0?positions=false&offsets=false&field_statistics=false")
    assert bare["term_vectors"]["text"]["terms"]["fox"] == {"term_freq": 1}
    assert "field_statistics" not in bare["term_vectors"]["text"]
