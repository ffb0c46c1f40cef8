"""What the specification's own conformance suite asks of a registry, case by case, in both of its digest algorithms.

Source: OCI distribution specification 1.1, conformance/ (pull, push, content discovery, content management).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from maru.wire.oci.manifest import MANIFEST_BYTES_MAX, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from tests.components.registry.conftest import Registry, digest_of
from tests.components.registry.test_push import code_of

BYTES = {"Content-Type": "application/octet-stream"}
EMPTY = "application/vnd.oci.empty.v1+json"
KIND = "application/vnd.example.one"
BLOB = bytes(range(256)) * 8
Entry = dict[str, Any]
both = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])


class Client:
    """A client of the conformance suite: it knows paths, and follows what Location says."""

    def __init__(self, registry: Registry, repository: str = "conformance/one") -> None:
        self.registry = registry
        self.repository = repository

    async def ask(self, method: str, path: str, **more: Any) -> tuple[aiohttp.ClientResponse, bytes]:
        return await self.registry.ask(method, f"/v2/{self.repository}/{path}", **more)

    async def begin(self, query: str = "") -> str:
        response, _ = await self.ask("POST", f"blobs/uploads/{query}")
        assert response.status == 202
        return response.headers["Location"]

    async def send(self, method: str, place: str, chunk: bytes, *, at: int = -1) -> aiohttp.ClientResponse:
        """One chunk; at: where its range begins, -1 for none."""
        ranged = {"Content-Range": f"{at}-{at + len(chunk) - 1}"} if at >= 0 else {}
        response, _ = await self.registry.ask(method, place, data=chunk, headers=BYTES | ranged)
        return response

    async def put(self, content: bytes, algorithm: str = "sha256") -> Entry:
        """Push a blob; its descriptor."""
        digest = digest_of(content, algorithm)
        response = await self.send("PUT", f"{await self.begin()}?digest={digest}", content)
        await self.check_made(response, digest, content)
        return {"mediaType": OCI_LAYER, "digest": digest, "size": len(content)}

    async def check_made(self, response: aiohttp.ClientResponse, digest: str, content: bytes) -> None:
        """What a push answers, and that HEAD, GET and the place it names say the same."""
        assert (response.status, response.headers["Docker-Content-Digest"]) == (201, digest)
        said, body = await self.ask("HEAD", f"blobs/{digest}")
        assert (said.status, said.headers["Content-Length"], body) == (200, str(len(content)), b"")
        for path in (f"/v2/{self.repository}/blobs/{digest}", response.headers["Location"]):
            said, body = await self.registry.ask("GET", path)
            assert (said.status, body, said.headers["Content-Length"]) == (200, content, str(len(content)))
            assert said.headers["Docker-Content-Digest"] == digest

    async def put_manifest(self, document: Entry, reference: str = "", algorithm: str = "sha256") -> Entry:
        """Push a manifest by its digest and under `reference` if there is one; its descriptor."""
        body = json.dumps(document).encode()
        kind, digest = document["mediaType"], digest_of(body, algorithm)
        for name in (digest, reference) if reference else (digest,):
            response, said = await self.ask("PUT", f"manifests/{name}", data=body, headers={"Content-Type": kind})
            assert (response.status, response.headers.get("Docker-Content-Digest")) == (201, digest), said
            assert response.headers.get("OCI-Subject") == (document.get("subject") or {}).get("digest")
            pulled, content = await self.registry.ask("GET", response.headers["Location"])
            assert (pulled.status, content, pulled.headers["Content-Type"]) == (200, body, kind)
            for method in ("HEAD", "GET"):
                pulled, _ = await self.ask(method, f"manifests/{name}", headers={"Accept": OCI_INDEX})
                assert (pulled.status, pulled.headers["Content-Length"]) == (200, str(len(body)))
                assert (pulled.headers["Docker-Content-Digest"], pulled.headers["Content-Type"]) == (digest, kind)
        return {"mediaType": kind, "digest": digest, "size": len(body)}

    async def image(self, text: str, algorithm: str = "sha256", **more: Any) -> Entry:
        """An image's manifest, whose blobs are there."""
        config = await self.put(json.dumps({"of": text}).encode(), algorithm)
        layers = [await self.put(text.encode(), algorithm)]
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config | {"mediaType": OCI_CONFIG}}
        return document | {"layers": layers} | more

    async def delete(self, path: str) -> None:
        """It goes at once."""
        assert (await self.ask("DELETE", path))[0].status == 202
        assert (await self.ask("HEAD", path))[0].status == 404
        assert (await self.ask("GET", path))[0].status == 404

    async def tags(self, query: str = "") -> list[str]:
        response, body = await self.ask("GET", f"tags/list{query}")
        assert response.status == 200
        return list(json.loads(body)["tags"])

    async def referrers(self, digest: str, query: str = "") -> tuple[list[Entry], str]:
        response, body = await self.ask("GET", f"referrers/{digest}{query}")
        assert (response.status, response.headers["Content-Type"]) == (200, OCI_INDEX)
        index = json.loads(body)
        assert (index["schemaVersion"], index["mediaType"]) == (2, OCI_INDEX)
        return index["manifests"], response.headers.get("OCI-Filters-Applied", "")


