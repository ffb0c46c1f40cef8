"""Pushing over the distribution API: blobs in every way there is, manifests, and what is refused."""

from __future__ import annotations

import json

from maru.wire.oci.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.components.registry.conftest import UPLOADS_MAX, Registry, digest_of, index_of


def code_of(body: bytes) -> str:
    (error,) = json.loads(body)["errors"]
    assert error["message"]
    return str(error["code"])


async def begun(registry: Registry, repository: str = "team/app") -> str:
    response, _ = await registry.ask("POST", f"/v2/{repository}/blobs/uploads/")
    assert response.status == 202
    assert response.headers["Range"] == "0-0"
    return response.headers["Location"]


async def test_blob_pushed_by_post_and_put_is_pulled(registry: Registry) -> None:
    location = await begun(registry)
    response, _ = await registry.ask("PUT", f"{location}?digest={digest_of(b'hello')}", data=b"hello")
    assert response.status == 201
    assert response.headers["Docker-Content-Digest"] == digest_of(b"hello")
    _, body = await registry.ask("GET", response.headers["Location"])
    assert body == b"hello"
    response, _ = await registry.ask("GET", location)
    assert response.status == 404


async def test_blob_pushed_in_chunks_is_pulled(registry: Registry) -> None:
    location = await begun(registry)
    response, _ = await registry.ask("PATCH", location, data=b"hel", headers={"Content-Range": "0-2"})
    assert (response.status, response.headers["Range"]) == (202, "0-2")
    response, _ = await registry.ask("GET", location)
    assert (response.status, response.headers["Range"]) == (204, "0-2")
    url = f"{response.headers['Location']}?digest={digest_of(b'hello')}"
    response, _ = await registry.ask("PUT", url, data=b"lo", headers={"Content-Range": "3-4"})
    assert response.status == 201


async def test_chunk_out_of_order_is_416_and_the_upload_goes_on(registry: Registry) -> None:
    location = await begun(registry)
    await registry.ask("PATCH", location, data=b"hel", headers={"Content-Range": "0-2"})
    for wrong in ("4-5", "0-1", "junk"):
        response, _ = await registry.ask("PATCH", location, data=b"xx", headers={"Content-Range": wrong})
        assert (response.status, response.headers["Range"]) == (416, "0-2")
    await registry.ask("PATCH", location, data=b"lo")
    response, _ = await registry.ask("PUT", f"{location}?digest={digest_of(b'hello')}")
    assert response.status == 201


async def test_chunk_of_another_length_than_its_range_is_refused(registry: Registry) -> None:
    location = await begun(registry)
    response, body = await registry.ask("PATCH", location, data=b"hel", headers={"Content-Range": "0-4"})
    assert (response.status, code_of(body)) == (400, "SIZE_INVALID")


async def test_content_with_another_digest_is_refused_and_not_kept(registry: Registry) -> None:
    wrong = digest_of(b"other")
    response, body = await registry.ask("POST", f"/v2/team/app/blobs/uploads/?digest={wrong}", data=b"hello")
    assert (response.status, code_of(body)) == (400, "DIGEST_INVALID")
    response, _ = await registry.ask("PUT", f"{await begun(registry)}?digest={wrong}", data=b"hello")
    assert response.status == 400
    assert not registry.has(wrong)
    assert not registry.has(digest_of(b"hello"))
    for digest in ("", "sha256:1", "sha512:" + "0" * 128):
        response, body = await registry.ask("PUT", f"{await begun(registry)}?digest={digest}", data=b"hello")
        assert (response.status, code_of(body)) == (400, "DIGEST_INVALID")


async def test_upload_whose_digest_was_wrong_is_finished_with_its_own_or_cancelled(registry: Registry) -> None:
    wrong = digest_of(b"other")
    location = await begun(registry)
    response, _ = await registry.ask("PUT", f"{location}?digest={wrong}", data=b"hello")
    assert response.status == 400
    response, _ = await registry.ask("PUT", f"{location}?digest={digest_of(b'hello')}")
    assert response.status == 201
    assert registry.has(digest_of(b"hello"))
    location = await begun(registry)
    await registry.ask("PUT", f"{location}?digest={wrong}", data=b"hello")
    response, _ = await registry.ask("DELETE", location)
    assert response.status == 204


async def test_cancelled_upload_is_gone(registry: Registry) -> None:
    location = await begun(registry)
    response, _ = await registry.ask("DELETE", location)
    assert response.status == 204
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        response, body = await registry.ask(method, location)
        assert (response.status, code_of(body)) == (404, "BLOB_UPLOAD_UNKNOWN")


async def test_upload_is_only_its_repositorys(registry: Registry) -> None:
    location = await begun(registry)
    response, _ = await registry.ask("GET", location.replace("team/app", "team/other"))
    assert response.status == 404


async def test_uploads_under_way_are_bounded_until_they_idle(registry: Registry) -> None:
    for _ in range(UPLOADS_MAX):
        await begun(registry)
    response, body = await registry.ask("POST", "/v2/team/app/blobs/uploads/")
    assert (response.status, code_of(body)) == (429, "TOOMANYREQUESTS")
    await registry.uploads.end_idle(-1.0)
    await begun(registry)


