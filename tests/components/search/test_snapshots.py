"""Snapshots are really written, and what they hold comes back."""

from __future__ import annotations

from pathlib import Path

from tests.components.search.house import Search, running


async def filled(search: Search) -> None:
    await search.must("PUT", "/_snapshot/safe", {"type": "fs", "settings": {"location": "safe"}})
    await search.must("PUT", "/books", {"mappings": {"properties": {"n": {"type": "long"}}}, "aliases": {"read": {}}})
    for number in range(3):
        await search.must("PUT", f"/books/_doc/{number}", {"n": number})
    await search.must("PUT", "/books/_doc/0", {"n": 10})
    await search.must("DELETE", "/books/_doc/1")


async def test_snapshot_brings_documents_back_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as search:
        await filled(search)
        made = (await search.must("PUT", "/_snapshot/safe/first?wait_for_completion=true"))["snapshot"]
        assert (made["state"], made["indices"]) == ("SUCCESS", ["books"])
        await search.must("DELETE", "/books")
    async with running(tmp_path) as search:
        await search.must("PUT", "/_snapshot/safe", {"type": "fs", "settings": {"location": "safe"}})
        told = await search.must("POST", "/_snapshot/safe/first/_restore?wait_for_completion=true")
        assert told["snapshot"]["shards"] == {"total": 1, "failed": 0, "successful": 1}
        assert (await search.must("GET", "/read/_count"))["count"] == 2
        kept = await search.must("GET", "/books/_doc/0")
        assert (kept["_source"], kept["_version"]) == ({"n": 10}, 2)
        assert (await search.ask("GET", "/books/_doc/1"))[0] == 404
        after = await search.must("PUT", "/books/_doc/9", {"n": 9})
        assert after["_seq_no"] > kept["_seq_no"]


async def test_restore_renames_and_never_overwrites_an_open_index(search: Search) -> None:
    await filled(search)
    await search.must(
        "PUT", "/_snapshot/safe/first?wait_for_completion=true", {"indices": "boo*", "metadata": {"a": 1}}
    )
    path = "/_snapshot/safe/first/_restore?wait_for_completion=true"
    assert (await search.fails("POST", path))[:2] == (500, "snapshot_restore_exception")
    new = {"rename_pattern": "b(.*)", "rename_replacement": "old-$1", "include_aliases": False}
    assert (await search.must("POST", path, new))["snapshot"]["indices"] == ["old-ooks"]
    assert (await search.must("GET", "/old-ooks/_alias"))["old-ooks"]["aliases"] == {}
    await search.must("POST", "/books/_close")
    await search.must("POST", path, {"index_settings": {"index.number_of_replicas": 0}})
    assert (await search.must("GET", "/_cluster/health/books"))["status"] == "green"
    assert (await search.fails("POST", path, {"indices": "none"}))[0] == 404


async def test_snapshots_are_listed_told_of_and_deleted_with_their_files(search: Search, tmp_path: Path) -> None:
    await filled(search)
    for name in ("first", "second"):
        await search.must("PUT", f"/_snapshot/safe/{name}?wait_for_completion=true")
    assert (await search.fails("PUT", "/_snapshot/safe/first"))[1] == "invalid_snapshot_name_exception"
    assert (await search.fails("PUT", "/_snapshot/safe/First"))[1] == "invalid_snapshot_name_exception"
    told = await search.must("GET", "/_snapshot/safe/_all")
    assert [one["snapshot"] for one in told["snapshots"]] == ["first", "second"]
    status = (await search.must("GET", "/_snapshot/safe/second/_status"))["snapshots"][0]
    assert (status["state"], status["shards_stats"]["done"]) == ("SUCCESS", 1)
    rows = await search.must("GET", "/_cat/snapshots/safe?format=json")
    assert [(one["id"], one["status"]) for one in rows] == [("first", "SUCCESS"), ("second", "SUCCESS")]
    assert (await search.must("GET", "/_cat/repositories?format=json")) == [{"id": "safe", "type": "fs"}]
    await search.must("DELETE", "/_snapshot/safe/first")
    assert (await search.fails("GET", "/_snapshot/safe/first"))[:2] == (404, "snapshot_missing_exception")
    (folder,) = tmp_path.rglob("repositories/safe")
    assert len([one for one in folder.iterdir() if one.is_dir()]) == 1
    assert (await search.must("POST", "/_snapshot/safe/_cleanup"))["results"]["deleted_blobs"] == 0
    await search.must("DELETE", "/_snapshot/safe")
    assert (await search.fails("GET", "/_snapshot/safe"))[:2] == (404, "repository_missing_exception")


async def test_repository_lies_only_where_it_may(search: Search, tmp_path: Path) -> None:
    for location in ("/etc/elsewhere", "../../out"):
        body = {"type": "fs", "settings": {"location": location}}
        assert (await search.fails("PUT", "/_snapshot/r", body))[:2] == (400, "repository_exception")
    assert (await search.fails("PUT", "/_snapshot/r", {"type": "s3"}))[2] == "[r] repository type [s3] does not exist"
    async with running(tmp_path / "own", settings={"path_repo": str(tmp_path / "shared")}) as other:
        body = {"type": "fs", "settings": {"location": str(tmp_path / "shared" / "a")}}
        await other.must("PUT", "/_snapshot/r", body)
        assert list(await other.must("POST", "/_snapshot/r/_verify")) == ["nodes"]
