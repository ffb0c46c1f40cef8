"""A push: what a registry lacks of an image, then its manifest, so that a name never leads to a gap.

The image goes as it is stored, so its digest there is the one here. A blob that another repository of
that registry has is mounted; an upload that breaks off goes on where the registry says it stands.
Source: OCI distribution specification 1.1, "Push".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from maru.components.engine.engine.content import READ_BYTES, Content
from maru.components.engine.engine.index import Stored
from maru.components.engine.engine.registry import Repository
from maru.contracts.image_store import Progress, RegistryAuth
from maru.core.clock import Clock
from maru.core.errors import Broken, NotFound, Unavailable
from maru.wire.oci.manifest import Descriptor, Manifest, parse_manifest
from maru.wire.oci.reference import Reference

RETRY_BASE_S = 0.2
RETRY_MAX_S = 5.0
BROKEN = (aiohttp.ClientError, TimeoutError, ConnectionError)
Report = Callable[[Progress], None]
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What to push, as whom. homes: paths of repositories of the same registry, by a blob they have."""

    reference: Reference
    auth: RegistryAuth
    image: Stored
    homes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Layer:
    """A blob and what it is called in reports; "" is not reported."""

    descriptor: Descriptor
    short: str


class Sender:
    """Sends to one repository. attempts_max: tries without a byte of progress."""

    def __init__(self, content: Content, repository: Repository, clock: Clock, attempts_max: int) -> None:
        self._content = content
        self._repository = repository
        self._clock = clock
        self._attempts_max = attempts_max

    async def send(self, delivery: Delivery, at_once: int, report: Report) -> str:
        """Blobs, then the manifest; its digest. Raises Denied, NotFound, Invalid, Unavailable, aiohttp's errors."""
        image, reference = delivery.image, delivery.reference
        body = await asyncio.to_thread(self._content.blob(image.manifest).read_bytes)
        manifest = parse_manifest(body)
        if not isinstance(manifest, Manifest):
            raise Broken(what=f"image {reference}", why="its manifest is an index", fix="remove it and pull it again")
        pairs = zip(manifest.layers, image.layers, strict=True)
        layers = {layer.digest: _Layer(layer, diff_id[7:19]) for layer, diff_id in pairs}
        for layer in layers.values():
            report(Progress(status="Preparing", layer=layer.short))
        slots = asyncio.Semaphore(at_once)
        async with asyncio.TaskGroup() as group:
            for layer in (*layers.values(), _Layer(manifest.config, "")):
                home = delivery.homes.get(layer.descriptor.digest, "")
                group.create_task(self._blob(layer, home, slots, report))
        url = self._repository.address(f"manifests/{reference.tag}")
        async with self._repository.ask("PUT", url, {"Content-Type": manifest.media_type}, (201, 202), lambda: body):
            status = f"{reference.tag}: digest: {image.manifest} size: {len(body)}"
            report(Progress(status=status, total_bytes=len(body), digest=image.manifest))
        return image.manifest

    async def _blob(self, layer: _Layer, home: str, slots: asyncio.Semaphore, report: Report) -> None:
        def told(status: str, done_bytes: int = 0) -> None:
            if layer.short:
                report(Progress(status, layer.short, done_bytes, layer.descriptor.size if done_bytes else 0))

        async with slots:
            if await self._has(layer.descriptor.digest):
                told("Layer already exists")
                return
            location = await self._begin(layer.descriptor.digest, home)
            if not location:
                told(f"Mounted from {home}")
                return
            await self._with_retries(layer.descriptor, location, lambda done_bytes: told("Pushing", done_bytes))
            told("Pushed")

    async def _has(self, digest: str) -> bool:
        url = self._repository.address(f"blobs/{digest}")
        async with self._repository.ask("HEAD", url, {}, (200, 404)) as response:
            return response.status == 200

    async def _begin(self, digest: str, home: str) -> str:
        """Where to send to; "" when the blob was mounted."""
        query = f"?mount={digest}&from={home}" if home else ""
        url = self._repository.address("blobs/uploads/") + query
        async with self._repository.ask("POST", url, {"Content-Length": "0"}, (201, 202)) as response:
            return "" if response.status == 201 else self._location(response)

    async def _with_retries(self, blob: Descriptor, location: str, told: Callable[[int], None]) -> None:
        attempts, here, is_sure = 0, 0, True
        while True:
            try:
                if not is_sure:
                    before = here
                    location, here = await self._where(blob.digest, location)
                    is_sure = True
                    attempts = 0 if here > before else attempts
                location = await self._patch(blob, location, here, told)
                break
            except (*BROKEN, Unavailable) as error:
                is_sure = False
                attempts += 1
                if attempts >= self._attempts_max:
                    why = f"the upload broke off {attempts} times: {error or type(error).__name__}"
                    raise Unavailable(what=f"blob {blob.digest}", why=why, fix="try again") from error
                await self._clock.sleep(min(RETRY_MAX_S, RETRY_BASE_S * 2**attempts))
        url = f"{location}{'&' if '?' in location else '?'}digest={blob.digest}"
        async with self._repository.ask("PUT", url, {"Content-Length": "0"}, (201, 204)):
            return

    async def _patch(self, blob: Descriptor, location: str, here: int, told: Callable[[int], None]) -> str:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size - here)}
        if here:
            headers["Content-Range"] = f"{here}-{blob.size - 1}"
        body = lambda: self._pieces(blob.digest, here, told)  # noqa: E731 - made anew when credentials are asked for
        async with self._repository.ask("PATCH", location, headers, (202, 204), body) as response:
            return self._location(response)

    async def _where(self, digest: str, location: str) -> tuple[str, int]:
        """Where an upload goes on: its place, and how much of it has come. A lost one begins anew."""
        try:
            async with self._repository.ask("GET", location, {}, (204, 202, 200)) as response:
                found = _RANGE.fullmatch(response.headers.get("Range", ""))
                here = int(found[1]) + 1 if found else 0
                if here > 1:
                    return self._location(response), here
        except NotFound:
            pass
        # Registries say 0-0 of no byte as of one.
        return await self._begin(digest, ""), 0

    async def _pieces(self, digest: str, first: int, told: Callable[[int], None]) -> AsyncIterator[bytes]:
        sent = first
        with self._content.blob(digest).open("rb", buffering=0) as stream:
            stream.seek(first)
            while chunk := await asyncio.to_thread(stream.read, READ_BYTES):
                yield chunk
                sent += len(chunk)
                told(sent)

    def _location(self, response: aiohttp.ClientResponse) -> str:
        place = response.headers.get("Location", "")
        if not place:
            why = "the registry names no place to upload to"
            raise Unavailable(what=f"the upload to {response.url.host}", why=why, fix="see that it is a registry")
        return self._repository.address(place)
