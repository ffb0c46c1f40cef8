"""A pull: from a reference to verified blobs and unpacked layers.

Layers come side by side, each blob is hashed as it comes and goes on where it broke off. Nothing is
believed: every digest is computed here. Source: OCI distribution specification 1.1, "Pull".
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import aiohttp

from maru.components.engine.engine.content import READ_BYTES, Content, Pin
from maru.components.engine.engine.pushing import BROKEN, RETRY_BASE_S, RETRY_MAX_S, Delivery, Report, Sender
from maru.components.engine.engine.registry import HUB, Registries, Repository, is_loopback
from maru.contracts.image_store import Progress, RegistryAuth, RegistryUnreachable
from maru.core.clock import Clock
from maru.core.errors import Invalid, MaruError, NotFound, Unavailable
from maru.core.log import Log
from maru.wire.oci.digest import algorithm_of, digest_of
from maru.wire.oci.image import parse_image
from maru.wire.oci.manifest import (
    MANIFEST_BYTES_MAX,
    Descriptor,
    Index,
    Manifest,
    Platform,
    choose,
    parse_manifest,
    platforms,
)
from maru.wire.oci.reference import DEFAULT_DOMAIN, Reference

UNREACHABLE = (aiohttp.ClientConnectionError, aiohttp.ClientHttpProxyError, TimeoutError, ConnectionError)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull or an import brought. blobs: config and layers as stored; layers: diff ids, lowest first.

    top_digest: what the name itself stood for (an index, or the manifest), "" if no registry said so.
    """

    image_id: str
    manifest_digest: str
    top_digest: str
    blobs: tuple[str, ...]
    layers: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Order:
    """What to pull, as whom, for which machines.

    is_here: an older one is present, so nobody has to wait long for the registry.
    """

    reference: Reference
    auth: RegistryAuth
    platform: Platform
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """layers_at_once: downloads side by side; attempts_max: tries without a byte of progress."""

    layers_at_once: int = 3
    attempts_max: int = 5


