"""A registry on loopback over real content in a folder of the test."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from maru.components.engine.engine.content import Content
from maru.components.engine.engine.held import HeldContent
from maru.components.registry.component import handler_of
from maru.components.registry.controllers.shelf import Shelf
from maru.components.registry.controllers.uploads import Uploads
from maru.components.registry.engine.catalog import Catalog
from maru.core.clock import SystemClock
from maru.core.front.listener import TcpListener
from maru.core.front.server import serve
from maru.core.ids import SystemIds
from maru.wire.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST

UPLOADS_MAX = 5


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


@dataclass
class Registry:
    """A running registry and its client. images: digests that images are said to stand on."""

    session: aiohttp.ClientSession
    shelf: Shelf
    uploads: Uploads
    content: Content
    images: set[str] = field(default_factory=set)

    async def ask(self, method: str, path: str, **more: Any) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self.session.request(method, path, **more) as response:
            return response, await response.read()

    async def push_blob(self, repository: str, content: bytes) -> str:
        digest = digest_of(content)
        response, _ = await self.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data=content)
        assert response.status == 201
        return digest

    async def push_image(self, repository: str, reference: str, text: str = "layer", **more: Any) -> str:
        """An image of one layer; its digest."""
        body = await self.image(repository, text, **more)
        headers = {"Content-Type": OCI_MANIFEST}
        response, said = await self.ask("PUT", f"/v2/{repository}/manifests/{reference}", data=body, headers=headers)
        assert response.status == 201, said
        return digest_of(body)

    async def image(self, repository: str, text: str, **more: Any) -> bytes:
        """A manifest whose blobs are pushed."""
        config, layer = b'{"of":"' + text.encode() + b'"}', text.encode()
        for blob in (config, layer):
            await self.push_blob(repository, blob)
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": OCI_LAYER, "digest": digest_of(layer), "size": len(layer)}],
        }
        return json.dumps(document | more).encode()

    def has(self, digest: str) -> bool:
        """Whether the bytes are on this machine."""
        return self.content.blob(digest).exists()


def index_of(*digests: str, **more: Any) -> bytes:
    entries = [{"mediaType": OCI_MANIFEST, "digest": digest, "size": 7} for digest in digests]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries} | more).encode()


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    content = Content(tmp_path / "images", SystemIds())
    content.open_blocking()
    catalog = Catalog(tmp_path / "catalog.db")
    images: set[str] = set()

    async def collect() -> None:
        await asyncio.to_thread(content.keep_only_blocking, images, ())

    shelf = Shelf(catalog, HeldContent(content, collect), SystemClock())
    await shelf.open()
    uploads = Uploads(shelf.content, SystemClock(), SystemIds(), UPLOADS_MAX)
    async with (
        serve([TcpListener("127.0.0.1", 0)], handler_of(shelf, uploads)) as front,
        aiohttp.ClientSession(f"http://127.0.0.1:{front.ports[0]}") as session,
    ):
        yield Registry(session, shelf, uploads, content, images)
    assert front.failures_total == 0
    catalog.close_blocking()