@pytest.fixture
async def client(registry: Registry) -> AsyncIterator[Client]:
    yield Client(registry)


@both
async def test_blob_is_pushed_in_every_way_and_deleted(client: Client, algorithm: str) -> None:
    digest = digest_of(BLOB, algorithm)
    assert (await client.ask("GET", f"blobs/{digest}"))[0].status == 404
    await client.check_made(await client.send("POST", await _posted(client, digest), BLOB), digest, BLOB)
    await client.delete(f"blobs/{digest}")
    await client.put(BLOB, algorithm)
    await client.delete(f"blobs/{digest}")
    place = await client.begin()
    streamed, _ = await client.registry.ask("PATCH", place, data=_pieces(BLOB), headers=BYTES)
    assert (streamed.status, streamed.headers["Range"]) == (202, f"0-{len(BLOB) - 1}")
    finished = await client.send("PUT", f"{streamed.headers['Location']}?digest={digest}", b"")
    await client.check_made(finished, digest, BLOB)
    await client.delete(f"blobs/{digest}")


async def _posted(client: Client, digest: str) -> str:
    return f"/v2/{client.repository}/blobs/uploads/?digest={digest}"


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    """Without a length."""
    for first in range(0, len(content), 500):
        yield content[first : first + 500]


@both
@pytest.mark.parametrize("last", ["PATCH", "PUT"])
async def test_chunks_out_of_order_are_refused_and_the_upload_goes_on(
    client: Client, algorithm: str, last: str
) -> None:
    digest, size = digest_of(BLOB, algorithm), len(BLOB) // 3 + 1
    place = await client.begin()
    for first in range(0, len(BLOB), size):
        wrong = first + size if first + size < len(BLOB) else 0
        method = last if wrong + size >= len(BLOB) else "PATCH"
        ending = f"?digest={digest}" if method == "PUT" else ""
        refused = await client.send(method, place + ending, BLOB[wrong : wrong + size], at=wrong)
        assert refused.status == 416
        stands, _ = await client.registry.ask("GET", refused.headers["Location"])
        assert (stands.status, stands.headers["Range"]) == (204, f"0-{max(0, first - 1)}")
        is_last = first + size >= len(BLOB)
        ending = f"?digest={digest}" if is_last and last == "PUT" else ""
        taken = await client.send(
            last if is_last else "PATCH", stands.headers["Location"] + ending, BLOB[first : first + size], at=first
        )
        place = taken.headers["Location"]
    if last == "PATCH":
        taken = await client.send("PUT", f"{place}?digest={digest}", b"")
    await client.check_made(taken, digest, BLOB)


@both
async def test_blob_is_mounted_from_a_repository_or_from_any(client: Client, algorithm: str) -> None:
    other, digest = Client(client.registry, "conformance/two"), digest_of(BLOB, algorithm)
    for query in (f"?mount={digest}&from=conformance/two", f"?mount={digest}"):
        fallback = await client.begin(query)  # nobody has it
        assert (await client.ask("HEAD", f"blobs/{digest}"))[0].status == 404
        await other.put(BLOB, algorithm)
        mounted, _ = await client.ask("POST", f"blobs/uploads/{query}")
        assert mounted.headers["Location"] == f"/v2/{client.repository}/blobs/{digest}"
        await client.check_made(mounted, digest, BLOB)
        await client.delete(f"blobs/{digest}")
        await other.delete(f"blobs/{digest}")
        await client.check_made(await client.send("PUT", f"{fallback}?digest={digest}", BLOB), digest, BLOB)
        await client.delete(f"blobs/{digest}")