class Transfer:
    """Pulls images into a content store."""

    def __init__(self, content: Content, registries: Registries, clock: Clock, limits: Limits) -> None:
        self._content = content
        self._registries = registries
        self._clock = clock
        self._limits = limits
        self._log = Log("engine")
        self._fetching: dict[str, asyncio.Lock] = {}

    @property
    def clock(self) -> Clock:
        """The one it waits by."""
        return self._clock

    async def pull(self, order: Order, report: Report, pin: Pin) -> Pulled:
        """Raises NotFound, Denied, RegistryUnreachable, Unavailable, Invalid (a digest or a document is wrong)."""
        reference = order.reference
        report(Progress(status=f"Pulling from {reference.path}"))
        *mirrors, own = self._registries.sources(reference)
        for mirror in mirrors:
            try:
                return await self._pull_from(mirror, order, report, pin)
            except MaruError as error:
                self._log.warning("a mirror gave no image", mirror=mirror, image=str(reference), why=str(error))
        return await self._pull_from(own, order, report, pin)

    async def _pull_from(self, mirror: str, order: Order, report: Report, pin: Pin) -> Pulled:
        reference = order.reference
        with understood(reference):
            async with self._registries.repository(
                reference, order.auth, hasty=order.is_here, mirror=mirror
            ) as repository:
                return await self._pull(repository, order, report, pin)

    async def push(self, delivery: Delivery, report: Report) -> str:
        """Send an image; the digest of its manifest. Raises Denied, RegistryUnreachable, Unavailable, Invalid."""
        reference = delivery.reference
        with understood(reference):
            async with self._registries.repository(reference, delivery.auth, actions="pull,push") as repository:
                sender = Sender(self._content, repository, self._clock, self._limits.attempts_max)
                return await sender.send(delivery, self._limits.layers_at_once, report)

    async def _pull(self, repository: Repository, order: Order, report: Report, pin: Pin) -> Pulled:
        reference = order.reference
        what = f"image {reference}"
        body, top_digest = await repository.fetch_manifest(reference.version)
        found = _parsed(body, what)
        digest = top_digest
        if isinstance(found, Index):
            chosen = choose(found, order.platform)
            if chosen is None:
                there = ", ".join(platforms(found))
                why = f"no matching manifest for {order.platform} in the manifest list entries (there are: {there})"
                raise NotFound(what=what, why=why, fix="choose one of these platforms")
            body, digest = await repository.fetch_manifest(chosen.digest)
            found = _parsed(body, what)
        if isinstance(found, Index):
            raise Invalid(what=what, why="an index within an index", fix="")
        pin(digest, found.config.digest, *(layer.digest for layer in found.layers))
        await asyncio.to_thread(self._content.put_blocking, body, algorithm_of(digest))
        image_id, diff_ids = await self._config(repository, found, what, pin)
        slots = asyncio.Semaphore(self._limits.layers_at_once)
        async with asyncio.TaskGroup() as group:
            pairs = zip(found.layers, diff_ids, strict=True)
            for layer, diff_id in {layer.digest: (layer, diff_id) for layer, diff_id in pairs}.values():
                group.create_task(self._layer(repository, layer, diff_id, slots, report))
        report(Progress(status=f"Digest: {top_digest}"))
        blobs = (found.config.digest, *(layer.digest for layer in found.layers))
        size = found.config.size + sum(layer.size for layer in found.layers)
        return Pulled(image_id, digest, top_digest, blobs, tuple(diff_ids), size)

    async def _config(self, repository: Repository, manifest: Manifest, what: str, pin: Pin) -> tuple[str, list[str]]:
        """The image's id, under which its configuration is kept whatever it is called elsewhere, and its diff ids."""
        descriptor = manifest.config
        if descriptor.size > MANIFEST_BYTES_MAX:
            raise Invalid(what=what, why=f"its configuration is over {MANIFEST_BYTES_MAX} bytes", fix="")
        await self._blob(repository, descriptor, lambda _: None)
        document = await asyncio.to_thread(self._content.blob(descriptor.digest).read_bytes)
        try:
            diff_ids = parse_image(document).rootfs.diff_ids
        except ValueError as error:
            raise Invalid(what=what, why=str(error), fix="only images can be run, not other artifacts") from error
        if len(diff_ids) != len(manifest.layers):
            raise Invalid(what=what, why="manifest and configuration differ in their layers", fix="")
        pin(digest_of(document), *diff_ids)
        return await asyncio.to_thread(self._content.put_blocking, document), diff_ids

    async def _layer(
        self, repository: Repository, layer: Descriptor, diff_id: str, slots: asyncio.Semaphore, report: Report
    ) -> None:
        short = layer.digest.partition(":")[2][:12]
        report(Progress(status="Pulling fs layer", layer=short))
        async with slots:
            if self._content.blob(layer.digest).exists() and self._content.layer(diff_id).exists():
                report(Progress(status="Already exists", layer=short))
                return

            def told(done_bytes: int) -> None:
                report(Progress("Downloading", short, done_bytes, layer.size))

            await self._blob(repository, layer, told)
            report(Progress(status="Extracting", layer=short))
            await self._content.unpack(layer.digest, diff_id)
            report(Progress(status="Pull complete", layer=short))

    async def _blob(self, repository: Repository, descriptor: Descriptor, told: Callable[[int], None]) -> None:
        digest = descriptor.digest
        lock = self._fetching.setdefault(digest, asyncio.Lock())
        async with lock:
            if not self._content.blob(digest).exists():
                download = _Download(repository, descriptor, self._content.partial(), told)
                try:
                    await self._with_retries(download)
                    await asyncio.to_thread(self._content.adopt_blocking, download.path, digest)
                finally:
                    await asyncio.to_thread(download.path.unlink, missing_ok=True)
        if not lock.locked():
            self._fetching.pop(digest, None)

    async def _with_retries(self, download: _Download) -> None:
        attempts = 0
        while True:
            before = download.done_bytes
            try:
                await download.go_on()
            except (*BROKEN, Unavailable) as error:
                attempts = attempts + 1 if download.done_bytes == before else 1
                if attempts >= self._limits.attempts_max:
                    why = f"the download broke off {attempts} times: {error or type(error).__name__}"
                    raise Unavailable(what=f"blob {download.digest}", why=why, fix="try again") from error
                await self._clock.sleep(min(RETRY_MAX_S, RETRY_BASE_S * 2**attempts))
            else:
                return


