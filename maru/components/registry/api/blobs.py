"""Blobs: whole or in part, and their deletion. A repository has only those that were pushed or mounted there.

Source: OCI distribution specification 1.1, "Pulling blobs", "Deleting Blobs"; RFC 9110 section 14.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.registry.api.edge import Place, Route, digest_of
from maru.components.registry.controllers.shelf import Shelf, rows
from maru.components.registry.errors import refusal
from maru.components.registry.model.ranges import blob_range
from maru.core.front.message import Answer, Request


class BlobApi:
    """Blobs of every repository."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def routes(self) -> Sequence[Route]:
        """The operations on blobs."""
        return (
            Route("GET", "/v2/{name}/blobs/{item}", self.get),
            Route("HEAD", "/v2/{name}/blobs/{item}", self.get),
            Route("DELETE", "/v2/{name}/blobs/{item}", self.delete),
        )

    async def get(self, request: Request, place: Place) -> Answer:
        """GET and HEAD, with one range."""
        digest = digest_of(place.item)
        has_blob = await rows(self._shelf.catalog.has_blob_blocking, place.repository, digest)
        size_bytes = self._shelf.content.size_bytes(digest) if has_blob else None
        if size_bytes is None:
            raise _unknown(digest)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size_bytes),
            "Docker-Content-Digest": digest,
            "Accept-Ranges": "bytes",
            "ETag": f'"{digest}"',
            "Cache-Control": "max-age=31536000",
        }
        if request.method == "HEAD":
            return Answer(200, b"", headers)
        try:
            part = blob_range(request.headers.get("Range", ""), size_bytes)
        except ValueError as error:
            more = {"Content-Range": f"bytes */{size_bytes}"}
            raise refusal("SIZE_INVALID", str(error), status=416, headers=more) from error
        if part is None:
            return Answer(200, self._shelf.content.read(digest), headers)
        first, count = part
        headers["Content-Length"] = str(count)
        headers["Content-Range"] = f"bytes {first}-{first + count - 1}/{size_bytes}"
        return Answer(206, self._shelf.content.read(digest, first, count), headers)

    async def delete(self, _: Request, place: Place) -> Answer:
        """From this repository; others keep it."""
        digest = digest_of(place.item)
        if not await self._shelf.drop_blob(place.repository, digest):
            raise _unknown(digest)
        return Answer(202, b"", {"Docker-Content-Digest": digest})


def _unknown(digest: str) -> Exception:
    return refusal("BLOB_UNKNOWN", "blob unknown to registry", {"digest": digest})
