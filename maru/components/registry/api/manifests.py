"""Manifests: pull and push by tag and digest, deletion, and who refers to one.

Source: OCI distribution specification 1.1, "Pulling manifests", "Pushing Manifests", "Listing Referrers".
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from maru.components.registry.api.edge import Place, Route, digest_of
from maru.components.registry.controllers.shelf import Shelf, rows
from maru.components.registry.engine.catalog import ManifestRow
from maru.components.registry.errors import refusal
from maru.components.registry.model.manifest import describe
from maru.components.registry.model.ranges import fitting
from maru.core.document import Value
from maru.core.errors import TooLarge
from maru.core.front.answers import json_answer
from maru.core.front.message import Answer, Request
from maru.wire.oci.digest import algorithm_of
from maru.wire.oci.digest import digest_of as digest_of_body
from maru.wire.oci.manifest import MANIFEST_BYTES_MAX, OCI_INDEX
from maru.wire.oci.reference import is_tag

REFERRERS_PAGE_MAX = 1000
INDEX_BYTES_MAX = MANIFEST_BYTES_MAX - 4096  # what clients read of an index, less what is around its entries
TAGS_AT_ONCE_MAX = 100


class ManifestApi:
    """Manifests of every repository."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def routes(self) -> Sequence[Route]:
        """The operations on manifests."""
        return (
            Route("GET", "/v2/{name}/manifests/{item}", self.get),
            Route("HEAD", "/v2/{name}/manifests/{item}", self.get),
            Route("PUT", "/v2/{name}/manifests/{item}", self.put),
            Route("DELETE", "/v2/{name}/manifests/{item}", self.delete),
            Route("GET", "/v2/{name}/referrers/{item}", self.referrers),
        )

    async def get(self, request: Request, place: Place) -> Answer:
        """GET and HEAD."""
        row = await self._want(place)
        headers = {
            "Content-Type": row.media_type,
            "Content-Length": str(row.size_bytes),
            "Docker-Content-Digest": row.digest,
            "ETag": f'"{row.digest}"',
        }
        if request.method == "HEAD":
            return Answer(200, b"", headers)
        return Answer(200, self._shelf.content.read(row.digest), headers)

    async def put(self, request: Request, place: Place) -> Answer:
        """201 once it is on disk."""
        reference, tags = _targets(request, place.item)
        try:
            body = await request.body(MANIFEST_BYTES_MAX)
        except TooLarge as error:
            raise refusal("SIZE_INVALID", f"a manifest is over {MANIFEST_BYTES_MAX} bytes", status=413) from error
        digest = digest_of_body(body, algorithm_of(reference))
        if reference not in ("", digest):
            detail = {"given": reference, "computed": digest}
            raise refusal("DIGEST_INVALID", "provided digest did not match uploaded content", detail)
        try:
            described = describe(body, request.headers.get("Content-Type", ""))
        except ValueError as error:
            raise refusal("MANIFEST_INVALID", "manifest invalid", str(error)) from error
        await self._shelf.keep_manifest(place.repository, digest, body, described, tags)
        headers = {"Location": f"/v2/{place.repository}/manifests/{digest}", "Docker-Content-Digest": digest}
        if described.subject:
            headers["OCI-Subject"] = described.subject
        if reference and tags:
            headers["OCI-Tag"] = ", ".join(tags)
        return Answer(201, b"", headers)

    async def delete(self, _: Request, place: Place) -> Answer:
        """A tag alone, or a manifest with its tags."""
        reference = digest_of(place.item) if ":" in place.item else place.item
        if not await self._shelf.drop_manifest(place.repository, reference):
            raise await self._unknown(place)
        return Answer(202)

    async def referrers(self, request: Request, place: Place) -> Answer:
        """An index of the manifests whose subject it is; empty for a subject that nobody knows."""
        subject = digest_of(place.item)
        kind = request.query_get("artifactType")
        last = request.query_get("last")
        found = await rows(
            self._shelf.catalog.referrers_blocking, place.repository, subject, kind, last, REFERRERS_PAGE_MAX + 1
        )
        count = fitting([_size_bytes(row) for row in found[:REFERRERS_PAGE_MAX]], INDEX_BYTES_MAX)
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_entry(row) for row in found[:count]]}
        headers = {"Content-Type": OCI_INDEX}
        if kind:
            headers["OCI-Filters-Applied"] = "artifactType"
        if count < len(found):
            query = urlencode(({"artifactType": kind} if kind else {}) | {"last": found[count - 1].digest})
            headers["Link"] = f'</v2/{place.repository}/referrers/{subject}?{query}>; rel="next"'
        return json_answer(index, 200, headers)

    async def _want(self, place: Place) -> ManifestRow:
        reference = digest_of(place.item) if ":" in place.item else place.item
        row = await rows(self._shelf.catalog.manifest_blocking, place.repository, reference)
        if row is None:
            raise await self._unknown(place)
        return row

    async def _unknown(self, place: Place) -> Exception:
        if not await rows(self._shelf.catalog.has_repository_blocking, place.repository):
            return refusal("NAME_UNKNOWN", "repository name not known to registry", {"name": place.repository})
        return refusal("MANIFEST_UNKNOWN", f"manifest unknown: {place.item}", {"Tag": place.item})


def _targets(request: Request, item: str) -> tuple[str, Sequence[str]]:
    """What a push is to be called: a digest, "" where a tag is in its place, and the tags it gets.

    Source: OCI distribution specification 1.1, "Pushing Manifests"; of its successor, the parameter `tag`.
    """
    digest = digest_of(item) if ":" in item else ""
    tags = [value for name, value in request.query if name == "tag"] if digest else [item]
    if len(tags) > TAGS_AT_ONCE_MAX:
        raise refusal("TAG_INVALID", f"more than {TAGS_AT_ONCE_MAX} tags at once", status=414)
    for tag in tags:
        if not is_tag(tag):
            raise refusal("TAG_INVALID", "manifest tag did not match URI", {"tag": tag})
    return digest, tags


def _size_bytes(row: ManifestRow) -> int:
    return len(msgspec.json.encode(_entry(row))) + 1


def _entry(row: ManifestRow) -> Value:
    entry: Value = {"mediaType": row.media_type, "digest": row.digest, "size": row.size_bytes}
    if row.artifact_type:
        entry["artifactType"] = row.artifact_type
    if row.annotations:
        entry["annotations"] = dict(row.annotations)
    return entry