class _Download:
    """One blob on its way into a file; `go_on` continues where the last try ended."""

    def __init__(self, repository: Repository, descriptor: Descriptor, path: Path, told: Callable[[int], None]) -> None:
        self._repository = repository
        self._size = descriptor.size
        self._told = told
        self._hash = hashlib.new(algorithm_of(descriptor.digest))
        self.digest = descriptor.digest
        self.path = path
        self.done_bytes = 0

    async def go_on(self) -> None:
        """Fetch the rest. Raises Invalid for other content than the digest names."""
        with self.path.open("ab") as file:
            async with self._repository.blob(self.digest, self.done_bytes) as (stream, is_rest):
                if not is_rest:
                    self._begin_again(file)
                buffer = b""
                while chunk := await stream.readany():
                    buffer += chunk
                    if self.done_bytes + len(buffer) > self._size:
                        raise Invalid(what=f"blob {self.digest}", why=f"it is over {self._size} bytes", fix="")
                    if len(buffer) >= READ_BYTES:
                        await asyncio.to_thread(self._take_blocking, file, buffer)
                        buffer = b""
                await asyncio.to_thread(self._take_blocking, file, buffer)
        if self.done_bytes < self._size:
            raise ConnectionError(f"the body ended after {self.done_bytes} of {self._size} bytes")
        found = f"{self._hash.name}:{self._hash.hexdigest()}"
        if found != self.digest:
            raise Invalid(what=f"blob {self.digest}", why=f"its content has digest {found}", fix="")

    def _begin_again(self, file: IO[bytes]) -> None:
        file.truncate(0)
        self._hash = hashlib.new(algorithm_of(self.digest))
        self.done_bytes = 0

    def _take_blocking(self, file: IO[bytes], chunk: bytes) -> None:
        file.write(chunk)
        file.flush()
        self._hash.update(chunk)
        self.done_bytes += len(chunk)
        self._told(self.done_bytes)


@contextmanager
def _ungrouped() -> Iterator[None]:
    """Of what went wrong side by side, the first."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group


@contextmanager
def understood(reference: Reference) -> Iterator[None]:
    """What a registry does wrong becomes an error that says so."""
    try:
        with _ungrouped():
            yield
    except aiohttp.ClientSSLError as error:
        why = f"tls: failed to verify certificate: {error}"
        raise Unavailable(what=_asked(reference), why=why, fix="set engine.registry_ca_file", status=500) from error
    except UNREACHABLE as error:
        raise RegistryUnreachable(what=_asked(reference), why=_unreachable(error), fix="", status=500) from error
    except BROKEN as error:
        why = f"the registry cannot be understood: {error or type(error).__name__}"
        raise Unavailable(what=f"image {reference}", why=why, fix="check network and name") from error


def _asked(reference: Reference) -> str:
    scheme = "http" if is_loopback(reference.domain) else "https"
    return f'Get "{scheme}://{HUB if reference.domain == DEFAULT_DOMAIN else reference.domain}/v2/"'


def _unreachable(error: BaseException) -> str:
    """In the words that people know from docker and search for."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, TimeoutError):
        return "net/http: request canceled while waiting for connection (Client.Timeout exceeded)"
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = (error.os_error.strerror or str(error.os_error)).partition(" (")[0]
        names = {errno.ECONNREFUSED: "connection refused", errno.ENETUNREACH: "network is unreachable"}
        reason = names.get(error.os_error.errno or 0, reason.lower())
        return f"dial tcp {error.host}:{error.port}: connect: {reason}"
    return f"EOF ({error or type(error).__name__})"


def _parsed(body: bytes, what: str) -> Manifest | Index:
    try:
        return parse_manifest(body)
    except ValueError as error:
        raise Invalid(what=what, why=str(error), fix="") from error
