"""Searches and copies that outlive their request, and searches written as templates."""

from __future__ import annotations

from tests.components.search.house import Search


async def test_asynchronous_search_is_read_until_it_is_deleted(search: Search) -> None:
    await search.must("PUT", "/books/_doc/1?refresh=true", {"title": "Bestiario"})
    begun = await search.must("POST", "/books/_async_search?q=bestiario&keep_on_completion=true")
    assert begun["response"]["hits"]["hits"][0]["_id"] == "1"
    assert (await search.must("GET", f"/_async_search/{begun['id']}"))["response"] == begun["response"]
    assert (await search.must("GET", f"/_async_search/status/{begun['id']}"))["completion_status"] == 200
    assert await search.must("DELETE", f"/_async_search/{begun['id']}") == {"acknowledged": True}
    assert (await search.ask("GET", f"/_async_search/{begun['id']}"))[0] == 404
    assert "id" not in await search.must("POST", "/books/_async_search")


async def test_failed_asynchronous_search_says_why(search: Search) -> None:
    status, answer = await search.ask("POST", "/books/_async_search")
    assert (status, answer["error"]["type"]) == (404, "index_not_found_exception")


async def test_task_of_a_copy_ends_with_its_tally(search: Search) -> None:
    await search.must("PUT", "/from/_doc/1?refresh=true", {"a": 1})
    body = {"source": {"index": "from"}, "dest": {"index": "to"}}
    task = (await search.must("POST", "/_reindex?wait_for_completion=false", body))["task"]
    ended = await search.must("GET", f"/_tasks/{task}?wait_for_completion=true")
    assert (ended["completed"], ended["response"]["created"]) == (True, 1)
    assert ended["task"]["description"] == "reindex [from]"
    assert (await search.fails("GET", "/_tasks/elsewhere:1"))[0] == 404
    assert (await search.fails("GET", "/_tasks/none"))[2] == "malformed task id none"


async def test_template_makes_the_search_it_says(search: Search) -> None:
    for number in (1, 2, 3):
        await search.must("PUT", f"/books/_doc/{number}?refresh=true", {"n": number, "t": f"t{number}"})
    source = '{"query": {"terms": {"n": {{#toJson}}ns{{/toJson}}}} {{#most}}, "size": {{most}}{{/most}}}'
    given = {"source": source, "params": {"ns": [1, 2], "most": 1}}
    found = await search.must("POST", "/books/_search/template", given)
    assert (found["hits"]["total"]["value"], len(found["hits"]["hits"])) == (2, 1)
    stored = {"script": {"lang": "mustache", "source": {"query": {"match": {"t": "{{word}}"}}}}}
    await search.must("PUT", "/_scripts/by-word", stored)
    shown = await search.must("POST", "/_render/template/by-word", {"params": {"word": 'a"b'}})
    assert shown == {"template_output": {"query": {"match": {"t": 'a"b'}}}}
    lines = b'{"index": "books"}\n{"id": "by-word", "params": {"word": "t3"}}\n{"index": "books"}\n{"id": "none"}\n'
    good, bad = (await search.must("POST", "/_msearch/template", lines))["responses"]
    assert [hit["_id"] for hit in good["hits"]["hits"]] == ["3"]
    assert bad["status"] == 404
    assert (await search.fails("POST", "/_search/template", {"source": "{{#a}}"}))[1] == "script_exception"
