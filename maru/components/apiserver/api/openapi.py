"""OpenAPI v3 and v2 documents, made on a thread when first asked for and kept until the catalog changes.

A v3 document's path carries the hash of its content, so that clients keep it for ever.
Source: Kubernetes docs, "The Kubernetes API", OpenAPI V3; k8s.io/kube-openapi/pkg/handler3.
"""

from __future__ import annotations

import asyncio
import hashlib

import msgspec

from maru.components.apiserver.api import answers
from maru.components.apiserver.model.catalog import Catalog
from maru.core.document import Value
from maru.core.front.message import Answer, Request
from maru.wire.k8s import openapi
from maru.wire.k8s.schema import Schema

_FOR_EVER = "public, immutable"


_FORM = 2  # counts changes of how documents are made: clients keep them by their hash


class OpenApi:
    """The documents of the catalog as it is now."""

    def __init__(self, schema: Schema, catalog: Catalog) -> None:
        self._schema = schema
        self._catalog = catalog
        self._generation = -1
        self._documents: dict[str, tuple[bytes, str]] = {}  # path: (body, hash)
        self._v2: tuple[bytes, str] | None = None
        self._making = asyncio.Lock()

    async def answer(self, request: Request, path: str) -> Answer:
        """For paths under /openapi/."""
        async with self._making:
            if self._generation != self._catalog.generation:
                self._generation = self._catalog.generation
                self._documents.clear()
                self._v2 = None
            if path == "/openapi/v2":
                return await self._answer_v2(request)
            if path == "/openapi/v3":
                return await self._answer_index()
            if path.startswith("/openapi/v3/"):
                return await self._answer_document(request, path.removeprefix("/openapi/v3/"))
        return answers.of_text("404 page not found\n", 404)

    async def _answer_index(self) -> Answer:
        hashes: dict[str, str] = {}
        for path in openapi.v3_paths(self._catalog.entries):
            hashes[path] = self._hash_of(path)
        return answers.of_value(openapi.v3_index(self._catalog.entries, hashes))

    async def _answer_document(self, request: Request, path: str) -> Answer:
        kept = await self._document(path)
        if kept is None:
            return answers.of_text("404 page not found\n", 404)
        body, digest = kept
        headers = {"Content-Type": "application/json", "ETag": f'"{digest}"', "Vary": "Accept"}
        wanted = request.query_get("hash")
        if wanted and wanted != digest:
            location = f"/openapi/v3/{path}?hash={digest}"
            return Answer(301, b"", {"Location": location})
        if wanted:
            headers |= {"Cache-Control": _FOR_EVER, "Expires": "Fri, 31 Dec 2099 00:00:00 GMT"}
        if request.headers.get("If-None-Match", "").strip('"') == digest:
            return Answer(304, b"", headers)
        return Answer(200, body, headers)

    async def _answer_v2(self, request: Request) -> Answer:
        if self._v2 is None:
            entries, customs = self._catalog.entries, self._catalog.customs
            value: Value = await asyncio.to_thread(openapi.v2_document, self._schema, entries, customs)
            body = msgspec.json.encode(value)
            self._v2 = (body, hashlib.sha512(body).hexdigest().upper())
        body, digest = self._v2
        headers = {"Content-Type": "application/json", "ETag": f'"{digest}"', "Vary": "Accept"}
        if request.headers.get("If-None-Match", "").strip('"') == digest:
            return Answer(304, b"", headers)
        return Answer(200, body, headers)

    async def _document(self, path: str) -> tuple[bytes, str] | None:
        kept = self._documents.get(path)
        if kept is None:
            entries, customs = self._catalog.entries, self._catalog.customs
            value = await asyncio.to_thread(openapi.v3_document, self._schema, entries, path, customs)
            if value is None:
                return None
            kept = (msgspec.json.encode(value), self._hash_of(path))
            self._documents[path] = kept
        return kept

    def _hash_of(self, path: str) -> str:
        """Of what the document is made from, which is cheaper than the document."""
        entries = [entry for entry in self._catalog.entries if _path_of(entry.group, entry.version) == path]
        customs = [
            (custom.resource, custom.schema)
            for custom in self._catalog.customs
            if _path_of(custom.resource.group, custom.resource.version) == path
        ]
        made_from = msgspec.json.encode([_FORM, self._schema.source, entries, customs], order="deterministic")
        return hashlib.sha512(made_from).hexdigest().upper()


def _path_of(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"
