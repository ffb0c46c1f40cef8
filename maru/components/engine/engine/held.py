"""Content that others than images hold: the contract `ContentStore` over the content of images.

A holder's reference is a hard link beside the blob, so it is as durable as the blob, costs no bytes, and
says by the link count that the blob may not go. Source: contracts/content_store.py; link(2).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path

from maru.components.engine.engine.content import READ_BYTES, Content, digest_of_blocking, disk_errors
from maru.core.errors import Invalid, NotFound
from maru.wire.oci.digest import CANONICAL, algorithm_of, digest_of

Collect = Callable[[], Awaitable[object]]


class HeldContent:
    """collect: deletes what nobody refers to."""

    def __init__(self, content: Content, collect: Collect) -> None:
        self._content = content
        self._collect = collect

    def size_bytes(self, digest: str) -> int | None:
        try:
            return self._content.blob(digest).stat().st_size
        except FileNotFoundError:
            return None

    async def read(self, digest: str, first: int = 0, count: int | None = None) -> AsyncIterator[bytes]:
        try:
            stream = self._content.blob(digest).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise NotFound(what=f"blob {digest}", why="it is not here", fix="") from error
        with stream:
            stream.seek(first)
            left = count
            while left is None or left > 0:
                wanted = READ_BYTES if left is None else min(READ_BYTES, left)
                chunk = await asyncio.to_thread(stream.read, wanted)
                if not chunk:
                    return
                if left is not None:
                    left -= len(chunk)
                yield chunk

    def begin(self) -> Upload:
        return Upload(self._content)

    async def put(self, holder: str, content: bytes, algorithm: str = CANONICAL) -> str:
        digest = digest_of(content, algorithm)
        with self._content.pinned() as pin, disk_errors("content store"):
            pin(digest)
            await asyncio.to_thread(self._content.put_blocking, content, algorithm)
            await asyncio.to_thread(self._content.hold_blocking, holder, digest)
        return digest

    async def held(self, holder: str) -> Collection[str]:
        return await asyncio.to_thread(self._content.held_blocking, holder)

    async def release(self, holder: str, digests: Collection[str]) -> None:
        with disk_errors("content store"):
            await asyncio.to_thread(self._content.release_blocking, holder, digests)
        await self._collect()


class Upload:
    """Content being written into a file of its own, hashed as it comes by the algorithm that nearly all use."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._path: Path = content.partial()
        self._hash = hashlib.new(CANONICAL)
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    async def write(self, chunk: bytes) -> None:
        with disk_errors("content store"):
            await asyncio.to_thread(self._write_blocking, chunk)

    async def keep(self, holder: str, digest: str) -> None:
        with self._content.pinned() as pin, disk_errors("content store"):
            pin(digest)
            await asyncio.to_thread(self._keep_blocking, holder, digest)

    async def discard(self) -> None:
        await asyncio.to_thread(self._path.unlink, missing_ok=True)

    def _write_blocking(self, chunk: bytes) -> None:
        # A write that fails half way leaves bytes behind the good ones: cut them off.
        with self._path.open("ab") as file:
            try:
                file.write(chunk)
                file.flush()
            except OSError:
                file.truncate(self._size_bytes)
                raise
        self._hash.update(chunk)
        self._size_bytes += len(chunk)

    def _keep_blocking(self, holder: str, digest: str) -> None:
        self._path.touch()
        algorithm = algorithm_of(digest)
        is_hashed = algorithm == CANONICAL
        found = f"{CANONICAL}:{self._hash.hexdigest()}" if is_hashed else digest_of_blocking(self._path, algorithm)
        if found != digest:
            raise Invalid(what=f"blob {digest}", why=f"its content has digest {found}", fix="")
        self._content.adopt_blocking(self._path, digest)
        self._content.hold_blocking(holder, digest)
