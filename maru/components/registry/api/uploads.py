"""Uploads of blobs: in one request, in a stream, in chunks, or not at all because another repository has it.

Source: OCI distribution specification 1.1, "Pushing blobs", "Mounting a blob from another repository".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from maru.components.registry.api.edge import Place, Route, digest_of
from maru.components.registry.controllers.shelf import Shelf
from maru.components.registry.controllers.uploads import Session, Uploads
from maru.components.registry.errors import refusal
from maru.components.registry.model.ranges import chunk_range
from maru.core.errors import Invalid, Unavailable
from maru.core.front.message import Answer, Request
from maru.wire.oci.reference import is_path

WRITE_BYTES = 1 << 20


class UploadApi:
    """Uploads to every repository."""

    def __init__(self, shelf: Shelf, uploads: Uploads) -> None:
        self._shelf = shelf
        self._uploads = uploads

    def routes(self) -> Sequence[Route]:
        """The operations on uploads."""
        return (
            Route("POST", "/v2/{name}/blobs/uploads", self.begin),
            Route("GET", "/v2/{name}/blobs/uploads/{item}", self.status),
            Route("PATCH", "/v2/{name}/blobs/uploads/{item}", self.patch),
            Route("PUT", "/v2/{name}/blobs/uploads/{item}", self.finish),
            Route("DELETE", "/v2/{name}/blobs/uploads/{item}", self.cancel),
        )

    async def begin(self, request: Request, place: Place) -> Answer:
        """202 with a place to send to; 201 when a mount or the body already made the blob."""
        mounted, source = request.query_get("mount"), request.query_get("from")
        if mounted and (not source or is_path(source)):
            digest = digest_of(mounted)
            if await self._shelf.mount(place.repository, digest, source):
                return _created(place.repository, digest)
        whole = request.query_get("digest")
        wanted = digest_of(whole) if whole else ""
        session = self._uploads.begin(place.repository)
        if not wanted:
            return _accepted(session)
        try:
            await self._take(request, session)
            await self._keep(session, wanted)
        finally:
            await self._uploads.end(session)
        return _created(place.repository, wanted)

    async def status(self, _: Request, place: Place) -> Answer:
        """What has come so far, once what is under way has ended."""
        async with self._turn(place) as session:
            return _accepted(session, 204)

    async def patch(self, request: Request, place: Place) -> Answer:
        """One more chunk, or all of it as a stream."""
        async with self._turn(place) as session:
            await self._append(request, session)
            return _accepted(session)

    async def finish(self, request: Request, place: Place) -> Answer:
        """The last chunk, if there is one, and the digest of them all."""
        async with self._turn(place) as session:
            wanted = digest_of(request.query_get("digest"))
            await self._append(request, session)
            await self._keep(session, wanted)
            await self._uploads.end(session)
            return _created(place.repository, wanted)

    async def cancel(self, _: Request, place: Place) -> Answer:
        """What has come is forgotten."""
        async with self._turn(place) as session:
            await self._uploads.end(session)
        return Answer(204)

    @asynccontextmanager
    async def _turn(self, place: Place) -> AsyncIterator[Session]:
        session = self._uploads.want(place.repository, place.item)
        async with session.turn:
            yield self._uploads.want(place.repository, place.item)

    async def _append(self, request: Request, session: Session) -> None:
        header = request.headers.get("Content-Range", "")
        if not header:
            await self._take(request, session)
            return
        try:
            first, last = chunk_range(header)
        except ValueError as error:
            raise refusal("BLOB_UPLOAD_INVALID", str(error), status=416, headers=_headers(session)) from error
        here = session.content.size_bytes
        if first != here:
            message = f"the chunk begins at {first}, {here} bytes are here"
            raise refusal("BLOB_UPLOAD_INVALID", message, status=416, headers=_headers(session))
        declared = request.headers.get("Content-Length")
        if declared is not None and int(declared) != last - first + 1:
            raise refusal("SIZE_INVALID", f"range {header} and length {declared} differ")
        await self._take(request, session)
        if session.content.size_bytes != last + 1:
            await self._uploads.end(session)
            raise refusal("SIZE_INVALID", f"the chunk is not that of range {header}; begin the upload anew")

    async def _take(self, request: Request, session: Session) -> None:
        """Write the body; what came before it broke off stays, so that a client can go on behind it."""
        buffer = bytearray()
        try:
            async for chunk in request.chunks():
                buffer += chunk
                if len(buffer) >= WRITE_BYTES:
                    ready, buffer = bytes(buffer), bytearray()
                    await self._write(session, ready)
        finally:
            if buffer:
                await self._write(session, bytes(buffer))

    async def _write(self, session: Session, chunk: bytes) -> None:
        try:
            await session.content.write(chunk)
        except Unavailable:  # a full disk: what has come so far only takes room
            await self._uploads.end(session)
            raise

    async def _keep(self, session: Session, digest: str) -> None:
        try:
            await self._shelf.keep_blob(session.repository, digest, session.content)
        except Invalid as error:  # the upload stays: it can be finished with its own digest, or cancelled
            raise refusal("DIGEST_INVALID", "provided digest did not match uploaded content", str(error)) from error


def _headers(session: Session) -> dict[str, str]:
    return {
        "Location": f"/v2/{session.repository}/blobs/uploads/{session.id}",
        "Range": f"0-{max(0, session.content.size_bytes - 1)}",
        "Docker-Upload-UUID": session.id,
    }


def _accepted(session: Session, status: int = 202) -> Answer:
    return Answer(status, b"", _headers(session))


def _created(repository: str, digest: str) -> Answer:
    headers = {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Answer(201, b"", headers)
