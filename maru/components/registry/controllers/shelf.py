"""Rows and content together: nothing is answered as stored before both are on disk.

Content is held before the row that names it is written, and let go only after the last row is gone, so
a crash leaves at most content without a row, which the next start lets go.
Source: OCI distribution specification 1.1, "Content Management".
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import ParamSpec, TypeVar

from maru.components.registry.engine.catalog import Catalog, ManifestRow
from maru.components.registry.errors import refusal
from maru.components.registry.model.manifest import Described
from maru.contracts.content_store import ContentStore, ContentUpload
from maru.core.clock import Clock
from maru.core.errors import Unavailable
from maru.core.log import Log
from maru.wire.oci.digest import algorithm_of

HOLDER = "registry"
P = ParamSpec("P")
R = TypeVar("R")


class Shelf:
    """The repositories of this registry."""

    def __init__(self, catalog: Catalog, content: ContentStore, clock: Clock) -> None:
        self.catalog = catalog
        self.content = content
        self._clock = clock
        # Between content that gets a row and the same content being let go for want of one.
        self._changing = asyncio.Lock()
        self._log = Log("registry")

    async def open(self) -> None:
        """Bring rows and content in line after a crash or a loss."""
        held = set(await self.content.held(HOLDER))
        known = set(await rows(self.catalog.digests_blocking))
        lost = known - held
        if lost:
            self._log.error("the registry lost content and forgets it", count=len(lost), digest=min(lost))
            await rows(self.catalog.forget_blocking, lost)
        if held - known:
            await self.content.release(HOLDER, held - known)

    async def keep_blob(self, repository: str, digest: str, upload: ContentUpload) -> None:
        """The upload is a blob of `repository`. Raises Invalid (another digest), Unavailable."""
        async with self._changing:
            await upload.keep(HOLDER, digest)
            await rows(self.catalog.add_blob_blocking, repository, digest, self._now_s())

    async def mount(self, repository: str, digest: str, source: str) -> bool:
        """Make a blob of `source` ("" for whichever has it) one of `repository` as well; False when it has it not."""
        async with self._changing:
            if not await rows(self.catalog.has_blob_blocking, source, digest):
                return False
            await rows(self.catalog.add_blob_blocking, repository, digest, self._now_s())
        return True

    async def drop_blob(self, repository: str, digest: str) -> bool:
        """False when it was not there."""
        if not await rows(self.catalog.drop_blob_blocking, repository, digest):
            return False
        await self._let_go([digest])
        return True

    async def keep_manifest(
        self, repository: str, digest: str, body: bytes, described: Described, tags: Sequence[str]
    ) -> None:
        """Keep a manifest, under `tags`. Raises NotFound (MANIFEST_BLOB_UNKNOWN)."""
        async with self._changing:
            await self.content.put(HOLDER, body, algorithm_of(digest))
            row = ManifestRow(
                digest, described.media_type, len(body), described.artifact_type, dict(described.annotations)
            )
            missing = await rows(self.catalog.add_manifest_blocking, repository, row, described, tags)
        if missing:
            await self._let_go([digest])
            detail = [{"digest": each} for each in missing]
            raise refusal("MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {missing[0]}", detail)

    async def drop_manifest(self, repository: str, reference: str) -> bool:
        """By tag: the tag alone; by digest: the manifest with its tags. False when it was not there."""
        if ":" not in reference:
            return await rows(self.catalog.drop_tag_blocking, repository, reference)
        if not await rows(self.catalog.drop_manifest_blocking, repository, reference):
            return False
        await self._let_go([reference])
        return True

    async def collect(self, unreferenced_s: float) -> None:
        """Drop blobs that no manifest of their repository names and that are older than `unreferenced_s`."""
        gone = await rows(self.catalog.forget_unused_blocking, self._now_s() - unreferenced_s)
        await self._let_go(await self.content.held(HOLDER))
        if gone:
            self._log.info("unreferenced blobs removed", count=gone)

    async def _let_go(self, digests: Collection[str]) -> None:
        async with self._changing:
            unused = await rows(self.catalog.without_rows_blocking, digests)
            if unused:
                await self.content.release(HOLDER, unused)

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


async def rows(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Ask the catalog, off the loop's thread. Raises Unavailable when the disk is full or broken."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except sqlite3.OperationalError as error:
        is_full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        why = "no space left on device" if is_full else str(error)
        raise Unavailable(what="the registry's catalog", why=why, fix="", status=500) from error