@both
async def test_cancelled_upload_and_wrong_digest_leave_nothing(client: Client, algorithm: str) -> None:
    digest = digest_of(BLOB, algorithm)
    assert (await client.registry.ask("DELETE", await client.begin()))[0].status == 204
    spoilt = BLOB + b"oh no"
    refused = [await client.send("POST", await _posted(client, digest), spoilt)]
    refused.append(await client.send("PUT", f"{await client.begin()}?digest={digest}", spoilt))
    for at in (0, -1):
        taken = await client.send("PATCH", await client.begin(), spoilt, at=at)
        refused.append(await client.send("PUT", f"{taken.headers['Location']}?digest={digest}", b""))
    assert [response.status for response in refused] == [400] * 4
    assert (await client.ask("HEAD", f"blobs/{digest}"))[0].status == 404
    assert not client.registry.has(digest)


@both
@pytest.mark.parametrize("content", [b"", b"{}"])
async def test_well_known_blobs_are_blobs(client: Client, algorithm: str, content: bytes) -> None:
    entry = await client.put(content, algorithm)
    assert entry["digest"] == digest_of(content, algorithm)
    await client.delete(f"blobs/{entry['digest']}")


async def test_part_of_a_blob_is_what_its_range_says(client: Client) -> None:
    entry = await client.put(BLOB)
    for asked, first, last in (
        ("500-1499", 500, 1499),
        ("500-", 500, 2047),
        ("-500", 1548, 2047),
        ("2000-5000", 2000, 2047),
    ):
        response, body = await client.ask("GET", f"blobs/{entry['digest']}", headers={"Range": f"bytes={asked}"})
        assert (response.status, body) == (206, BLOB[first : last + 1])
        assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(BLOB)}"
    for asked in ("500-0", "5000-10000"):
        response, _ = await client.ask("GET", f"blobs/{entry['digest']}", headers={"Range": f"bytes={asked}"})
        assert response.status == 416


@both
async def test_indexes_of_images_of_indexes_are_kept_and_deleted(client: Client, algorithm: str) -> None:
    images = [await client.put_manifest(await client.image(each, algorithm), "", algorithm) for each in ("a", "b")]
    head = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    index = await client.put_manifest(head | {"manifests": images}, "", algorithm)
    nested = await client.put_manifest(head | {"manifests": [index], "x-own": {"a": [1]}}, "", algorithm)
    empty = await client.put_manifest(head | {"manifests": []}, "", algorithm)
    for entry in (empty, nested, index, *images):
        await client.delete(f"manifests/{entry['digest']}")
    assert await client.tags() == []


async def test_manifest_may_be_large_have_fields_of_its_own_and_no_layers(client: Client) -> None:
    notes = {f"note-{number}": "A" * 10_000 for number in range(390)}
    assert len(json.dumps(notes)) < MANIFEST_BYTES_MAX
    await client.put_manifest(await client.image("large", annotations=notes), "large")
    await client.put_manifest(await client.image("own", more={"own": 1}), "own")
    await client.put_manifest(await client.image("bare", layers=[]), "bare")
    embedded = await client.image("embedded")
    embedded["config"] |= {"data": "eyJvZiI6ICJlbWJlZGRlZCJ9", "x-own": "y"}
    await client.put_manifest(embedded, "embedded")
    assert await client.tags() == ["bare", "embedded", "large", "own"]
    assert await client.tags("?n=2") == ["bare", "embedded"]
    assert await client.tags("?n=2&last=embedded") == ["large", "own"]
    await client.delete("manifests/own")


async def test_layers_that_are_not_distributed_need_not_be_there(client: Client) -> None:
    document = await client.image("foreign")
    for kind in ("nondistributable.v1.tar", "nondistributable.v1.tar+gzip"):
        digest = digest_of(kind.encode())
        layer = {"mediaType": f"application/vnd.oci.image.layer.{kind}", "digest": digest, "size": 123}
        document["layers"].append(layer | {"urls": [f"https://store.example/{digest}"]})
    await client.put_manifest(document, "foreign")
    assert await client.tags() == ["foreign"]


