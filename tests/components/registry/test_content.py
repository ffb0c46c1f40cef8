"""Pulling, discovery and management over the distribution API, and what a crash leaves."""

from __future__ import annotations

import json
from typing import Any

from maru.components.registry.controllers.shelf import HOLDER
from maru.wire.oci.manifest import OCI_INDEX, OCI_MANIFEST
from tests.components.registry.conftest import Registry, digest_of, index_of
from tests.components.registry.test_push import code_of


async def listed(registry: Registry, path: str) -> tuple[Any, str]:
    """The body, and the path of the next page."""
    response, body = await registry.ask("GET", path)
    assert response.status == 200, body
    link = response.headers.get("Link", "")
    assert not link or link.endswith('; rel="next"')
    return json.loads(body), link.partition(">")[0].removeprefix("<")


async def test_version_check_says_registry(registry: Registry) -> None:
    for path in ("/v2/", "/v2"):
        response, _ = await registry.ask("GET", path)
        assert (response.status, response.headers["Docker-Distribution-API-Version"]) == (200, "registry/2.0")


async def test_part_of_a_blob_is_pulled(registry: Registry) -> None:
    url = f"/v2/team/app/blobs/{await registry.push_blob('team/app', b'0123456789')}"
    for asked, got, where in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
    ):
        response, body = await registry.ask("GET", url, headers={"Range": asked})
        assert (response.status, body, response.headers["Content-Range"]) == (206, got, where)
    response, _ = await registry.ask("GET", url, headers={"Range": "bytes=10-"})
    assert (response.status, response.headers["Content-Range"]) == (416, "bytes */10")
    response, body = await registry.ask("GET", url, headers={"Range": "lines=1-2"})
    assert (response.status, body) == (200, b"0123456789")
    response, body = await registry.ask("HEAD", url)
    assert (response.status, response.headers["Content-Length"], body) == (200, "10", b"")


async def test_what_is_not_there_is_404(registry: Registry) -> None:
    for path, code in (
        (f"/v2/team/app/blobs/{digest_of(b'x')}", "BLOB_UNKNOWN"),
        ("/v2/team/app/manifests/v1", "NAME_UNKNOWN"),
        ("/v2/team/app/tags/list", "NAME_UNKNOWN"),
    ):
        response, body = await registry.ask("GET", path)
        assert (response.status, code_of(body)) == (404, code)
        response, _ = await registry.ask("HEAD", path.replace("/tags/list", "/manifests/x"))
        assert response.status == 404
    await registry.push_image("team/app", "v1")
    response, body = await registry.ask("GET", "/v2/team/app/manifests/v2")
    assert (response.status, code_of(body)) == (404, "MANIFEST_UNKNOWN")


async def test_tags_come_in_order_and_in_pages(registry: Registry) -> None:
    for tag in ("c", "a", "d", "b"):
        await registry.push_image("team/app", tag)
    body, _ = await listed(registry, "/v2/team/app/tags/list")
    assert body == {"name": "team/app", "tags": ["a", "b", "c", "d"]}
    body, following = await listed(registry, "/v2/team/app/tags/list?n=3")
    assert body["tags"] == ["a", "b", "c"]
    body, following = await listed(registry, following)
    assert (body["tags"], following) == (["d"], "")
    body, _ = await listed(registry, "/v2/team/app/tags/list?n=1&last=b")
    assert body["tags"] == ["c"]
    body, following = await listed(registry, "/v2/team/app/tags/list?n=0")
    assert (body["tags"], following) == ([], "")
    response, said = await registry.ask("GET", "/v2/team/app/tags/list?n=many")
    assert (response.status, code_of(said)) == (400, "PAGINATION_NUMBER_INVALID")


async def test_catalog_comes_in_pages(registry: Registry) -> None:
    for repository in ("b", "a", "c/d"):
        await registry.push_image(repository, "v1")
    await registry.push_blob("only/blobs", b"x")
    body, following = await listed(registry, "/v2/_catalog?n=2")
    assert body == {"repositories": ["a", "b"]}
    body, following = await listed(registry, following)
    assert (body, following) == ({"repositories": ["c/d"]}, "")


