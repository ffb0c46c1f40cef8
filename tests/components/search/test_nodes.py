"""The one node, by its names and in parts."""

from __future__ import annotations

import pytest

from tests.components.search.house import Search


@pytest.mark.parametrize(
    ("path", "count"),
    [("_all", 1), ("_local", 1), ("n1", 1), ("maru-*", 1), ("master:true", 1), ("elsewhere", 0), ("data:false", 0)],
)
async def test_node_answers_to_its_names_only(search: Search, path: str, count: int) -> None:
    for tail in ("", "/stats"):
        told = await search.must("GET", f"/_nodes/{path}{tail}")
        assert (told["_nodes"]["total"], len(told["nodes"])) == (count, count)


async def test_node_tells_the_parts_that_were_asked_for(search: Search) -> None:
    (node,) = (await search.must("GET", "/_nodes/http,os"))["nodes"].values()
    assert {"http", "os", "roles"} <= set(node)
    assert not {"jvm", "settings", "plugins"} & set(node)
    (stats,) = (await search.must("GET", "/_nodes/stats/indices/docs,store"))["nodes"].values()
    assert set(stats["indices"]) == {"docs", "store"}
    assert "jvm" not in stats
    wrong = await search.fails("GET", "/_nodes/stats/foo")
    assert wrong[2] == "request [/_nodes/stats/foo] contains unrecognized metric: [foo]"
    assert (await search.fails("GET", "/_nodes/hot_threads"))[0] == 501


async def test_figures_of_the_cluster_are_those_of_the_nodes_that_are_named(search: Search) -> None:
    await search.must("PUT", "/a")
    here = await search.must("GET", "/_cluster/stats/nodes/_local")
    assert (here["_nodes"]["total"], here["indices"]["count"], here["nodes"]["count"]["data"]) == (1, 1, 1)
    nowhere = await search.must("GET", "/_cluster/stats/nodes/nowhere")
    assert (nowhere["_nodes"]["total"], nowhere["indices"]["count"], nowhere["nodes"]["count"]["data"]) == (0, 0, 0)