async def test_referrers_are_told_by_kind_and_for_subjects_that_are_not_there(client: Client) -> None:
    subject = await client.put_manifest(await client.image("subject"), "subject")
    lost: Entry = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"never pushed"), "size": 123}
    assert await client.referrers(lost["digest"]) == ([], "")
    config = await client.put(b"{}")
    own: Entry = {"config": config | {"mediaType": EMPTY}, "artifactType": KIND, "annotations": {"a": "b"}}
    made = [
        await client.put_manifest(await client.image("plain", subject=subject)),
        await client.put_manifest(await client.image("typed", subject=subject, **own), "typed"),
        await client.put_manifest(
            {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": subject, "artifactType": KIND}
        ),
    ]
    entries: Mapping[str, Entry] = {each["digest"]: each for each in (await client.referrers(subject["digest"]))[0]}
    assert list(entries) == sorted(each["digest"] for each in made)
    assert [entries[each["digest"]]["artifactType"] for each in made] == [OCI_CONFIG, KIND, KIND]
    assert entries[made[1]["digest"]] == made[1] | {"artifactType": KIND, "annotations": {"a": "b"}}
    found, applied = await client.referrers(subject["digest"], f"?artifactType={KIND}")
    assert (len(found), applied) == (2, "artifactType")
    orphan = await client.put_manifest(await client.image("orphan", subject=lost, **own))
    assert [each["digest"] for each in (await client.referrers(lost["digest"]))[0]] == [orphan["digest"]]


async def test_list_of_referrers_stays_below_what_clients_read_of_an_index(client: Client) -> None:
    subject: Entry = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"of large ones"), "size": 1}
    for text in ("one", "two"):
        await client.put_manifest(await client.image(text, subject=subject, annotations={"a": text * 900_000}))
    path, seen = f"/v2/{client.repository}/referrers/{subject['digest']}", set()
    while path:
        response, body = await client.registry.ask("GET", path)
        assert len(body) <= MANIFEST_BYTES_MAX
        seen |= {each["digest"] for each in json.loads(body)["manifests"]}
        path = response.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert len(seen) == 2


@both
async def test_manifest_pushed_by_digest_gets_the_tags_its_query_names(client: Client, algorithm: str) -> None:
    body = json.dumps(await client.image("tagged", algorithm)).encode()
    path = f"manifests/{digest_of(body, algorithm)}"
    headers = {"Content-Type": OCI_MANIFEST}
    response, _ = await client.ask("PUT", f"{path}?tag=one&tag=two", data=body, headers=headers)
    assert (response.status, response.headers["OCI-Tag"]) == (201, "one, two")
    assert await client.tags() == ["one", "two"]
    pulled, content = await client.ask("GET", "manifests/two")
    assert (content, pulled.headers["Docker-Content-Digest"]) == (body, digest_of(body, algorithm))
    response, said = await client.ask("PUT", f"{path}?tag=.bad", data=body, headers=headers)
    assert (response.status, code_of(said)) == (400, "TAG_INVALID")
    response, _ = await client.ask("PUT", path + "?" + "&".join(f"tag=t{n}" for n in range(200)), data=body)
    assert response.status == 414


async def test_manifest_that_is_not_there_is_404_and_a_malformed_digest_400(client: Client) -> None:
    body = json.dumps(await client.image("one")).encode()
    for missing in (digest_of(b"x"), digest_of(b"x", "sha512"), "missing", ".INVALID_MANIFEST_NAME"):
        for method in ("GET", "HEAD", "DELETE"):
            assert (await client.ask(method, f"manifests/{missing}"))[0].status == 404
    for method in ("GET", "PUT", "DELETE"):
        response, said = await client.ask(method, "manifests/sha256:totallywrong", data=body)
        assert (response.status, code_of(said)) == (400, "DIGEST_INVALID")
    response, said = await client.ask("PUT", f"manifests/{digest_of(body, 'sha512')}", data=body + b"  ")
    assert (response.status, code_of(said)) == (400, "DIGEST_INVALID")


async def test_what_others_still_have_of_a_deleted_image_stays(client: Client) -> None:
    first = await client.put_manifest(await client.image("one"), "one")
    await client.put_manifest(await client.image("two"), "two")
    await client.delete("manifests/one")
    await client.delete(f"manifests/{first['digest']}")
    assert await client.tags() == ["two"]
    assert (await client.ask("DELETE", f"manifests/{first['digest']}"))[0].status == 404