async def test_referrers_are_listed_and_filtered(registry: Registry) -> None:
    subject = await registry.push_image("team/app", "v1")
    about = {"subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 7}}
    notes = {"annotations": {"by": "us"}}
    body = await registry.image("team/app", "bill", artifactType="application/bill", **about, **notes)
    url, headers = f"/v2/team/app/manifests/{digest_of(body)}", {"Content-Type": OCI_MANIFEST}
    response, _ = await registry.ask("PUT", url, data=body, headers=headers)
    assert (response.status, response.headers["OCI-Subject"]) == (201, subject)
    index = index_of(artifactType="application/set", **about)
    await registry.ask("PUT", "/v2/team/app/manifests/set", data=index, headers={"Content-Type": OCI_INDEX})
    found, _ = await listed(registry, f"/v2/team/app/referrers/{subject}")
    assert {entry["digest"] for entry in found["manifests"]} == {digest_of(body), digest_of(index)}
    response, said = await registry.ask("GET", f"/v2/team/app/referrers/{subject}?artifactType=application/bill")
    (entry,) = json.loads(said)["manifests"]
    assert entry == {
        "mediaType": OCI_MANIFEST,
        "digest": digest_of(body),
        "size": len(body),
        "artifactType": "application/bill",
        **notes,
    }
    assert response.headers["OCI-Filters-Applied"] == "artifactType"
    assert response.headers["Content-Type"] == OCI_INDEX
    await registry.ask("DELETE", f"/v2/team/app/manifests/{digest_of(body)}")
    found, _ = await listed(registry, f"/v2/team/app/referrers/{subject}")
    assert [entry["digest"] for entry in found["manifests"]] == [digest_of(index)]


async def test_config_type_stands_for_the_artifact_type(registry: Registry) -> None:
    absent = digest_of(b"absent")
    about = {"subject": {"mediaType": OCI_MANIFEST, "digest": absent, "size": 7}}
    await registry.push_image("team/app", "note", **about)
    found, _ = await listed(registry, f"/v2/team/app/referrers/{absent}")
    assert found["manifests"][0]["artifactType"] == "application/vnd.oci.image.config.v1+json"
    found, _ = await listed(registry, f"/v2/team/none/referrers/{absent}")
    assert found["manifests"] == []
    response, said = await registry.ask("GET", "/v2/team/app/referrers/sha256:1")
    assert (response.status, code_of(said)) == (400, "DIGEST_INVALID")


async def test_deleted_tag_leaves_the_manifest(registry: Registry) -> None:
    digest = await registry.push_image("team/app", "v1")
    await registry.push_image("team/app", "v2")
    response, _ = await registry.ask("DELETE", "/v2/team/app/manifests/v1")
    assert response.status == 202
    response, _ = await registry.ask("GET", f"/v2/team/app/manifests/{digest}")
    assert response.status == 200
    body, _ = await listed(registry, "/v2/team/app/tags/list")
    assert body["tags"] == ["v2"]
    response, _ = await registry.ask("DELETE", "/v2/team/app/manifests/v1")
    assert response.status == 404


async def test_deleted_manifest_takes_its_tags_and_its_bytes(registry: Registry) -> None:
    digest = await registry.push_image("team/app", "v1")
    response, _ = await registry.ask("DELETE", f"/v2/team/app/manifests/{digest}")
    assert response.status == 202
    for reference in ("v1", digest):
        response, _ = await registry.ask("GET", f"/v2/team/app/manifests/{reference}")
        assert response.status == 404
    assert not registry.has(digest)


async def test_deleted_blob_goes_when_no_repository_has_it(registry: Registry) -> None:
    digest = await registry.push_blob("one", b"hello")
    await registry.push_blob("two", b"hello")
    assert (await registry.ask("DELETE", f"/v2/one/blobs/{digest}"))[0].status == 202
    assert (await registry.ask("DELETE", f"/v2/one/blobs/{digest}"))[0].status == 404
    assert (await registry.ask("GET", f"/v2/one/blobs/{digest}"))[0].status == 404
    assert (await registry.ask("GET", f"/v2/two/blobs/{digest}"))[1] == b"hello"
    await registry.ask("DELETE", f"/v2/two/blobs/{digest}")
    assert not registry.has(digest)


async def test_what_an_image_stands_on_outlives_its_repository(registry: Registry) -> None:
    digest = await registry.push_blob("one", b"hello")
    registry.images.add(digest)
    await registry.ask("DELETE", f"/v2/one/blobs/{digest}")
    assert registry.has(digest)


async def test_what_a_repository_has_outlives_the_image(registry: Registry) -> None:
    digest = await registry.push_blob("one", b"hello")
    registry.content.keep_only_blocking((), ())
    assert (await registry.ask("GET", f"/v2/one/blobs/{digest}"))[1] == b"hello"


async def test_collection_spares_what_manifests_name_and_what_is_young(registry: Registry) -> None:
    image = await registry.push_image("team/app", "v1", "layer")
    stray = await registry.push_blob("team/app", b"stray")
    await registry.shelf.collect(3600.0)
    assert registry.has(stray)
    await registry.shelf.collect(-1.0)
    assert not registry.has(stray)
    assert registry.has(image)
    assert (await registry.ask("GET", f"/v2/team/app/blobs/{digest_of(b'layer')}"))[1] == b"layer"
    response, _ = await registry.ask("GET", f"/v2/team/app/blobs/{stray}")
    assert response.status == 404


async def test_an_image_that_nothing_holds_any_more_leaves_no_bytes_on_disk(registry: Registry) -> None:
    image = await registry.push_image("team/app", "v1", "layer")
    layer = digest_of(b"layer")
    registry.images.add(layer)  # a container or a Pod stands on it
    await registry.ask("DELETE", f"/v2/team/app/manifests/{image}")
    await registry.shelf.collect(-1.0)
    assert registry.has(layer)
    registry.images.clear()
    await registry.shelf.collect(-1.0)
    registry.content.keep_only_blocking((), ())
    folder = registry.content.blob(layer).parents[2]
    assert [file for file in folder.rglob("*") if file.is_file()] == []


async def test_crash_between_content_and_row_leaves_nothing(registry: Registry) -> None:
    kept = await registry.push_image("team/app", "v1")
    half = await registry.shelf.content.put(HOLDER, b"half way")
    await registry.shelf.open()
    assert not registry.has(half)
    assert (await registry.ask("GET", f"/v2/team/app/manifests/{kept}"))[0].status == 200


async def test_lost_content_is_forgotten(registry: Registry) -> None:
    digest = await registry.push_image("team/app", "v1")
    registry.content.release_blocking(HOLDER, [digest])
    await registry.shelf.open()
    response, _ = await registry.ask("GET", "/v2/team/app/manifests/v1")
    assert response.status == 404
    body, _ = await listed(registry, "/v2/team/app/tags/list")
    assert body["tags"] == []


async def test_same_bytes_are_on_disk_once(registry: Registry) -> None:
    digest = await registry.push_blob("one", b"hello")
    inode = registry.content.blob(digest).stat().st_ino
    await registry.push_blob("two", b"hello")
    blob = registry.content.blob(digest).stat()
    assert (blob.st_ino, blob.st_nlink) == (inode, 2)


async def test_tags_are_in_lexical_order_whatever_their_case(registry: Registry) -> None:
    for tag in ("b", "A", "c", "B", "a"):
        await registry.push_image("team/app", tag)
    seen: list[str] = []
    while True:
        last = f"&last={seen[-1]}" if seen else ""
        response, body = await registry.ask("GET", f"/v2/team/app/tags/list?n=2{last}")
        seen += json.loads(body)["tags"]
        if "Link" not in response.headers:
            break
    assert seen == ["A", "a", "B", "b", "c"]