async def test_mounted_blob_is_in_both_repositories(registry: Registry) -> None:
    digest = await registry.push_blob("team/app", b"hello")
    response, body = await registry.ask("GET", f"/v2/team/other/blobs/{digest}")
    assert (response.status, code_of(body)) == (404, "BLOB_UNKNOWN")
    response, _ = await registry.ask("POST", f"/v2/team/other/blobs/uploads/?mount={digest}&from=team/app")
    assert (response.status, response.headers["Location"]) == (201, f"/v2/team/other/blobs/{digest}")
    _, body = await registry.ask("GET", f"/v2/team/other/blobs/{digest}")
    assert body == b"hello"


async def test_mount_of_what_is_not_there_begins_an_upload(registry: Registry) -> None:
    digest = await registry.push_blob("team/app", b"hello")
    for query in (f"mount={digest}&from=team/third", f"mount={digest_of(b'x')}&from=team/app"):
        response, _ = await registry.ask("POST", f"/v2/team/other/blobs/uploads/?{query}")
        assert response.status == 202
        assert response.headers["Location"].startswith("/v2/team/other/blobs/uploads/")


async def test_manifest_is_pulled_as_it_was_pushed(registry: Registry) -> None:
    body = await registry.image("team/app", "one")
    url = "/v2/team/app/manifests/v1"
    response, _ = await registry.ask("PUT", url, data=body, headers={"Content-Type": OCI_MANIFEST})
    digest = digest_of(body)
    assert response.status == 201
    assert response.headers["Location"] == f"/v2/team/app/manifests/{digest}"
    for reference in ("v1", digest):
        response, pulled = await registry.ask("GET", f"/v2/team/app/manifests/{reference}")
        assert (response.status, response.headers["Content-Type"], pulled) == (200, OCI_MANIFEST, body)
        assert response.headers["Docker-Content-Digest"] == digest
        response, _ = await registry.ask("HEAD", f"/v2/team/app/manifests/{reference}")
        assert (response.status, response.headers["Content-Length"]) == (200, str(len(body)))


async def test_docker_manifest_keeps_its_type(registry: Registry) -> None:
    body = (await registry.image("team/app", "one")).replace(OCI_MANIFEST.encode(), DOCKER_MANIFEST.encode())
    url = "/v2/team/app/manifests/v1"
    response, _ = await registry.ask("PUT", url, data=body, headers={"Content-Type": DOCKER_MANIFEST})
    assert response.status == 201
    response, _ = await registry.ask("GET", url)
    assert response.headers["Content-Type"] == DOCKER_MANIFEST


async def test_manifest_of_blobs_that_are_elsewhere_is_refused(registry: Registry) -> None:
    body = await registry.image("team/app", "one")
    url = "/v2/team/other/manifests/v1"
    response, said = await registry.ask("PUT", url, data=body, headers={"Content-Type": OCI_MANIFEST})
    assert (response.status, code_of(said)) == (404, "MANIFEST_BLOB_UNKNOWN")
    response, _ = await registry.ask("GET", url)
    assert response.status == 404
    assert not registry.has(digest_of(body))


async def test_index_needs_its_manifests(registry: Registry) -> None:
    headers = {"Content-Type": OCI_INDEX}
    digest = await registry.push_image("team/app", "v1")
    url = "/v2/team/app/manifests/all"
    response, said = await registry.ask("PUT", url, data=index_of(digest, digest_of(b"x")), headers=headers)
    assert (response.status, code_of(said)) == (404, "MANIFEST_BLOB_UNKNOWN")
    response, _ = await registry.ask("PUT", url, data=index_of(digest), headers=headers)
    assert response.status == 201
    response, _ = await registry.ask("GET", url)
    assert response.headers["Content-Type"] == OCI_INDEX


async def test_manifest_that_is_none_is_refused(registry: Registry) -> None:
    good = await registry.image("team/app", "one")
    for body, content_type in (
        (b"junk", OCI_MANIFEST),
        (b"{}", OCI_MANIFEST),
        (b'{"schemaVersion":1}', OCI_MANIFEST),
        (good, OCI_INDEX),
        (good, "text/plain"),
        (index_of(), OCI_MANIFEST),
        (good.replace(b"sha256:", b"sha999:"), OCI_MANIFEST),
    ):
        headers = {"Content-Type": content_type}
        response, said = await registry.ask("PUT", "/v2/team/app/manifests/v1", data=body, headers=headers)
        assert (response.status, code_of(said)) == (400, "MANIFEST_INVALID"), (body, content_type)
    response, said = await registry.ask("PUT", f"/v2/team/app/manifests/{digest_of(b'x')}", data=good)
    assert (response.status, code_of(said)) == (400, "DIGEST_INVALID")
    response, said = await registry.ask("PUT", "/v2/team/app/manifests/v1", data=b" " * (5 << 20))
    assert (response.status, code_of(said)) == (413, "SIZE_INVALID")


async def test_bad_names_are_refused(registry: Registry) -> None:
    response, said = await registry.ask("GET", "/v2/Team/app/tags/list")
    assert (response.status, code_of(said)) == (400, "NAME_INVALID")
    response, said = await registry.ask("PUT", "/v2/team/app/manifests/.bad", data=b"{}")
    assert (response.status, code_of(said)) == (400, "TAG_INVALID")
    response, _ = await registry.ask("GET", "/v2/team/app/nothing")
    assert response.status == 404
    response, said = await registry.ask("POST", "/v2/team/app/tags/list")
    assert (response.status, code_of(said)) == (405, "UNSUPPORTED")
